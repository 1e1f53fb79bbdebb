#include "model/generation.h"

#include "absl/strings/str_cat.h"
#include "model/field_error.h"

namespace trimtab {
namespace {

template <typename T>
absl::Status InRange(absl::string_view field, T value, T low, T high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidField(absl::StrCat("options.", field), absl::StrCat("is ", value, "; expected ", low, " to ", high));
}

}  // namespace

absl::Status ValidateGenerationOptions(const GenerationOptions& options, int32_t vocab_size) {
  absl::Status status = InRange("max_new_tokens", options.max_new_tokens, 1, 1024);
  status.Update(InRange("min_new_tokens", options.min_new_tokens, 0, options.max_new_tokens));
  status.Update(InRange("num_beams", options.num_beams, 1, 8));
  status.Update(InRange("length_penalty", options.length_penalty, -4.0f, 4.0f));
  status.Update(InRange("no_repeat_ngram_size", options.no_repeat_ngram_size, 0, 16));
  status.Update(InRange("temperature", options.temperature, 0.0f, 10.0f));
  status.Update(InRange("top_k", options.top_k, 0, vocab_size));
  status.Update(InRange("top_p", options.top_p, 1e-6f, 1.0f));
  if (status.ok() && options.num_beams > 1 && options.temperature > 0.0f) {
    return InvalidField("options.num_beams",
                        absl::StrCat("is ", options.num_beams, " together with temperature ", options.temperature,
                                     "; expected either beam search or sampling"));
  }
  return status;
}

}  // namespace trimtab
