#include "model/engine.h"

#include <algorithm>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/article_encoder.h"
#include "model/decoder.h"
#include "model/drafter.h"
#include "model/engine_memory.h"
#include "model/kv_slots.h"
#include "model/lanes.h"
#include "model/search.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

// A model that reads the article of a request, and what it made of it.
struct Reader {
  std::shared_ptr<const MixedWeights> weights;
  std::shared_ptr<EncodedArticle> article;
};

// One request inside the engine, from admission to its last token.
struct Active {
  EngineRequest request;
  std::unique_ptr<TokenSearch> tokens;  // Greedy and sampling,
  std::unique_ptr<BeamSearch> beams;    // or this; and
  Search* search = nullptr;             // the one of them.
  std::vector<Reader> readers;          // One, or the experts; and
  std::vector<float> coefficients;      // what their logits are multiplied by.
  // With one reader: slots[i] holds the past of search->rows()[i]; the rest is spare. One per beam. Else one per
  // reader.
  std::vector<int32_t> slots;
  int32_t position = 0;              // Of the next token.
  std::optional<Drafter> drafter;    // Of a request that writes one token at a time.
  std::span<const int32_t> drafted;  // In the step at hand.
  size_t reported = 0;               // Settled tokens already sent as events.
  absl::Duration mixed_before;       // mix_time() on admission.

  // Of its first rows.
  const MixedWeights& mixture() const { return *readers[0].weights; }
  const T5Weights* weights() const { return &mixture().weights(); }
  absl::Duration mix_time() const {
    absl::Duration sum;
    for (const Reader& reader : readers) sum += reader.weights->mix_time();
    return sum;
  }
  bool over_basis() const { return mixture().when() == MixTime::kNever; }
  bool mixes_logits() const { return readers.size() > 1; }
  bool encoded() const {
    return std::all_of(readers.begin(), readers.end(), [](const Reader& reader) { return reader.article->done; });
  }
  // In a step, but for its draft.
  int32_t plain_rows() const { return static_cast<int32_t>(mixes_logits() ? readers.size() : search->rows().size()); }
  int64_t step_rows() const { return plain_rows() + static_cast<int64_t>(drafted.size()); }
  // Tokens that are chosen for it in a step.
  size_t choices() const { return beams != nullptr ? beams->rows().size() * beams->candidates() : 1 + drafted.size(); }
};

// Orders the batch so that rows which share a product are neighbours: one mixture's, and all over one basis.
bool RunsBefore(const std::unique_ptr<Active>& a, const std::unique_ptr<Active>& b) {
  const auto order = [](const Active& active) {
    const Parameters* basis = active.over_basis() ? &active.mixture().parameters() : nullptr;
    return std::tuple(reinterpret_cast<uintptr_t>(basis), reinterpret_cast<uintptr_t>(active.weights()));
  };
  return order(*a) < order(*b);
}

// Rows that a request needs.
int32_t RowsOf(const EngineRequest& request) {
  return request.experts.empty() ? request.options.num_beams : static_cast<int32_t>(request.experts.size());
}

std::vector<Reader> ReadersOf(const EngineRequest& request) {
  std::vector<Reader> readers;
  if (request.experts.empty()) readers.push_back({request.weights, nullptr});
  for (const LogitExpert& expert : request.experts) readers.push_back({expert.weights, nullptr});
  return readers;
}

// Times of max_stall that encoding may take between two steps where many wait for it.
constexpr double kMostCrowd = 10.0;

// Follows a step of the search: each hypothesis continues the past of its parent. The first child of a parent keeps
// its slot, further ones get a copy in a slot nobody continues.
void FollowParents(Active& active, KvSlots& kv, Backend* backend) {
  const std::span<const Search::Row> rows = active.search->rows();
  std::vector<int32_t>& slots = active.slots;
  if (slots.size() == 1 || active.mixes_logits()) return;
  std::vector<int32_t> next(rows.size(), -1);
  std::vector<bool> taken(slots.size(), false);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (taken[rows[i].parent]) continue;
    taken[rows[i].parent] = true;
    next[i] = slots[rows[i].parent];
  }
  std::vector<int32_t> spare;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!taken[i]) spare.push_back(slots[i]);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (next[i] >= 0) continue;
    next[i] = spare.back();
    spare.pop_back();
    kv.CopySlot(slots[rows[i].parent], next[i], active.position, backend);
  }
  next.insert(next.end(), spare.begin(), spare.end());
  slots = std::move(next);
}

