#include "model/checkpoint.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr char kQuery[] = "encoder.block.0.layer.0.SelfAttention.q.weight";
constexpr char kNorm[] = "encoder.final_layer_norm.weight";

using TensorMap = std::map<std::string, Tensor, std::less<>>;

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteText(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

void SetKey(const std::string& path, const std::string& key, const json& value) {
  json object = json::parse(ReadText(path));
  object[key] = value;
  WriteText(path, object.dump());
}

// Rewrites a tensor file after `change`. The bytes of new tensors must outlive the call.
template <typename Change>
void ChangeTensors(const std::string& path, Change change) {
  const absl::StatusOr<Safetensors> file = Safetensors::Open(path);
  ASSERT_OK(file);
  TensorMap tensors = file->tensors();
  change(&tensors);
  ASSERT_OK(WriteSafetensors(path, tensors, {}));
}

const ModelTensor* FindTensor(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = std::find_if(checkpoint.tensors.begin(), checkpoint.tensors.end(),
                                  [&](const ModelTensor& tensor) { return tensor.spec.name == name; });
  return found == checkpoint.tensors.end() ? nullptr : &*found;
}

std::vector<float> Widened(const Tensor& tensor) {
  std::vector<float> values(tensor.elements());
  EXPECT_OK(ToFloat32(tensor, "tensor", values));
  return values;
}

TinyOptions Variant(const std::string& variant, bool tied = true) {
  TinyOptions options;
  options.variant = variant;
  options.tied = tied;
  return options;
}

TinyOptions Sharded(int shards) {
  TinyOptions options;
  options.shards = shards;
  return options;
}

// A plain Hugging Face folder.
class HuggingFaceTest : public testing::Test {
 protected:
  void Make(const TinyOptions& options = {}) { ASSERT_OK(MakeTinyT5(dir_.path(), options)); }
  absl::StatusOr<Checkpoint> Open() const { return OpenCheckpoint(dir_.path()); }
  std::string Model() const { return dir_.File("model.safetensors"); }
  std::string Index() const { return dir_.File("model.safetensors.index.json"); }

  const TempDir dir_;
};

TEST_F(HuggingFaceTest, OpensAsAModelWithoutRewards) {
  Make();
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_TRUE(checkpoint.clp.rewards.empty());
  EXPECT_EQ(checkpoint.clp.variant, "none");
  EXPECT_EQ(checkpoint.clp.default_alpha, 1.0);
  EXPECT_EQ(checkpoint.clp.task_prefix, "");
  EXPECT_EQ(checkpoint.generation.max_new_tokens, 16);
  EXPECT_EQ(checkpoint.tokenizer_model, TinyTokenizerModel());
  EXPECT_EQ(checkpoint.tensors.size(), T5Tensors(checkpoint.config).size());
  for (const ModelTensor& tensor : checkpoint.tensors) {
    EXPECT_FALSE(tensor.conditioned);
    ASSERT_EQ(tensor.sets.size(), 1u);
    EXPECT_EQ(Widened(tensor.sets[0]), TinyValues({}, tensor.spec, 0)) << tensor.spec.name;
  }
}

TEST_F(HuggingFaceTest, OpensEveryKindOfT5) {
  for (const char* feed_forward : {"relu", "gated-gelu", "gated-silu"}) {
    for (const bool tied : {false, true}) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        TinyOptions options;
        options.feed_forward = feed_forward;
        options.tied = tied;
        options.dtype = dtype;
        const TempDir dir;
        ASSERT_OK(MakeTinyT5(dir.path(), options));
        ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(dir.path()));
        EXPECT_EQ(FindTensor(checkpoint, "lm_head.weight") == nullptr, tied);
        EXPECT_EQ(checkpoint.tensors[0].sets[0].dtype, dtype);
      }
    }
  }
}

TEST_F(HuggingFaceTest, TakesTheTaskPrefixFromTheConfig) {
  Make();
  SetKey(dir_.File(kConfigFile), "task_specific_params", {{"summarization", {{"prefix", "summarize: "}}}});
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_EQ(checkpoint.clp.task_prefix, "summarize: ");
}

TEST_F(HuggingFaceTest, NeedsNoGenerationConfig) {
  Make();
  fs::remove(dir_.File(kGenerationFile));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_EQ(checkpoint.generation.max_new_tokens, 64);
}

