#include "client/commands/records.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

double Seconds(const google::protobuf::Duration& d) { return static_cast<double>(d.seconds()) + 1e-9 * d.nanos(); }

template <typename Repeated>
nlohmann::ordered_json List(const Repeated& values) {
  return nlohmann::ordered_json(std::vector<typename Repeated::value_type>(values.begin(), values.end()));
}

nlohmann::ordered_json RecordOf(const v1::SummarizeResponse& reply) {
  nlohmann::ordered_json record;
  record["summary"] = reply.summary();
  record["alpha"] = reply.weighting().alpha();
  record["weights"] = List(reply.weighting().weights());
  record["coefficients"] = List(reply.weighting().coefficients());
  record["finish_reason"] = reply.finish_reason() == v1::FINISH_REASON_EOS ? "eos" : "length";
  record["truncated"] = reply.truncated();
  record["input_tokens"] = reply.input_tokens();
  record["output_tokens"] = reply.output_tokens();
  if (reply.token_ids_size() > 0) record["token_ids"] = List(reply.token_ids());
  if (reply.log_probs_size() > 0) record["log_probs"] = List(reply.log_probs());
  if (reply.has_parameter_version()) record["parameter_digest"] = reply.parameter_version().digest();
  if (reply.cache() != v1::CACHE_OUTCOME_UNSPECIFIED) record["cache"] = CacheName(reply.cache());
  if (reply.has_timings()) {
    const v1::Timings& t = reply.timings();
    record["seconds"] = {{"queue", Seconds(t.queue())},
                         {"mix", Seconds(t.mix())},
                         {"encode", Seconds(t.encode())},
                         {"decode", Seconds(t.decode())},
                         {"first_token", Seconds(t.first_token())}};
  }
  return record;
}

std::string Line(const nlohmann::ordered_json& record) {
  return record.dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

std::map<std::string, double> Sorted(const google::protobuf::Map<std::string, double>& scores) {
  return {scores.begin(), scores.end()};
}

}  // namespace

const char* CacheName(v1::CacheOutcome outcome) {
  switch (outcome) {
    case v1::CACHE_OUTCOME_HIT:
      return "hit";
    case v1::CACHE_OUTCOME_MISS:
      return "miss";
    case v1::CACHE_OUTCOME_SHARED:
      return "shared";
    case v1::CACHE_OUTCOME_BASIS:
      return "basis";
    default:
      return "unknown";
  }
}

std::string JsonRecord(const std::string& id, const v1::SummarizeResponse& reply) {
  nlohmann::ordered_json record;
  if (!id.empty()) record["id"] = id;
  record.update(RecordOf(reply));
  return Line(record);
}

std::string JsonRecord(const v1::ExplorePoint& point) {
  nlohmann::ordered_json record;
  record["index"] = point.index();
  record["asked"] = List(point.asked());
  record["scores"] = Sorted(point.scores());
  record.update(RecordOf(point.result()));
  return Line(record);
}

std::string JsonRecord(const v1::ExploreAccepted& accepted, const v1::ExploreFront& front) {
  nlohmann::ordered_json record;
  record["points_asked"] = accepted.asked();
  record["points_distinct"] = accepted.weightings_size();
  record["objectives"] = List(front.objectives());
  record["front"] = List(front.points());
  return Line(record);
}

std::string ScoresLine(const v1::ExplorePoint& point) {
  return absl::StrJoin(Sorted(point.scores()), ", ", [](std::string* out, const auto& score) {
    absl::StrAppendFormat(out, "%s %.1f", score.first, score.second);
  });
}

std::string CostLine(const v1::SummarizeResponse& reply) {
  const v1::Timings& t = reply.timings();
  return absl::StrFormat("%s, mix %.1f ms, queue %.1f ms, encode %.1f ms, decode %.1f ms, %d tokens, coefficients %s",
                         CacheName(reply.cache()), 1e3 * Seconds(t.mix()), 1e3 * Seconds(t.queue()),
                         1e3 * Seconds(t.encode()), 1e3 * Seconds(t.decode()), reply.output_tokens(),
                         absl::StrJoin(reply.weighting().coefficients(), " "));
}

std::string Wrapped(const std::string& text, size_t width) {
  std::string out, line;
  for (const absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \n\t"), absl::SkipEmpty())) {
    if (!line.empty() && 2 + line.size() + 1 + word.size() > width) {
      absl::StrAppend(&out, "  ", line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  absl::StrAppend(&out, "  ", line, "\n");
  return out;
}

}  // namespace trimtab