class ContinuousEngine final : public Engine {
 public:
  ContinuousEngine(const T5Config& config, const EngineOptions& options, Backend* backend)
      : options_(options), math_(config, backend) {}

  absl::Status Init() {
    const T5Config& config = math_.config();
    ASSIGN_OR_RETURN(KvSlots kv, KvSlots::Create(config, options_.max_rows, options_.max_new_tokens, math_.backend()));
    kv_ = std::make_unique<KvSlots>(std::move(kv));
    ASSIGN_OR_RETURN(encoder_, ArticleEncoder::Create(math_, options_.max_encode_tokens));
    ASSIGN_OR_RETURN(decoder_, Decoder::Create(math_, std::max(options_.max_rows, kRowsWithDrafts), kv_.get()));
    return absl::OkStatus();
  }

  int32_t free_rows() const override { return kv_->free_slots(); }
  bool idle() const override { return arrived_.empty() && decoding_.empty() && !encoder_->pending(); }

  absl::Status Admit(EngineRequest request) override;
  void Cancel(uint64_t id) override;
  StepStats Step(std::vector<EngineEvent>* events) override;

 private:
  absl::Status Check(const EngineRequest& request) const;
  void EncodeAWhile(StepStats* stats, std::vector<EngineEvent>* events);
  // Those whose articles are encoded go on to decoding.
  void MoveEncoded(std::vector<EngineEvent>* events);
  void Decode(StepStats* stats, std::vector<EngineEvent>* events);
  void AddRows(const Active& active);
  // No more than `spare` rows; how many it added.
  int32_t AddDraft(Active& active, int32_t spare);
  // What each active chooses, in their order, to chosen_.
  void Choose(Rows logits);
  // Of an active whose logits begin with that row.
  void AddRules(const Active& active, int64_t row);
  // Takes an active's choices, its draft's last; true when the request is finished.
  bool Follow(Active& active, std::span<const ChosenToken> chosen, StepStats* stats, std::vector<EngineEvent>* events);
  bool Write(Active& active, const ChosenToken& chosen, std::vector<EngineEvent>* events);
  // After the search moved on by one token: reports; true when the request is finished.
  bool Report(Active& active, std::vector<EngineEvent>* events);
  void Leave(Active& active);

  const EngineOptions options_;
  LaneMath math_;
  std::unique_ptr<KvSlots> kv_;
  std::unique_ptr<ArticleEncoder> encoder_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<std::unique_ptr<Active>> arrived_;        // Not encoded yet, in order of admission.
  std::vector<std::unique_ptr<Active>> decoding_;       // In the order of RunsBefore.
  absl::Duration decode_time_ = absl::Milliseconds(1);  // Of the last step.
  std::vector<DecoderRow> rows_;
  std::vector<RowMix> mixes_;
  std::vector<TokenRule> rules_;
  std::vector<ForbiddenToken> forbidden_;
  std::vector<ChosenToken> chosen_;
};

absl::Status ContinuousEngine::Check(const EngineRequest& request) const {
  const int64_t length = static_cast<int64_t>(request.input_ids.size());
  if (length < 1 || length > options_.max_input_tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("input has ", length, " tokens; expected 1 to ", options_.max_input_tokens));
  }
  if (request.options.max_new_tokens > options_.max_new_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("max_new_tokens is ", request.options.max_new_tokens,
                                                   "; expected at most ", options_.max_new_tokens));
  }
  const int32_t vocab_size = math_.config().vocab_size;
  for (int32_t id : request.input_ids) {
    if (id < 0 || id >= vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("input token ", id, " is not below the vocabulary's ", vocab_size));
    }
  }
  if (!request.experts.empty() && request.options.num_beams > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_beams is ", request.options.num_beams, "; expected 1 where logits are mixed"));
  }
  return ValidateGenerationOptions(request.options, vocab_size);
}

absl::Status ContinuousEngine::Admit(EngineRequest request) {
  RETURN_IF_ERROR(Check(request));
  const int32_t rows = RowsOf(request);
  if (rows > free_rows()) {
    return absl::ResourceExhaustedError(absl::StrCat("request needs ", rows, " rows; ", free_rows(), " are free"));
  }
  auto active = std::make_unique<Active>();
  active->readers = ReadersOf(request);
  for (Reader& reader : active->readers) {
    ASSIGN_OR_RETURN(reader.article, encoder_->Add(request.input_ids, reader.weights));
  }
  for (const LogitExpert& expert : request.experts) active->coefficients.push_back(expert.coefficient);
  active->mixed_before = active->mix_time();
  if (request.options.num_beams > 1) {
    active->beams = NewBeamSearch(request.options, math_.config());
    active->search = active->beams.get();
  } else {
    active->tokens = NewTokenSearch(request.options, math_.config());
    active->search = active->tokens.get();
  }
  for (int32_t i = 0; i < rows; ++i) active->slots.push_back(kv_->Acquire());
  active->request = std::move(request);
  if (rows == 1) active->drafter.emplace(active->request.input_ids, options_.max_draft_tokens);
  arrived_.push_back(std::move(active));
  return absl::OkStatus();
}

