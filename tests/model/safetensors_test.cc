#include "model/safetensors.h"

#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// A file with this header and this many bytes of data.
std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  return bytes + header + std::string(data_bytes, '\0');
}

absl::StatusOr<Safetensors> Parse(const std::string& header, size_t data_bytes) {
  return Safetensors::FromBytes(File(header, data_bytes), "m.safetensors");
}

// One tensor "a" with these fields as JSON.
absl::StatusOr<Safetensors> ParseOne(const std::string& dtype, const std::string& shape, const std::string& offsets,
                                     size_t data_bytes) {
  return Parse(absl::StrCat(R"({"a":{"dtype":)", dtype, R"(,"shape":)", shape, R"(,"data_offsets":)", offsets, "}}"),
               data_bytes);
}

template <typename T>
Tensor TensorOf(DType dtype, const std::vector<T>& values) {
  return {dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span<const T>(values))};
}

TEST(SafetensorsTest, ReadsTensorsAndMetadata) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
      R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  ASSERT_OK_AND_ASSIGN(const Safetensors file, Parse(header, 12));
  ASSERT_NE(file.Find("a"), nullptr);
  EXPECT_EQ(file.Find("a")->dtype, DType::kF32);
  EXPECT_THAT(file.Find("a")->shape, ElementsAre(1, 2));
  EXPECT_EQ(file.Find("b")->bytes.size(), 4u);
  EXPECT_EQ(file.Find("b")->bytes.data() - file.Find("a")->bytes.data(), 8);
  EXPECT_EQ(file.Find("c"), nullptr);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.data_bytes(), 12);
}

TEST(SafetensorsTest, AllowsSpacesAfterTheHeader) { EXPECT_OK(Parse("{}      ", 0)); }

TEST(SafetensorsTest, AllowsScalarsAndEmptyTensors) {
  ASSERT_OK_AND_ASSIGN(const Safetensors scalar, ParseOne(R"("F32")", "[]", "[0,4]", 4));
  EXPECT_EQ(scalar.Find("a")->elements(), 1);
  ASSERT_OK_AND_ASSIGN(const Safetensors empty, ParseOne(R"("F32")", "[0,3]", "[0,0]", 0));
  EXPECT_EQ(empty.Find("a")->elements(), 0);
}

TEST(SafetensorsTest, RefusesAFileShorterThanEightBytes) {
  EXPECT_THAT(Safetensors::FromBytes("1234567", "m"), StatusIs(kInvalid, HasSubstr("at least 8")));
}

TEST(SafetensorsTest, RefusesAHeaderLongerThanTheFile) {
  std::string bytes = File("{}", 0);
  bytes[0] = 3;
  EXPECT_THAT(Safetensors::FromBytes(bytes, "m"),
              StatusIs(kInvalid, AllOf(HasSubstr("3 bytes"), HasSubstr("at most 2"))));
}

TEST(SafetensorsTest, RefusesAHeaderLengthThatWouldWrapAround) {
  for (const uint64_t length : {~uint64_t{0}, ~uint64_t{7}, uint64_t{1} << 63}) {
    std::string bytes = File("{}", 0);
    std::memcpy(bytes.data(), &length, sizeof(length));
    EXPECT_THAT(Safetensors::FromBytes(bytes, "m"), StatusIs(kInvalid, HasSubstr("header is said to have")));
  }
}

TEST(SafetensorsTest, RefusesAHeaderOverTheCapEvenIfTheFileHoldsIt) {
  const std::string header = "{}" + std::string(Safetensors::kMaxHeaderBytes, ' ');
  EXPECT_THAT(Parse(header, 0), StatusIs(kInvalid, HasSubstr("at most 16777216")));
}

TEST(SafetensorsTest, RefusesAHeaderThatDoesNotBeginWithABrace) {
  for (const char* header : {" {}", "[]", "", "\xef\xbb\xbf{}"}) {
    EXPECT_THAT(Parse(header, 0), StatusIs(kInvalid, HasSubstr("begin with '{'"))) << header;
  }
}

