#include "bench/versions.h"

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/checkpoint.h"
#include "model/published.h"

namespace trimtab::bench {

Checkpoint Perturbed(const Checkpoint& version, int number) {
  auto owner = std::make_shared<std::vector<std::string>>();
  const std::vector<PublishedTensor> places = PublishedTensors(version);
  owner->reserve(places.size());
  std::vector<Tensor> tensors;
  for (const PublishedTensor& place : places) {
    Tensor tensor = place.In(version);
    std::string& bytes = owner->emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    for (size_t i = size_t{2} * (number % 10); i < bytes.size(); i += 20) bytes[i] = static_cast<char>(bytes[i] ^ 1);
    tensor.bytes = std::as_bytes(std::span<const char>(bytes));
    tensors.push_back(std::move(tensor));
  }
  Checkpoint next = WithPublished(version, tensors, std::move(owner), version.version());
  next.digest = next.clp.digest = ParametersDigest(next.tensors);
  return next;
}

}  // namespace trimtab::bench
