#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/commands/article.h"
#include "client/commands/command.h"
#include "client/commands/generation_flags.h"
#include "client/commands/pareto_plot.h"
#include "client/commands/records.h"
#include "client/commands/server_flags.h"
#include "client/commands/steering_flags.h"
#include "client/summarizer_client.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

constexpr size_t kColumns = 100;
constexpr int kDefaultDivisions = 4;

constexpr char kHelp[] =
    "Summarise an article at many weightings in one call, and say which are the best trade-offs.\n"
    "\n"
    "Either a grid (--divisions, with --alpha and --alphas) or the weightings listed (--weights, --named, --preset, "
    "as\n"
    "in summarize). Each summary is printed as soon as it is written, with its scores: those of the reward models\n"
    "that the server has, and with --reference those against a summary that a person wrote. Those that no other\n"
    "beats in all --objective scores are marked: the front.\n"
    "\n"
    "  trimtab explore --article news.txt --divisions 10 --alphas 3\n"
    "  trimtab explore --article news.txt --reference summary.txt --divisions 20 --plot front.svg";

struct ExploreFlags {
  std::string article = "-";
  std::string reference;
  int divisions = 0;  // 0: not given.
  int alpha_sweep = 0;
  std::vector<std::string> objectives;
  SteeringFlags steering;
  v1::GenerationOptions generation;
  ServerFlags server{.timeout_seconds = 300};
  bool json = false;
  std::string plot;
};

absl::Status SetWeightings(const ExploreFlags& flags, v1::ExploreRequest* request) {
  if (flags.steering.any_weighting()) {
    if (flags.divisions != 0 || flags.alpha_sweep != 0) {
      return absl::InvalidArgumentError(
          "--divisions and --alphas make a grid, --weights, --named and --preset a list; give either");
    }
    ASSIGN_OR_RETURN(std::vector<v1::Steering> steerings, flags.steering.Parse());
    for (v1::Steering& steering : steerings) *request->mutable_list()->add_steerings() = std::move(steering);
    return absl::OkStatus();
  }
  v1::WeightingGrid& grid = *request->mutable_grid();
  grid.set_divisions(flags.divisions == 0 ? kDefaultDivisions : flags.divisions);
  const std::vector<double>& alphas = flags.steering.alphas();
  grid.mutable_alphas()->Assign(alphas.begin(), alphas.end());
  grid.set_alpha_sweep(flags.alpha_sweep);
  return absl::OkStatus();
}

absl::StatusOr<v1::ExploreRequest> RequestOf(const ExploreFlags& flags) {
  v1::ExploreRequest request;
  RETURN_IF_ERROR(SetWeightings(flags, &request));
  ASSIGN_OR_RETURN(Article article, ReadArticle(flags.article));
  request.set_article(std::move(article.text));
  if (!flags.reference.empty()) {
    ASSIGN_OR_RETURN(Article reference, ReadArticle(flags.reference));
    request.set_reference(std::move(reference.text));
  }
  *request.mutable_options() = flags.generation;
  flags.server.SetOn(&request);
  for (const std::string& name : flags.objectives) request.add_objectives(name);
  return request;
}

void PrintPoint(const v1::ExplorePoint& point) {
  std::cout << Label(point.result().weighting());
  if (point.asked_size() > 1) std::cout << " (and " << point.asked_size() - 1 << " equal to it)";
  std::cout << "\n" << Wrapped(point.result().summary(), kColumns) << "  [";
  if (!point.scores().empty()) std::cout << ScoresLine(point) << ", ";
  std::cout << CostLine(point.result()) << "]\n\n" << std::flush;
}

void PrintFront(const SummarizerClient::Explored& explored, const std::vector<v1::ExplorePoint>& points) {
  const v1::ExploreFront& front = explored.front;
  std::cout << explored.accepted.asked() << " weightings, " << explored.accepted.weightings_size() << " distinct";
  if (front.objectives().empty()) {
    std::cout << "; no front: give --reference, or name scores with --objective\n";
    return;
  }
  std::cout << "; the front over " << absl::StrJoin(front.objectives(), " and ") << ":\n";
  for (const int32_t index : front.points()) {
    const v1::ExplorePoint& point = points.at(index);
    std::cout << "  * " << Label(point.result().weighting());
    for (const std::string& name : front.objectives()) std::cout << absl::StrFormat("  %.1f", point.scores().at(name));
    std::cout << "\n";
  }
}

std::string BaseName(const std::string& path) {
  return path == "-" ? "standard input" : path.substr(path.rfind('/') + 1);
}

absl::StatusOr<ParetoPlot> PlotOf(const ExploreFlags& flags, const SummarizerClient::Explored& explored,
                                  const std::vector<v1::ExplorePoint>& points) {
  const auto& objectives = explored.front.objectives();
  if (objectives.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat("--plot draws two objectives and the front has ", objectives.size(),
                                                   "; name two with --objective"));
  }
  const double alpha = points.front().result().weighting().alpha();
  bool one_alpha = true;
  for (const v1::ExplorePoint& point : points) one_alpha &= point.result().weighting().alpha() == alpha;
  ParetoPlot plot{.title = absl::StrCat(BaseName(flags.article), " at ", points.size(), " weightings"),
                  .note = one_alpha
                              ? absl::StrFormat("labels: weights w, +n: n more at the same place; alpha %.3g", alpha)
                              : "labels: weights w / alpha, +n: n more at the same place",
                  .x_name = objectives[0],
                  .y_name = objectives[1],
                  .points = {}};
  for (const v1::ExplorePoint& point : points) {
    const v1::AppliedWeighting& weighting = point.result().weighting();
    std::string label = WeightsText(weighting);
    if (!one_alpha) absl::StrAppendFormat(&label, " / %.3g", weighting.alpha());
    plot.points.push_back({point.scores().at(objectives[0]), point.scores().at(objectives[1]), std::move(label)});
  }
  for (const int32_t index : explored.front.points()) plot.points.at(index).on_front = true;
  return plot;
}

