#include "model/published.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/status_macros.h"

namespace trimtab {

std::vector<PublishedTensor> PublishedTensors(const Checkpoint& checkpoint) {
  const std::vector<RewardInfo>& rewards = checkpoint.clp.rewards;
  std::vector<PublishedTensor> published;
  for (size_t i = 0; i < checkpoint.tensors.size(); ++i) {
    if (!checkpoint.tensors[i].conditioned) {
      published.push_back({i, 0, ""});
      continue;
    }
    for (size_t set = 0; set < rewards.size(); ++set) published.push_back({i, set, rewards[set].name});
  }
  return published;
}

std::string PublishedName(absl::string_view tensor, absl::string_view reward) {
  return reward.empty() ? absl::StrCat("shared/", tensor) : absl::StrCat("rewards/", reward, "/", tensor);
}

Checkpoint WithPublished(const Checkpoint& base, const std::vector<Tensor>& tensors, std::shared_ptr<const void> owner,
                         const ParameterVersion& version) {
  Checkpoint next = base;
  next.tokenizer_model.clear();
  size_t i = 0;
  for (const PublishedTensor& place : PublishedTensors(base)) next.tensors[place.tensor].sets[place.set] = tensors[i++];
  next.owners.push_back(std::move(owner));
  next.epoch = version.epoch;
  next.clp.sequence = version.sequence;
  next.digest = next.clp.digest = version.digest;
  return next;
}

absl::StatusOr<std::vector<Tensor>> PublishedTensorsOf(const Safetensors& file, const Checkpoint& base) {
  const std::vector<PublishedTensor> places = PublishedTensors(base);
  if (file.tensors().size() != places.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("it holds ", file.tensors().size(), " tensors; the model has ", places.size(), " to publish"));
  }
  std::vector<Tensor> tensors;
  for (const PublishedTensor& place : places) {
    const TensorSpec& spec = place.SpecIn(base);
    const std::string name = PublishedName(spec.name, place.reward);
    const Tensor* tensor = file.Find(name);
    if (tensor == nullptr) return absl::InvalidArgumentError(absl::StrCat(name, " is missing"));
    if (tensor->dtype == DType::kOther || tensor->shape != spec.shape) {
      return absl::InvalidArgumentError(absl::StrCat(name, " is ", DTypeName(tensor->dtype), " [",
                                                     absl::StrJoin(tensor->shape, ", "), "]; expected floats [",
                                                     absl::StrJoin(spec.shape, ", "), "]"));
    }
    tensors.push_back(*tensor);
  }
  return tensors;
}

absl::StatusOr<std::string> PublishedHeader(const Checkpoint& checkpoint,
                                            const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const PublishedTensor& place : PublishedTensors(checkpoint)) {
    tensors.emplace_back(PublishedName(place.SpecIn(checkpoint).name, place.reward), place.In(checkpoint));
  }
  return SafetensorsHeader(tensors, metadata);
}

Checkpoint RoundPublished(const Checkpoint& checkpoint) {
  auto rounded_tensors = std::make_shared<RoundedTensors>();
  std::vector<Tensor> tensors;
  for (const PublishedTensor& place : PublishedTensors(checkpoint)) {
    tensors.push_back(rounded_tensors->Round(place.In(checkpoint)));
  }
  Checkpoint rounded = WithPublished(checkpoint, tensors, std::move(rounded_tensors), checkpoint.version());
  rounded.digest = rounded.clp.digest = ParametersDigest(rounded.tensors);
  return rounded;
}

}  // namespace trimtab
