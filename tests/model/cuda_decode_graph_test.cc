// Decode steps on the emulated GPU: as graphs they have the bits of kernels one by one, and one graph serves other
// rows, lanes, positions and versions.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/decoder.h"
#include "model/encoder_pass.h"
#include "model/mixed_weights.h"
#include "tests/cuda_emulation/device_memory.h"
#include "tests/cuda_emulation/graph.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

constexpr int kVersions = 2, kMixtures = 3, kSlots = 6, kPositions = 12;

// Which mixture of which version each row of a step runs on; slots in their order.
using StepPlan = std::vector<std::pair<int, int>>;

class CudaDecodeGraphTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(backend_, NewBackend("cuda", 1));
    for (int version = 0; version < kVersions; ++version) {
      TempDir folder;
      TinyOptions options;
      options.seed = 10 + version;
      options.variant = GetParam();
      options.tied = false;
      ASSERT_OK(MakeTinyClp(folder.path(), options));
      ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
      ASSERT_OK_AND_ASSIGN(parameters_[version], Parameters::Create(checkpoint, backend_.get(), Precision::kFloat32));
    }
  }

  void Mix(MixTime when) {
    for (int version = 0; version < kVersions; ++version) {
      for (int i = 0; i < kMixtures; ++i) {
        const MixingRule& rule = parameters_[version]->clp().mixing;
        const Weighting weighting = Weighting::Create(rule, 2, 0.2 + 0.2 * i, {0.5 * i, 1.0 - 0.5 * i}).value();
        const Coefficients c = Coefficients::From(rule, weighting, {});
        mixtures_[version][i] = MixedWeights::Mix(parameters_[version], c, backend_.get(), when).value();
      }
    }
  }

  // The logits of each step. Without `graphs` there is no memory for any.
  std::vector<std::vector<float>> Run(const std::vector<StepPlan>& plans, bool graphs) {
    const T5Config& config = parameters_[0]->config();
    LaneMath math(config, backend_.get());
    EXPECT_OK(math.Reserve(*parameters_[0]));
    KvSlots slots = KvSlots::Create(config, kSlots, kPositions, backend_.get()).value();
    const std::unique_ptr<Decoder> decoder = Decoder::Create(math, kSlots, &slots).value();
    const auto cross = CrossAttention::Create(config, 5, backend_.get()).value();
    Encode(math, cross.get());
    const size_t had = cuda_emulation::DeviceMemory();
    if (!graphs) cuda_emulation::SetDeviceMemory(cuda_emulation::DeviceMemoryInUse());
    std::vector<std::vector<float>> logits;
    int32_t positions[kSlots] = {};
    for (const StepPlan& plan : plans) {
      std::vector<DecoderRow> rows;
      for (const auto& [version, mixture] : plan) {
        const auto slot = static_cast<int32_t>(rows.size());
        rows.push_back({&mixtures_[version][mixture]->weights(), 3 + 7 * slot + static_cast<int32_t>(logits.size()),
                        positions[slot]++, slot, cross.get()});
      }
      const Rows out = decoder->Step(rows);
      const float* const host = backend_->OnHost(out.data, out.count * out.stride);
      logits.emplace_back(host, host + out.count * out.stride);
    }
    cuda_emulation::SetDeviceMemory(had);
    return logits;
  }

  void Encode(LaneMath& math, CrossAttention* cross) {
    Activations activations = Activations::Create(math.config(), 5, backend_.get()).value();
    const std::vector<int32_t> ids = {5, 17, 99, 42, 1};
    const EncoderInput input{ids, &mixtures_[0][0]->weights(), cross};
    EncoderPass pass(math, {&input, 1}, &activations);
    while (!pass.done()) pass.Advance();
    backend_->Wait();
  }

  // Graphs that were made and steps that started as one.
  std::pair<int64_t, int64_t> ExpectSameBits(const std::vector<StepPlan>& plans) {
    const std::vector<std::vector<float>> one_by_one = Run(plans, /*graphs=*/false);
    backend_ = nullptr;
    SetUp();  // A backend that has not tried yet.
    Mix(when_);
    const cuda_emulation::GraphCounts before = cuda_emulation::CountGraphs();
    const std::vector<std::vector<float>> as_graphs = Run(plans, /*graphs=*/true);
    const cuda_emulation::GraphCounts after = cuda_emulation::CountGraphs();
    for (size_t i = 0; i < plans.size(); ++i) EXPECT_EQ(as_graphs[i], one_by_one[i]) << "step " << i;
    return {after.instantiated - before.instantiated, after.launched - before.launched};
  }

  MixTime when_ = MixTime::kNow;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Parameters> parameters_[kVersions];
  std::shared_ptr<const MixedWeights> mixtures_[kVersions][kMixtures];
};

TEST_P(CudaDecodeGraphTest, OneGraphServesOtherMixturesVersionsRowsAndPositions) {
  Mix(when_);
  const std::vector<StepPlan> plans = {{{0, 0}, {0, 0}}, {{0, 0}, {0, 0}},         {{0, 1}, {0, 1}}, {{1, 2}, {1, 2}},
                                       {{1, 0}},         {{0, 2}, {0, 2}, {0, 2}}, {{0, 0}, {0, 0}}};
  EXPECT_EQ(ExpectSameBits(plans), std::pair(int64_t{1}, int64_t{6}));
}

TEST_P(CudaDecodeGraphTest, AsManyLanesAreTheSameGraph) {
  Mix(when_);
  const std::vector<StepPlan> plans = {
      {{0, 0}, {0, 1}}, {{0, 0}, {0, 1}}, {{0, 2}, {0, 2}, {0, 1}}, {{1, 0}, {1, 2}}, {{0, 1}, {1, 1}}};
  EXPECT_LE(ExpectSameBits(plans).first, 2);
}

TEST_P(CudaDecodeGraphTest, OverTheBasisOneGraphServesAnyLanesWhereNormsAndEmbeddingsAreShared) {
  Mix(when_ = MixTime::kNever);
  const std::vector<StepPlan> plans = {{{0, 0}, {0, 0}},
                                       {{0, 0}, {0, 1}},
                                       {{0, 2}, {0, 1}, {0, 0}},
                                       {{1, 0}, {1, 2}, {1, 1}, {1, 0}},
                                       {{1, 2}},
                                       {{0, 0}, {0, 0}, {0, 1}, {0, 1}, {0, 2}, {0, 2}}};
  const auto [made, started] = ExpectSameBits(plans);
  const bool shared = GetParam() != "full";  // Else it depends on the number of lanes: 1 and 3 come twice.
  EXPECT_EQ(made, shared ? 1 : 2);
  EXPECT_EQ(started, shared ? 5 : 2);
}

INSTANTIATE_TEST_SUITE_P(Variants, CudaDecodeGraphTest, testing::Values("attn", "full", "logit"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace trimtab
