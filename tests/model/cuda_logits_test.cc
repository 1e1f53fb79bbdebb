// Logits stay on the device, whatever the search.
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "model/engine.h"
#include "tests/cuda_emulation/device_memory.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_checkpoint.h"

namespace trimtab {
namespace {

TEST(CudaLogitsTest, BeamsMixedLogitsAndSamplesInOneBatchBringNoRowToTheHost) {
  TempDir folder;
  ASSERT_OK(MakeTinyClp(folder.path()));
  ASSERT_OK_AND_ASSIGN(const Checkpoint checkpoint, OpenCheckpoint(folder.path()));
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Backend> backend, NewBackend("cuda", 1));
  ASSERT_OK_AND_ASSIGN(const auto parameters, Parameters::Create(checkpoint, backend.get()));
  const MixingRule& rule = parameters->clp().mixing;
  std::vector<std::shared_ptr<const MixedWeights>> mixtures;
  for (const double alpha : {0.2, 0.8}) {
    const Weighting weighting = Weighting::Create(rule, 2, alpha, {0.5, 0.5}).value();
    mixtures.push_back(MixedWeights::Mix(parameters, Coefficients::From(rule, weighting, {}), backend.get()).value());
  }
  const EngineOptions limits{.max_rows = 8, .max_input_tokens = 8, .max_new_tokens = 8, .max_encode_tokens = 40};
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Engine> engine, NewEngine(parameters->config(), limits, backend.get()));
  std::vector<EngineRequest> requests(4);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].id = i;
    requests[i].input_ids = {5, 17, 40 + static_cast<int32_t>(i), 1};
    requests[i].weights = i == 0 ? nullptr : mixtures[i % 2];
    requests[i].options.max_new_tokens = requests[i].options.min_new_tokens = 8;
  }
  requests[0].experts = {{mixtures[0], 0.5f}, {mixtures[1], 0.5f}};
  requests[1].options.num_beams = 4;
  requests[2].options.temperature = 1.0f;
  const int64_t before = cuda_emulation::BytesToHost();
  for (EngineRequest& request : requests) ASSERT_OK(engine->Admit(std::move(request)));
  std::vector<EngineEvent> events;
  int steps = 0;
  while (!engine->idle()) {
    events.clear();
    steps += engine->Step(&events).decode_rows > 0;
  }
  const int64_t row = checkpoint.config.vocab_size * int64_t{sizeof(float)};
  EXPECT_LT((cuda_emulation::BytesToHost() - before) / steps, 2 * row) << "of eight rows";
}

}  // namespace
}  // namespace trimtab
