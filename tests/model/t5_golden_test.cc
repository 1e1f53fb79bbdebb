// The forward pass and the searches against transformers. The golden files, one small random T5 per trap, are made by
// tests/oracle/make_goldens.py, which says what each architecture is there for.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/engine.h"
#include "model/scoring.h"
#include "tests/testing/devices.h"
#include "tests/testing/goldens.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;

// (architecture, backend)
class T5GoldenTest : public testing::TestWithParam<std::tuple<std::string, std::string>> {
 protected:
  void SetUp() override {
    const auto& [architecture, device] = GetParam();
    const fs::path source = fs::path(kGoldenFolder) / architecture;
    ASSERT_OK_AND_ASSIGN(backend_, NewBackend(device, 2));
    ASSERT_OK_AND_ASSIGN(golden_, OpenGolden(source / "golden.safetensors"));
    // A checkpoint needs a tokenizer, which goldens in token ids do not.
    for (const char* file : {"config.json", "model.safetensors"}) fs::copy_file(source / file, folder_.File(file));
    fs::copy_file(TRIMTAB_SOURCE_DIR "/tests/testing/tiny.spiece.model", folder_.File("spiece.model"));
    ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder_.path()));
    ASSERT_OK_AND_ASSIGN(const std::shared_ptr<const Parameters> parameters,
                         Parameters::Create(checkpoint, backend_.get()));
    ASSERT_OK_AND_ASSIGN(const Weighting weighting, Weighting::Create(parameters->clp().mixing, 0, 1.0, {}));
    const Coefficients one = Coefficients::From(parameters->clp().mixing, weighting, {});
    ASSERT_OK_AND_ASSIGN(weights_, MixedWeights::Mix(parameters, one, backend_.get()));
    ASSERT_OK_AND_ASSIGN(engine_, NewEngine(parameters->config(), {}, backend_.get()));
  }

  static absl::StatusOr<std::unique_ptr<Safetensors>> OpenGolden(const fs::path& path) {
    absl::StatusOr<Safetensors> file = Safetensors::Open(path);
    if (!file.ok()) return file.status();
    return std::make_unique<Safetensors>(*std::move(file));
  }

  std::vector<float> Floats(int index, const std::string& name) const {
    const Tensor* tensor = golden_->Find(absl::StrCat(index, ".", name));
    if (tensor == nullptr) return {};
    std::vector<float> values(tensor->elements());
    EXPECT_OK(ToFloat32(*tensor, name, values));
    return values;
  }

  std::vector<int32_t> Ids(int index, const std::string& name) const {
    const std::vector<float> values = Floats(index, name);
    EXPECT_FALSE(values.empty()) << "golden " << name << " is missing";
    return {values.begin(), values.end()};
  }

  Generation Run(int index, const GenerationOptions& options) {
    absl::StatusOr<Generation> generation = Generate(*engine_, {1, Ids(index, "input_ids"), weights_, options});
    EXPECT_OK(generation);
    return generation.value_or(Generation{});
  }

  static GenerationOptions Options() {
    GenerationOptions options;
    options.max_new_tokens = 24;
    return options;
  }

  // max|a - b| / max|b|
  static double RelativeError(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    double difference = 0.0, largest = 0.0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      difference = std::max(difference, std::abs(double{a[i]} - b[i]));
      largest = std::max(largest, std::abs(double{b[i]}));
    }
    return difference / largest;
  }

  TempDir folder_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Safetensors> golden_;
  std::shared_ptr<const MixedWeights> weights_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(T5GoldenTest, LogitsUnderTeacherForcingAgreeAtEveryStep) {
  for (int i = 0; i < kGoldenCases; ++i) {
    const std::vector<int32_t> decoder_ids = Ids(i, "decoder_ids");
    ASSERT_GE(decoder_ids.size(), 12u);
    ASSERT_OK_AND_ASSIGN(const std::vector<float> logits,
                         TeacherForcedLogits(*weights_, Ids(i, "input_ids"), decoder_ids, backend_.get()));
    EXPECT_LE(RelativeError(logits, Floats(i, "logits")), 1e-4) << "case " << i;
  }
}

TEST_P(T5GoldenTest, TheEncoderAgrees) {
  int compared = 0;
  for (int i = 0; i < kGoldenCases; ++i) {
    const std::vector<float> expected = Floats(i, "encoder");
    if (expected.empty()) continue;
    ASSERT_OK_AND_ASSIGN(const std::vector<float> output,
                         EncoderOutput(*weights_, Ids(i, "input_ids"), backend_.get()));
    EXPECT_LE(RelativeError(output, expected), 1e-4) << "case " << i;
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

TEST_P(T5GoldenTest, GreedyTokensAreIdenticalAndTheirLogProbabilitiesAgree) {
  GenerationOptions options = Options();
  options.log_probs = true;
  for (int i = 0; i < kGoldenCases; ++i) {
    const Generation generation = Run(i, options);
    EXPECT_EQ(generation.tokens, Ids(i, "greedy")) << "case " << i;
    const std::vector<float> expected = Floats(i, "greedy_log_probs");
    ASSERT_EQ(generation.log_probs.size(), expected.size());
    for (size_t t = 0; t < expected.size(); ++t) EXPECT_NEAR(generation.log_probs[t], expected[t], 1e-4) << t;
  }
}

TEST_P(T5GoldenTest, BeamSearchIsIdentical) {
  struct Variant {
    std::string name;
    float length_penalty;
    int32_t no_repeat_ngram_size;
    int32_t min_new_tokens;
  };
  for (const Variant& variant : {Variant{"beam4", 1.0f, 0, 0}, Variant{"beam4_short", 0.6f, 0, 0},
                                 Variant{"beam4_ngram", 1.0f, 2, 0}, Variant{"beam4_min", 1.0f, 0, 10}}) {
    for (int i = 0; i < kGoldenCases; ++i) {
      GenerationOptions options = Options();
      options.num_beams = 4;
      options.length_penalty = variant.length_penalty;
      options.no_repeat_ngram_size = variant.no_repeat_ngram_size;
      options.min_new_tokens = variant.min_new_tokens;
      const Generation generation = Run(i, options);
      EXPECT_EQ(generation.tokens, Ids(i, variant.name)) << variant.name << " case " << i;
      EXPECT_NEAR(generation.score, Floats(i, variant.name + "_score").at(0), 1e-4) << variant.name << " case " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, T5GoldenTest,
                         testing::Combine(testing::ValuesIn(GoldenArchitectures()), testing::ValuesIn(TestDevices())),
                         [](const auto& info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param); });

}  // namespace
}  // namespace trimtab
