#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "kernels/host_memory.h"
#include "model/status_macros.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/measure.cc"
#include "hwy/foreach_target.h"  // Re-includes this file per target; must come before highway.h.
//
#include "hwy/cache_control.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace trimtab::bench {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr D d;
constexpr int64_t kLanes = hn::MaxLanes(d);

// Twelve independent chains cover the latency of two units. Returns operations done.
double FmaLoop(int64_t iterations, float* sink) {
  constexpr int kChains = 12;
  V sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = hn::Set(d, static_cast<float>(i));
  const V a = hn::Set(d, *sink), b = hn::Set(d, 1e-9f);
  for (int64_t n = 0; n < iterations; ++n) {
    for (int i = 0; i < kChains; ++i) sums[i] = hn::MulAdd(sums[i], a, b);
  }
  V total = sums[0];
  for (int i = 1; i < kChains; ++i) total = hn::Add(total, sums[i]);
  *sink = hn::GetLane(hn::SumOfLanes(d, total));
  return 2.0 * kChains * static_cast<double>(kLanes) * static_cast<double>(iterations);
}

float ReadLoop(const float* data, int64_t n) {
  const hn::RebindToUnsigned<decltype(d)> du;  // The words may be anything.
  hn::Vec<decltype(du)> sums[8];
  for (auto& sum : sums) sum = hn::Zero(du);
  for (int64_t i = 0; i + 8 * kLanes <= n; i += 8 * kLanes) {
    for (int j = 0; j < 8; ++j) {
      sums[j] = hn::Add(sums[j], hn::Load(du, reinterpret_cast<const uint32_t*>(data) + i + j * kLanes));
    }
  }
  auto total = sums[0];
  for (int j = 1; j < 8; ++j) total = hn::Add(total, sums[j]);
  return static_cast<float>(hn::GetLane(hn::SumOfLanes(du, total)));
}

template <int kSets>
HWY_INLINE V SumAt(const float* const* sets, int64_t i) {
  V sum = hn::Load(d, sets[0] + i);
  for (int j = 1; j < kSets; ++j) sum = hn::Add(sum, hn::Load(d, sets[j] + i));
  return sum;
}

template <int kSets>
void PlainLoopOf(const float* const* sets, int64_t words, float* out, int64_t out_words) {
  const int64_t per = words / out_words;
  for (int64_t o = 0; o + kLanes <= out_words; o += kLanes) {
    V sum = SumAt<kSets>(sets, o * per);
    for (int64_t p = 1; p < per; ++p) sum = hn::Add(sum, SumAt<kSets>(sets, o * per + p * kLanes));
    hn::Stream(sum, d, out + o);
  }
  hwy::FlushStream();
}

void PlainLoopOnce(const float* const* sets, int num_sets, int64_t words, float* out, int64_t out_words) {
  switch (num_sets) {
    case 2:
      return PlainLoopOf<2>(sets, words, out, out_words);
    case 3:
      return PlainLoopOf<3>(sets, words, out, out_words);
    case 4:
      return PlainLoopOf<4>(sets, words, out, out_words);
    case 5:
      return PlainLoopOf<5>(sets, words, out, out_words);
    default:
      return PlainLoopOf<1>(sets, words, out, out_words);
  }
}

const char* Name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace trimtab::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trimtab::bench {

HWY_EXPORT(FmaLoop);
HWY_EXPORT(ReadLoop);
HWY_EXPORT(PlainLoopOnce);
HWY_EXPORT(Name);

namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <typename Body>
void OnThreads(int threads, Body body) {
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(body, t);
  body(0);
  for (std::thread& other : others) other.join();
}

}  // namespace

Seconds Time(absl::FunctionRef<void()> body, int repeats, double least_seconds) {
  body();
  std::vector<double> times;
  const double begin = Now();
  while (static_cast<int>(times.size()) < repeats || Now() - begin < least_seconds) {
    const double start = Now();
    body();
    times.push_back(Now() - start);
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), times.back()};
}

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return NAN;
  const auto at = values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Threads of libraries spin for a while after their last work, on the cores of who comes next.
constexpr std::chrono::milliseconds kRest{100};

Paired TimeInTurns(absl::FunctionRef<void()> ours, absl::FunctionRef<void()> baseline, int rounds) {
  std::vector<double> a, b, ratios;
  for (int round = 0; round < rounds; ++round) {
    std::this_thread::sleep_for(kRest);
    a.push_back(Time(ours, 3, 0.03).median);
    std::this_thread::sleep_for(kRest);
    b.push_back(Time(baseline, 3, 0.03).median);
    ratios.push_back(b.back() / a.back());
  }
  return {Median(a), Median(b), Median(ratios)};
}

constexpr size_t kApart = 64;  // Floats between what two threads write.

double FmaPeak(int threads) {
  double best = 0;
  std::vector<float> sinks(kApart * threads, 0.999f);
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::vector<double> operations(threads);
    const double start = Now();
    OnThreads(threads, [&](int t) { operations[t] = HWY_DYNAMIC_DISPATCH(FmaLoop)(20'000'000, &sinks[kApart * t]); });
    double total = 0;
    for (double count : operations) total += count;
    best = std::max(best, total / (Now() - start));
  }
  return best;
}

double ReadBandwidth(int threads, const float* data, int64_t n) {
  const int64_t share = n / threads / 1024 * 1024;
  std::vector<float> sinks(kApart * threads);
  double best = 0;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const double start = Now();
    OnThreads(threads, [&](int t) { sinks[kApart * t] += HWY_DYNAMIC_DISPATCH(ReadLoop)(data + t * share, share); });
    best = std::max(best, 4.0 * static_cast<double>(share) * threads / (Now() - start));
  }
  return best;
}

absl::StatusOr<double> CopyBandwidth(Backend& backend, int64_t bytes) {
  ASSIGN_OR_RETURN(const Buffer from, backend.Allocate(bytes / 4));
  ASSIGN_OR_RETURN(Buffer to, backend.Allocate(bytes / 4));
  const Seconds seconds = Time([&] {
    backend.Copy(from.data(), bytes / 4, to.data());
    backend.Wait();
  });
  return 2.0 * static_cast<double>(bytes) / seconds.median;
}

double ReadBandwidth(int threads, int64_t bytes) {
  Buffer data = AllocateHost(bytes / 4).value();
  std::fill(data.data(), data.data() + bytes / 4, 1.0f);
  return ReadBandwidth(threads, data.data(), bytes / 4);
}

void PlainLoop(const float* const* sets, int num_sets, int64_t words, float* out, int64_t out_words) {
  HWY_DYNAMIC_DISPATCH(PlainLoopOnce)(sets, num_sets, words, out, out_words);
}

const char* InstructionSet() { return HWY_DYNAMIC_DISPATCH(Name)(); }

}  // namespace trimtab::bench
#endif  // HWY_ONCE
