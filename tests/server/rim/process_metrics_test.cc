#include "server/rim/process_metrics.h"

#include <ctime>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Gt;
using testing::Le;

std::map<std::string, double> Values() {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : ProcessMetrics()) {
    const prometheus::ClientMetric& metric = family.metric.at(0);
    const bool counts = family.type == prometheus::MetricType::Counter;
    values[family.name] = counts ? metric.counter.value : metric.gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, SayWhenThisProcessStartedAndHowMuchItHolds) {
  const std::map<std::string, double> values = Values();
  ASSERT_EQ(values.size(), 4u);
  const double now = static_cast<double>(std::time(nullptr));
  EXPECT_THAT(values.at("process_start_time_seconds"), AllOf(Gt(now - 3600), Le(now + 2)));
  EXPECT_THAT(values.at("process_resident_memory_bytes"), AllOf(Gt(1 << 20), Le(1LL << 36)));
}

TEST(ProcessMetricsTest, MemoryThatIsTouchedShows) {
  const double before = Values().at("process_resident_memory_bytes");
  const std::vector<char> touched(64 << 20, 1);
  EXPECT_GE(Values().at("process_resident_memory_bytes") - before, 60 << 20);
  EXPECT_EQ(touched.back(), 1);
}

TEST(ProcessMetricsTest, EachOpenFileShows) {
  const double before = Values().at("process_open_fds");
  const std::ifstream one("/proc/self/stat"), two("/proc/self/stat");
  EXPECT_EQ(Values().at("process_open_fds"), before + 2);
}

TEST(ProcessMetricsTest, TimeOfProcessorsGrows) {
  const double before = Values().at("process_cpu_seconds_total");
  const std::clock_t start = std::clock();
  while (std::clock() - start < CLOCKS_PER_SEC / 20) continue;
  EXPECT_THAT(Values().at("process_cpu_seconds_total"), Ge(before + 0.03));
}

}  // namespace
}  // namespace trimtab
