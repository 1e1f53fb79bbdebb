#include <future>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/article.h"
#include "client/commands/command.h"
#include "client/commands/generation_flags.h"
#include "client/commands/offline.h"
#include "client/commands/records.h"
#include "client/commands/server_flags.h"
#include "client/commands/steering_flags.h"
#include "client/summarizer_client.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kColumns = 100;
constexpr size_t kCallsAtOnce = 16;

constexpr char kHelp[] =
    "Summarise an article, once for each weighting.\n"
    "\n"
    "One weighting prints the summary alone; several print each summary under its weighting with what it cost: "
    "whether\n"
    "its mixed weights were resident (hit), made for it (miss), being made for another (shared) or not needed\n"
    "(basis), and times.\n"
    "\n"
    "  trimtab summarize --article news.txt --weights 1,0 --weights 0.5,0.5 --weights 0,1\n"
    "  trimtab summarize --named brief=1 --alpha 0.1 --alpha 0.5 --alpha 1 < news.txt\n"
    "  trimtab summarize --offline --model DIR --input articles.jsonl > summaries.jsonl";

struct SummarizeFlags {
  std::string article = "-";
  ServerFlags server;
  bool stream = false;
  bool json = false;
  bool offline = false;
  std::string input;
  OfflineOptions engine;
  SteeringFlags steering;
  v1::GenerationOptions generation;
};

class Online {
 public:
  Online(const SummarizeFlags& flags, Article article, const ClientOptions& options)
      : flags_(flags), article_(std::move(article)), client_(flags.server.server, options) {}

  absl::Status Run(const std::vector<v1::Steering>& steerings) {
    const bool headed = steerings.size() > 1 && !flags_.json;
    if (flags_.stream) return Stream(steerings, headed);
    for (size_t begin = 0; begin < steerings.size(); begin += kCallsAtOnce) {
      std::vector<std::future<absl::StatusOr<v1::SummarizeResponse>>> calls;
      const size_t end = std::min(steerings.size(), begin + kCallsAtOnce);
      for (size_t i = begin; i < end; ++i) {
        calls.push_back(
            std::async(std::launch::async, [this, &s = steerings[i]] { return client_.Summarize(Request(s)); }));
      }
      for (size_t i = begin; i < end; ++i) {
        ASSIGN_OR_RETURN(const v1::SummarizeResponse reply, calls[i - begin].get());
        Print(steerings[i], reply, headed);
      }
    }
    return absl::OkStatus();
  }

 private:
  v1::SummarizeRequest Request(const v1::Steering& steering) const {
    v1::SummarizeRequest request;
    request.set_article(article_.text);
    *request.mutable_steering() = steering;
    *request.mutable_options() = flags_.generation;
    flags_.server.SetOn(&request);
    return request;
  }

  absl::Status Stream(const std::vector<v1::Steering>& steerings, bool headed) {
    for (const v1::Steering& steering : steerings) {
      if (headed) std::cout << Label(steering) << "\n  " << std::flush;
      ASSIGN_OR_RETURN(const v1::SummarizeResponse reply,
                       client_.StreamSummarize(Request(steering), [this](absl::string_view piece) {
                         if (!flags_.json) std::cout << std::string(piece) << std::flush;
                       }));
      if (flags_.json) {
        std::cout << JsonRecord(article_.id, reply) << "\n";
      } else {
        std::cout << "\n";
        if (headed) std::cout << "  [" << CostLine(reply) << "]\n\n";
      }
      NoteTruncation(reply);
    }
    return absl::OkStatus();
  }

  void Print(const v1::Steering& steering, const v1::SummarizeResponse& reply, bool headed) const {
    if (flags_.json) {
      std::cout << JsonRecord(article_.id, reply) << "\n";
    } else if (headed) {
      std::cout << Label(steering) << "\n" << Wrapped(reply.summary(), kColumns) << "  [" << CostLine(reply) << "]\n\n";
    } else {
      std::cout << reply.summary() << "\n";
    }
    NoteTruncation(reply);
  }

  void NoteTruncation(const v1::SummarizeResponse& reply) const {
    if (!reply.truncated() || flags_.json) return;
    std::cerr << absl::StrCat("trimtab: the article was cut to ", reply.input_tokens(),
                              " tokens; its end was not read\n");
  }

  const SummarizeFlags& flags_;
  const Article article_;
  const SummarizerClient client_;
};

absl::Status RunOffline(const SummarizeFlags& flags, const std::vector<v1::Steering>& steerings) {
  if (flags.engine.model.empty()) {
    return absl::InvalidArgumentError("--offline needs --model; expected the folder of a checkpoint");
  }
  std::vector<Article> articles;
  if (flags.input.empty()) {
    ASSIGN_OR_RETURN(Article article, ReadArticle(flags.article));
    articles.push_back(std::move(article));
  } else {
    ASSIGN_OR_RETURN(articles, ReadJsonLines(flags.input));
  }
  return SummarizeOffline(flags.engine, articles, steerings, flags.generation,
                          [](const Article& article, const v1::SummarizeResponse& reply) {
                            std::cout << JsonRecord(article.id, reply) << "\n";
                          });
}

absl::Status Run(const SummarizeFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<v1::Steering> steerings, flags.steering.Parse());
  if (flags.offline) return RunOffline(flags, steerings);
  ASSIGN_OR_RETURN(Article article, ReadArticle(flags.article));
  ASSIGN_OR_RETURN(const ClientOptions options, flags.server.Options());
  return Online(flags, std::move(article), options).Run(steerings);
}

void AddOfflineFlags(CLI::App& app, SummarizeFlags& f) {
  CLI::Option* offline =
      app.add_flag("--offline", f.offline,
                   "Use no server: run the model here, everything in one batch, and print one line of JSON a summary")
          ->group("Offline");
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type)->capture_default_str()->needs(offline)->group("Offline");
  };
  add("--model", f.engine.model, "DIR", "Checkpoint folder");
  add("--input", f.input, "FILE",
      "Articles as JSON lines {\"id\", \"document\"}, - for standard input; else --article");
  add("--device", f.engine.device, "NAME", "cpu, cuda:N, auto or reference");
  add("--draft-tokens", f.engine.draft_tokens, "N", "Tokens guessed from the article per step; changes only the speed")
      ->check(CLI::Range(0, 11));
  add("--precision", f.engine.precision, "NAME", "float32, bfloat16 or int8")
      ->check(CLI::IsMember({"float32", "bfloat16", "int8"}));
  add("--threads", f.engine.threads, "N", "0: one per core")->check(CLI::Range(0, 1024));
  add("--batch-rows", f.engine.batch_rows, "N", "Sequences decoded together")->check(CLI::Range(1, 4096));
  add("--max-input-tokens", f.engine.max_input_tokens, "N", "Longer articles are cut")->check(CLI::Range(2, 16384));
}

}  // namespace

void AddSummarize(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("summarize", kHelp);
  auto flags = std::make_shared<SummarizeFlags>();
  command->add_option("--article", flags->article, "The text to summarise, - for standard input")
      ->type_name("FILE")
      ->capture_default_str();
  flags->steering.AddTo(*command);
  AddGenerationFlags(*command, &flags->generation);
  flags->server.AddTo(*command, "Of each summary, tries included",
                      "Tries of each summary while the server is full or not reachable");
  command->add_flag("--stream", flags->stream, "Print the text as it is written")->group("Output");
  command->add_flag("--json", flags->json, "Print one line of JSON for each summary")->group("Output");
  AddOfflineFlags(*command, *flags);
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
