// What libsentencepiece 0.1.97 takes on trust, checked first.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/status_macros.h"
#include "model/tokenizer.h"
#include "sentencepiece_model.pb.h"

namespace trimtab {
namespace {

using sentencepiece_model::ModelProto;

constexpr size_t kMaxFileBytes = 16 << 20;
constexpr int kMaxPieces = 1 << 20;
constexpr size_t kMaxPieceBytes = 1024;
constexpr size_t kMaxTrieUnits = 1 << 20;

absl::Status Wrong(absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("spiece.model: ", problem));
}

absl::Status CheckPieces(const ModelProto& model) {
  if (model.pieces_size() == 0 || model.pieces_size() > kMaxPieces) {
    return Wrong(absl::StrCat("has ", model.pieces_size(), " pieces; expected 1 to ", kMaxPieces));
  }
  int unknown = 0;
  for (int i = 0; i < model.pieces_size(); ++i) {
    const ModelProto::Piece& piece = model.pieces(i);
    if (piece.piece().empty() || piece.piece().size() > kMaxPieceBytes) {
      return Wrong(absl::StrCat("piece ", i, " has ", piece.piece().size(), " bytes; expected 1 to ", kMaxPieceBytes));
    }
    if (piece.piece().find('\0') != std::string::npos) return Wrong(absl::StrCat("piece ", i, " contains NUL"));
    if (!std::isfinite(piece.score())) return Wrong(absl::StrCat("piece ", i, " has a score that is not finite"));
    unknown += piece.type() == ModelProto::Piece::UNKNOWN;
  }
  if (unknown == 1) return absl::OkStatus();
  return Wrong(absl::StrCat("has ", unknown, " unknown pieces; expected one"));
}

// A double-array trie as Darts stores it, followed through everything a search can reach.
class TrieWalk {
 public:
  TrieWalk(absl::string_view units, size_t num_values) : num_values_(num_values), units_(units.size() / 4) {
    if (!units_.empty()) std::memcpy(units_.data(), units.data(), units_.size() * 4);
  }

  absl::Status Check() {
    if (units_.empty()) return Wrong("normaliser trie is empty");
    std::vector<bool> seen(units_.size(), false);
    std::vector<size_t> open;
    auto reach = [&](size_t base) {
      if ((base | 0xff) >= units_.size()) return false;
      if (!seen[base]) open.push_back(base);
      seen[base] = true;
      return true;
    };
    if (!reach(Offset(units_[0]))) return Wrong("normaliser trie leads out of bounds at its root");
    while (!open.empty()) {
      const size_t base = open.back();
      open.pop_back();
      for (uint32_t label = 0; label < 256; ++label) {
        const size_t node = base ^ label;
        const uint32_t unit = units_[node];
        if ((unit & 0x800000ffu) != label) continue;
        const size_t next = node ^ Offset(unit);
        if (!reach(next)) return Wrong(absl::StrCat("normaliser trie leads out of bounds at unit ", node));
        const bool has_leaf = (unit >> 8) & 1;
        if (has_leaf && (units_[next] & 0x7fffffffu) >= num_values_) {
          return Wrong(absl::StrCat("normaliser trie names a string out of bounds at unit ", next));
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  static size_t Offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & (1u << 9)) >> 6); }

  const size_t num_values_;
  std::vector<uint32_t> units_;
};

// Table layout: trie size in bytes (u32), trie units, NUL-terminated strings that the trie's values point into.
absl::Status CheckNormalizer(const std::string& table) {
  if (table.empty()) return absl::OkStatus();
  uint32_t trie_bytes = 0;
  if (table.size() <= sizeof(trie_bytes)) return Wrong("normaliser table is cut short");
  std::memcpy(&trie_bytes, table.data(), sizeof(trie_bytes));
  const absl::string_view rest = absl::string_view(table).substr(sizeof(trie_bytes));
  if (trie_bytes >= rest.size() || trie_bytes % 4 != 0 || trie_bytes / 4 > kMaxTrieUnits) {
    return Wrong(absl::StrCat("normaliser trie is said to have ", trie_bytes, " bytes of a table of ", rest.size()));
  }
  const absl::string_view strings = rest.substr(trie_bytes);
  if (strings.back() != '\0') return Wrong("normaliser strings do not end with NUL");
  return TrieWalk(rest.substr(0, trie_bytes), strings.size()).Check();
}

}  // namespace

absl::Status CheckSentencePieceModel(absl::string_view model_bytes) {
  if (model_bytes.size() > kMaxFileBytes) {
    return Wrong(absl::StrCat("has ", model_bytes.size(), " bytes; expected at most ", kMaxFileBytes));
  }
  ModelProto model;
  if (!model.ParseFromArray(model_bytes.data(), static_cast<int>(model_bytes.size()))) {
    return Wrong("is not a SentencePiece model");
  }
  RETURN_IF_ERROR(CheckPieces(model));
  RETURN_IF_ERROR(CheckNormalizer(model.normalizer_spec().precompiled_charsmap()));
  return CheckNormalizer(model.denormalizer_spec().precompiled_charsmap());
}

}  // namespace trimtab
