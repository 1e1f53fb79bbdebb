#include "server/metrics.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace trimtab {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// Every family with some value in it.
std::vector<prometheus::MetricFamily> AllFamilies(prometheus::Registry& registry, Metrics& metrics) {
  metrics.CountRequest("Summarize", "OK", 0.25);
  metrics.SetBuild("1.2.3", "abc");
  metrics.SetParameters(7, "d1");
  metrics.CountUpdate("OK");
  return registry.Collect();
}

std::string Exposition(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

TEST(MetricsTest, EveryNameIsLegalPrefixedAndInBaseUnits) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  const char* const legal = "trimtab_[a-z][a-z0-9]*(_[a-z0-9]+)*";
  const char* const other_unit = ".*_(ms|milliseconds|us|microseconds|ns|minutes|hours|kb|kilobytes|mb|percent)(_.*)?";
  for (const auto& family : AllFamilies(registry, metrics)) {
    EXPECT_THAT(family.name, MatchesRegex(legal));
    EXPECT_THAT(family.name, Not(MatchesRegex(other_unit)));
    EXPECT_FALSE(family.help.empty()) << family.name;
  }
}

TEST(MetricsTest, CountersAndNothingElseEndInTotal) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  for (const auto& family : AllFamilies(registry, metrics)) {
    EXPECT_EQ(absl::EndsWith(family.name, "_total"), family.type == prometheus::MetricType::Counter) << family.name;
    for (const char* reserved : {"_count", "_sum", "_bucket"}) {
      EXPECT_FALSE(absl::EndsWith(family.name, reserved)) << family.name;
    }
  }
}

TEST(MetricsTest, ExportsTheDocumentedSeries) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  std::set<std::string> names;
  for (const auto& family : AllFamilies(registry, metrics)) names.insert(family.name);
  const std::set<std::string> documented = {"trimtab_requests_total",
                                            "trimtab_request_duration_seconds",
                                            "trimtab_time_to_first_token_seconds",
                                            "trimtab_time_per_output_token_seconds",
                                            "trimtab_request_queue_duration_seconds",
                                            "trimtab_request_mix_duration_seconds",
                                            "trimtab_request_encode_duration_seconds",
                                            "trimtab_request_decode_duration_seconds",
                                            "trimtab_requests_running",
                                            "trimtab_requests_waiting",
                                            "trimtab_requests_waiting_limit",
                                            "trimtab_requests_rejected_total",
                                            "trimtab_request_memory_bytes",
                                            "trimtab_request_memory_limit_bytes",
                                            "trimtab_requests_cancelled_total",
                                            "trimtab_prompt_tokens_total",
                                            "trimtab_explore_points_total",
                                            "trimtab_generated_tokens_total",
                                            "trimtab_batch_size",
                                            "trimtab_batch_lanes",
                                            "trimtab_batch_steps_total",
                                            "trimtab_mix_cache_hits_total",
                                            "trimtab_mix_cache_misses_total",
                                            "trimtab_mix_coalesced_total",
                                            "trimtab_decode_rows_total",
                                            "trimtab_mix_cache_basis_total",
                                            "trimtab_mix_cache_promotions_total",
                                            "trimtab_mix_cache_evictions_total",
                                            "trimtab_mix_cache_entries",
                                            "trimtab_mix_cache_bytes",
                                            "trimtab_mix_cache_capacity_bytes",
                                            "trimtab_mix_duration_seconds",
                                            "trimtab_params_version",
                                            "trimtab_params_info",
                                            "trimtab_params_age_seconds",
                                            "trimtab_params_updates_total",
                                            "trimtab_params_update_bytes_total",
                                            "trimtab_params_commit_duration_seconds",
                                            "trimtab_params_damaged_total",
                                            "trimtab_params_staged_bytes",
                                            "trimtab_build_info",
                                            "trimtab_draft_tokens_accepted_total",
                                            "trimtab_draft_tokens_total",
                                            "trimtab_tls_certificate_expiry_timestamp_seconds",
                                            "trimtab_tls_reloads_total"};
  EXPECT_EQ(names, documented);
}

TEST(MetricsTest, BucketsGrow) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  for (const auto& family : AllFamilies(registry, metrics)) {
    if (family.type != prometheus::MetricType::Histogram) continue;
    for (const auto& metric : family.metric) {
      ASSERT_GT(metric.histogram.bucket.size(), 2u) << family.name;
      for (size_t i = 1; i < metric.histogram.bucket.size(); ++i) {
        EXPECT_LT(metric.histogram.bucket[i - 1].upper_bound, metric.histogram.bucket[i].upper_bound) << family.name;
      }
    }
  }
}

TEST(MetricsTest, LabelledSeriesStartAtZeroSoThatRatesSeeTheirFirstEvent) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  const std::string text = Exposition(registry);
  EXPECT_THAT(text, HasSubstr("trimtab_requests_rejected_total{reason=\"queue_full\"} 0"));
  EXPECT_THAT(text, HasSubstr("trimtab_requests_rejected_total{reason=\"draining\"} 0"));
  EXPECT_THAT(text, HasSubstr("trimtab_requests_rejected_total{reason=\"memory\"} 0"));
  EXPECT_THAT(text, HasSubstr("trimtab_requests_cancelled_total{stage=\"decoding\"} 0"));
  EXPECT_THAT(text, HasSubstr("trimtab_batch_steps_total{phase=\"encode\"} 0"));
}

TEST(MetricsTest, CountsCallsByMethodAndCode) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  metrics.CountRequest("Summarize", "OK", 0.1);
  metrics.CountRequest("Summarize", "OK", 0.2);
  metrics.CountRequest("Explore", "CANCELLED", 0.3);
  const std::string text = Exposition(registry);
  EXPECT_THAT(text, HasSubstr("trimtab_requests_total{code=\"OK\",method=\"Summarize\"} 2"));
  EXPECT_THAT(text, HasSubstr("trimtab_requests_total{code=\"CANCELLED\",method=\"Explore\"} 1"));
  EXPECT_THAT(text, HasSubstr("trimtab_request_duration_seconds_count 3"));
}

TEST(MetricsTest, CountsUpdatesByResult) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  metrics.CountUpdate("OK");
  metrics.CountUpdate("DATA_LOSS");
  metrics.CountUpdate("OK");
  const std::string text = Exposition(registry);
  EXPECT_THAT(text, HasSubstr("trimtab_params_updates_total{result=\"OK\"} 2"));
  EXPECT_THAT(text, HasSubstr("trimtab_params_updates_total{result=\"DATA_LOSS\"} 1"));
}

TEST(MetricsTest, NamesOnlyTheNewestParameters) {
  prometheus::Registry registry;
  Metrics metrics(registry);
  metrics.SetParameters(3, "old");
  metrics.SetParameters(4, "new");
  metrics.SetParameters(5, "new");
  const std::string text = Exposition(registry);
  EXPECT_THAT(text, HasSubstr("trimtab_params_version 5"));
  EXPECT_THAT(text, HasSubstr("trimtab_params_info{digest=\"new\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("\"old\"")));
}

}  // namespace
}  // namespace trimtab