void ContinuousEngine::Leave(Active& active) {
  for (int32_t slot : active.slots) kv_->Release(slot);
}

void ContinuousEngine::Cancel(uint64_t id) {
  auto is_it = [id](const std::unique_ptr<Active>& active) { return active->request.id == id; };
  auto remove_from = [&](auto& list) {
    const auto found = std::find_if(list.begin(), list.end(), is_it);
    if (found == list.end()) return;
    Leave(**found);
    list.erase(found);
  };
  remove_from(arrived_);
  remove_from(decoding_);
}

StepStats ContinuousEngine::Step(std::vector<EngineEvent>* events) {
  StepStats stats;
  MoveEncoded(events);
  if (encoder_->pending()) EncodeAWhile(&stats, events);
  if (decoding_.empty()) return stats;
  const absl::Time start = absl::Now();
  Decode(&stats, events);
  decode_time_ = absl::Now() - start;
  return stats;
}

// One stage of the encoder, and more while running requests wait no longer for their next token than max_stall says.
void ContinuousEngine::EncodeAWhile(StepStats* stats, std::vector<EngineEvent>* events) {
  const absl::Time start = absl::Now();
  const double crowd =
      static_cast<double>(arrived_.size()) / std::max<double>(1.0, static_cast<double>(decoding_.size()));
  const absl::Duration limit = options_.max_stall * std::clamp(crowd, 1.0, kMostCrowd) * decode_time_;
  int stages = 0;
  absl::Duration spent;
  do {
    stats->encode_tokens = encoder_->Advance();
    math_.backend()->Wait();
    MoveEncoded(events);
    ++stages;
    spent = absl::Now() - start;
  } while (encoder_->pending() && !decoding_.empty() && spent + spent / stages <= limit);
}

void ContinuousEngine::MoveEncoded(std::vector<EngineEvent>* events) {
  for (std::unique_ptr<Active>& active : arrived_) {
    if (!active->encoded()) continue;
    EngineEvent& event = events->emplace_back();
    event.id = active->request.id;
    event.kind = EngineEvent::Kind::kEncoded;
    const auto place = std::upper_bound(decoding_.begin(), decoding_.end(), active, RunsBefore);
    decoding_.insert(place, std::move(active));
  }
  std::erase(arrived_, nullptr);
}

void ContinuousEngine::Decode(StepStats* stats, std::vector<EngineEvent>* events) {
  rows_.clear();
  for (size_t i = 0; i < decoding_.size(); ++i) {
    const Active& active = *decoding_[i];
    if (i == 0 || active.weights() != decoding_[i - 1]->weights()) ++stats->lanes;
    stats->decode_rows += active.plain_rows();
    if (active.over_basis()) stats->basis_rows += active.plain_rows();
  }
  int32_t spare = std::max(0, kRowsWithDrafts - stats->decode_rows);
  for (const auto& active : decoding_) {
    AddRows(*active);
    spare -= AddDraft(*active, spare);
  }
  Choose(decoder_->Step(rows_));
  std::span<const ChosenToken> chosen = chosen_;
  size_t kept = 0;
  for (size_t i = 0; i < decoding_.size(); ++i) {
    Active& active = *decoding_[i];
    const std::span<const ChosenToken> its = chosen.first(active.choices());
    chosen = chosen.subspan(its.size());
    if (Follow(active, its, stats, events)) {
      Leave(active);
    } else if (kept++ != i) {
      decoding_[kept - 1] = std::move(decoding_[i]);
    }
  }
  decoding_.resize(kept);
}

void ContinuousEngine::Choose(Rows logits) {
  mixes_.clear();
  rules_.clear();
  forbidden_.clear();
  int64_t row = 0;
  size_t choices = 0;
  for (const auto& active : decoding_) {
    AddRules(*active, row);
    row += active->step_rows();
    choices += active->choices();
  }
  chosen_.resize(choices);
  const int64_t vocab_size = math_.config().vocab_size;
  MixRows(*math_.backend(), logits, vocab_size, mixes_);
  ChooseTokens(*math_.backend(), logits, vocab_size, rules_, forbidden_, chosen_);
}

