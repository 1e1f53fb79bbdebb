#include "model/rewards/rouge.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "model/rewards/porter_stemmer.h"

namespace trimtab {
namespace {

using Words = std::vector<int32_t>;  // Numbered, so that equal words are equal numbers.

class Numbering {
 public:
  Words Number(const std::vector<std::string>& words) {
    Words numbers;
    for (const std::string& word : words) {
      numbers.push_back(numbers_.try_emplace(word, static_cast<int32_t>(numbers_.size())).first->second);
    }
    return numbers;
  }
  size_t size() const { return numbers_.size(); }

 private:
  std::map<std::string, int32_t> numbers_;
};

RougeScore ScoreOf(double hits, double reference, double summary) {
  RougeScore score;
  score.precision = hits / std::max(summary, 1.0);
  score.recall = hits / std::max(reference, 1.0);
  const double sum = score.precision + score.recall;
  if (sum > 0) score.f1 = 2 * score.precision * score.recall / sum;
  return score;
}

using NGrams = std::map<std::vector<std::string>, int64_t>;

NGrams NGramsOf(const std::vector<std::string>& words, size_t n) {
  NGrams grams;
  for (size_t i = 0; i + n <= words.size(); ++i) ++grams[{words.begin() + i, words.begin() + i + n}];
  return grams;
}

int64_t Total(const NGrams& grams) {
  return std::accumulate(grams.begin(), grams.end(), int64_t{0},
                         [](int64_t sum, const auto& gram) { return sum + gram.second; });
}

// Longest common subsequences of one line with others, 64 columns of the table at a time (Hyyro, 2004): as lengths grow
// by at most 1 from column to column, a bit each says where.
class LcsTable {
 public:
  explicit LcsTable(const Words& columns) : columns_(columns), width_((columns.size() + 63) / 64) {
    for (size_t j = 0; j < columns.size(); ++j) {
      std::vector<uint64_t>& places = places_[columns[j]];
      places.resize(width_);
      places[j / 64] |= uint64_t{1} << (j % 64);
    }
  }

  // Fills the table for `rows`, which must outlive its use.
  void Fill(const Words& rows) {
    rows_ = &rows;
    grows_.assign((rows.size() + 1) * width_, 0);
    for (size_t i = 0; i < rows.size(); ++i) FillRow(i);
  }

  // Of the first `i` rows and `j` columns.
  int64_t Length(size_t i, size_t j) const {
    const uint64_t* row = grows_.data() + i * width_;
    int64_t length = 0;
    for (size_t word = 0; word < j / 64; ++word) length += std::popcount(row[word]);
    if (j % 64 != 0) length += std::popcount(row[j / 64] & ((uint64_t{1} << (j % 64)) - 1));
    return length;
  }

  // Marks the rows of one longest common subsequence: the one that rouge_score walks back along.
  void Mark(std::vector<bool>* marked) const {
    size_t i = rows_->size(), j = columns_.size();
    while (i > 0 && j > 0) {
      if ((*rows_)[i - 1] == columns_[j - 1]) {
        (*marked)[--i] = true;
        --j;
      } else if (Length(i - 1, j) < Length(i, j)) {
        --j;
      } else {
        --i;
      }
    }
  }

 private:
  void FillRow(size_t i) {
    const uint64_t* before = grows_.data() + i * width_;
    uint64_t* after = grows_.data() + (i + 1) * width_;
    const auto places = places_.find((*rows_)[i]);
    if (places == places_.end()) {
      std::copy(before, before + width_, after);
      return;
    }
    uint64_t carry = 0;
    for (size_t word = 0; word < width_; ++word) {
      const uint64_t flat = ~before[word];
      const uint64_t hit = flat & places->second[word];
      const uint64_t partial = flat + hit;
      const uint64_t sum = partial + carry;
      carry = (partial < flat) | (sum < partial);
      after[word] = ~(sum | (flat & ~hit));
    }
  }

  const Words& columns_;
  const size_t width_;
  std::map<int32_t, std::vector<uint64_t>> places_;  // Of each word, a bit per column.
  const Words* rows_ = nullptr;
  std::vector<uint64_t> grows_;  // Row i: after i rows; bit j: column j + 1 is longer than column j.
};

std::vector<Words> LinesOf(absl::string_view text, Numbering* numbering) {
  std::vector<Words> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(numbering->Number(RougeWords(line)));
  }
  return lines;
}

std::vector<int64_t> CountsOf(const std::vector<Words>& lines, size_t vocabulary) {
  std::vector<int64_t> counts(vocabulary);
  for (const Words& line : lines) {
    for (const int32_t word : line) ++counts[word];
  }
  return counts;
}

}  // namespace

std::vector<std::string> RougeWords(absl::string_view text) {
  // The two letters outside ASCII whose lower case begins with one inside it.
  std::string lower = absl::StrReplaceAll(text, {{"\u212a", "k"}, {"\u0130", "i\u0307"}});
  absl::AsciiStrToLower(&lower);
  std::vector<std::string> words;
  for (size_t i = 0; i < lower.size();) {
    size_t end = i;
    while (end < lower.size() && absl::ascii_isalnum(static_cast<unsigned char>(lower[end]))) ++end;
    const absl::string_view word = absl::string_view(lower).substr(i, end - i);
    if (!word.empty()) words.push_back(word.size() > 3 ? PorterStem(word) : std::string(word));
    i = end + 1;
  }
  return words;
}

RougeScore RougeN(absl::string_view reference, absl::string_view summary, int n) {
  const NGrams expected = NGramsOf(RougeWords(reference), n), written = NGramsOf(RougeWords(summary), n);
  int64_t hits = 0;
  for (const auto& [gram, count] : expected) {
    if (const auto found = written.find(gram); found != written.end()) hits += std::min(count, found->second);
  }
  return ScoreOf(hits, Total(expected), Total(written));
}

RougeScore RougeL(absl::string_view reference, absl::string_view summary) {
  Numbering numbering;
  const Words expected = numbering.Number(RougeWords(reference)), written = numbering.Number(RougeWords(summary));
  LcsTable table(written);
  table.Fill(expected);
  return ScoreOf(table.Length(expected.size(), written.size()), expected.size(), written.size());
}

RougeScore RougeLsum(absl::string_view reference, absl::string_view summary) {
  Numbering numbering;
  const std::vector<Words> expected = LinesOf(reference, &numbering), written = LinesOf(summary, &numbering);
  std::vector<std::vector<bool>> marked;
  marked.reserve(expected.size());
  for (const Words& line : expected) marked.emplace_back(line.size());
  for (const Words& line : written) {
    LcsTable table(line);
    for (size_t i = 0; i < expected.size(); ++i) {
      table.Fill(expected[i]);
      table.Mark(&marked[i]);
    }
  }
  // A word of either text counts once.
  std::vector<int64_t> left_expected = CountsOf(expected, numbering.size());
  std::vector<int64_t> left_written = CountsOf(written, numbering.size());
  const double total_expected = std::accumulate(left_expected.begin(), left_expected.end(), 0.0);
  const double total_written = std::accumulate(left_written.begin(), left_written.end(), 0.0);
  int64_t hits = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    for (size_t j = 0; j < expected[i].size(); ++j) {
      const int32_t word = expected[i][j];
      if (!marked[i][j] || left_expected[word] == 0 || left_written[word] == 0) continue;
      ++hits;
      --left_expected[word];
      --left_written[word];
    }
  }
  return ScoreOf(hits, total_expected, total_written);
}

}  // namespace trimtab
