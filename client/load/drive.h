// Sends requests as a load asks for them, and notes when each was due, sent and answered. Knows no network.
#ifndef TRIMTAB_CLIENT_LOAD_DRIVE_H_
#define TRIMTAB_CLIENT_LOAD_DRIVE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

struct LoadPlan {
  // Open loop: so many requests a second, whatever becomes of them. 0: closed loop, each caller sends its next request
  // when it has the answer to its last.
  double rate = 0.0;
  int callers = 1;  // Calls at a time at most. In an open loop, requests that find all of them busy are sent late.
  absl::Duration warmup = absl::ZeroDuration();  // Sent before the measured time, and left out of it.
  absl::Duration duration = absl::Seconds(10);   // Measured.
  std::optional<uint64_t> requests;              // Ends the load early.
  uint64_t seed = 0;                             // Of arrivals.
};

// What one call says of its request.
struct CallOutcome {
  absl::Status status;
  absl::Time first_text = absl::InfiniteFuture();  // Infinite: no stream, or no text.
  int32_t output_tokens = 0;
  v1::CacheOutcome cache = v1::CACHE_OUTCOME_UNSPECIFIED;
};

struct LoadSample {
  absl::Duration due;   // From the start of the load. In a closed loop: when it was sent.
  absl::Duration sent;  // Not before due.
  absl::Duration done;
  CallOutcome outcome;
};

// Makes the call of request `index`, 0, 1, 2, ...; blocks. Called by many threads at once.
using MakeCall = std::function<CallOutcome(uint64_t index)>;

struct LoadRun {
  absl::Time started;
  std::vector<LoadSample> samples;  // In the order of requests, those of the warm-up included.
};

// Drives the load to its end and waits for the last answer.
LoadRun Drive(const LoadPlan& plan, const MakeCall& call);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_LOAD_DRIVE_H_