void ContinuousEngine::AddRules(const Active& active, int64_t row) {
  if (active.beams != nullptr) {
    for (size_t h = 0; h < active.beams->rows().size(); ++h) {
      rules_.push_back(active.beams->RuleAfter(h, row + static_cast<int64_t>(h), &forbidden_));
    }
    return;
  }
  if (active.mixes_logits()) mixes_.push_back({row, active.coefficients});
  for (size_t guesses = 0; guesses <= active.drafted.size(); ++guesses) {
    const auto of_row = row + static_cast<int64_t>(guesses);
    rules_.push_back(active.tokens->RuleAfter(active.drafted.first(guesses), of_row, &forbidden_));
  }
}

void ContinuousEngine::AddRows(const Active& active) {
  const std::span<const Search::Row> hypotheses = active.search->rows();
  for (int32_t r = 0; r < active.plain_rows(); ++r) {
    const Reader& reader = active.readers[active.mixes_logits() ? r : 0];
    const int32_t token = hypotheses[active.mixes_logits() ? 0 : r].token;
    rows_.push_back({&reader.weights->weights(), token, active.position, active.slots[r], reader.article->cross.get()});
  }
}

int32_t ContinuousEngine::AddDraft(Active& active, int32_t spare) {
  active.drafted = {};
  if (!active.drafter.has_value()) return 0;
  const int32_t left = active.request.options.max_new_tokens - active.position - 1;
  active.drafted = active.drafter->Propose(active.search->settled(), std::min(spare, left));
  int32_t position = active.position;
  for (int32_t token : active.drafted) {
    rows_.push_back({active.weights(), token, ++position, active.slots[0], active.readers[0].article->cross.get()});
  }
  return static_cast<int32_t>(active.drafted.size());
}

bool ContinuousEngine::Follow(Active& active, std::span<const ChosenToken> chosen, StepStats* stats,
                              std::vector<EngineEvent>* events) {
  if (active.beams != nullptr) {
    active.beams->Advance(chosen);
    return Report(active, events);
  }
  const auto drafted = static_cast<int32_t>(active.drafted.size());
  int32_t accepted = 0;
  bool finished = Write(active, chosen[0], events);
  while (!finished && accepted < drafted && active.search->rows()[0].token == active.drafted[accepted]) {
    ++accepted;
    finished = Write(active, chosen[accepted], events);
  }
  if (drafted > 0) active.drafter->Learn(drafted, accepted);
  stats->draft_tokens += drafted;
  stats->draft_accepted += accepted;
  return finished;
}

bool ContinuousEngine::Write(Active& active, const ChosenToken& chosen, std::vector<EngineEvent>* events) {
  active.tokens->Write(chosen);
  return Report(active, events);
}

bool ContinuousEngine::Report(Active& active, std::vector<EngineEvent>* events) {
  ++active.position;
  for (int32_t token : active.search->settled().subspan(active.reported)) {
    EngineEvent& event = events->emplace_back();
    event.id = active.request.id;
    event.kind = EngineEvent::Kind::kToken;
    event.token = token;
    ++active.reported;
  }
  if (!active.search->done()) {
    FollowParents(active, *kv_, math_.backend());
    return false;
  }
  EngineEvent& event = events->emplace_back();
  event.id = active.request.id;
  event.kind = EngineEvent::Kind::kFinished;
  event.generation = active.search->Take();
  event.mix_time = active.mix_time() - active.mixed_before;
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> NewEngine(const T5Config& config, const EngineOptions& options,
                                                  Backend* backend) {
  if (options.max_rows < 1 || options.max_input_tokens < 1 || options.max_new_tokens < 1 ||
      options.max_encode_tokens < options.max_input_tokens) {
    return absl::InvalidArgumentError(
        "engine limits must be at least 1, and max_encode_tokens at least max_input_tokens");
  }
  auto engine = std::make_unique<ContinuousEngine>(config, options, backend);
  RETURN_IF_ERROR(engine->Init());
  return engine;
}

absl::StatusOr<Generation> Generate(Engine& engine, EngineRequest request) {
  const uint64_t id = request.id;
  RETURN_IF_ERROR(engine.Admit(std::move(request)));
  std::vector<EngineEvent> events;
  while (!engine.idle()) {
    events.clear();
    engine.Step(&events);
    for (EngineEvent& event : events) {
      if (event.id == id && event.kind == EngineEvent::Kind::kFinished) return std::move(event.generation);
    }
  }
  return absl::InternalError("the engine went idle without finishing the request");
}

}  // namespace trimtab