// By index. Internal unless each of `count` points came once and the front is among them.
absl::StatusOr<std::vector<v1::ExplorePoint>> InOrder(std::vector<v1::ExplorePoint> came,
                                                      const SummarizerClient::Explored& explored) {
  const int count = explored.accepted.weightings_size();
  std::vector<v1::ExplorePoint> points(count);
  std::vector<bool> seen(count);
  bool whole = count > 0 && came.size() == static_cast<size_t>(count);
  for (v1::ExplorePoint& point : came) {
    const int index = point.index();
    whole = whole && index >= 0 && index < count && !seen[index];
    for (const std::string& name : explored.front.objectives()) whole = whole && point.scores().contains(name);
    if (!whole) break;
    seen[index] = true;
    points[index] = std::move(point);
  }
  for (const int32_t index : explored.front.points()) whole = whole && index >= 0 && index < count;
  if (whole) return points;
  return absl::InternalError("the server's points and front do not fit together: is this a trimtabd?");
}

absl::Status Run(const ExploreFlags& flags) {
  if (!flags.plot.empty()) RETURN_IF_ERROR(CheckPlotPath(flags.plot));
  ASSIGN_OR_RETURN(const v1::ExploreRequest request, RequestOf(flags));
  ASSIGN_OR_RETURN(const ClientOptions options, flags.server.Options());
  const SummarizerClient client(flags.server.server, options);
  std::vector<v1::ExplorePoint> came;
  ASSIGN_OR_RETURN(const SummarizerClient::Explored explored,
                   client.Explore(request, [&](const v1::ExplorePoint& point) {
                     if (flags.json) {
                       std::cout << JsonRecord(point) << "\n" << std::flush;
                     } else {
                       PrintPoint(point);
                     }
                     came.push_back(point);
                   }));
  ASSIGN_OR_RETURN(const std::vector<v1::ExplorePoint> points, InOrder(std::move(came), explored));
  if (flags.json) {
    std::cout << JsonRecord(explored.accepted, explored.front) << "\n";
  } else {
    PrintFront(explored, points);
    if (points.front().result().truncated()) {
      std::cerr << absl::StrCat("trimtab: the article was cut to ", points.front().result().input_tokens(),
                                " tokens; its end was not read\n");
    }
  }
  if (flags.plot.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const ParetoPlot plot, PlotOf(flags, explored, points));
  return WritePlot(plot, flags.plot);
}

void AddGridFlags(CLI::App& app, ExploreFlags& f) {
  app.add_option("--divisions", f.divisions,
                 "Grid: all w whose entries are multiples of 1/N; for two rewards N + 1 of them. Default: 4, where no "
                 "weighting is listed")
      ->type_name("N")
      ->check(CLI::Range(1, 64))
      ->group("Grid");
  app.add_option("--alphas", f.alpha_sweep,
                 "Grid: N values of alpha from the smallest that the server takes to 1, evenly spread by the share of "
                 "the reference; beside every --alpha")
      ->type_name("N")
      ->check(CLI::Range(2, 32))
      ->group("Grid");
}

void AddScoreFlags(CLI::App& app, ExploreFlags& f) {
  app.add_option("--reference", f.reference, "A summary to score each one against; gives rouge_lsum and its parts")
      ->type_name("FILE")
      ->group("Scores");
  app.add_option("--objective", f.objectives,
                 "A score of the front, such as rouge_lsum_precision or a reward model's. Repeatable. Default: the "
                 "checkpoint's rewards where all of them are known, else rouge_lsum_precision and rouge_lsum_recall")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->group("Scores");
  app.add_option("--plot", f.plot, "Draw the points over two objectives; needs gnuplot")
      ->type_name("FILE.svg|FILE.png")
      ->group("Output");
  app.add_flag("--json", f.json, "Print one line of JSON for each summary, and one for the front")->group("Output");
}

}  // namespace

void AddExplore(CLI::App& app, Chosen* chosen) {
  CLI::App* command = app.add_subcommand("explore", kHelp);
  auto flags = std::make_shared<ExploreFlags>();
  command->add_option("--article", flags->article, "The text to summarise, - for standard input")
      ->type_name("FILE")
      ->capture_default_str();
  flags->steering.AddTo(*command);
  AddGridFlags(*command, *flags);
  AddScoreFlags(*command, *flags);
  AddGenerationFlags(*command, &flags->generation);
  flags->server.AddTo(*command, "Of the whole exploration, tries included",
                      "Tries to begin while the server is full or not reachable");
  command->callback([flags, chosen] { *chosen = [flags] { return Run(*flags); }; });
}

}  // namespace trimtab
