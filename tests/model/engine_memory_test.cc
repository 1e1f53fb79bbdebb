#include "model/engine_memory.h"

#include "gtest/gtest.h"
#include "kernels/host_memory.h"
#include "model/article_encoder.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

int64_t InUse() {
  const HostMemoryUse use = GetHostMemoryUse();
  return use.in_use + use.small;
}

T5Config Config() {
  T5Config config;
  config.vocab_size = 8000;
  config.d_model = 256;
  config.d_kv = 64;
  config.d_ff = 640;
  config.num_heads = 4;
  config.encoder_layers = config.decoder_layers = 3;
  return config;
}

TEST(EngineMemoryTest, SaysWhatAnEngineTakes) {
  constexpr int64_t kRoundedUp = int64_t{8} << 20;  // Four blocks of whole huge pages.
  const auto backend = NewBackend("cpu", 1).value();
  for (const int32_t rows : {1, 32}) {
    EngineOptions options;
    options.max_rows = rows;
    const int64_t before = InUse();
    const auto engine = NewEngine(Config(), options, backend.get());
    ASSERT_OK(engine);
    const EngineMemory memory = MemoryOf(Config(), options);
    const int64_t said = memory.fixed + rows * memory.row, taken = InUse() - before;
    EXPECT_GE(said + kRoundedUp, taken) << rows;
    EXPECT_LE(said, taken + kRowsWithDrafts * memory.row) << rows;
  }
}

TEST(EngineMemoryTest, SaysWhatAnArticleTakes) {
  const auto backend = NewBackend("cpu", 1).value();
  const int64_t before = InUse();
  const auto cross = CrossAttention::Create(Config(), 100, backend.get());
  ASSERT_OK(cross);
  EXPECT_NEAR(static_cast<double>(InUse() - before), static_cast<double>(100 * MemoryOf(Config(), {}).input_token), 64);
}

}  // namespace
}  // namespace trimtab
