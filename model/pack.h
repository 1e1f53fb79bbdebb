// A checkpoint made small enough to ship.
#ifndef TRIMTAB_MODEL_PACK_H_
#define TRIMTAB_MODEL_PACK_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "model/clp_config.h"

namespace trimtab {

// What the packed checkpoint says of itself; what is left out is as it was.
struct PackOptions {
  std::string name;                     // Of the model.
  std::optional<double> default_alpha;  // In [alpha_min, 1].
  std::map<std::string, Preset> presets;
  std::string judges;  // Folder whose reward_models/ go along; empty: those of the checkpoint, if it has any.
};

// Writes the CLP checkpoint `folder` again, every tensor rounded to BF16, of theta_ref the conditioned ones alone (the
// others are for training), with reward models, rounded too. InvalidArgument for options that do not fit the
// checkpoint, a folder that is none, and when `out` exists and is not empty.
absl::Status PackCheckpoint(const std::string& folder, const PackOptions& options, const std::string& out);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_PACK_H_
