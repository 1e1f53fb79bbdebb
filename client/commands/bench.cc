#include <iostream>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/commands/article.h"
#include "client/commands/command.h"
#include "client/commands/generation_flags.h"
#include "client/commands/server_flags.h"
#include "client/commands/steering_flags.h"
#include "client/load/draws.h"
#include "client/load/drive.h"
#include "client/load/report.h"
#include "client/summarizer_client.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr int kOpenLoopCallers = 1024;

constexpr char kHelp[] =
    "Put a server under load, and say what came of it.\n"
    "\n"
    "With --rate requests come by chance, so many a second, however long answers take (open loop); latency counts "
    "from\n"
    "when a request was due. Without it, --concurrency callers each wait for their answer before they ask again\n"
    "(closed loop). Nothing is tried again unless --attempts says so. Refusals for lack of room or time are counted;\n"
    "any other failure is an error in the end.\n"
    "\n"
    "  trimtab bench --article news.txt --concurrency 16 --duration 30\n"
    "  trimtab bench --input articles.jsonl --rate 50 --weightings 100 --zipf 1 --stream-share 0.3 --json";

struct BenchFlags {
  std::string article = "-";
  std::string input;
  double rate = 0;
  int concurrency = 0;
  double duration_seconds = 10, warmup_seconds = 1;
  uint64_t requests = 0;
  int weightings = 0;
  double zipf = 0;
  double stream_share = 0;
  uint64_t seed = 1;
  bool json = false;
  ServerFlags server;
  SteeringFlags steering;
  v1::GenerationOptions generation;
};

LoadPlan PlanOf(const BenchFlags& flags) {
  LoadPlan plan;
  plan.rate = flags.rate;
  plan.callers = flags.concurrency > 0 ? flags.concurrency : flags.rate > 0 ? kOpenLoopCallers : 1;
  plan.warmup = absl::Seconds(flags.warmup_seconds);
  plan.duration = absl::Seconds(flags.duration_seconds);
  plan.seed = flags.seed;
  if (flags.requests > 0) plan.requests = flags.requests;
  return plan;
}

absl::StatusOr<std::vector<Article>> ReadArticles(const BenchFlags& flags) {
  if (flags.input.empty()) {
    ASSIGN_OR_RETURN(Article article, ReadArticle(flags.article));
    return std::vector<Article>{std::move(article)};
  }
  ASSIGN_OR_RETURN(std::vector<Article> articles, ReadJsonLines(flags.input));
  if (articles.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(flags.input, " holds no article; expected one a line"));
  }
  return articles;
}

// As listed, or drawn. The server is asked how many rewards there are, which also connects.
absl::StatusOr<std::vector<v1::Steering>> Weightings(const BenchFlags& flags, const SummarizerClient& client) {
  ASSIGN_OR_RETURN(const v1::GetModelInfoResponse model, client.GetModelInfo());
  if (flags.weightings == 0) return flags.steering.Parse();
  if (flags.steering.any_weighting() || flags.steering.alphas().size() > 1) {
    return absl::InvalidArgumentError(
        "--weightings draws them; list weightings instead, or give it at most one --alpha");
  }
  if (model.rewards_size() == 0) {
    return absl::FailedPreconditionError("this server's model has no rewards to weigh; leave --weightings out");
  }
  std::vector<v1::Steering> steerings;
  for (const std::vector<double>& point : SimplexPoints(flags.weightings, model.rewards_size(), flags.seed)) {
    v1::Steering& steering = steerings.emplace_back();
    steering.mutable_weights()->Assign(point.begin(), point.end());
    if (!flags.steering.alphas().empty()) steering.set_alpha(flags.steering.alphas().front());
  }
  return steerings;
}

// The requests of a load: which article, at which weighting, streamed or not. Thread-safe.
class Requests {
 public:
  Requests(const BenchFlags& flags, std::vector<Article> articles, std::vector<v1::Steering> steerings,
           const SummarizerClient& client)
      : flags_(flags),
        articles_(std::move(articles)),
        steerings_(std::move(steerings)),
        ranks_(steerings_.size(), flags.zipf),
        client_(client) {}

