// Algorithm 2 on checkpoints of every variant: what the mixed weights must be, bit for bit at the corners.
#include "model/mixed_weights.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/devices.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

// (variant, tied, backend)
class MixedWeightsTest : public testing::TestWithParam<std::tuple<std::string, bool, std::string>> {
 protected:
  void SetUp() override {
    const auto& [variant, tied, device] = GetParam();
    ASSERT_OK_AND_ASSIGN(backend_, NewBackend(device, 1));
    TinyOptions options;
    options.variant = variant;
    options.tied = tied;
    options.num_rewards = 3;
    ASSERT_OK(MakeTinyClp(folder_.path(), options));
    ASSERT_OK_AND_ASSIGN(Checkpoint checkpoint, OpenCheckpoint(folder_.path()));
    ASSERT_OK_AND_ASSIGN(parameters_, Parameters::Create(checkpoint, backend_.get()));
  }

  std::shared_ptr<const MixedWeights> Mix(double alpha, std::vector<double> w) {
    const MixingRule& rule = parameters_->clp().mixing;
    const Weighting weighting = Weighting::Create(rule, 3, alpha, std::move(w)).value();
    return MixedWeights::Mix(parameters_, Coefficients::From(rule, weighting, {}), backend_.get()).value();
  }

  // What the backend's memory holds there.
  std::vector<float> Floats(const void* data, int64_t count) const {
    std::vector<float> values(count);
    backend_->Download(static_cast<const std::byte*>(data), count * 4, values.data());
    return values;
  }

  // One tensor of the mixture; the embedding is mixed on the spot, so it is gathered here.
  std::vector<float> TensorOf(const MixedWeights& mixed, const ParameterTensor& tensor) {
    const T5Weights& w = mixed.weights();
    if (tensor.spec.role == TensorRole::kEmbedding) {
      const int64_t dim = tensor.spec.shape[1];
      std::vector<int32_t> ids(tensor.spec.shape[0]);
      for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
      Buffer rows = backend_->Allocate(tensor.elements()).value();
      backend_->Embed(w.embedding.sets, w.embedding.coefficients, dim, ids,
                      {rows.data(), static_cast<int64_t>(ids.size()), dim});
      const float* const on_host = backend_->OnHost(rows.data(), rows.elements());
      return {on_host, on_host + rows.elements()};
    }
    return Floats(Locate(w, tensor.spec.name), tensor.elements());
  }

  // The name, taken apart again: an independent reading of the layout.
  static const void* Locate(const T5Weights& w, const std::string& name) {
    if (name == "lm_head.weight") return w.lm_head.mixed.data;
    if (name == "encoder.final_layer_norm.weight") return w.encoder_norm;
    if (name == "decoder.final_layer_norm.weight") return w.decoder_norm;
    if (name.find("relative_attention_bias") != std::string::npos) {
      return name[0] == 'e' ? w.encoder_bias.table : w.decoder_bias.table;
    }
    int block = -1, layer = -1;
    char stack[8], rest[64];
    EXPECT_EQ(std::sscanf(name.c_str(), "%7[^.].block.%d.layer.%d.%63s", stack, &block, &layer, rest), 4) << name;
    const bool encoder = std::string(stack) == "encoder";
    const std::string part = rest;
    const bool cross = part.find("EncDecAttention") == 0 || (!encoder && layer == 1 && part == "layer_norm.weight");
    const bool feed_forward = layer == (encoder ? 1 : 2);
    if (feed_forward) {
      const FeedForwardWeights& ff = encoder ? w.encoder[block].feed_forward : w.decoder[block].feed_forward;
      if (part == "layer_norm.weight") return ff.norm;
      if (part == "DenseReluDense.wi_1.weight") return ff.up.mixed.data;
      return part == "DenseReluDense.wo.weight" ? ff.wo.mixed.data : ff.wi.mixed.data;
    }
    const AttentionWeights& a = encoder ? w.encoder[block].self
                                : cross ? w.decoder[block].cross
                                        : w.decoder[block].self;
    if (part == "layer_norm.weight") return a.norm;
    switch (part[part.size() - 8]) {
      case 'q':
        return a.q.mixed.data;
      case 'k':
        return a.k.mixed.data;
      case 'v':
        return a.v.mixed.data;
      default:
        return a.o.mixed.data;
    }
  }