TEST_F(HuggingFaceTest, FindsTheEmbeddingUnderAStacksName) {
  Make();
  ChangeTensors(Model(), [](TensorMap* tensors) {
    tensors->emplace("encoder.embed_tokens.weight", tensors->at("shared.weight"));
    tensors->erase("shared.weight");
  });
  EXPECT_OK(Open());
}

TEST_F(HuggingFaceTest, AllowsCopiesOfTheEmbeddingAndRefusesDifferentOnes) {
  Make();
  ChangeTensors(Model(), [](TensorMap* tensors) {
    for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}) {
      tensors->emplace(name, tensors->at("shared.weight"));
    }
  });
  ASSERT_OK(Open());
  for (const char* name : {"decoder.embed_tokens.weight", "lm_head.weight"}) {
    const std::string zeros(208 * 16 * 4, '\0');
    const std::string before = ReadText(Model());
    ChangeTensors(Model(), [&](TensorMap* tensors) {
      tensors->at(name).bytes = std::as_bytes(std::span<const char>(zeros.data(), zeros.size()));
    });
    EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("differs from"))) << name;
    WriteText(Model(), before);
  }
}

TEST_F(HuggingFaceTest, IgnoresABiasInCrossAttention) {
  Make();
  const std::string name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
  ChangeTensors(Model(), [&](TensorMap* tensors) {
    tensors->emplace(name, tensors->at("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"));
  });
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_EQ(FindTensor(checkpoint, name), nullptr);
}

TEST_F(HuggingFaceTest, NamesAMissingTensor) {
  Make();
  ChangeTensors(Model(), [](TensorMap* tensors) { tensors->erase(kNorm); });
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr(kNorm), HasSubstr("missing"))));
}

TEST_F(HuggingFaceTest, RefusesAnUntiedModelWithoutItsOutputLayer) {
  Make();
  SetKey(dir_.File(kConfigFile), "tie_word_embeddings", false);
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("lm_head.weight"), HasSubstr("missing"))));
}

TEST_F(HuggingFaceTest, NamesATensorTheModelDoesNotHave) {
  Make();
  ChangeTensors(Model(), [](TensorMap* tensors) { tensors->emplace("encoder.block.9.evil", tensors->at(kNorm)); });
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("encoder.block.9.evil")));
}

TEST_F(HuggingFaceTest, RefusesAShapeThatDiffersFromTheConfig) {
  Make();
  ChangeTensors(Model(),
                [](TensorMap* tensors) { std::swap(tensors->at(kQuery).shape[0], tensors->at(kQuery).shape[1]); });
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr(kQuery), HasSubstr("[16, 12]"), HasSubstr("[12, 16]"))));
}

TEST_F(HuggingFaceTest, RefusesATensorThatIsNotAFloat) {
  Make();
  // The header's "F32" of one tensor becomes "I32": the same size.
  std::string bytes = ReadText(Model());
  const size_t entry = bytes.find(std::string("\"") + kNorm);
  ASSERT_NE(entry, std::string::npos);
  bytes[bytes.find("F32", entry)] = 'I';
  WriteText(Model(), bytes);
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr(kNorm), HasSubstr("not a float"))));
}

TEST_F(HuggingFaceTest, SaysHowToConvertPickledWeights) {
  Make();
  fs::rename(Model(), dir_.File("pytorch_model.bin"));
  EXPECT_THAT(Open(), StatusIs(kNotFound, AllOf(HasSubstr(".bin"), HasSubstr("safe_serialization=True"))));
}

TEST_F(HuggingFaceTest, SaysThatTheTokenizerIsMissing) {
  Make();
  fs::remove(dir_.File(kTokenizerFile));
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("spiece.model is missing")));
}

TEST_F(HuggingFaceTest, ReportsAFolderThatIsNotThere) {
  EXPECT_THAT(OpenCheckpoint(dir_.File("nothing")), StatusIs(kNotFound, HasSubstr("config.json")));
}

