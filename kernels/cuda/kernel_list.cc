#include "kernels/cuda/kernel_list.h"

#include <algorithm>
#include <cstring>

namespace trimtab::cuda {
namespace {

constexpr size_t kAlignment = alignof(std::max_align_t);

}  // namespace

void KernelList::Add(const KernelCall& call, std::span<const KernelArgument> arguments) {
  const size_t first = bytes_.size();
  for (const KernelArgument& argument : arguments) {
    const size_t place = bytes_.size();
    places_.push_back(place);
    bytes_.resize(place + (argument.bytes + kAlignment - 1) / kAlignment * kAlignment);
    std::memcpy(bytes_.data() + place, argument.data, argument.bytes);
  }
  calls_.push_back({call, places_.size() - arguments.size(), first, bytes_.size() - first});
}

void KernelList::Clear() {
  calls_.clear();
  places_.clear();
  bytes_.clear();
}

bool KernelList::HasKernelsOf(const KernelList& other) const {
  return std::equal(calls_.begin(), calls_.end(), other.calls_.begin(), other.calls_.end(),
                    [](const Held& a, const Held& b) { return a.call.kernel == b.call.kernel; });
}

bool KernelList::IsSameAt(size_t i, const KernelList& other) const {
  const Held &a = calls_[i], &b = other.calls_[i];
  const dim3 &x = a.call.grid, &y = b.call.grid;
  return x.x == y.x && x.y == y.y && x.z == y.z && a.call.threads == b.call.threads &&
         a.call.shared_bytes == b.call.shared_bytes &&
         std::memcmp(bytes_.data() + a.first_byte, other.bytes_.data() + b.first_byte, a.bytes) == 0;
}

void KernelList::Start(cudaStream_t stream) {
  for (const Held& held : calls_) held.call.Start(stream, ArgumentsOf(held));
}

cudaKernelNodeParams KernelList::NodeOf(size_t i) {
  const KernelCall& call = calls_[i].call;
  cudaKernelNodeParams node = {};
  node.func = const_cast<void*>(call.kernel);
  node.gridDim = call.grid;
  node.blockDim = dim3(call.threads);
  node.sharedMemBytes = static_cast<unsigned>(call.shared_bytes);
  node.kernelParams = ArgumentsOf(calls_[i]);
  return node;
}

void** KernelList::ArgumentsOf(const Held& held) {
  const size_t end = &held == &calls_.back() ? places_.size() : (&held + 1)->first_place;
  pointers_.clear();
  for (size_t i = held.first_place; i < end; ++i) pointers_.push_back(bytes_.data() + places_[i]);
  return pointers_.data();
}

}  // namespace trimtab::cuda
