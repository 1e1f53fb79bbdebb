// The forward pass against transformers, on the golden files of tests/model, and against padding.
#include "trainer/t5.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "tests/testing/goldens.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;

class T5Test : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path source = fs::path(kGoldenFolder) / GetParam();
    absl::StatusOr<Safetensors> golden = Safetensors::Open(source / "golden.safetensors");
    ASSERT_OK(golden);
    golden_ = std::make_unique<Safetensors>(*std::move(golden));
    for (const char* file : {"config.json", "model.safetensors"}) fs::copy_file(source / file, folder_.File(file));
    fs::copy_file(TRIMTAB_SOURCE_DIR "/tests/testing/tiny.spiece.model", folder_.File("spiece.model"));
    ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder_.path()));
    config_ = checkpoint.config;
    ASSERT_OK_AND_ASSIGN(weights_, PlainWeights(checkpoint));
  }

  torch::Tensor Golden(int index, const std::string& name) const {
    const Tensor* tensor = golden_->Find(absl::StrCat(index, ".", name));
    EXPECT_NE(tensor, nullptr) << name;
    return *ToTorch(*tensor, name);
  }
  std::vector<int32_t> Ids(int index, const std::string& name) const {
    const torch::Tensor values = Golden(index, name).to(torch::kInt32).contiguous();
    return {values.data_ptr<int32_t>(), values.data_ptr<int32_t>() + values.numel()};
  }
  std::vector<std::vector<int32_t>> AllIds(const std::string& name) const {
    std::vector<std::vector<int32_t>> all;
    for (int i = 0; i < kGoldenCases; ++i) all.push_back(Ids(i, name));
    return all;
  }

  TempDir folder_;
  std::unique_ptr<Safetensors> golden_;
  T5Config config_;
  NamedTensors weights_;
};

TEST_P(T5Test, LogitsAgreeForSequencesPaddedTogether) {
  const torch::NoGradGuard no_gradients;
  const T5 t5(config_);
  const TokenBatch input = PadTokens(AllIds("input_ids"), config_.pad_id);
  const std::vector<std::vector<int32_t>> decoder_ids = AllIds("decoder_ids");
  const torch::Tensor decoded =
      t5.Decode(weights_, t5.Encode(weights_, input), input.mask, PadTokens(decoder_ids, config_.pad_id).ids);
  const torch::Tensor logits = t5.Logits(weights_, decoded);
  for (int i = 0; i < kGoldenCases; ++i) {
    const torch::Tensor expected = Golden(i, "logits");
    const torch::Tensor found = logits[i].slice(0, 0, decoder_ids[i].size()).reshape(expected.sizes());
    EXPECT_LE(((found - expected).abs().max() / expected.abs().max()).item<double>(), 1e-4) << "case " << i;
  }
}

TEST_P(T5Test, LogProbabilitiesOfGreedyTokensAgree) {
  const torch::NoGradGuard no_gradients;
  const T5 t5(config_);
  const std::vector<std::vector<int32_t>> targets = AllIds("greedy");
  const torch::Tensor log_probs = t5.LogProbs(weights_, PadTokens(AllIds("input_ids"), config_.pad_id), targets);
  for (int i = 0; i < kGoldenCases; ++i) {
    const torch::Tensor expected = Golden(i, "greedy_log_probs");
    const torch::Tensor found = log_probs[i].slice(0, 0, targets[i].size()).reshape(expected.sizes());
    EXPECT_LE((found - expected).abs().max().item<double>(), 1e-4) << "case " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, T5Test, testing::ValuesIn(GoldenArchitectures()),
                         [](const auto& info) { return info.param; });

TEST(T5DropoutTest, DropoutChangesTheForwardPassAndIsOffByDefault) {
  TempDir folder;
  ASSERT_OK(MakeTinyT5(folder.path()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
  ASSERT_OK_AND_ASSIGN(const NamedTensors weights, PlainWeights(checkpoint));
  const std::vector<std::vector<int32_t>> ids = {{5, 6, 7, 1}};
  const TokenBatch input = PadTokens(ids, 0);
  const T5 plain(checkpoint.config), dropping(checkpoint.config, 0.5);
  EXPECT_TRUE(torch::equal(plain.LogProbs(weights, input, ids), plain.LogProbs(weights, input, ids)));
  EXPECT_FALSE(torch::equal(dropping.LogProbs(weights, input, ids), dropping.LogProbs(weights, input, ids)));
}

}  // namespace
}  // namespace trimtab