TEST_F(HuggingFaceTest, RefusesLinksForEveryPart) {
  Make();
  for (const char* name : {kConfigFile, kGenerationFile, kTokenizerFile, "model.safetensors"}) {
    const TempDir elsewhere;
    fs::copy(dir_.File(name), elsewhere.File(name));
    fs::remove(dir_.File(name));
    fs::create_symlink(elsewhere.File(name), dir_.File(name));
    EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr(name), HasSubstr("symbolic link")))) << name;
    fs::remove(dir_.File(name));
    fs::copy(elsewhere.File(name), dir_.File(name));
  }
  EXPECT_OK(Open());
}

TEST_F(HuggingFaceTest, RefusesAFifoInPlaceOfAFile) {
  Make();
  fs::remove(dir_.File(kConfigFile));
  ASSERT_EQ(mkfifo(dir_.File(kConfigFile).c_str(), 0600), 0);
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("not a regular file")));
}

TEST_F(HuggingFaceTest, ReadsShardsLikeOneFile) {
  Make();
  const TempDir shards;
  ASSERT_OK(MakeTinyT5(shards.path(), Sharded(3)));
  EXPECT_FALSE(fs::exists(shards.File("model.safetensors")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint one, Open());
  ASSERT_OK_AND_ASSIGN(const Checkpoint three, OpenCheckpoint(shards.path()));
  EXPECT_EQ(one.digest, three.digest);
}

TEST_F(HuggingFaceTest, RefusesATensorThatIsInTwoShards) {
  Make(Sharded(2));
  ASSERT_OK_AND_ASSIGN(const Safetensors first, Safetensors::Open(dir_.File("model-00001-of-00002.safetensors")));
  ChangeTensors(dir_.File("model-00002-of-00002.safetensors"),
                [&](TensorMap* tensors) { tensors->insert(*first.tensors().begin()); });
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr(first.tensors().begin()->first), HasSubstr("two files"))));
}

TEST_F(HuggingFaceTest, RefusesShardNamesThatLeadElsewhere) {
  Make(Sharded(2));
  const std::string before = ReadText(Index());
  for (const std::string& name : {std::string("../model.safetensors"), std::string("/etc/passwd"), std::string(".."),
                                  std::string("a/b.safetensors"), std::string(""), std::string(".hidden"),
                                  std::string("model\0.safetensors", 18)}) {
    SetKey(Index(), "weight_map", {{kNorm, name}});
    EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr(kNorm), HasSubstr("file beside it")))) << name;
  }
  WriteText(Index(), before);
  EXPECT_OK(Open());
}

TEST_F(HuggingFaceTest, RefusesAShardThatIsALinkOutOfTheFolder) {
  Make(Sharded(2));
  const TempDir elsewhere;
  const std::string shard = dir_.File("model-00002-of-00002.safetensors");
  fs::copy(shard, elsewhere.File("shard"));
  fs::remove(shard);
  fs::create_symlink(elsewhere.File("shard"), shard);
  EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("symbolic link")));
}

TEST_F(HuggingFaceTest, RefusesAnIndexThatIsNotOne) {
  Make(Sharded(2));
  for (const char* text : {"[]", "{}", R"({"weight_map": []})", R"({"weight_map": {"a": 1}})"}) {
    WriteText(Index(), text);
    EXPECT_THAT(Open(), StatusIs(kInvalid, HasSubstr("weight_map"))) << text;
  }
}

TEST_F(HuggingFaceTest, ReportsAShardThatIsNotThere) {
  Make(Sharded(2));
  fs::remove(dir_.File("model-00002-of-00002.safetensors"));
  EXPECT_THAT(Open(), StatusIs(kNotFound, HasSubstr("model-00002-of-00002.safetensors")));
}

// A CLP directory.
class ClpTest : public testing::Test {
 protected:
  void Make(const TinyOptions& options) { ASSERT_OK(MakeTinyClp(dir_.path(), options)); }
  absl::StatusOr<Checkpoint> Open() const { return OpenCheckpoint(dir_.path()); }

  const TempDir dir_;
};

TEST_F(ClpTest, OrdersSetsByRewardAndThenTheReference) {
  TinyOptions options;
  options.num_rewards = 3;
  Make(options);
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  const ModelTensor* query = FindTensor(checkpoint, kQuery);
  ASSERT_NE(query, nullptr);
  EXPECT_TRUE(query->conditioned);
  ASSERT_EQ(query->sets.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Widened(query->sets[i]), TinyValues(options, query->spec, i == 3 ? 0 : i + 1)) << i;
  }
}

