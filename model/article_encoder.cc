#include "model/article_encoder.h"

#include <algorithm>
#include <functional>

#include "model/status_macros.h"

namespace trimtab {
namespace {

bool Serves(const EncodedArticle& article, std::span<const int32_t> ids, const MixedWeights& weights) {
  return article.parameters == &weights.parameters() &&
         (!weights.parameters().conditions_encoder() || article.coefficients == weights.coefficients()) &&
         std::equal(ids.begin(), ids.end(), article.ids.begin(), article.ids.end());
}

}  // namespace

absl::StatusOr<std::unique_ptr<ArticleEncoder>> ArticleEncoder::Create(LaneMath& math, int32_t max_tokens) {
  ASSIGN_OR_RETURN(Activations activations, Activations::Create(math.config(), max_tokens, math.backend()));
  return std::unique_ptr<ArticleEncoder>(new ArticleEncoder(math, max_tokens, std::move(activations)));
}

absl::StatusOr<std::shared_ptr<EncodedArticle>> ArticleEncoder::Add(
    std::span<const int32_t> ids, const std::shared_ptr<const MixedWeights>& weights) {
  std::erase_if(articles_, [](const auto& article) { return article.expired(); });
  for (const auto& held : articles_) {
    if (std::shared_ptr<EncodedArticle> article = held.lock(); Serves(*article, ids, *weights)) return article;
  }
  RETURN_IF_ERROR(math_.Reserve(weights->parameters()));
  ASSIGN_OR_RETURN(std::unique_ptr<CrossAttention> cross,
                   CrossAttention::Create(math_.config(), static_cast<int32_t>(ids.size()), math_.backend()));
  auto article = std::make_shared<EncodedArticle>(EncodedArticle{.ids = {ids.begin(), ids.end()},
                                                                 .parameters = &weights->parameters(),
                                                                 .coefficients = weights->coefficients(),
                                                                 .weights = weights,
                                                                 .cross = std::move(cross)});
  articles_.push_back(article);
  return article;
}

bool ArticleEncoder::pending() const {
  return pass_ != nullptr || std::any_of(articles_.begin(), articles_.end(), [](const auto& held) {
           const std::shared_ptr<EncodedArticle> article = held.lock();
           return article != nullptr && !article->begun;
         });
}

void ArticleEncoder::BeginPass() {
  int32_t tokens = 0;
  for (const auto& held : articles_) {
    std::shared_ptr<EncodedArticle> article = held.lock();
    if (article == nullptr || article->begun) continue;
    tokens += static_cast<int32_t>(article->ids.size());
    if (tokens > max_tokens_) break;
    article->begun = true;
    in_pass_.push_back(std::move(article));
  }
  std::vector<EncoderInput> inputs;
  for (const auto& article : in_pass_) {
    inputs.push_back({article->ids, &article->weights->weights(), article->cross.get()});
  }
  std::stable_sort(inputs.begin(), inputs.end(),
                   [](const EncoderInput& a, const EncoderInput& b) { return std::less<>()(a.weights, b.weights); });
  pass_ = std::make_unique<EncoderPass>(math_, inputs, &activations_);
}

int32_t ArticleEncoder::Advance() {
  if (pass_ == nullptr) BeginPass();
  const int32_t tokens = pass_->tokens();
  pass_->Advance();
  if (!pass_->done()) return tokens;
  pass_.reset();
  for (const auto& article : in_pass_) {
    article->done = true;
    article->weights.reset();
  }
  in_pass_.clear();
  return tokens;
}

}  // namespace trimtab
