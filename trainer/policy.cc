#include "trainer/policy.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/published.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// eq. 3, in the order of the sets.
torch::Tensor Mix(const std::vector<torch::Tensor>& sets, std::span<const float> coefficients) {
  torch::Tensor mixed;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (coefficients[i] == 0.0f) continue;
    mixed = mixed.defined() ? mixed.add_(sets[i], coefficients[i]) : sets[i] * coefficients[i];
  }
  return mixed;
}

}  // namespace

absl::StatusOr<Policy> Policy::Create(Checkpoint start) {
  std::vector<NamedParameter> parameters;
  for (const PublishedTensor& place : PublishedTensors(start)) {
    const std::string name = PublishedName(place.SpecIn(start).name, place.reward);
    ASSIGN_OR_RETURN(torch::Tensor value, ToTorch(place.In(start), name));
    parameters.push_back({name, std::move(value)});
  }
  NamedTensors reference;
  for (const ModelTensor& tensor : start.tensors) {
    if (!tensor.conditioned || !start.clp.has_reference()) continue;
    ASSIGN_OR_RETURN(reference[tensor.spec.name], ToTorch(tensor.sets.back(), tensor.spec.name));
  }
  return Policy(std::move(start), std::move(parameters), std::move(reference));
}

NamedTensors Policy::Condition(std::span<const float> coefficients) const {
  const torch::NoGradGuard no_gradients;
  const size_t rewards = clp().rewards.size();
  const bool any_trained =
      std::any_of(coefficients.begin(), coefficients.begin() + rewards, [](float c) { return c != 0.0f; });
  NamedTensors mixed;
  size_t next = 0;
  for (const ModelTensor& tensor : start_.tensors) {
    if (!tensor.conditioned) {
      mixed[tensor.spec.name] = parameters_[next++].value.detach().set_requires_grad(true);
      continue;
    }
    std::vector<torch::Tensor> sets;
    for (size_t i = 0; i < rewards; ++i) sets.push_back(parameters_[next++].value);
    if (clp().has_reference()) sets.push_back(reference_.at(tensor.spec.name));
    mixed[tensor.spec.name] = Mix(sets, coefficients).set_requires_grad(any_trained);
  }
  return mixed;
}

std::vector<torch::Tensor> Policy::SpreadGradients(const NamedTensors& mixed,
                                                   std::span<const float> coefficients) const {
  std::vector<torch::Tensor> gradients;
  for (const ModelTensor& tensor : start_.tensors) {
    const torch::Tensor gathered = mixed.find(tensor.spec.name)->second.grad();
    if (!tensor.conditioned) {
      gradients.push_back(gathered);
      continue;
    }
    for (size_t i = 0; i < clp().rewards.size(); ++i) {
      const bool moves = gathered.defined() && coefficients[i] != 0.0f;
      gradients.push_back(moves ? gathered * coefficients[i] : torch::Tensor());
    }
  }
  return gradients;
}

Checkpoint Policy::Snapshot(uint64_t sequence) const {
  auto owner = std::make_shared<std::vector<torch::Tensor>>();
  std::vector<Tensor> tensors;
  for (const NamedParameter& parameter : parameters_)
    tensors.push_back(ViewOf(owner->emplace_back(parameter.value.clone())));
  Checkpoint snapshot = WithPublished(start_, tensors, std::move(owner), {0, sequence, ""});
  snapshot.digest = snapshot.clp.digest = ParametersDigest(snapshot.tensors);
  return snapshot;
}

absl::StatusOr<NamedTensors> ReferenceWeights(const Checkpoint& start) {
  if (start.clp.rewards.empty()) return PlainWeights(start);
  const std::string path = absl::StrCat(start.directory, "/", kReferenceFile);
  std::optional<TensorSet> stored;
  if (std::filesystem::exists(path)) {
    ASSIGN_OR_RETURN(Safetensors file, Safetensors::Open(path));
    std::vector<Safetensors> files;
    files.push_back(std::move(file));
    ASSIGN_OR_RETURN(stored, TensorSet::Create(std::move(files)));
  }
  NamedTensors weights;
  for (const ModelTensor& tensor : start.tensors) {
    const Tensor* found = stored.has_value() ? stored->Find(tensor.spec.name) : nullptr;
    if (found == nullptr && !tensor.conditioned) found = &tensor.sets[0];
    if (found == nullptr || found->shape != tensor.spec.shape) {
      return absl::NotFoundError(absl::StrCat(path, ": ", tensor.spec.name,
                                              " is missing or of another shape; training needs all of theta_ref[S]"));
    }
    ASSIGN_OR_RETURN(weights[tensor.spec.name], ToTorch(*found, tensor.spec.name));
  }
  return weights;
}

}  // namespace trimtab
