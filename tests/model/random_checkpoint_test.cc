#include "model/random_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

const char kTokenizer[] = TRIMTAB_SOURCE_DIR "/tests/testing/tiny.spiece.model";

T5Config Small() {
  T5Config config = KnownShape("flan-t5-small").value();
  config.vocab_size = 300;
  config.d_model = 64;
  config.d_ff = 96;
  config.encoder_layers = config.decoder_layers = 2;
  return config;
}

TEST(RandomCheckpointTest, OpensAsAHuggingFaceFolderOfThatShape) {
  TempDir folder;
  ASSERT_OK(WriteRandomCheckpoint(Small(), 1, kTokenizer, folder.File("made")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.File("made")));
  EXPECT_EQ(checkpoint.config.d_model, 64);
  EXPECT_EQ(checkpoint.config.num_heads, 6);
  EXPECT_TRUE(checkpoint.config.gated);
  EXPECT_FALSE(checkpoint.config.tied_embeddings);
  EXPECT_EQ(checkpoint.config.activation, Activation::kGeluNew);
}

TEST(RandomCheckpointTest, AClpFolderOpensWithSetsThatDiffer) {
  TempDir folder;
  ASSERT_OK(WriteRandomClp(Small(), "attn", 2, 1, kTokenizer, folder.File("made")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.File("made")));
  EXPECT_EQ(checkpoint.clp.num_sets(), 3);
  int conditioned = 0;
  for (const ModelTensor& tensor : checkpoint.tensors) {
    if (!tensor.conditioned) continue;
    ++conditioned;
    ASSERT_EQ(tensor.sets.size(), 3u);
    EXPECT_FALSE(std::ranges::equal(tensor.sets[0].bytes, tensor.sets[1].bytes)) << tensor.spec.name;
    EXPECT_FALSE(std::ranges::equal(tensor.sets[1].bytes, tensor.sets[2].bytes)) << tensor.spec.name;
  }
  EXPECT_GT(conditioned, 0);
}

TEST(RandomCheckpointTest, DeviationsAreT5sAndValuesFollowTheSeed) {
  TempDir folder;
  for (const auto& [name, seed] : {std::pair{"a", 1}, {"b", 1}, {"c", 2}}) {
    ASSERT_OK(WriteRandomCheckpoint(Small(), seed, kTokenizer, folder.File(name)));
  }
  ASSERT_OK_AND_ASSIGN(const Checkpoint a, OpenCheckpoint(folder.File("a")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint b, OpenCheckpoint(folder.File("b")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint c, OpenCheckpoint(folder.File("c")));
  EXPECT_EQ(a.digest, b.digest);
  EXPECT_NE(a.digest, c.digest);
  for (const ModelTensor& tensor : a.tensors) {
    if (tensor.spec.name != "encoder.block.0.layer.1.DenseReluDense.wo.weight") continue;
    std::vector<float> values(tensor.sets[0].elements());
    ASSERT_OK(ToFloat32(tensor.sets[0], tensor.spec.name, values));
    double squares = 0;
    for (float value : values) squares += double{value} * value;
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(values.size())), std::pow(96.0, -0.5), 0.005);
  }
}

TEST(RandomCheckpointTest, RefusesUnknownShapesTakenFoldersAndMissingTokenizers) {
  TempDir folder;
  EXPECT_THAT(KnownShape("t6"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("flan-t5-base")));
  EXPECT_THAT(WriteRandomCheckpoint(Small(), 1, folder.File("none"), folder.File("made")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("spiece.model")));
  ASSERT_OK(WriteRandomCheckpoint(Small(), 1, kTokenizer, folder.File("made")));
  EXPECT_THAT(WriteRandomCheckpoint(Small(), 1, kTokenizer, folder.File("made")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not an empty folder")));
}

}  // namespace
}  // namespace trimtab
