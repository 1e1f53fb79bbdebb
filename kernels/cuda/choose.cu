// One block per row, which it reads from the second cache as often as it must (a row of T5's is 128 KiB): once for the
// likeliest token, and again for each that follows it; to draw one 16 times more, a search by halves for its id; and
// for each of top_k and top_p up to 57 times more, a search for the least key that is kept.
#include "kernels/choice_math.h"
#include "kernels/cuda/choose.h"
#include "kernels/cuda/launch.h"

namespace trimtab::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kKeyBits = 32 + kTokenIdBits;

// Over all threads of the block, the same in each, combined in one order. `shared` has room for one T per warp.
template <typename T, typename Combine>
__device__ T Reduce(T value, T* shared, Combine combine) {
  for (int lanes = kWarpSize / 2; lanes > 0; lanes /= 2) {
    value = combine(value, __shfl_xor_sync(kAllLanes, value, lanes));
  }
  __syncthreads();  // Everybody has read what was there before.
  if (LaneOf() == 0) shared[WarpOf()] = value;
  __syncthreads();
  value = shared[0];
  for (int w = 1; w < kWarps; ++w) value = combine(value, shared[w]);
  return value;
}

struct Row {
  const float* scores;
  int32_t size;
  uint64_t* shared;

  // The sum of weight(score, id) over the row.
  template <typename Weight>
  __device__ uint64_t Sum(Weight weight) const {
    uint64_t sum = 0;
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < size; i += kThreads) sum += weight(scores[i], i);
    return Reduce(sum, shared, [](uint64_t a, uint64_t b) { return a + b; });
  }

  // Of the likeliest token among those with smaller keys than this.
  __device__ uint64_t BestKey(uint64_t below = ~uint64_t{0}) const {
    uint64_t best = 0;
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < size; i += kThreads) {
      const uint64_t key = TokenKey(scores[i], i);
      if (key > best && key < below) best = key;
    }
    return Reduce(best, shared, [](uint64_t a, uint64_t b) { return a > b ? a : b; });
  }

  // The greatest key such that the tokens from it up weigh `wanted`, or one that keeps the same weight; 0 if all weigh
  // less.
  template <typename Weight>
  __device__ uint64_t LeastKey(uint64_t wanted, Weight weight) const {
    uint64_t least = 0;
    for (int bit = kKeyBits - 1; bit >= 0; --bit) {
      const uint64_t tried = least | uint64_t{1} << bit;
      const uint64_t sum =
          Sum([=](float score, int32_t i) { return TokenKey(score, i) >= tried ? weight(score, i) : uint64_t{0}; });
      if (sum >= wanted) least = tried;
      if (sum == wanted) break;
    }
    return least;
  }
};

__device__ int32_t Draw(const Row& row, const TokenRule& rule, int32_t best) {
  const TokenMass mass{row.scores[best], 1.0f / rule.temperature};
  uint64_t least = 0;
  if (rule.top_k > 0 && rule.top_k < row.size) {
    least = row.LeastKey(static_cast<uint64_t>(rule.top_k), [](float, int32_t) { return uint64_t{1}; });
  }
  const auto kept = [&](float score, int32_t i) { return TokenKey(score, i) >= least ? mass(score) : uint64_t{0}; };
  uint64_t total = row.Sum(kept);
  if (total == 0) return best;  // Everything is forbidden.
  if (rule.top_p < 1.0f) {
    const uint64_t last = row.LeastKey(MassWithin(rule.top_p, total), kept);
    least = last > least ? last : least;
    total = row.Sum(kept);
  }
  const uint64_t point = PointWithin(rule.random, total);
  int32_t before = 0;  // So many tokens end at the point or before it.
  for (int bit = kTokenIdBits - 1; bit >= 0; --bit) {
    const int32_t tried = before | 1 << bit;
    if (tried >= row.size) continue;
    const uint64_t sum = row.Sum([&](float score, int32_t i) { return i < tried ? kept(score, i) : uint64_t{0}; });
    if (sum <= point) before = tried;
  }
  return before;
}

__global__ void __launch_bounds__(kThreads)
    SumRows(Rows logits, int32_t vocab_size, int64_t row, const float* coefficients, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= vocab_size) return;
  float* const place = logits.data + row * logits.stride + i;
  float sum = coefficients[0] * *place;
  for (int64_t j = 1; j < count; ++j) sum += coefficients[j] * place[j * logits.stride];
  *place = sum;
}

__global__ void __launch_bounds__(kThreads)
    SumExpsOfRows(Rows logits, int64_t vocab_size, const PlacedRule* rules, Choice* choices) {
  const PlacedRule& placed = rules[blockIdx.x];
  if (!placed.rule.log_prob) return;
  const Row row{logits.data + placed.rule.row * logits.stride, static_cast<int32_t>(vocab_size),
                SharedMemory<uint64_t>()};
  const float top = row.scores[TokenOf(row.BestKey())];
  double sum = 0.0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < row.size; i += kThreads) {
    sum += static_cast<double>(expf(row.scores[i] - top));
  }
  sum = Reduce(sum, SharedMemory<double>() + kWarps, [](double a, double b) { return a + b; });
  if (threadIdx.x != 0) return;
  choices[placed.first].exp_sum = sum;
  choices[placed.first].top = top;
}

__global__ void __launch_bounds__(kThreads) ForbidPlaces(float* const* places, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) *places[i] = -INFINITY;
}

__global__ void __launch_bounds__(kThreads)
    ChooseInRows(Rows logits, int64_t vocab_size, const PlacedRule* rules, Choice* choices) {
  const PlacedRule& placed = rules[blockIdx.x];
  const TokenRule rule = placed.rule;
  const Row row{logits.data + rule.row * logits.stride, static_cast<int32_t>(vocab_size), SharedMemory<uint64_t>()};
  uint64_t key = ~uint64_t{0};
  for (int32_t n = 0; n < rule.count; ++n) {
    key = row.BestKey(key);
    const int32_t best = TokenOf(key), id = rule.temperature > 0.0f ? Draw(row, rule, best) : best;
    if (threadIdx.x != 0) continue;
    choices[placed.first + n].score = row.scores[id];
    choices[placed.first + n].id = id;
  }
}

}  // namespace

void MixRow(Rows logits, int32_t vocab_size, int64_t row, const float* coefficients, int64_t count, Queue queue) {
  const Launch launch{dim3(static_cast<unsigned>(CeilDiv(vocab_size, kThreads))), kThreads, 0, queue};
  launch(SumRows, logits, vocab_size, row, coefficients, count);
}

void SumExps(Rows logits, int32_t vocab_size, const PlacedRule* rules, int64_t count, Choice* choices, Queue queue) {
  constexpr size_t kShared = kWarps * (sizeof(uint64_t) + sizeof(double));
  const Launch launch{dim3(static_cast<unsigned>(count)), kThreads, kShared, queue};
  launch(SumExpsOfRows, logits, int64_t{vocab_size}, rules, choices);
}

void Forbid(float* const* places, int64_t count, Queue queue) {
  const Launch launch{dim3(static_cast<unsigned>(CeilDiv(count, kThreads))), kThreads, 0, queue};
  launch(ForbidPlaces, places, count);
}

void Choose(Rows logits, int32_t vocab_size, const PlacedRule* rules, int64_t count, Choice* choices, Queue queue) {
  const Launch launch{dim3(static_cast<unsigned>(count)), kThreads, kWarps * sizeof(uint64_t), queue};
  launch(ChooseInRows, logits, int64_t{vocab_size}, rules, choices);
}

}  // namespace trimtab::cuda