TEST_F(ClpTest, ConditionsAttentionWithoutNormsInAttn) {
  Make(Variant("attn"));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  for (const ModelTensor& tensor : checkpoint.tensors) {
    const bool attention = tensor.spec.name.find("Attention.") != std::string::npos;
    EXPECT_EQ(tensor.conditioned, attention) << tensor.spec.name;
    EXPECT_EQ(tensor.sets.size(), attention ? 3u : 1u) << tensor.spec.name;
  }
}

TEST_F(ClpTest, ConditionsTheEmbeddingOfATiedT5InFull) {
  Make(Variant("full"));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  for (const ModelTensor& tensor : checkpoint.tensors) EXPECT_EQ(tensor.sets.size(), 3u) << tensor.spec.name;
  EXPECT_EQ(FindTensor(checkpoint, "lm_head.weight"), nullptr);
}

TEST_F(ClpTest, GivesATiedT5AnOutputLayerOfItsOwnInLogitAndKeepsItsScale) {
  Make(Variant("logit", /*tied=*/true));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  const ModelTensor& head = checkpoint.tensors.back();
  EXPECT_EQ(head.spec.name, "lm_head.weight");
  EXPECT_TRUE(head.conditioned);
  EXPECT_EQ(head.sets.size(), 3u);
  EXPECT_FALSE(FindTensor(checkpoint, "shared.weight")->conditioned);
  EXPECT_FLOAT_EQ(checkpoint.config.logit_scale, 0.25f);  // 16^-0.5, stated by clp.json.
}

TEST_F(ClpTest, TakesTheOutputScaleFromClpJson) {
  Make(Variant("logit", /*tied=*/true));
  SetKey(dir_.File(kClpFile), "logit_scale", 0.125);
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_EQ(checkpoint.config.logit_scale, 0.125f);
}

TEST_F(ClpTest, ConditionsTheHeadOfAnUntiedT5InLogit) {
  Make(Variant("logit", /*tied=*/false));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_TRUE(checkpoint.tensors.back().conditioned);
  EXPECT_EQ(checkpoint.config.logit_scale, 1.0f);
}

TEST_F(ClpTest, HasNoReferenceFileAtAFixedAlpha) {
  TinyOptions options;
  options.mixing = {MixingKind::kFixed, 0.05};
  options.default_alpha = 0.05;
  Make(options);
  EXPECT_FALSE(fs::exists(dir_.File(kReferenceFile)));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_EQ(FindTensor(checkpoint, kQuery)->sets.size(), 2u);
}

TEST_F(ClpTest, OpensWithoutRewardsAndWithAnEmptyS) {
  Make(Variant("none"));
  EXPECT_OK(Open());
  const TempDir prompting;
  TinyOptions options = Variant("custom");
  options.prompt_conditioning = true;
  ASSERT_OK(MakeTinyClp(prompting.path(), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(prompting.path()));
  EXPECT_EQ(checkpoint.clp.rewards.size(), 2u);
  for (const ModelTensor& tensor : checkpoint.tensors) EXPECT_FALSE(tensor.conditioned);
}

TEST_F(ClpTest, RefusesPatternsThatMatchNothing) {
  Make(Variant("attn"));
  SetKey(dir_.File(kClpFile), "variant", "custom");
  SetKey(dir_.File(kClpFile), "patterns", {"*.LinearAttention.*"});
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("LinearAttention"), HasSubstr("match no tensor"))));
}

TEST_F(ClpTest, LetsTheReferenceHoldAllOfTheReferenceModel) {
  Make(Variant("attn"));
  ASSERT_OK_AND_ASSIGN(const Safetensors shared, Safetensors::Open(dir_.File(kSharedFile)));
  ASSERT_OK_AND_ASSIGN(const Checkpoint before, Open());
  ChangeTensors(dir_.File(kReferenceFile),
                [&](TensorMap* tensors) { tensors->insert(shared.tensors().begin(), shared.tensors().end()); });
  ASSERT_OK_AND_ASSIGN(const Checkpoint after, Open());
  EXPECT_EQ(before.digest, after.digest);
}

