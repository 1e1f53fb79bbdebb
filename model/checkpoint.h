// A CLP checkpoint on disk or in memory, opened and checked but not yet packed for a backend.
#ifndef TRIMTAB_MODEL_CHECKPOINT_H_
#define TRIMTAB_MODEL_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/clp_config.h"
#include "model/safetensors.h"
#include "model/t5_config.h"

namespace trimtab {

// Canonical name -> tensor over one or more files (shards). Holds the files open.
class TensorSet {
 public:
  // InvalidArgument when a name is in two files, or two names of one tensor have different bytes.
  static absl::StatusOr<TensorSet> Create(std::vector<Safetensors> files);

  const Tensor* Find(absl::string_view canonical_name) const;  // Null when absent.
  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }

 private:
  std::vector<Safetensors> files_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

// Names one state of all parameters; the same on every replica.
struct ParameterVersion {
  uint64_t epoch = 0;     // Of the publisher's lease; 0 for a checkpoint loaded from a folder.
  uint64_t sequence = 0;  // Grows with every publication.
  std::string digest;     // Hex SHA-256 over the canonical bytes (ParametersDigest).
  friend bool operator==(const ParameterVersion&, const ParameterVersion&) = default;
};

// One tensor of the model with all its copies.
struct ModelTensor {
  TensorSpec spec;
  bool conditioned = false;
  std::vector<Tensor> sets;  // Shared: 1. Conditioned: the m reward sets in order, then the reference if any.
};

struct Checkpoint {
  std::string directory;
  T5Config config;
  ClpConfig clp;
  GenerationDefaults generation;
  std::vector<ModelTensor> tensors;  // Complete, in T5Tensors order; "lm_head.weight" last when it exists on its own.
  std::string digest;                // Hex SHA-256 over the canonical tensor bytes (see ParametersDigest).
  std::string tokenizer_model;       // Bytes of spiece.model.
  uint64_t epoch = 0;                // Of the lease it was published under; 0 when loaded from a folder.
  std::vector<std::shared_ptr<const void>> owners;  // Keep the bytes behind `tensors` alive.

  ParameterVersion version() const { return {epoch, clp.sequence, digest}; }
};

// Where the parts of a checkpoint lie in its directory.
inline constexpr char kClpFile[] = "clp.json";
inline constexpr char kConfigFile[] = "config.json";
inline constexpr char kGenerationFile[] = "generation_config.json";
inline constexpr char kTokenizerFile[] = "spiece.model";
inline constexpr char kSharedFile[] = "shared.safetensors";
inline constexpr char kReferenceFile[] = "reference.safetensors";
std::string ConditionedFile(absl::string_view reward_name);  // "conditioned/<name>.safetensors"

// The texts beside the tensors: config.json, generation_config.json (optional), spiece.model and, in a CLP directory,
// clp.json. Reads no tensor. The clp of a plain Hugging Face folder has no rewards.
struct CheckpointTexts {
  bool is_clp = false;
  T5Config config;
  ClpConfig clp;
  GenerationDefaults generation;
  std::string tokenizer_model;
};
absl::StatusOr<CheckpointTexts> ReadCheckpointTexts(const std::string& directory);

// The tensors of a plain Hugging Face folder: model.safetensors, or the shards its index names.
absl::StatusOr<TensorSet> OpenHuggingFaceTensors(const std::string& directory);

// Every tensor of the model and whether it is conditioned: T5Tensors, and an "lm_head.weight" of its own for a tied T5
// whose output layer alone is conditioned.
std::vector<ModelTensor> PlanTensors(const T5Config& config, const ClpConfig& clp);

// Opens a CLP directory, or a plain Hugging Face T5 folder (no clp.json: m = 0, serves as is). Every check of the
// loader is here: names, shapes, dtypes, missing or unknown tensors, shards, confined paths, digest. Values are
// checked for NaN and infinity when they are widened. NotFound or InvalidArgument with one line: what was found,
// what was expected, what to do.
absl::StatusOr<Checkpoint> OpenCheckpoint(const std::string& directory);

// The digest that names a parameter version: SHA-256 over, for each tensor in order and each of its sets, name,
// dtype, shape and bytes.
std::string ParametersDigest(const std::vector<ModelTensor>& tensors);

}  // namespace trimtab

#endif  // TRIMTAB_MODEL_CHECKPOINT_H_
