#ifndef TRIMTAB_CLIENT_COMMANDS_RECORDS_H_
#define TRIMTAB_CLIENT_COMMANDS_RECORDS_H_

#include <string>
#include <vector>

#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// "hit", "miss", "shared", "basis"; "unknown" for any other.
const char* CacheName(v1::CacheOutcome outcome);

// One reply as one line of JSON, without its newline: id (when not empty), summary, alpha, weights, coefficients,
// finish_reason, truncated, input_tokens, output_tokens, token_ids and log_probs when the reply has them, and, of a
// server's reply, parameter_digest, cache and seconds.
std::string JsonRecord(const std::string& id, const v1::SummarizeResponse& reply);

// The same of a point, with its index, the positions asked that it answers, and its scores.
std::string JsonRecord(const v1::ExplorePoint& point);
// The end of an exploration: how many points were asked and were distinct, the objectives, and the front's indices.
std::string JsonRecord(const v1::ExploreAccepted& accepted, const v1::ExploreFront& front);

// What a reply cost and what it was made with, one line for people: "miss, mix 3.1 ms, ... coefficients 0.5 0.5 0".
std::string CostLine(const v1::SummarizeResponse& reply);

// "rouge_lsum 31.4, rouge_lsum_recall 20.9", in the order of names.
std::string ScoresLine(const v1::ExplorePoint& point);

// `text` in lines of at most `width` columns, each indented by two.
std::string Wrapped(const std::string& text, size_t width);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_RECORDS_H_