TEST(SafetensorsTest, RefusesAHeaderThatIsNotUtf8) {
  EXPECT_THAT(Parse("{\"a\xff\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4), StatusIs(kInvalid));
}

TEST(SafetensorsTest, RefusesANameThatAppearsTwice) {
  const std::string entry = R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  EXPECT_THAT(Parse("{" + entry + "," + entry + "}", 4), StatusIs(kInvalid, HasSubstr("twice")));
}

TEST(SafetensorsTest, RefusesADeepHeader) {
  EXPECT_THAT(ParseOne(R"("F32")", "[[[[1]]]]", "[0,4]", 4), StatusIs(kInvalid, HasSubstr("deeper")));
}

TEST(SafetensorsTest, RefusesMoreTensorsThanTheCap) {
  std::string header = "{";
  for (size_t i = 0; i <= Safetensors::kMaxTensors; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i, R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
  }
  EXPECT_THAT(Parse(header + "}", 0), StatusIs(kInvalid, AllOf(HasSubstr("65537"), HasSubstr("at most 65536"))));
}

TEST(SafetensorsTest, RefusesMetadataThatIsNotAMapOfStrings) {
  EXPECT_THAT(Parse(R"({"__metadata__":{"n":1}})", 0), StatusIs(kInvalid, HasSubstr("__metadata__ n is not a string")));
  EXPECT_THAT(Parse(R"({"__metadata__":[]})", 0), StatusIs(kInvalid, HasSubstr("__metadata__")));
}

TEST(SafetensorsTest, RefusesAnUnknownDtype) {
  EXPECT_THAT(ParseOne(R"("F4")", "[2]", "[0,1]", 1), StatusIs(kInvalid, AllOf(HasSubstr("F4"), HasSubstr("BF16"))));
  EXPECT_THAT(ParseOne("32", "[1]", "[0,4]", 4), StatusIs(kInvalid, HasSubstr("dtype")));
}

TEST(SafetensorsTest, IndexesOtherDtypesByTheirSizes) {
  ASSERT_OK_AND_ASSIGN(const Safetensors file, ParseOne(R"("I64")", "[2]", "[0,16]", 16));
  EXPECT_EQ(file.Find("a")->dtype, DType::kOther);
  EXPECT_THAT(ParseOne(R"("I64")", "[2]", "[0,8]", 8), StatusIs(kInvalid));
}

TEST(SafetensorsTest, RefusesAShapeThatIsNotAListOfSizes) {
  for (const char* shape : {"[-1]", "[1.5]", "[\"1\"]", "[true]", "4", "{}", "null", "[1,1,1,1,1,1,1,1,1]"}) {
    EXPECT_THAT(ParseOne(R"("F32")", shape, "[0,4]", 4), StatusIs(kInvalid, HasSubstr("shape"))) << shape;
  }
}

TEST(SafetensorsTest, RefusesAShapeWhoseProductOverflows) {
  // 2^32 * 2^32 wraps to 0 elements, 2^62 * 4 * 4 bytes to 0 bytes.
  for (const char* shape :
       {"[4294967296,4294967296]", "[4611686018427387904,4]", "[18446744073709551615,2]", "[4611686018427387904]"}) {
    EXPECT_THAT(ParseOne(R"("F32")", shape, "[0,0]", 0), StatusIs(kInvalid, HasSubstr("more elements"))) << shape;
  }
}

TEST(SafetensorsTest, RefusesOffsetsThatAreNotTwoIntegers) {
  for (const char* offsets : {"[0]", "[0,4,8]", "[-4,0]", "[0,4.0]", "[0,\"4\"]", "4", "{}"}) {
    EXPECT_THAT(ParseOne(R"("F32")", "[1]", offsets, 4), StatusIs(kInvalid, HasSubstr("data_offsets"))) << offsets;
  }
}

TEST(SafetensorsTest, RefusesOffsetsThatEndBeforeTheyBegin) {
  EXPECT_THAT(ParseOne(R"("F32")", "[1]", "[4,0]", 4), StatusIs(kInvalid, HasSubstr("end before they begin")));
}

TEST(SafetensorsTest, RefusesOffsetsThatDoNotFitTheShape) {
  EXPECT_THAT(ParseOne(R"("F32")", "[2]", "[0,4]", 4),
              StatusIs(kInvalid, AllOf(HasSubstr("4 bytes"), HasSubstr("need 8"))));
}

TEST(SafetensorsTest, RefusesOffsetsBeyondTheFile) {
  EXPECT_THAT(ParseOne(R"("F32")", "[2]", "[0,8]", 4),
              StatusIs(kInvalid, AllOf(HasSubstr("cover 8"), HasSubstr("the file has 4"))));
}

TEST(SafetensorsTest, RefusesBytesThatNoTensorCovers) {
  EXPECT_THAT(ParseOne(R"("F32")", "[1]", "[0,4]", 5), StatusIs(kInvalid, HasSubstr("the file has 5")));
}

TEST(SafetensorsTest, RefusesAHole) {
  EXPECT_THAT(ParseOne(R"("F32")", "[1]", "[4,8]", 8), StatusIs(kInvalid, HasSubstr("hole")));
}

TEST(SafetensorsTest, RefusesAnOverlap) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  EXPECT_THAT(Parse(header, 12), StatusIs(kInvalid, AllOf(HasSubstr("tensor b"), HasSubstr("overlap"))));
}

TEST(SafetensorsTest, RefusesAnEntryWithAnotherSetOfKeys) {
  EXPECT_THAT(Parse(R"({"a":{"dtype":"F32","shape":[]}})", 0), StatusIs(kInvalid, HasSubstr("data_offsets")));
  EXPECT_THAT(Parse(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4), StatusIs(kInvalid));
  EXPECT_THAT(Parse(R"({"a":[]})", 0), StatusIs(kInvalid));
}

TEST(SafetensorsTest, ShortensAndEscapesAHostileNameInItsMessage) {
  const std::string name = "x\\u001b[2J" + std::string(100000, 'n');
  const absl::Status status = Parse("{\"" + name + "\":{}}", 0).status();
  EXPECT_LT(status.message().size(), 1000u);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\x1b")));
}

TEST(SafetensorsTest, SurvivesEveryTruncationAndEveryFlippedHeaderBit) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}})";
  const std::string whole = File(header, 12);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(Safetensors::FromBytes(whole.substr(0, size), "m"), Not(IsOk())) << size;
  }
  for (size_t bit = 0; bit < 8 * (8 + header.size()); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const absl::StatusOr<Safetensors> file = Safetensors::FromBytes(bytes, "m");
    if (!file.ok()) continue;  // What is accepted must still be inside.
    for (const auto& [name, tensor] : file->tensors()) {
      std::vector<float> values(tensor.elements());
      EXPECT_OK(ToFloat32(tensor, name, values)) << bit;
    }
  }
}

