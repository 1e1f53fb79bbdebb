#include "model/importer.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Three folders with equal tensors but for those `patterns` match: ref, one, two.
class ImporterTest : public testing::Test {
 protected:
  void MakeSoup(const std::vector<std::string>& patterns, TinyOptions options = {}) {
    options.varied = patterns;
    for (const char* name : {"ref", "one", "two"}) {
      ASSERT_OK(MakeTinyT5(dir_.File(name), options));
      ++options.set;
    }
  }
  Soup SoupOf(const std::string& variant) const {
    return {dir_.File("ref"), {{"nli", dir_.File("one")}, {"rouge", dir_.File("two")}}, variant};
  }
  std::string Out() const { return dir_.File("out"); }

  const TempDir dir_;
};

std::vector<std::string> Attention() { return VariantPatterns("attn").value(); }

TEST_F(ImporterTest, MakesAnAttnSoupWhoseSetsAreTheFolders) {
  MakeSoup(Attention());
  ImportOptions options;
  options.name = "news";
  options.alpha_min = 0.05;
  options.default_alpha = 0.2;
  options.presets = {{"nli", {1, 0}}, {"rouge", {0, 1}}, {"balanced", {0.5, 0.5}}};
  ASSERT_OK(ImportSoup(SoupOf("attn"), Out(), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  EXPECT_EQ(made.clp.name, "news");
  EXPECT_EQ(made.clp.variant, "attn");
  EXPECT_EQ(made.clp.mixing.kind, MixingKind::kSoftmdp);
  EXPECT_EQ(made.clp.mixing.alpha_min, 0.05);
  EXPECT_EQ(made.clp.default_alpha, 0.2);
  EXPECT_EQ(made.clp.RewardIndex("nli"), 0);
  EXPECT_EQ(made.clp.RewardIndex("rouge"), 1);
  EXPECT_EQ(made.clp.presets.at("balanced").alpha, 0.2);
  EXPECT_THAT(made.clp.presets.at("rouge").w, ElementsAre(0, 1));
  EXPECT_EQ(made.clp.digest, made.digest);
  std::vector<float> values;
  for (const ModelTensor& tensor : made.tensors) {
    ASSERT_EQ(tensor.sets.size(), tensor.conditioned ? 3u : 1u) << tensor.spec.name;
    for (size_t i = 0; i < tensor.sets.size(); ++i) {
      values.resize(tensor.sets[i].elements());
      ASSERT_OK(ToFloat32(tensor.sets[i], tensor.spec.name, values));
      const int set = tensor.conditioned && i < 2 ? static_cast<int>(i) + 1 : 0;
      EXPECT_EQ(values, TinyValues({}, tensor.spec, set)) << tensor.spec.name;
    }
  }
}

TEST_F(ImporterTest, KeepsDtypeConfigAndTokenizer) {
  TinyOptions tiny;
  tiny.dtype = DType::kBF16;
  MakeSoup(Attention(), tiny);
  ASSERT_OK(ImportSoup(SoupOf("attn"), Out(), {}));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint reference, OpenCheckpoint(dir_.File("ref")));
  EXPECT_EQ(made.tensors[0].sets[0].dtype, DType::kBF16);
  EXPECT_EQ(made.tokenizer_model, reference.tokenizer_model);
  EXPECT_EQ(made.generation.max_new_tokens, 16);
  EXPECT_EQ(made.clp.task_prefix, "summarize: ");
  EXPECT_EQ(made.clp.name, "out");
}

TEST_F(ImporterTest, RefusesAttnWhenAnotherTensorDiffersAndNamesIt) {
  const std::string other = "decoder.block.0.layer.2.DenseReluDense.wo.weight";
  std::vector<std::string> patterns = Attention();
  patterns.push_back(other);
  MakeSoup(patterns);
  EXPECT_THAT(ImportSoup(SoupOf("attn"), Out(), {}), StatusIs(kInvalid, AllOf(HasSubstr(other), HasSubstr("full"))));
  EXPECT_FALSE(fs::exists(Out()));
  EXPECT_OK(ImportSoup(SoupOf("full"), Out(), {}));
}

TEST_F(ImporterTest, RefusesAttnWhenOnlyTheLastFolderDiffersInOneNorm) {
  MakeSoup(Attention());
  TinyOptions options;
  options.set = 2;
  options.varied = {"encoder.final_layer_norm.weight"};
  ASSERT_OK(MakeTinyT5(dir_.File("two"), options));
  EXPECT_THAT(ImportSoup(SoupOf("attn"), Out(), {}),
              StatusIs(kInvalid, AllOf(HasSubstr("encoder.final_layer_norm.weight"), HasSubstr("two"))));
}

TEST_F(ImporterTest, MakesAFullSoupOfATiedModelWithItsEmbedding) {
  MakeSoup({"*"});
  ASSERT_OK(ImportSoup(SoupOf("full"), Out(), {}));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  for (const ModelTensor& tensor : made.tensors) EXPECT_TRUE(tensor.conditioned) << tensor.spec.name;
}

TEST_F(ImporterTest, MakesALogitSoupOfAnUntiedModel) {
  TinyOptions untied;
  untied.tied = false;
  MakeSoup({"lm_head.weight"}, untied);
  ASSERT_OK(ImportSoup(SoupOf("logit"), Out(), {}));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  EXPECT_EQ(made.tensors.back().sets.size(), 3u);
  EXPECT_EQ(made.clp.logit_scale, 1.0);
}

TEST_F(ImporterTest, StatesTheScaleOfATiedModelInLogit) {
  MakeSoup({});
  ASSERT_OK(ImportSoup(SoupOf("logit"), Out(), {}));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  ASSERT_TRUE(made.clp.logit_scale.has_value());
  EXPECT_EQ(*made.clp.logit_scale, 0.25);  // 16^-0.5
  const ModelTensor& head = made.tensors.back();
  EXPECT_EQ(head.spec.name, "lm_head.weight");
  std::vector<float> values(head.sets[0].elements());
  ASSERT_OK(ToFloat32(head.sets[0], "lm_head.weight", values));
  EXPECT_EQ(values, TinyValues({}, T5Tensors(made.config).front(), 0));
}

TEST_F(ImporterTest, RefusesATiedModelsOwnEmbeddingDifferenceInLogit) {
  MakeSoup({"shared.weight"});
  EXPECT_THAT(ImportSoup(SoupOf("logit"), Out(), {}), StatusIs(kInvalid, HasSubstr("shared.weight")));
}

TEST_F(ImporterTest, MakesAMultiKlPairOfOneReward) {
  MakeSoup(Attention());
  Soup pair = SoupOf("attn");
  pair.rewards.pop_back();
  ASSERT_OK(ImportSoup(pair, Out(), {}));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  EXPECT_EQ(made.clp.num_sets(), 2);
}

TEST_F(ImporterTest, RefusesFoldersOfDifferentShape) {
  MakeSoup({"*"});
  TinyOptions other;
  other.d_ff = 32;
  ASSERT_OK(MakeTinyT5(dir_.File("two"), other));
  EXPECT_THAT(ImportSoup(SoupOf("full"), Out(), {}), StatusIs(kInvalid, AllOf(HasSubstr("two"), HasSubstr("wi_0"))));
}

TEST_F(ImporterTest, RefusesFoldersThatDifferInWhatNoTensorShows) {
  MakeSoup({"*"});
  const std::string path = dir_.File("two/config.json");
  std::ifstream file(path);
  const json config = json::parse(file);
  const std::map<std::string, json> changes = {{"feed_forward_proj", "gated-silu"},
                                               {"relative_attention_max_distance", 30},
                                               {"layer_norm_epsilon", 1e-5},
                                               {"eos_token_id", 2}};
  for (const auto& [key, value] : changes) {
    json changed = config;
    changed[key] = value;
    std::ofstream(path) << changed.dump();
    EXPECT_THAT(ImportSoup(SoupOf("full"), Out(), {}), StatusIs(kInvalid, HasSubstr("not the same kind"))) << key;
  }
}

TEST_F(ImporterTest, RefusesAnotherTokenizer) {
  MakeSoup({"*"});
  std::ofstream(dir_.File("one/spiece.model"), std::ios::app) << "x";
  EXPECT_THAT(ImportSoup(SoupOf("full"), Out(), {}), StatusIs(kInvalid, HasSubstr("spiece.model differs")));
}

TEST_F(ImporterTest, RefusesVariantsThatAreNotOfASoup) {
  MakeSoup({"*"});
  for (const char* variant : {"none", "custom", "lora", ""}) {
    EXPECT_THAT(ImportSoup(SoupOf(variant), Out(), {}), StatusIs(kInvalid, HasSubstr("variant"))) << variant;
  }
}

TEST_F(ImporterTest, RefusesRewardsWithoutANameOfTheirOwn) {
  MakeSoup({"*"});
  for (const char* name : {"rouge", "../evil", "Rouge", ""}) {
    Soup soup = SoupOf("full");
    soup.rewards[0].first = name;
    EXPECT_THAT(ImportSoup(soup, Out(), {}), StatusIs(kInvalid, HasSubstr("name"))) << name;
  }
  Soup none = SoupOf("full");
  none.rewards.clear();
  EXPECT_THAT(ImportSoup(none, Out(), {}), StatusIs(kInvalid, HasSubstr("at least one reward")));
}

TEST_F(ImporterTest, RefusesAlphasOutOfRange) {
  MakeSoup({"*"});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [alpha_min, default_alpha] : std::vector<std::pair<double, double>>{
           {0.0, 0.1}, {1.0, 1.0}, {-0.1, 0.1}, {0.1, 0.05}, {0.1, 1.5}, {nan, 0.1}, {0.1, nan}}) {
    ImportOptions options;
    options.alpha_min = alpha_min;
    options.default_alpha = default_alpha;
    EXPECT_THAT(ImportSoup(SoupOf("full"), Out(), options), StatusIs(kInvalid, HasSubstr("alpha")))
        << alpha_min << " " << default_alpha;
  }
}

