// The parameters of a conditioned language policy under training (paper Algorithm 2 and A.3).
#ifndef TRIMTAB_TRAINER_POLICY_H_
#define TRIMTAB_TRAINER_POLICY_H_

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "trainer/tensors.h"

namespace trimtab {

// One tensor an optimiser moves. The tensor is float32 and owned by many: moving it in place moves the model.
struct NamedParameter {
  std::string name;  // Unique among those of one optimiser.
  torch::Tensor value;
};

// phi = (theta_{S^c}, {theta_S^(i)}) as float32 masters, beside theta_ref, which never changes. Not thread-safe.
class Policy {
 public:
  // From a CLP checkpoint, or a plain one (no rewards: everything is shared). `start` is kept: what is not trained goes
  // back out byte for byte, so a server that has the reference of `start` takes what is published.
  static absl::StatusOr<Policy> Create(Checkpoint start);

  const T5Config& config() const { return start_.config; }
  const ClpConfig& clp() const { return start_.clp; }

  // In the order of PublishedTensors, under PublishedName.
  const std::vector<NamedParameter>& parameters() const { return parameters_; }

  // theta of Algorithm 2: the conditioned tensors mixed by eq. 3, joined with the shared ones, as leaves that gather
  // gradients. A set whose coefficient is 0 is not read; a mixture without a trained set gathers none.
  // REQUIRES: coefficients.size() == clp().num_sets().
  NamedTensors Condition(std::span<const float> coefficients) const;

  // The gradient of each of parameters(), from the gradients `mixed` gathered (A.3): a shared tensor gets the LM's,
  // theta_S^(i) gets its coefficient (1 - beta) w_i times the LM's. Undefined, which optimisers skip, where nothing
  // was gathered or the coefficient is 0.
  std::vector<torch::Tensor> SpreadGradients(const NamedTensors& mixed, std::span<const float> coefficients) const;

  // The state now as a checkpoint of `start`'s model, float32, under its digest: a copy, which training does not move.
  Checkpoint Snapshot(uint64_t sequence) const;

 private:
  Policy(Checkpoint start, std::vector<NamedParameter> parameters, NamedTensors reference)
      : start_(std::move(start)), parameters_(std::move(parameters)), reference_(std::move(reference)) {}

  Checkpoint start_;
  std::vector<NamedParameter> parameters_;
  NamedTensors reference_;  // theta_ref[S]; empty without a reference set.
};

// All of theta_ref of the model that `start` came from: what its reference.safetensors holds, joined with its own
// shared tensors where that holds S only. NotFound where the folder has no reference though its rewards need one.
absl::StatusOr<NamedTensors> ReferenceWeights(const Checkpoint& start);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_POLICY_H_
