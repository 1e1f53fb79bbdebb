// Timing and the limits of this machine, measured in the same run as what is held against them.
#ifndef TRIMTAB_BENCH_MEASURE_H_
#define TRIMTAB_BENCH_MEASURE_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/backend.h"

namespace trimtab::bench {

struct Seconds {
  double median = 0, min = 0, max = 0;
};

// Calls `body` once to warm up, then at least `repeats` times and until `least_seconds` have passed.
Seconds Time(absl::FunctionRef<void()> body, int repeats = 7, double least_seconds = 0.5);

// Two bodies in turns, so that a machine that is faster at one time than at another treats them alike.
struct Paired {
  double ours = 0, baseline = 0;  // Median seconds.
  double ratio = 0;               // Median over the rounds of baseline over ours.
};
Paired TimeInTurns(absl::FunctionRef<void()> ours, absl::FunctionRef<void()> baseline, int rounds = 9);

double Median(std::vector<double> values);
// The value below which lies `share`, 0 to 1, of them; NaN of none.
double Quantile(std::vector<double> values, double share);

// Fused multiply-adds that `threads` threads reach in registers: float operations a second, two per multiply-add.
double FmaPeak(int threads);

// Bytes a second that `threads` threads read from `n` floats, each its own share, summed with wide loads. Held against
// what is read from the same memory: not all of a machine's is equally fast.
double ReadBandwidth(int threads, const float* data, int64_t n);
// Of `bytes` allocated for it.
double ReadBandwidth(int threads, int64_t bytes);

// Bytes a second, read and written together, that a device copies within its memory: `bytes` from one buffer to
// another.
absl::StatusOr<double> CopyBandwidth(Backend& backend, int64_t bytes);

// The plain loop that a mix is held against: out[i] = sum of sets[j][i], over 32-bit words, one thread, results written
// past the caches. `sets` arrays of `words` each; out has `out_words`, written at the same pace (1 word per
// words / out_words read of each set).
void PlainLoop(const float* const* sets, int num_sets, int64_t words, float* out, int64_t out_words);

// Words for a person: "AVX3_DL".
const char* InstructionSet();

}  // namespace trimtab::bench

#endif  // TRIMTAB_BENCH_MEASURE_H_
