#include "client/commands/generation_flags.h"

#include <functional>

#include "model/status_macros.h"

namespace trimtab {
namespace {

using Message = v1::GenerationOptions;

template <typename T>
void Add(CLI::App& app, const char* name, const char* type, Message* options, void (Message::*set)(T),
         const char* help) {
  app.add_option_function<T>(
         name, [options, set](const T& value) { (options->*set)(value); }, help)
      ->type_name(type)
      ->group("Generation");
}

}  // namespace

void AddGenerationFlags(CLI::App& app, Message* o) {
  Add(app, "--max-new-tokens", "N", o, &Message::set_max_new_tokens,
      "Tokens to write at most, end of text included. Default: the checkpoint's");
  Add(app, "--min-new-tokens", "N", o, &Message::set_min_new_tokens, "The text does not end before. Default: 0");
  Add(app, "--num-beams", "N", o, &Message::set_num_beams,
      "Width of beam search, 1 (off) to 8. Default: the checkpoint's; 1 with --temperature");
  Add(app, "--length-penalty", "P", o, &Message::set_length_penalty,
      "Beam scores are divided by length^P, -4 to 4. Default: the checkpoint's");
  Add(app, "--no-repeat-ngram-size", "N", o, &Message::set_no_repeat_ngram_size,
      "No N tokens in a row appear twice, 0 (off) to 16. Default: the checkpoint's");
  Add(app, "--temperature", "T", o, &Message::set_temperature, "Of sampling, 0 (greedy) to 10. Default: 0");
  Add(app, "--top-k", "K", o, &Message::set_top_k, "Sample among the K likeliest tokens, 0: all. Default: 0");
  Add(app, "--top-p", "P", o, &Message::set_top_p,
      "Sample among the likeliest tokens that reach probability P, at most 1. Default: 1");
  Add(app, "--seed", "N", o, &Message::set_seed, "Of sampling: the same seed gives the same summary. Default: 0");
  app.add_flag_callback(
         "--log-probs", [o] { o->set_log_probs(true); }, "Report each token's log-probability (--json)")
      ->group("Generation");
}

absl::StatusOr<GenerationOptions> GenerationOffline(const Message& asked, const GenerationDefaults& defaults,
                                                    int32_t vocab_size) {
  GenerationOptions options;
  options.max_new_tokens = asked.has_max_new_tokens() ? asked.max_new_tokens() : defaults.max_new_tokens;
  options.min_new_tokens = asked.min_new_tokens();
  options.temperature = asked.temperature();
  options.num_beams = asked.has_num_beams() ? asked.num_beams() : options.temperature > 0 ? 1 : defaults.num_beams;
  options.length_penalty = asked.has_length_penalty() ? asked.length_penalty() : defaults.length_penalty;
  options.no_repeat_ngram_size =
      asked.has_no_repeat_ngram_size() ? asked.no_repeat_ngram_size() : defaults.no_repeat_ngram_size;
  options.top_k = asked.top_k();
  options.top_p = asked.has_top_p() ? asked.top_p() : 1.0f;
  options.seed = asked.seed();
  options.log_probs = asked.log_probs();
  RETURN_IF_ERROR(ValidateGenerationOptions(options, vocab_size));
  return options;
}

}  // namespace trimtab
