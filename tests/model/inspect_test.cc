#include "model/inspect.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(InspectTest, DescribesAClpCheckpoint) {
  const TempDir dir;
  TinyOptions options;
  options.dtype = DType::kBF16;
  options.state_digest = true;
  ASSERT_OK(MakeTinyClp(dir.path(), options));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(dir.path()));
  ASSERT_OK_AND_ASSIGN(const std::string report, InspectCheckpoint(dir.path()));
  EXPECT_THAT(report, AllOf(HasSubstr("tiny"), HasSubstr("attn"), HasSubstr("r0"), HasSubstr("r1"),
                            HasSubstr("2 + 1 layers"), HasSubstr("d_model 16"), HasSubstr("tied embeddings")));
  EXPECT_THAT(report, AllOf(HasSubstr("softmdp, alpha from 0.1 to 1"), HasSubstr("conditioned/r1.safetensors"),
                            HasSubstr("reference.safetensors"), HasSubstr("BF16"), HasSubstr(checkpoint.digest)));
}

TEST(InspectTest, StatesNoDigestThatClpJsonDoesNotState) {
  const TempDir dir;
  ASSERT_OK(MakeTinyClp(dir.path(), {}));
  ASSERT_OK_AND_ASSIGN(const std::string report, InspectCheckpoint(dir.path()));
  EXPECT_THAT(report, Not(HasSubstr("digest")));
}

TEST(InspectTest, CountsTensorsAndParameters) {
  const TempDir dir;
  TinyOptions options;
  options.variant = "none";
  ASSERT_OK(MakeTinyClp(dir.path(), options));
  const size_t tensors = T5Tensors(TinyConfig(options)).size();
  ASSERT_OK_AND_ASSIGN(const std::string report, InspectCheckpoint(dir.path()));
  EXPECT_THAT(report, AllOf(HasSubstr(absl::StrCat(tensors, " tensors (", tensors, " F32)")),
                            HasSubstr("serves as a plain T5")));
}

TEST(InspectTest, DescribesAPlainFolder) {
  const TempDir dir;
  TinyOptions options;
  options.shards = 2;
  options.feed_forward = "relu";
  options.tied = false;
  ASSERT_OK(MakeTinyT5(dir.path(), options));
  ASSERT_OK_AND_ASSIGN(const std::string report, InspectCheckpoint(dir.path()));
  EXPECT_THAT(report, AllOf(HasSubstr("v1.0"), HasSubstr("untied"), HasSubstr("Hugging Face folder")));
}

TEST(InspectTest, DescribesAFixedAlphaAndPrompting) {
  const TempDir dir;
  TinyOptions options;
  options.variant = "custom";  // With no pattern S is empty.
  options.prompt_conditioning = true;
  options.mixing = {MixingKind::kFixed, 0.05};
  options.default_alpha = 0.05;
  ASSERT_OK(MakeTinyClp(dir.path(), options));
  ASSERT_OK_AND_ASSIGN(const std::string report, InspectCheckpoint(dir.path()));
  EXPECT_THAT(report, AllOf(HasSubstr("fixed at alpha 0.05"), HasSubstr("carries the weights too")));
  EXPECT_THAT(report, Not(HasSubstr("conditioned/")));
}

TEST(InspectTest, ReadsNoWeights) {
  const TempDir dir;
  ASSERT_OK(MakeTinyClp(dir.path(), {}));
  const std::string path = dir.File(kSharedFile);
  // All ones: NaN in every element.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string ones(1000, '\xff');
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) - ones.size()));
  file << ones;
  file.close();
  EXPECT_OK(InspectCheckpoint(dir.path()));
}

TEST(InspectTest, ReportsWhatIsMissing) {
  const TempDir dir;
  EXPECT_THAT(InspectCheckpoint(dir.path()), StatusIs(absl::StatusCode::kNotFound, HasSubstr("config.json")));
  ASSERT_OK(MakeTinyClp(dir.path(), {}));
  std::filesystem::remove(dir.File(kReferenceFile));
  EXPECT_THAT(InspectCheckpoint(dir.path()), StatusIs(absl::StatusCode::kNotFound, HasSubstr("reference.safetensors")));
}

}  // namespace
}  // namespace trimtab
