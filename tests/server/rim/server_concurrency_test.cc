// Many clients with many weightings: the answers are those each would get alone.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "model/mixed_weights.h"
#include "tests/server/rim/server_fixture.h"
#include "tests/testing/devices.h"

namespace trimtab {
namespace {

const int kClients = Fewer(64, 6);
const int kWeightings = Fewer(16, 4);

// Each client has an article of its own and asks for the weightings in an order of its own.
v1::SummarizeRequest RequestOf(int client, int weighting) {
  v1::SummarizeRequest request = RequestFor("article " + std::to_string(client) + " of many, to be read and summarised",
                                            static_cast<double>(weighting) / (kWeightings - 1));
  request.mutable_options()->set_log_probs(true);
  request.mutable_options()->set_max_new_tokens(6);
  if (client % 4 == 1) request.mutable_options()->set_temperature(1.0f);
  if (client % 4 == 2) request.mutable_options()->set_num_beams(3);
  request.mutable_options()->set_seed(client);
  return request;
}

// What must not depend on what else the server does.
std::string Essence(v1::SummarizeResponse reply) {
  reply.clear_timings();
  reply.clear_cache();
  return reply.SerializeAsString();
}

class ServerConcurrencyTest : public ServerFixture {
 protected:
  struct Counts {
    std::atomic<int> hits = 0, misses = 0, shared = 0, failed = 0, different = 0, tokens = 0;
  };

  // The answers of a server that has nothing else to do, by client and weighting.
  std::vector<std::string> AnswersAlone() {
    std::vector<std::string> answers;
    for (int client = 0; client < kClients; ++client) {
      for (int weighting = 0; weighting < kWeightings; ++weighting) {
        grpc::ClientContext context;
        v1::SummarizeResponse reply;
        const grpc::Status status = stub_->Summarize(&context, RequestOf(client, weighting), &reply);
        EXPECT_TRUE(status.ok()) << status.error_message();
        answers.push_back(Essence(reply));
      }
    }
    return answers;
  }

  void RunClient(int client, const std::vector<std::string>& expected, Counts& counts) {
    const auto stub = NewStub();
    for (int i = 0; i < kWeightings; ++i) {
      const int weighting = (client + 5 * i) % kWeightings;
      grpc::ClientContext context;
      v1::SummarizeResponse reply;
      if (!stub->Summarize(&context, RequestOf(client, weighting), &reply).ok()) {
        ++counts.failed;
        continue;
      }
      counts.hits += reply.cache() == v1::CACHE_OUTCOME_HIT;
      counts.misses += reply.cache() == v1::CACHE_OUTCOME_MISS;
      counts.shared += reply.cache() == v1::CACHE_OUTCOME_SHARED;
      counts.tokens += reply.output_tokens();
      counts.different += Essence(reply) != expected[client * kWeightings + weighting];
    }
  }

  void RunClients(const std::vector<std::string>& expected, Counts& counts) {
    std::vector<std::thread> threads;
    for (int client = 0; client < kClients; ++client) {
      threads.emplace_back([&, client] { RunClient(client, expected, counts); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  static ServerOptions ManyClients(const std::string& model) {
    ServerOptions options = Options(model);
    options.deterministic = true;
    options.max_queue = kClients;
    return options;
  }
};

TEST_F(ServerConcurrencyTest, EveryReplyIsTheOneAloneWithOneMixPerKeyAndHonestCounters) {
  ASSERT_NO_FATAL_FAILURE(Start(ManyClients("")));
  const std::vector<std::string> expected = AnswersAlone();
  Stop();
  ASSERT_NO_FATAL_FAILURE(Start(ManyClients(model_.File("checkpoint"))));
  Counts counts;
  RunClients(expected, counts);
  EXPECT_EQ(counts.failed, 0);
  EXPECT_EQ(counts.different, 0);
  EXPECT_EQ(counts.misses, kWeightings);
  EXPECT_EQ(server_->cache_stats().entries, kWeightings);
  EXPECT_EQ(Metric("trimtab_mix_cache_hits_total"), counts.hits);
  EXPECT_EQ(Metric("trimtab_mix_cache_misses_total"), counts.misses);
  EXPECT_EQ(Metric("trimtab_mix_coalesced_total"), counts.shared);
  EXPECT_EQ(Metric("trimtab_generated_tokens_total"), counts.tokens);
  EXPECT_EQ(Metric("trimtab_requests_total{code=\"OK\",method=\"Summarize\"}"), kClients * kWeightings);
  EXPECT_EQ(Metric("trimtab_requests_running"), 0);
  EXPECT_EQ(Metric("trimtab_requests_waiting"), 0);
}

TEST_F(ServerConcurrencyTest, ACacheOfThreeMixturesGivesTheSameRepliesAndIsNeverOverItsBudget) {
  ASSERT_NO_FATAL_FAILURE(Start(ManyClients("")));
  const std::vector<std::string> expected = AnswersAlone();
  grpc::ClientContext context;
  v1::GetModelInfoResponse info;
  ASSERT_TRUE(stub_->GetModelInfo(&context, {}, &info).ok());
  Stop();

  ServerOptions options = ManyClients(model_.File("checkpoint"));
  options.cache_bytes = 3 * info.mixed_bytes();
  ASSERT_NO_FATAL_FAILURE(Start(options));
  std::atomic<bool> over = false, stop = false;
  std::thread watcher([&] {
    while (!stop) {
      if (server_->cache_stats().bytes > options.cache_bytes) over = true;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  Counts counts;
  RunClients(expected, counts);
  stop = true;
  watcher.join();
  EXPECT_EQ(counts.failed, 0);
  EXPECT_EQ(counts.different, 0);
  EXPECT_FALSE(over);
  EXPECT_EQ(Metric("trimtab_mix_cache_misses_total"), counts.misses);
  EXPECT_GT(Metric("trimtab_mix_cache_evictions_total"), 0);
  EXPECT_LE(server_->cache_stats().entries, 3);
}

}  // namespace
}  // namespace trimtab
