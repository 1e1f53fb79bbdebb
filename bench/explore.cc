// One exploration of an article against as many single calls, one after the other: a real server, a real client.
//
//   explore [--model DIR ...] [--precision NAME] [--threads N] [--points N] [--json FILE]
//
// Without a model: random weights of FLAN-T5-base's shape, two rewards, attn and full. 512 tokens in, 64 out.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/models.h"
#include "bench/report.h"
#include "client/summarizer_client.h"
#include "model/status_macros.h"
#include "server/rim/server.h"

namespace trimtab::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kNewTokens = 64;

struct Setup {
  std::vector<std::string> models;
  std::string json, precision = "float32";
  int threads = 2, points = 21, rounds = 3;
};

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// More than 512 tokens, so that the server cuts it there.
std::string Article(int n) {
  std::string text;
  for (int i = 0; i < 400; ++i) absl::StrAppend(&text, "package ", (i * 7919 + n * 104729) % 1000, " provides tools ");
  return text;
}

v1::GenerationOptions Options() {
  v1::GenerationOptions options;
  options.set_max_new_tokens(kNewTokens);
  options.set_min_new_tokens(kNewTokens);
  options.set_num_beams(1);
  return options;
}

// Two rewards; no two rounds ask for the same weightings.
v1::WeightingList Weightings(int points, int round) {
  v1::WeightingList list;
  for (int i = 0; i < points; ++i) {
    v1::Steering& steering = *list.add_steerings();
    steering.set_alpha(0.2 + 0.05 * round);
    steering.add_weights(static_cast<double>(i) / (points - 1));
    steering.add_weights(1.0 - static_cast<double>(i) / (points - 1));
  }
  return list;
}

absl::StatusOr<double> OneByOne(const SummarizerClient& client, int round, const v1::WeightingList& weightings) {
  const Clock::time_point start = Clock::now();
  for (const v1::Steering& steering : weightings.steerings()) {
    v1::SummarizeRequest request;
    request.set_article(Article(round));
    *request.mutable_steering() = steering;
    *request.mutable_options() = Options();
    RETURN_IF_ERROR(client.Summarize(request).status());
  }
  return Since(start);
}

absl::StatusOr<double> Together(const SummarizerClient& client, int round, const v1::WeightingList& weightings) {
  v1::ExploreRequest request;
  request.set_article(Article(round));
  *request.mutable_list() = weightings;
  *request.mutable_options() = Options();
  const Clock::time_point start = Clock::now();
  RETURN_IF_ERROR(client.Explore(request, [](const v1::ExplorePoint&) {}).status());
  return Since(start);
}

absl::Status Measure(const Setup& setup, const std::string& model, Report* report) {
  ServerOptions options;
  options.model = model;
  options.listen = options.metrics_listen = "127.0.0.1:0";
  options.precision = setup.precision;
  options.threads = setup.threads;
  options.draft_tokens = 0;
  options.cache_bytes = int64_t{4} << 30;
  ASSIGN_OR_RETURN(const std::unique_ptr<Server> server, Server::Start(options));
  const SummarizerClient client(server->grpc_address(), {.timeout = absl::Minutes(10)});
  ASSIGN_OR_RETURN(const v1::GetModelInfoResponse info, client.GetModelInfo());
  std::vector<double> single, explored, ratios;
  for (int round = 0; round < setup.rounds; ++round) {
    ASSIGN_OR_RETURN(const double a, OneByOne(client, round, Weightings(setup.points, 2 * round)));
    ASSIGN_OR_RETURN(const double b, Together(client, round, Weightings(setup.points, 2 * round + 1)));
    single.push_back(a);
    explored.push_back(b);
    ratios.push_back(b / a);
  }
  report->Add(
      {.name = absl::StrCat("explore/base/w", setup.points, info.variant() == "attn" ? "" : "/" + info.variant()),
       .value = Median(explored),
       .unit = "s",
       .baseline = "single calls in sequence",
       .ratio = Median(ratios),
       .details = {{"single_calls_s", Median(single)}, {"rounds", setup.rounds}, {"precision", setup.precision}}});
  return absl::OkStatus();
}

absl::Status Main(Setup setup) {
  Report report(setup.json);
  RETURN_IF_ERROR(FillModels({"attn", "full"}, 2, &setup.models));
  for (const std::string& model : setup.models) RETURN_IF_ERROR(Measure(setup, model, &report));
  return absl::OkStatus();
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) {
  CLI::App app("Exploring an article");
  trimtab::bench::Setup setup;
  app.add_option("--model", setup.models, "CLP checkpoints with two rewards");
  app.add_option("--precision", setup.precision)->capture_default_str();
  app.add_option("--threads", setup.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--points", setup.points)->check(CLI::Range(2, 256))->capture_default_str();
  app.add_option("--rounds", setup.rounds)->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--json", setup.json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  return trimtab::bench::ExitCode("explore", trimtab::bench::Main(setup));
}