TEST_F(ClpTest, RefusesASharedTensorInARewardsFile) {
  Make(Variant("attn"));
  ASSERT_OK_AND_ASSIGN(const Safetensors shared, Safetensors::Open(dir_.File(kSharedFile)));
  ChangeTensors(dir_.File(ConditionedFile("r1")),
                [&](TensorMap* tensors) { tensors->emplace(kNorm, *shared.Find(kNorm)); });
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("r1.safetensors"), HasSubstr(kNorm))));
}

TEST_F(ClpTest, NamesTheRewardFileThatLacksATensor) {
  Make(Variant("attn"));
  ChangeTensors(dir_.File(ConditionedFile("r0")), [](TensorMap* tensors) { tensors->erase(kQuery); });
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("r0.safetensors"), HasSubstr(kQuery), HasSubstr("missing"))));
}

TEST_F(ClpTest, ReportsAMissingRewardFile) {
  Make(Variant("attn"));
  fs::remove(dir_.File(ConditionedFile("r1")));
  EXPECT_THAT(Open(), StatusIs(kNotFound, HasSubstr("r1.safetensors")));
}

TEST_F(ClpTest, RefusesAConditionedFolderThatIsALink) {
  Make(Variant("attn"));
  const TempDir elsewhere;
  fs::rename(dir_.File("conditioned"), elsewhere.File("sets"));
  fs::create_directory_symlink(elsewhere.File("sets"), dir_.File("conditioned"));
  EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("conditioned"), HasSubstr("symbolic link"))));
}

TEST_F(ClpTest, OpensWhenTheStatedDigestIsRight) {
  TinyOptions options = Variant("full");
  options.state_digest = true;
  Make(options);
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  EXPECT_EQ(checkpoint.clp.digest, checkpoint.digest);
  EXPECT_EQ(checkpoint.digest.size(), 64u);
}

TEST_F(ClpTest, RefusesAByteThatTheDigestDoesNotKnow) {
  TinyOptions options = Variant("attn");
  options.state_digest = true;
  Make(options);
  for (const std::string& name : {std::string(kSharedFile), std::string(kReferenceFile), ConditionedFile("r0")}) {
    const std::string before = ReadText(dir_.File(name));
    std::string after = before;
    after.back() = static_cast<char>(after.back() ^ 1);
    WriteText(dir_.File(name), after);
    EXPECT_THAT(Open(), StatusIs(kInvalid, AllOf(HasSubstr("digest"), HasSubstr("changed or damaged")))) << name;
    WriteText(dir_.File(name), before);
  }
  EXPECT_OK(Open());
}

TEST_F(ClpTest, DigestsTheParametersAndNotTheirPlace) {
  Make(Variant("attn"));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, Open());
  SetKey(dir_.File(kClpFile), "name", "other");
  ASSERT_OK_AND_ASSIGN(const Checkpoint renamed, Open());
  EXPECT_EQ(checkpoint.digest, renamed.digest);
  const TempDir other;
  TinyOptions options = Variant("attn");
  options.seed = 2;
  ASSERT_OK(MakeTinyClp(other.path(), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint different, OpenCheckpoint(other.path()));
  EXPECT_NE(checkpoint.digest, different.digest);
}

TEST_F(ClpTest, DigestsTheOrderOfTheSets) {
  Make(Variant("attn"));
  ASSERT_OK_AND_ASSIGN(Checkpoint checkpoint, Open());
  const std::string before = ParametersDigest(checkpoint.tensors);
  EXPECT_EQ(before, checkpoint.digest);
  for (ModelTensor& tensor : checkpoint.tensors) {
    if (tensor.conditioned) std::swap(tensor.sets[0], tensor.sets[1]);
  }
  EXPECT_NE(ParametersDigest(checkpoint.tensors), before);
}

TEST_F(ClpTest, KeepsItsBytesWhenMoved) {
  Make(Variant("attn"));
  ASSERT_OK_AND_ASSIGN(Checkpoint opened, Open());
  const std::string digest = opened.digest;
  const Checkpoint moved = std::move(opened);
  EXPECT_EQ(ParametersDigest(moved.tensors), digest);
}

}  // namespace
}  // namespace trimtab