  CallOutcome Call(uint64_t index) const {
    std::mt19937_64 random(flags_.seed + (index + 1) * 0x9E3779B97F4A7C15u);
    v1::SummarizeRequest request;
    request.set_article(articles_[random() % articles_.size()].text);
    *request.mutable_steering() = steerings_[ranks_.Draw(random)];
    *request.mutable_options() = flags_.generation;
    flags_.server.SetOn(&request);
    CallOutcome outcome;
    const bool streamed = UniformOf(random) < flags_.stream_share;
    const absl::StatusOr<v1::SummarizeResponse> reply =
        streamed
            ? client_.StreamSummarize(
                  request, [&](absl::string_view) { outcome.first_text = std::min(outcome.first_text, absl::Now()); })
            : client_.Summarize(request);
    outcome.status = reply.status();
    if (reply.ok()) outcome.output_tokens = reply->output_tokens();
    if (reply.ok()) outcome.cache = reply->cache();
    return outcome;
  }

 private:
  const BenchFlags& flags_;
  const std::vector<Article> articles_;
  const std::vector<v1::Steering> steerings_;
  const ZipfRanks ranks_;
  const SummarizerClient& client_;
};

absl::Status Run(const BenchFlags& flags) {
  ASSIGN_OR_RETURN(std::vector<Article> articles, ReadArticles(flags));
  ASSIGN_OR_RETURN(const ClientOptions options, flags.server.Options());
  const SummarizerClient client(flags.server.server, options);
  ASSIGN_OR_RETURN(std::vector<v1::Steering> steerings, Weightings(flags, client));
  const Requests requests(flags, std::move(articles), std::move(steerings), client);
  const LoadPlan plan = PlanOf(flags);
  const LoadRun run = Drive(plan, [&](uint64_t index) { return requests.Call(index); });
  const LoadReport report = ReportOf(plan, run);
  std::cout << (flags.json ? JsonOf(report) + "\n" : TextOf(report)) << std::flush;
  return FaultIn(run);
}

void AddLoadFlags(CLI::App& app, BenchFlags& f) {
  const auto add = [&app](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type)->group("Load");
  };
  add("--rate", f.rate, "N", "Requests a second. Default: a closed loop")->check(CLI::Range(0.001, 1e6));
  add("--concurrency", f.concurrency, "N", "Calls at a time at most. Default: 1, with --rate 1024")
      ->check(CLI::Range(1, 8192));
  add("--duration", f.duration_seconds, "SECONDS", "Measured")->check(CLI::Range(0.001, 1e6))->capture_default_str();
  add("--warmup", f.warmup_seconds, "SECONDS", "Of load before that")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  add("--requests", f.requests, "N", "Stop after so many, the warm-up's included. Default: when the time is over")
      ->check(CLI::PositiveNumber);
  add("--weightings", f.weightings, "N", "Draw so many from the whole simplex, instead of listing them")
      ->check(CLI::Range(1, 1000000));
  add("--zipf", f.zipf, "S", "The n-th weighting is asked for 1 / n^S as often as the first; 0: all alike")
      ->check(CLI::Range(0.0, 10.0));
  add("--stream-share", f.stream_share, "P", "Of requests, from 0 (none is streamed) to 1 (all)")
      ->check(CLI::Range(0.0, 1.0));
  add("--load-seed", f.seed, "N", "Of arrivals, weightings and choices")->capture_default_str();
}

}  // namespace

void AddBench(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("bench", kHelp);
  auto flags = std::make_shared<BenchFlags>();
  flags->server.attempts = 1;
  CLI::Option* article = command->add_option("--article", flags->article, "The text to summarise, - for standard input")
                             ->type_name("FILE")
                             ->capture_default_str();
  command->add_option("--input", flags->input, "Instead: articles to choose from, a line {\"document\": ...} each")
      ->type_name("FILE")
      ->excludes(article);
  AddLoadFlags(*command, *flags);
  flags->steering.AddTo(*command);
  AddGenerationFlags(*command, &flags->generation);
  flags->server.AddTo(*command, "Of each request", "Tries of each request while the server is full or not reachable");
  command->add_flag("--json", flags->json, "Print one line of JSON")->group("Output");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
