// What CheckSentencePieceModel refuses, each fault put alone into a model that is otherwise good.
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/tokenizer.h"
#include "sentencepiece_model.pb.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

using sentencepiece_model::ModelProto;
using ::testing::HasSubstr;

ModelProto Good() {
  ModelProto model;
  std::ifstream file(absl::StrCat(TRIMTAB_SOURCE_DIR, "/tests/testing/tiny.spiece.model"), std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&file));
  return model;
}

// The trie of the normaliser, as words one can change.
class Charsmap {
 public:
  explicit Charsmap(const std::string& table) {
    uint32_t trie_bytes = 0;
    std::memcpy(&trie_bytes, table.data(), 4);
    units.resize(trie_bytes / 4);
    std::memcpy(units.data(), table.data() + 4, trie_bytes);
    strings = table.substr(4 + trie_bytes);
  }
  std::string Table() const {
    const uint32_t trie_bytes = static_cast<uint32_t>(units.size() * 4);
    std::string table(reinterpret_cast<const char*>(&trie_bytes), 4);
    table.append(reinterpret_cast<const char*>(units.data()), trie_bytes);
    return table + strings;
  }
  std::vector<uint32_t> units;
  std::string strings;
};

void ExpectRefused(const ModelProto& model, const std::string& why) {
  EXPECT_THAT(CheckSentencePieceModel(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
}

TEST(SentencePieceCheckTest, TakesAGoodModel) {
  EXPECT_THAT(CheckSentencePieceModel(Good().SerializeAsString()), IsOk());
}

TEST(SentencePieceCheckTest, RefusesWhatIsNoModel) {
  EXPECT_THAT(CheckSentencePieceModel("not a model"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckSentencePieceModel(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 pieces")));
  const std::string cut = Good().SerializeAsString();
  EXPECT_THAT(CheckSentencePieceModel(cut.substr(0, cut.size() - 3)), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(SentencePieceCheckTest, RefusesAFileOverSixteenMebibytes) {
  EXPECT_THAT(CheckSentencePieceModel(std::string((16 << 20) + 1, ' ')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 16777216")));
}

struct Fault {
  std::string name;
  std::function<void(ModelProto&)> make;
  std::string why;
};

class SentencePieceFaultTest : public ::testing::TestWithParam<Fault> {};

TEST_P(SentencePieceFaultTest, IsRefusedByName) {
  ModelProto model = Good();
  GetParam().make(model);
  ExpectRefused(model, GetParam().why);
}

void WithCharsmap(ModelProto& model, const std::function<void(Charsmap&)>& change) {
  Charsmap charsmap(model.normalizer_spec().precompiled_charsmap());
  change(charsmap);
  model.mutable_normalizer_spec()->set_precompiled_charsmap(charsmap.Table());
}

const Fault kFaults[] = {
    {"LongPiece", [](ModelProto& m) { m.mutable_pieces(9)->set_piece(std::string(1025, 'x')); }, "piece 9 has 1025"},
    {"HugePiece", [](ModelProto& m) { m.mutable_pieces(9)->set_piece(std::string(100000, 'x')); },
     "piece 9 has 100000"},
    {"EmptyPiece", [](ModelProto& m) { m.mutable_pieces(9)->set_piece(""); }, "piece 9 has 0"},
    {"NulInPiece", [](ModelProto& m) { m.mutable_pieces(9)->set_piece(std::string("a\0b", 3)); },
     "piece 9 contains NUL"},
    {"NanScore", [](ModelProto& m) { m.mutable_pieces(9)->set_score(std::numeric_limits<float>::quiet_NaN()); },
     "piece 9 has a score"},
    {"InfiniteScore", [](ModelProto& m) { m.mutable_pieces(9)->set_score(-std::numeric_limits<float>::infinity()); },
     "piece 9 has a score"},
    {"NoUnknown", [](ModelProto& m) { m.mutable_pieces(2)->set_type(ModelProto::Piece::NORMAL); }, "0 unknown pieces"},
    {"TwoUnknown", [](ModelProto& m) { m.mutable_pieces(9)->set_type(ModelProto::Piece::UNKNOWN); },
     "2 unknown pieces"},
    {"NormaliserCut", [](ModelProto& m) { m.mutable_normalizer_spec()->set_precompiled_charsmap("abcd"); },
     "table is cut short"},
    {"NormaliserTrieLongerThanTable",
     [](ModelProto& m) {
       std::string table = m.normalizer_spec().precompiled_charsmap();
       const uint32_t bytes = 0x7ffffffc;
       std::memcpy(table.data(), &bytes, 4);
       m.mutable_normalizer_spec()->set_precompiled_charsmap(table);
     },
     "trie is said to have"},
    {"NormaliserTrieEmpty", [](ModelProto& m) { WithCharsmap(m, [](Charsmap& c) { c.units.clear(); }); },
     "trie is empty"},
    {"NormaliserRootOutOfBounds",
     [](ModelProto& m) { WithCharsmap(m, [](Charsmap& c) { c.units[0] = 0xfffffc00u & 0x7fffffffu; }); },
     "out of bounds at its root"},
    {"NormaliserTrieCutInHalf",
     [](ModelProto& m) { WithCharsmap(m, [](Charsmap& c) { c.units.resize(c.units.size() / 512 * 256); }); },
     "out of bounds"},
    {"NormaliserStringsShorterThanTheTrieSays",
     [](ModelProto& m) { WithCharsmap(m, [](Charsmap& c) { c.strings = std::string(1, '\0'); }); },
     "names a string out of bounds"},
    {"NormaliserStringsWithoutEnd", [](ModelProto& m) { WithCharsmap(m, [](Charsmap& c) { c.strings.back() = 'x'; }); },
     "do not end with NUL"},
    {"DenormaliserToo", [](ModelProto& m) { m.mutable_denormalizer_spec()->set_precompiled_charsmap("abcd"); },
     "table is cut short"},
};

INSTANTIATE_TEST_SUITE_P(Faults, SentencePieceFaultTest, ::testing::ValuesIn(kFaults),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace trimtab
