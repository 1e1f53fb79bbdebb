#ifndef TRIMTAB_SERVER_ERROR_REASON_H_
#define TRIMTAB_SERVER_ERROR_REASON_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace trimtab {

// Why, for programs, where the code alone does not tell. The rim puts it into google.rpc.ErrorInfo.
inline constexpr char kParentMismatch[] = "PARENT_MISMATCH";        // The server serves another version.
inline constexpr char kSequenceTooLow[] = "SEQUENCE_TOO_LOW";       // It has had one at least as high.
inline constexpr char kIncomplete[] = "INCOMPLETE";                 // Commit came before all chunks.
inline constexpr char kNotBegun[] = "NOT_BEGUN";                    // A chunk or Commit of nothing that is staged.
inline constexpr char kUnsoundParameters[] = "UNSOUND_PARAMETERS";  // Intact, but not fit to be served.
inline constexpr char kDraining[] = "DRAINING";                     // It is stopping; others are not.

inline constexpr char kReasonPayload[] = "trimtab.v1/reason";

inline absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

// What those are told whom a server that is stopping leaves.
inline absl::Status DrainedError() {
  return WithReason(absl::UnavailableError("the server is stopping: send the request to another"), kDraining);
}

inline std::optional<std::string> ReasonOf(const absl::Status& status) {
  const auto reason = status.GetPayload(kReasonPayload);
  if (!reason.has_value()) return std::nullopt;
  return std::string(*reason);
}

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_ERROR_REASON_H_
