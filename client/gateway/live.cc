#include "client/gateway/live.h"

#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/gateway/json.h"
#include "nlohmann/json.hpp"

namespace trimtab {
namespace {

constexpr absl::string_view kShown[] = {"trimtab_generated_tokens_total",   "trimtab_requests_running",
                                        "trimtab_requests_waiting",         "trimtab_mix_cache_hits_total",
                                        "trimtab_mix_coalesced_total",      "trimtab_mix_cache_misses_total",
                                        "trimtab_mix_cache_entries",        "trimtab_mix_cache_bytes",
                                        "trimtab_mix_cache_capacity_bytes", "trimtab_trainer_step"};
constexpr std::chrono::milliseconds kPatience(500);
constexpr absl::string_view kReward = "trimtab_trainer_reward{objective=\"";

}  // namespace

void AddMetrics(absl::string_view page, LiveNumbers* numbers) {
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    const size_t space = line.rfind(' ');
    double value = 0;
    if (space == absl::string_view::npos || !absl::SimpleAtod(line.substr(space + 1), &value)) continue;
    absl::string_view series = line.substr(0, space);
    if (absl::ConsumePrefix(&series, kReward)) {
      numbers->rewards[std::string(absl::StripSuffix(series, "\"}"))] = value;
    } else if (std::find(std::begin(kShown), std::end(kShown), series) != std::end(kShown)) {
      numbers->metrics[std::string(absl::StripPrefix(series, "trimtab_"))] += value;
    }
  }
}

Live::Live(absl::string_view addresses) : addresses_(absl::StrSplit(addresses, ',', absl::SkipWhitespace())) {}

LiveNumbers Live::Now() {
  const absl::MutexLock lock(&mutex_);
  if (absl::Now() - asked_ < absl::Seconds(1)) return numbers_;
  numbers_ = {};
  for (const std::string& address : addresses_) {
    httplib::Client http(absl::StrCat("http://", address));
    http.set_connection_timeout(kPatience);
    http.set_read_timeout(kPatience);
    const auto reply = http.Get("/metrics");
    if (reply && reply->status == 200) AddMetrics(reply->body, &numbers_);
  }
  asked_ = absl::Now();
  numbers_.seconds = absl::ToDoubleSeconds(asked_ - absl::UnixEpoch());
  return numbers_;
}

std::string LiveBody(const v1::GetModelInfoResponse& info, const LiveNumbers& numbers) {
  const nlohmann::ordered_json json = {
      {"parameter_version", nlohmann::ordered_json::parse(ToJson(info.parameter_version()))},
      {"seconds", numbers.seconds},
      {"metrics", numbers.metrics},
      {"rewards", numbers.rewards},
  };
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace trimtab
