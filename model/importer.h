// Makes CLP checkpoints from Hugging Face T5 folders, without Python.
#ifndef TRIMTAB_MODEL_IMPORTER_H_
#define TRIMTAB_MODEL_IMPORTER_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/clp_config.h"

namespace trimtab {

struct ImportOptions {
  std::string name;                                    // Of the model; empty: the output folder's name.
  std::string task_prefix = "summarize: ";             // Put before every article.
  double alpha_min = 0.1;                              // In (0, 1): where the reward sets rule alone.
  double default_alpha = 0.1;                          // In [alpha_min, 1].
  std::map<std::string, std::vector<double>> presets;  // Name -> w, at default_alpha.
};

// A plain T5 or FLAN-T5: m = 0, all tensors shared. Uses options.name and task_prefix only.
absl::Status ImportHuggingFace(const std::string& folder, const std::string& out, const ImportOptions& options);

struct Soup {
  std::string reference;                                     // Folder of the model all others were fine-tuned from.
  std::vector<std::pair<std::string, std::string>> rewards;  // (reward name, folder), 1 to 16, in order.
  std::string variant;  // "full", "attn" or "logit": which tensors are conditioned.
};

// Rewarded Soups, one folder per reward, or a multi-KL pair (one reward and its reference): softmdp mixing. For attn
// and logit every tensor outside S must be byte-equal in all folders; InvalidArgument names the first that is not.
absl::Status ImportSoup(const Soup& soup, const std::string& out, const ImportOptions& options);

// Both write clp.json last, so a folder that has one is complete. InvalidArgument when `out` exists and is not empty.

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_IMPORTER_H_
