// Going back to an older version while clients stream: how long it takes, and that it is exactly that version again.
//
//   rollback --model DIR [--precision NAME] [--threads N] [--versions N] [--rounds N] [--clients N] [--state DIR]
//            [--json FILE]
//
// A real server keeps the versions in --state. Each round activates the oldest held version, which is then the one
// served longest ago, and asks a fixed question: the log-probabilities of the answer must be those, bit for bit, that
// the version gave when it was new.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/versions.h"
#include "client/parameters_client.h"
#include "client/publisher.h"
#include "client/summarizer_client.h"
#include "model/published.h"
#include "model/status_macros.h"
#include "server/rim/logging.h"
#include "server/rim/server.h"

namespace trimtab::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kAskedMs = 50;

struct Setup {
  std::string model, json, precision = "float32", state = "/dev/shm";
  int threads = 1, versions = 4, rounds = 100, clients = 4;
};

// One answer as bits: the version it names and the log-probabilities of its tokens.
struct Answer {
  std::string digest;
  std::vector<float> log_probs;
};

absl::StatusOr<Answer> Ask(const SummarizerClient& client) {
  v1::SummarizeRequest request;
  request.set_article("A library and a command line for reading, checking and converting old file formats.");
  request.set_execution_path(v1::EXECUTION_PATH_DENSE);
  request.mutable_options()->set_max_new_tokens(16);
  request.mutable_options()->set_log_probs(true);
  ASSIGN_OR_RETURN(const v1::SummarizeResponse reply, client.Summarize(request));
  return Answer{reply.parameter_version().digest(), {reply.log_probs().begin(), reply.log_probs().end()}};
}

// Clients that stream one summary after the other until this goes.
class Load {
 public:
  Load(const std::string& server, int clients) {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this, server, i] { Run(server, i); });
  }
  ~Load() { Stop(); }

  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int requests() const { return requests_; }
  int failed() const { return failed_; }

 private:
  void Run(const std::string& server, int number) {
    const SummarizerClient client(server, {.max_attempts = 1});
    v1::SummarizeRequest request;
    request.set_article(absl::StrCat("Article ", number, " of many, about tools that read and write archives."));
    request.mutable_options()->set_min_new_tokens(16);
    request.mutable_options()->set_max_new_tokens(16);
    while (!stop_) {
      failed_ += !client.StreamSummarize(request, [](absl::string_view) {}).ok();
      ++requests_;
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<int> requests_ = 0, failed_ = 0;
  std::vector<std::thread> threads_;
};

// Publishes `count` versions; what each answered when it was new.
absl::StatusOr<std::map<std::string, Answer>> Publish(const std::string& server, const std::string& model, int count) {
  ASSIGN_OR_RETURN(const Checkpoint opened, OpenCheckpoint(model));
  const Checkpoint base = RoundPublished(opened);
  const SummarizerClient client(server);
  Publisher publisher({server}, {});
  std::map<std::string, Answer> answers;
  for (int number = 0; number < count; ++number) {
    const Checkpoint next = Perturbed(base, number);
    ASSIGN_OR_RETURN(const PublishReport report, publisher.Publish(next, nullptr));
    RETURN_IF_ERROR(report.replicas.front().status);
    ASSIGN_OR_RETURN(answers[next.digest], Ask(client));
  }
  return answers;
}

struct Rounds {
  std::vector<double> ms;
  int differing = 0;
};

absl::StatusOr<Rounds> GoBack(const std::string& server, const std::map<std::string, Answer>& answers, int rounds) {
  const SummarizerClient client(server);
  const ParametersClient parameters(server);
  Rounds result;
  for (int round = 0; round < rounds;) {
    for (const auto& [digest, answer] : answers) {
      v1::ActivateRequest request;
      request.set_digest(digest);
      const Clock::time_point start = Clock::now();
      RETURN_IF_ERROR(parameters.Activate(request).status());
      result.ms.push_back(1e3 * std::chrono::duration<double>(Clock::now() - start).count());
      ASSIGN_OR_RETURN(const Answer again, Ask(client));
      result.differing += again.digest != digest || again.log_probs != answer.log_probs;
      if (++round == rounds) break;
    }
  }
  return result;
}

absl::Status Main(const Setup& setup) {
  Report report(setup.json);
  SetUpLogging("text", "warning");
  const std::string folder = absl::StrCat(setup.state, "/trimtab-rollback-", getpid());
  const absl::Cleanup remove = [&] { std::filesystem::remove_all(folder); };
  ServerOptions options;
  options.model = setup.model;
  options.listen = options.metrics_listen = "127.0.0.1:0";
  options.precision = setup.precision;
  options.threads = setup.threads;
  options.state_dir = folder;
  options.keep_versions = setup.versions;
  options.drain_accept_seconds = 0;
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(options));
  ASSIGN_OR_RETURN(const auto answers, Publish(server->grpc_address(), setup.model, setup.versions));
  for (const int clients : {0, setup.clients}) {
    Load load(server->grpc_address(), clients);
    ASSIGN_OR_RETURN(const Rounds rounds, GoBack(server->grpc_address(), answers, setup.rounds));
    load.Stop();
    report.Add({.name = absl::StrCat("rollback/clients", clients),
                .value = Quantile(rounds.ms, 0.5),
                .unit = "ms",
                .baseline = absl::StrCat(kAskedMs, " ms"),
                .ratio = Quantile(rounds.ms, 0.5) / kAskedMs,
                .details = {{"p99_ms", Quantile(rounds.ms, 0.99)},
                            {"most_ms", Quantile(rounds.ms, 1.0)},
                            {"rounds", setup.rounds},
                            {"versions", setup.versions},
                            {"answers_that_differ", rounds.differing},
                            {"requests_meanwhile", load.requests()},
                            {"failed", load.failed()}}});
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Going back to an older version");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.model, "CLP checkpoint")->required();
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--versions", setup.versions, "Versions held")->check(CLI::Range(2, 10))->capture_default_str();
  app.add_option("--rounds", setup.rounds)->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--clients", setup.clients, "That stream meanwhile")->check(CLI::Range(0, 256))->capture_default_str();
  app.add_option("--state", setup.state, "Where the server keeps versions")->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("rollback", trimtab::bench::Main(setup));
}
