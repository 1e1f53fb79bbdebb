// Wire bytes of a sparse delta over those of a whole version in the published BF16 form.
//
//   sparsity --from DIR --to DIR                     two checkpoints that a trainer wrote one after the other
//   sparsity --model DIR [--rate R] [--steps N]      steps simulated on a checkpoint
//
// A simulated step moves every float32 master as Adafactor with parameter scaling does without momentum: by the rate
// times the root mean square of its tensor (at least 1e-3) times an update of unit size, here normal noise. Real
// updates are correlated over steps and heavier-tailed, so this is a first figure, not the answer. Masters of a BF16
// checkpoint lie on BF16 values at first, from where small steps round back; so steps are made before any is measured.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/report.h"
#include "client/publication.h"
#include "kernels/cpu_kernels.h"
#include "model/checkpoint.h"
#include "model/published.h"
#include "model/status_macros.h"

namespace trimtab::bench {
namespace {

struct Setup {
  std::string model, from, to;
  double rate = 3e-5;
  int steps = 5;
};

constexpr int64_t kLine = 32;  // BF16 elements of a cache line.
constexpr double kLeastScale = 1e-3;
constexpr float kHalfUnit = 1.0f / 512;  // Of the last place of a BF16 value just below a power of two, relative.

// The float32 masters of every published tensor.
class Masters {
 public:
  static absl::StatusOr<Masters> Of(const Checkpoint& checkpoint) {
    Masters masters(checkpoint);
    for (const PublishedTensor& place : PublishedTensors(checkpoint)) {
      const Tensor& tensor = place.In(checkpoint);
      std::vector<float>& values = masters.values_.emplace_back(tensor.elements());
      RETURN_IF_ERROR(ToFloat32(tensor, place.SpecIn(checkpoint).name, values));
      std::uniform_real_distribution<float> spread(1 - kHalfUnit, 1 + kHalfUnit);
      for (float& value : values) value *= spread(masters.random_);
      masters.shapes_.push_back(tensor.shape);
    }
    return masters;
  }

  void Step(double rate) {
    std::normal_distribution<float> update;
    for (std::vector<float>& tensor : values_) {
      double sum = 0.0;
      for (const float value : tensor) sum += double{value} * value;
      const double scale = std::max(kLeastScale, std::sqrt(sum / static_cast<double>(tensor.size())));
      for (float& value : tensor) value -= static_cast<float>(rate * scale) * update(random_);
    }
  }

  Checkpoint Published() const {
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < values_.size(); ++i) {
      tensors.push_back({DType::kF32, shapes_[i], std::as_bytes(std::span(values_[i]))});
    }
    return RoundPublished(WithPublished(*checkpoint_, tensors, nullptr, {}));
  }

 private:
  explicit Masters(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}

  const Checkpoint* checkpoint_;
  std::vector<std::vector<float>> values_;
  std::vector<std::vector<int64_t>> shapes_;
  std::mt19937 random_{1};
};

// What has changed of BF16 tensors that are matrices, by runs of `length` elements.
double ChangedShare(const Checkpoint& before, const Checkpoint& after, const std::function<int64_t(int64_t)>& length) {
  int64_t changed = 0, all = 0;
  for (const PublishedTensor& place : PublishedTensors(after)) {
    const Tensor& tensor = place.In(after);
    if (tensor.shape.size() != 2) continue;
    const size_t bytes = 2 * length(tensor.shape[1]);
    for (size_t begin = 0; begin < tensor.bytes.size(); begin += bytes, ++all) {
      const size_t size = std::min(bytes, tensor.bytes.size() - begin);
      changed += !std::ranges::equal(tensor.bytes.subspan(begin, size), place.In(before).bytes.subspan(begin, size));
    }
  }
  return static_cast<double>(changed) / static_cast<double>(all);
}

absl::Status Add(const std::string& steps, double rate, const Checkpoint& before, const Checkpoint& after,
                 Report* report) {
  ASSIGN_OR_RETURN(const auto delta, PublishDelta(after, before));
  ASSIGN_OR_RETURN(const auto whole, PublishWhole(after));
  const auto part = static_cast<double>(delta->total_bytes()), full = static_cast<double>(whole->total_bytes());
  report->Add({.name = "sparsity/delta_over_full/" + steps,
               .value = part,
               .unit = "bytes",
               .baseline = "whole version in BF16",
               .ratio = part / full,
               .details = {{"full_bytes", full},
                           {"changed_share", ChangedShare(before, after, [](int64_t) { return 1; })},
                           {"changed_lines", ChangedShare(before, after, [](int64_t) { return kLine; })},
                           {"changed_channels", ChangedShare(before, after, [](int64_t in) { return in; })},
                           {"changed_panels", ChangedShare(before, after, [](int64_t in) { return kPanel * in; })},
                           {"rate", rate}}});
  return absl::OkStatus();
}

absl::Status Simulate(const Setup& setup, Report* report) {
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(setup.model));
  ASSIGN_OR_RETURN(Masters masters, Masters::Of(checkpoint));
  for (int step = 0; step < setup.steps; ++step) {
    const Checkpoint before = masters.Published();
    masters.Step(setup.rate);
    RETURN_IF_ERROR(Add("simulated", setup.rate, before, masters.Published(), report));
  }
  return absl::OkStatus();
}

absl::Status Compare(const Setup& setup, Report* report) {
  ASSIGN_OR_RETURN(const Checkpoint from, OpenCheckpoint(setup.from));
  ASSIGN_OR_RETURN(const Checkpoint to, OpenCheckpoint(setup.to));
  return Add("real", 0.0, RoundPublished(from), RoundPublished(to), report);
}

int Main(int argc, char** argv) {
  CLI::App app("Wire bytes of a sparse delta over those of a whole version.");
  Setup setup;
  app.add_option("--from", setup.from, "Checkpoint")->type_name("DIR");
  app.add_option("--to", setup.to, "The one that a trainer wrote after it")->type_name("DIR");
  app.add_option("--model", setup.model, "Checkpoint to simulate steps on")->type_name("DIR");
  app.add_option("--rate", setup.rate, "Relative step")->capture_default_str();
  app.add_option("--steps", setup.steps, "How many")->capture_default_str();
  std::string json;
  app.add_option("--json", json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  Report report(json);
  return ExitCode("sparsity", setup.model.empty() ? Compare(setup, &report) : Simulate(setup, &report));
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) { return trimtab::bench::Main(argc, argv); }
