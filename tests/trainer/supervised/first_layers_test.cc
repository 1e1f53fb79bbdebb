#include "trainer/supervised/first_layers.h"

#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/mapped_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"
#include "trainer/supervised/plain_folder.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;

class FirstLayersTest : public testing::Test {
 protected:
  void SetUp() override {
    TinyOptions tiny;
    tiny.encoder_layers = 3;
    tiny.decoder_layers = 2;
    ASSERT_OK(MakeTinyT5(dir_.File("start"), tiny));
    ASSERT_OK_AND_ASSIGN(start_, StartFrom(dir_.File("start"), dir_.File("whole")));
  }
  std::string Config(const std::string& folder) const {
    return *ReadSmallFile(dir_.File(folder + "/config.json"), 1 << 20);
  }

  TempDir dir_;
  Start start_;
};

TEST_F(FirstLayersTest, WhatIsKeptIsThatShapesTensorsWithTheirValues) {
  T5Config config = start_.checkpoint.config;
  NamedTensors weights = start_.weights;
  ASSERT_OK(KeepFirstLayers({.encoder = 2, .decoder = 1}, config, weights));
  EXPECT_EQ(config.encoder_layers, 2);
  EXPECT_EQ(config.decoder_layers, 1);
  std::set<std::string> expected, kept;
  for (const TensorSpec& spec : T5Tensors(config)) expected.insert(spec.name);
  for (const auto& [name, weight] : weights) {
    kept.insert(name);
    EXPECT_TRUE(torch::equal(weight, start_.weights.at(name))) << name;
  }
  EXPECT_EQ(kept, expected);
  EXPECT_LT(weights.size(), start_.weights.size());
}

TEST_F(FirstLayersTest, ZeroKeepsAll) {
  T5Config config = start_.checkpoint.config;
  NamedTensors weights = start_.weights;
  ASSERT_OK(KeepFirstLayers({.encoder = 0, .decoder = 1}, config, weights));
  EXPECT_EQ(config.encoder_layers, 3);
  EXPECT_EQ(config.decoder_layers, 1);
}

TEST_F(FirstLayersTest, MoreLayersThanThereAreAreRefusedAndNothingChanges) {
  T5Config config = start_.checkpoint.config;
  NamedTensors weights = start_.weights;
  EXPECT_THAT(KeepFirstLayers({.encoder = 1, .decoder = 3}, config, weights),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("3 decoder layers")));
  EXPECT_EQ(config.encoder_layers, 3);
  EXPECT_EQ(weights.size(), start_.weights.size());
}

TEST_F(FirstLayersTest, TheFolderOfAShorterModelLoads) {
  ASSERT_OK_AND_ASSIGN(const Start shorter,
                       StartFrom(dir_.File("start"), dir_.File("out"), {.encoder = 1, .decoder = 1}));
  ASSERT_OK(WriteWeights(shorter.weights, dir_.File("out")));
  ASSERT_OK_AND_ASSIGN(const Checkpoint loaded, OpenCheckpoint(dir_.File("out")));
  EXPECT_EQ(loaded.config.encoder_layers, 1);
  EXPECT_EQ(loaded.config.decoder_layers, 1);
  EXPECT_EQ(loaded.config.d_ff, start_.checkpoint.config.d_ff);
}

TEST_F(FirstLayersTest, ARunThatWasBegunKeepsItsShape) {
  const std::string before = Config("whole");
  ASSERT_OK(WriteFileAtomically(StateFile(dir_.File("whole")), {}));
  EXPECT_THAT(StartFrom(dir_.File("start"), dir_.File("whole"), {.encoder = 1, .decoder = 1}).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("begun with 3 + 2 layers")));
  EXPECT_EQ(Config("whole"), before);
}

TEST_F(FirstLayersTest, ATextWithAllItsLayersStaysAsItIs) { EXPECT_EQ(Config("whole"), Config("start")); }

}  // namespace
}  // namespace trimtab