TEST_F(ImporterTest, RefusesAPresetOffTheSimplexBeforeItWritesAnything) {
  MakeSoup({"*"});
  ImportOptions options;
  options.presets = {{"loud", {0.9, 0.9}}};
  EXPECT_THAT(ImportSoup(SoupOf("full"), Out(), options), StatusIs(kInvalid, HasSubstr("loud")));
  EXPECT_FALSE(fs::exists(Out()));
}

TEST_F(ImporterTest, RefusesAnOutputFolderThatHoldsSomething) {
  MakeSoup({"*"});
  fs::create_directory(Out());
  std::ofstream(dir_.File("out/notes.txt")) << "mine";
  EXPECT_THAT(ImportSoup(SoupOf("full"), Out(), {}), StatusIs(kInvalid, HasSubstr("not an empty folder")));
  EXPECT_THAT(ImportHuggingFace(dir_.File("ref"), Out(), {}), StatusIs(kInvalid, HasSubstr("not an empty folder")));
  EXPECT_EQ(std::distance(fs::directory_iterator(Out()), {}), 1);
}

TEST_F(ImporterTest, RefusesASoupOfSoups) {
  MakeSoup({"*"});
  ASSERT_OK(ImportSoup(SoupOf("full"), dir_.File("first"), {}));
  Soup soup = SoupOf("full");
  soup.reference = dir_.File("first");
  EXPECT_THAT(ImportSoup(soup, Out(), {}), StatusIs(kInvalid, HasSubstr("CLP checkpoint already")));
}

TEST_F(ImporterTest, RefusesAFolderThatIsNotThere) {
  MakeSoup({"*"});
  Soup soup = SoupOf("full");
  soup.rewards[1].second = dir_.File("three");
  EXPECT_THAT(ImportSoup(soup, Out(), {}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("three")));
}

TEST_F(ImporterTest, MakesAPlainModelThatServesAsIs) {
  TinyOptions sharded;
  sharded.shards = 2;
  ASSERT_OK(MakeTinyT5(dir_.File("ref"), sharded));
  ImportOptions options;
  options.name = "flan";
  ASSERT_OK(ImportHuggingFace(dir_.File("ref"), Out(), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint made, OpenCheckpoint(Out()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint source, OpenCheckpoint(dir_.File("ref")));
  EXPECT_TRUE(made.clp.rewards.empty());
  EXPECT_EQ(made.clp.name, "flan");
  EXPECT_EQ(made.digest, source.digest);
  EXPECT_EQ(made.clp.digest, source.digest);
}

}  // namespace
}  // namespace trimtab
