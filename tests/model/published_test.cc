#include "model/published.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gtest/gtest.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

class PublishedTest : public testing::Test {
 protected:
  Checkpoint Open(const std::string& name, const TinyOptions& options) {
    EXPECT_OK(MakeTinyClp(directory_.File(name), options));
    auto checkpoint = OpenCheckpoint(directory_.File(name));
    EXPECT_OK(checkpoint);
    return *std::move(checkpoint);
  }

  TempDir directory_;
};

std::vector<Tensor> TensorsOf(const Checkpoint& checkpoint) {
  std::vector<Tensor> tensors;
  for (const PublishedTensor& place : PublishedTensors(checkpoint)) tensors.push_back(place.In(checkpoint));
  return tensors;
}

TEST_F(PublishedTest, HoldsSharedTensorsAndRewardsButNotTheReference) {
  const Checkpoint checkpoint = Open("a", {});
  size_t shared = 0, conditioned = 0;
  for (const ModelTensor& tensor : checkpoint.tensors) ++(tensor.conditioned ? conditioned : shared);
  const std::vector<PublishedTensor> published = PublishedTensors(checkpoint);
  EXPECT_EQ(published.size(), shared + 2 * conditioned);
  EXPECT_EQ(std::ranges::count(published, "", &PublishedTensor::reward), static_cast<ptrdiff_t>(shared));
  EXPECT_EQ(std::ranges::count(published, TinyRewardName(1), &PublishedTensor::reward),
            static_cast<ptrdiff_t>(conditioned));
}

TEST_F(PublishedTest, ReplacingThemGivesTheVersionThatHasThem) {
  const Checkpoint base = Open("a", {});
  TinyOptions other;
  other.set = 1;
  other.seed = 2;
  const Checkpoint next = Open("b", other);
  const Checkpoint replaced = WithPublished(base, TensorsOf(next), nullptr, {7, 8, "digest"});
  const std::string digest = ParametersDigest(replaced.tensors);
  EXPECT_NE(digest, base.digest);
  EXPECT_NE(digest, next.digest) << "the reference is that of the base";
  const auto backend = NewReferenceBackend();
  ASSERT_OK_AND_ASSIGN(const auto parameters, Parameters::Create(replaced, backend.get()));
  EXPECT_EQ(parameters->version(), (ParameterVersion{7, 8, "digest"}));
  EXPECT_EQ(ParametersDigest(WithPublished(base, TensorsOf(base), nullptr, {}).tensors), base.digest);
}

TEST_F(PublishedTest, AFileOfThemGivesThemBack) {
  const Checkpoint checkpoint = Open("a", {});
  ASSERT_OK_AND_ASSIGN(std::string file, PublishedHeader(checkpoint, {{"format", "pt"}}));
  for (const Tensor& tensor : TensorsOf(checkpoint)) {
    file.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  ASSERT_OK_AND_ASSIGN(const Safetensors opened, Safetensors::FromBytes(file, "published"));
  ASSERT_OK_AND_ASSIGN(const std::vector<Tensor> tensors, PublishedTensorsOf(opened, checkpoint));
  EXPECT_EQ(ParametersDigest(WithPublished(checkpoint, tensors, nullptr, {}).tensors), checkpoint.digest);
  EXPECT_EQ(opened.metadata().at("format"), "pt");
}

TEST_F(PublishedTest, AFileOfAnotherModelIsRefused) {
  const Checkpoint checkpoint = Open("a", {});
  TinyOptions wider;
  wider.d_ff = 32;
  TinyOptions deeper;
  deeper.encoder_layers = 3;
  for (const auto& [options, complaint] : {std::pair(wider, "expected floats"), std::pair(deeper, "to publish")}) {
    const Checkpoint other = Open(complaint, options);
    ASSERT_OK_AND_ASSIGN(std::string file, PublishedHeader(other, {}));
    for (const Tensor& tensor : TensorsOf(other)) {
      file.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    }
    ASSERT_OK_AND_ASSIGN(const Safetensors opened, Safetensors::FromBytes(file, "published"));
    EXPECT_THAT(PublishedTensorsOf(opened, checkpoint),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(complaint)));
  }
}

TEST_F(PublishedTest, RoundingGivesTheNearestBf16) {
  const Checkpoint checkpoint = Open("a", {});
  const Checkpoint rounded = RoundPublished(checkpoint);
  EXPECT_NE(rounded.digest, checkpoint.digest);
  for (const PublishedTensor& place : PublishedTensors(checkpoint)) {
    const Tensor &exact = place.In(checkpoint), &near = place.In(rounded);
    ASSERT_EQ(near.dtype, DType::kBF16);
    std::vector<float> before(exact.elements()), after(near.elements());
    ASSERT_OK(ToFloat32(exact, "exact", before));
    ASSERT_OK(ToFloat32(near, "near", after));
    for (size_t i = 0; i < before.size(); ++i) ASSERT_LE(std::abs(after[i] - before[i]), std::abs(before[i]) / 256);
  }
  EXPECT_EQ(RoundPublished(rounded).digest, rounded.digest);
}

TEST(RoundToBf16Test, TiesGoToEvenAndNanStaysNan) {
  const float values[] = {1.0f + 1.0f / 256, 1.0f + 3.0f / 256, -0.0f, INFINITY, NAN, 3.4e38f};
  const Tensor tensor{DType::kF32, {6}, std::as_bytes(std::span(values))};
  const std::string rounded = RoundToBf16(tensor);
  std::vector<uint16_t> bits(6);
  std::memcpy(bits.data(), rounded.data(), rounded.size());
  EXPECT_THAT(bits, testing::ElementsAre(0x3f80, 0x3f82, 0x8000, 0x7f80, 0x7fc0, 0x7f80));
}

}  // namespace
}  // namespace trimtab
