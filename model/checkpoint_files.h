// Writing the parts of a checkpoint folder, for all who make one. The layout is in model/README.md.
#ifndef TRIMTAB_MODEL_CHECKPOINT_FILES_H_
#define TRIMTAB_MODEL_CHECKPOINT_FILES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/clp_config.h"
#include "model/safetensors.h"

namespace trimtab {

inline constexpr char kPlainFile[] = "model.safetensors";  // Of a plain Hugging Face folder.

using TensorMap = std::map<std::string, Tensor, std::less<>>;

// Makes `out` and what is above it. InvalidArgument when it exists and is not an empty folder, or cannot be made.
absl::Status MakeEmptyFolder(const std::string& out);

// `out`/`file`, in a folder that is made if it is not there.
absl::Status WriteTensors(const TensorMap& tensors, const std::string& out, absl::string_view file);

// Byte for byte; NotFound when `from` has no such file.
absl::Status CopyFile(const std::string& from, const std::string& out, absl::string_view name);

// config.json, spiece.model and, if it is there, generation_config.json.
absl::Status CopyTexts(const std::string& from, const std::string& out);
// reference.safetensors, if it is there.
absl::Status CopyReference(const std::string& from, const std::string& out);

// Clp.json. Parsing what is written is the check that it is right. Written last, it marks a folder as complete.
absl::Status WriteClpConfig(const ClpConfig& clp, const std::string& out);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_CHECKPOINT_FILES_H_
