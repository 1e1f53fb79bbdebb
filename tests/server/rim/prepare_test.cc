// What is done for a request before the scheduler has it.
#include "gtest/gtest.h"
#include "server/parameter_store.h"
#include "server/rim/summarizer_service.h"
#include "tests/server/scheduler_fixture.h"
#include "tests/testing/status_matchers.h"

namespace trimtab {
namespace {

class PrepareTest : public SchedulerFixture {
 protected:
  ParameterStore store_{parameters_};
};

TEST_F(PrepareTest, WhoWouldFindTheQueueFullIsRefusedBeforeTheTokenizerIsAsked) {
  Start({}, /*max_queue_length=*/0);
  SummarizerParts parts;  // Without a tokenizer: whoever asks it ends here.
  parts.store = &store_;
  parts.scheduler = scheduler_.get();
  parts.metrics = &metrics_;
  v1::SummarizeRequest request;
  request.set_article("an article");
  EXPECT_THAT(Prepare(parts, request, absl::InfiniteFuture()), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(metrics_.rejected_queue_full.Value(), 1);
}

}  // namespace
}  // namespace trimtab
