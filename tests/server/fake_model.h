// Parameters with one conditioned matrix, and stand-ins for mixed weights that only take memory.
#ifndef TRIMTAB_TESTS_SERVER_FAKE_MODEL_H_
#define TRIMTAB_TESTS_SERVER_FAKE_MODEL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kernels/backend.h"
#include "model/mixed_weights.h"
#include "model/parameters.h"
#include "model/weighting.h"

namespace trimtab {

inline Backend* TestBackend() {
  static Backend* const backend = NewReferenceBackend().release();
  return backend;
}

// Two rewards and a reference; `sequence` makes the version. One mixture takes at least `side` * `side` floats.
inline std::shared_ptr<const Parameters> MakeParameters(uint64_t sequence, int64_t side = 64) {
  const std::vector<float> values(side * side, 0.5f);
  const Tensor set{DType::kF32, {side, side}, std::as_bytes(std::span(values))};
  Checkpoint checkpoint;
  checkpoint.clp.rewards.resize(2);
  checkpoint.clp.rewards[0].name = "nli";
  checkpoint.clp.rewards[1].name = "rouge";
  checkpoint.clp.sequence = sequence;
  checkpoint.digest = absl::StrCat("digest", sequence);
  checkpoint.tensors.push_back({{"lm_head.weight", {side, side}, TensorRole::kMatrix}, true, {set, set, set}});
  auto parameters = Parameters::Create(checkpoint, TestBackend());
  EXPECT_TRUE(parameters.ok()) << parameters.status();
  return *std::move(parameters);
}

// The key number `n` of many: distinct coefficients for n in [0, 1000].
inline Coefficients KeyNumber(int n) {
  const MixingRule rule;
  const double first = n / 1000.0;
  auto weighting = Weighting::Create(rule, 2, rule.alpha_min, {first, 1.0 - first});
  EXPECT_TRUE(weighting.ok()) << weighting.status();
  return Coefficients::From(rule, *weighting, CoefficientGrid());
}

// Counts the bytes that live mixtures take.
struct FakeMemory {
  std::atomic<int64_t> live = 0;
  std::atomic<int64_t> peak = 0;
  std::atomic<int> mixes = 0;

  // What making weights would return: those over the basis take nothing.
  std::shared_ptr<const MixedWeights> Make(const Parameters& parameters, MixTime when) {
    return Mix(when == MixTime::kNever ? 0 : MixedWeights::Bytes(parameters));
  }

  // What a mix would return: an address of its own that takes `bytes` until it is let go.
  std::shared_ptr<const MixedWeights> Mix(int64_t bytes) {
    ++mixes;
    const int64_t now = live += bytes;
    for (int64_t seen = peak; seen < now && !peak.compare_exchange_weak(seen, now);) {
    }
    std::shared_ptr<char> block(new char, [this, bytes](char* byte) {
      live -= bytes;
      delete byte;
    });
    const auto* address = reinterpret_cast<const MixedWeights*>(block.get());
    return {std::move(block), address};
  }
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_FAKE_MODEL_H_