  // The mixture equals set `index` of each conditioned tensor, and the shared tensors, in every bit.
  void ExpectIsSet(const MixedWeights& mixed, size_t index) {
    for (const ParameterTensor& tensor : parameters_->tensors()) {
      const std::vector<float> actual = TensorOf(mixed, tensor);
      const std::vector<float> expected = Floats(tensor.sets[tensor.conditioned ? index : 0], tensor.elements());
      ASSERT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)), 0) << tensor.spec.name;
    }
  }

  TempDir folder_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_;
};

TEST_P(MixedWeightsTest, AVertexAtAlphaMinIsThatRewardsSetBitForBit) {
  ExpectIsSet(*Mix(0.1, {1, 0, 0}), 0);
  ExpectIsSet(*Mix(0.1, {0, 1, 0}), 1);
  ExpectIsSet(*Mix(0.1, {0, 0, 1}), 2);
}

TEST_P(MixedWeightsTest, AlphaOneIsTheReferenceWithTheSharedTensorsForEveryW) {
  for (const std::vector<double>& w : {std::vector<double>{1, 0, 0}, {0.2, 0.3, 0.5}, {0, 0.5, 0.5}}) {
    ExpectIsSet(*Mix(1.0, w), 3);
  }
}

TEST_P(MixedWeightsTest, TheInteriorAgreesWithDoublePrecision) {
  for (const auto& [alpha, w] : {std::pair<double, std::vector<double>>{0.1, {0.25, 0.25, 0.5}},
                                 {0.3, {0.7, 0.2, 0.1}},
                                 {0.77, {0.0, 1.0 / 3, 2.0 / 3}}}) {
    const std::shared_ptr<const MixedWeights> mixed = Mix(alpha, w);
    const std::vector<float>& c = mixed->coefficients().values();
    for (const ParameterTensor& tensor : parameters_->tensors()) {
      if (!tensor.conditioned) continue;
      const std::vector<float> actual = TensorOf(*mixed, tensor);
      std::vector<std::vector<float>> sets;
      for (const std::byte* set : tensor.sets) sets.push_back(Floats(set, tensor.elements()));
      for (size_t i = 0; i < actual.size(); ++i) {
        double expected = 0.0;
        for (size_t j = 0; j < c.size(); ++j) expected += double{c[j]} * sets[j][i];
        ASSERT_NEAR(actual[i], expected, 1e-6 * (1.0 + std::abs(expected))) << tensor.spec.name << " " << i;
      }
    }
  }
}

TEST_P(MixedWeightsTest, TheVariantSaysWhichTensorsAreConditioned) {
  const auto& [variant, tied, device] = GetParam();
  for (const ParameterTensor& tensor : parameters_->tensors()) {
    const std::string& name = tensor.spec.name;
    const bool attention = name.find("Attention.") != std::string::npos;
    const bool expected =
        variant == "full" || (variant == "attn" && attention) || (variant == "logit" && name == "lm_head.weight");
    EXPECT_EQ(tensor.conditioned, expected) << name;
  }
}

TEST_P(MixedWeightsTest, TakesTheMemoryItAnnounces) {
  EXPECT_EQ(Mix(0.5, {1, 0, 0})->bytes(), MixedWeights::Bytes(*parameters_));
}

INSTANTIATE_TEST_SUITE_P(Variants, MixedWeightsTest,
                         testing::Combine(testing::Values("full", "attn", "logit"), testing::Bool(),
                                          testing::ValuesIn(TestDevices())),
                         [](const auto& info) {
                           return std::get<0>(info.param) + (std::get<1>(info.param) ? "_tied_" : "_untied_") +
                                  std::get<2>(info.param);
                         });

}  // namespace
}  // namespace trimtab
