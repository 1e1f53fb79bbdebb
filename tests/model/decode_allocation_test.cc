// A decoding step of a warm engine takes nothing from the heap.
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "gtest/gtest.h"
#include "model/engine.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TRIMTAB_OWN_HEAP 1  // The sanitizer's; it must not be replaced.
#else
#define TRIMTAB_OWN_HEAP 0
#endif

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

#if !TRIMTAB_OWN_HEAP
// Not inlined: the compiler would see malloc and free where it expects a pair of its own.
__attribute__((noinline)) void* operator new(size_t bytes) {
  ++allocations;
  if (void* data = std::malloc(bytes)) return data;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* data) noexcept { std::free(data); }
__attribute__((noinline)) void operator delete(void* data, size_t) noexcept { std::free(data); }
#endif

namespace trimtab {
namespace {

class DecodeAllocationTest : public testing::TestWithParam<Precision> {};

TEST_P(DecodeAllocationTest, AWarmStepAllocatesNothing) {
  if (TRIMTAB_OWN_HEAP) GTEST_SKIP() << "the sanitizer counts instead";
  TempDir folder;
  ASSERT_OK(MakeTinyClp(folder.path()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
  const std::unique_ptr<Backend> backend = NewCpuBackend(2);
  ASSERT_OK_AND_ASSIGN(const auto parameters, Parameters::Create(checkpoint, backend.get(), GetParam()));
  const EngineOptions limits{
      .max_rows = 6, .max_input_tokens = 64, .max_new_tokens = 60, .max_encode_tokens = 256, .max_draft_tokens = 3};
  ASSERT_OK_AND_ASSIGN(const auto engine, NewEngine(checkpoint.config, limits, backend.get()));
  for (uint64_t id = 1; id <= 4; ++id) {
    const double w = id % 2 == 0 ? 1.0 : 0.25;
    ASSERT_OK_AND_ASSIGN(const Weighting weighting, Weighting::Create(parameters->clp().mixing, 2, 0.3, {w, 1.0 - w}));
    ASSERT_OK_AND_ASSIGN(
        const auto weights,
        MixedWeights::Mix(parameters, Coefficients::From(parameters->clp().mixing, weighting, {}), backend.get()));
    EngineRequest request{id, std::vector<int32_t>(40, static_cast<int32_t>(10 + id)), weights, {}};
    request.options.max_new_tokens = request.options.min_new_tokens = 60;
    request.options.log_probs = id == 1;
    ASSERT_OK(engine->Admit(std::move(request)));
  }
  std::vector<EngineEvent> events;
  events.reserve(4096);
  int measured = 0;
  while (!engine->idle()) {
    const int64_t before = allocations;
    const StepStats stats = engine->Step(&events);
    const bool finished = !events.empty() && events.back().kind == EngineEvent::Kind::kFinished;
    const bool warm = stats.encode_tokens == 0 && events.size() > 40;
    if (!warm || finished) continue;
    ++measured;
    EXPECT_EQ(allocations - before, 0) << "in a step of " << stats.decode_rows << " rows";
  }
  EXPECT_GT(measured, 10);
}

INSTANTIATE_TEST_SUITE_P(Precisions, DecodeAllocationTest,
                         testing::Values(Precision::kFloat32, Precision::kBfloat16, Precision::kInt8),
                         [](const auto& info) { return std::string(PrecisionName(info.param)); });

}  // namespace
}  // namespace trimtab