TEST(SafetensorsOpenTest, ReportsAMissingFileAsNotFound) {
  const TempDir dir;
  EXPECT_THAT(Safetensors::Open(dir.File("none.safetensors")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(SafetensorsOpenTest, RefusesASymbolicLink) {
  const TempDir dir;
  ASSERT_OK(WriteSafetensors(dir.File("real.safetensors"), {}, {{"format", "pt"}}));
  std::filesystem::create_symlink(dir.File("real.safetensors"), dir.File("link.safetensors"));
  EXPECT_OK(Safetensors::Open(dir.File("real.safetensors")));
  EXPECT_THAT(Safetensors::Open(dir.File("link.safetensors")), StatusIs(kInvalid, HasSubstr("symbolic link")));
}

TEST(SafetensorsOpenTest, RefusesAFifoWithoutWaitingForAWriter) {
  const TempDir dir;
  ASSERT_EQ(mkfifo(dir.File("fifo").c_str(), 0600), 0);
  EXPECT_THAT(Safetensors::Open(dir.File("fifo")), StatusIs(kInvalid, HasSubstr("not a regular file")));
}

TEST(SafetensorsOpenTest, RefusesAFolderAndAnEmptyFile) {
  const TempDir dir;
  EXPECT_THAT(Safetensors::Open(dir.path()), StatusIs(kInvalid));
  std::ofstream(dir.File("empty")).close();
  EXPECT_THAT(Safetensors::Open(dir.File("empty")), StatusIs(kInvalid, HasSubstr("empty")));
}

TEST(SafetensorsOpenTest, KeepsItsBytesWhenTheFileIsReplaced) {
  const TempDir dir;
  const std::string path = dir.File("m.safetensors");
  const std::vector<float> old_values = {1.0f, 2.0f}, new_values = {3.0f, 4.0f, 5.0f};
  ASSERT_OK(WriteSafetensors(path, {{"a", TensorOf(DType::kF32, old_values)}}, {}));
  ASSERT_OK_AND_ASSIGN(const Safetensors file, Safetensors::Open(path));
  ASSERT_OK(WriteSafetensors(path, {{"a", TensorOf(DType::kF32, new_values)}}, {}));
  std::vector<float> read(2);
  ASSERT_OK(ToFloat32(*file.Find("a"), "a", read));
  EXPECT_EQ(read, old_values);
}

TEST(WriteSafetensorsTest, RoundTripsWhatItWritesAndLeavesNoOtherFile) {
  const TempDir dir;
  const std::vector<float> floats = {1.5f, -2.0f, 0.25f};
  const std::vector<uint16_t> halves = {0x3f80, 0xc000};
  ASSERT_OK(WriteSafetensors(dir.File("m.safetensors"),
                             {{"z", TensorOf(DType::kF32, floats)}, {"a", TensorOf(DType::kBF16, halves)}},
                             {{"format", "pt"}}));
  ASSERT_OK_AND_ASSIGN(const Safetensors file, Safetensors::Open(dir.File("m.safetensors")));
  std::vector<float> z(3), a(2);
  ASSERT_OK(ToFloat32(*file.Find("z"), "z", z));
  ASSERT_OK(ToFloat32(*file.Find("a"), "a", a));
  EXPECT_EQ(z, floats);
  EXPECT_THAT(a, ElementsAre(1.0f, -2.0f));
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(WriteSafetensorsTest, RefusesADtypeItDoesNotWrite) {
  const TempDir dir;
  const std::vector<float> floats = {1.0f};
  EXPECT_THAT(WriteSafetensors(dir.File("m"), {{"a", TensorOf(DType::kOther, floats)}}, {}), StatusIs(kInvalid));
  EXPECT_FALSE(std::filesystem::exists(dir.File("m")));
}

TEST(ToFloat32Test, WidensHalvesExactly) {
  // 1, -2, the largest, the smallest normal, the smallest and largest subnormal, and both zeros.
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x0000, 0x8000};
  std::vector<float> wide(halves.size());
  ASSERT_OK(ToFloat32(TensorOf(DType::kF16, halves), "a", wide));
  EXPECT_THAT(wide, ElementsAre(1.0f, -2.0f, 65504.0f, 0x1p-14f, 0x1p-24f, -1023 * 0x1p-24f, 0.0f, -0.0f));
  EXPECT_TRUE(std::signbit(wide[7]));
}

TEST(ToFloat32Test, WidensBytesThatAreNotAligned) {
  const std::vector<float> values = {1.0f, -3.5f};
  std::string bytes(1 + sizeof(float) * values.size(), '\0');
  std::memcpy(bytes.data() + 1, values.data(), sizeof(float) * values.size());
  const Tensor tensor = {DType::kF32, {2}, std::as_bytes(std::span<const char>(bytes)).subspan(1)};
  std::vector<float> wide(2);
  ASSERT_OK(ToFloat32(tensor, "a", wide));
  EXPECT_EQ(wide, values);
}

TEST(ToFloat32Test, RefusesNanAndInfinityInEveryType) {
  std::vector<float> wide(2);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const std::vector<float> values = {1.0f, bad};
    EXPECT_THAT(ToFloat32(TensorOf(DType::kF32, values), "enc.q", wide),
                StatusIs(kInvalid, AllOf(HasSubstr("enc.q"), HasSubstr("element 1"))));
  }
  for (const uint16_t bad : {0x7fc0, 0xff80}) {
    const std::vector<uint16_t> values = {0, bad};
    EXPECT_THAT(ToFloat32(TensorOf(DType::kBF16, values), "a", wide), StatusIs(kInvalid));
  }
  for (const uint16_t bad : {0x7c00, 0xfe00}) {
    const std::vector<uint16_t> values = {0, bad};
    EXPECT_THAT(ToFloat32(TensorOf(DType::kF16, values), "a", wide), StatusIs(kInvalid));
  }
}

TEST(ToFloat32Test, RefusesATypeThatIsNotAFloat) {
  std::vector<float> wide(1);
  const std::vector<uint64_t> values = {1};
  EXPECT_THAT(ToFloat32(TensorOf(DType::kOther, values), "a", wide), StatusIs(kInvalid, HasSubstr("not a float")));
}

}  // namespace
}  // namespace trimtab
