// New parameters into a loaded server: what they cost the requests that run, and how often they may come.
//
//   update --model DIR [--precision NAME] [--threads N] [--seconds N] [--load SHARE] [--state DIR] [--json FILE]
//
// A scheduler answers requests that arrive at random at a share of what it can do at most. In turns, in one run:
// without updates, with a whole BF16 version every 10 s, every 5 s, and one after the other. A thread stands for gRPC's
// and puts the chunks into the staging area; commits run as in the server. Times are between two tokens of one
// request.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/versions.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/checksum.h"
#include "model/engine.h"
#include "model/published.h"
#include "model/status_macros.h"
#include "model/step_costs.h"
#include "prometheus/registry.h"
#include "server/mixed_weight_cache.h"
#include "server/parameter_updates.h"
#include "server/scheduler.h"
#include "server/version_log.h"

namespace trimtab::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWeightings = 4;
constexpr size_t kChunkBytes = 1 << 20;

struct Setup {
  std::string model, precision = "bfloat16", state = "/dev/shm", name = "base";
  int threads = 2, rows = 16, input_tokens = 256, new_tokens = 64;
  double seconds = 60, load = 0.6;
};

double InSeconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// A version as its chunks arrive; checksums are the publisher's work and made beforehand.
struct Sent {
  struct Piece {
    uint64_t tensor, offset;
    absl::string_view bytes;
    uint64_t checksum;
  };
  std::string digest;
  std::vector<TensorManifest> manifest;
  std::vector<Piece> pieces;
};

Sent Send(const Checkpoint& version) {
  Sent sent{version.digest, {}, {}};
  for (const PublishedTensor& place : PublishedTensors(version)) {
    const Tensor& tensor = place.In(version);
    const absl::string_view bytes(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
    const uint64_t number = sent.manifest.size();
    sent.manifest.push_back({.name = place.SpecIn(version).name,
                             .reward = place.reward,
                             .dtype = tensor.dtype,
                             .shape = tensor.shape,
                             .encoding = TensorEncoding::kRaw,
                             .encoded_bytes = bytes.size(),
                             .checksum = ContentChecksum(tensor.bytes)});
    for (size_t offset = 0; offset < bytes.size(); offset += kChunkBytes) {
      const absl::string_view piece = bytes.substr(offset, kChunkBytes);
      sent.pieces.push_back({number, offset, piece, ChunkChecksum(number, offset, piece)});
    }
  }
  return sent;
}

// What one phase saw.
struct Phase {
  std::vector<double> gaps;  // Seconds between two tokens of one request.
  int requests = 0, failed = 0, updates = 0, failed_updates = 0;
  std::vector<double> update_seconds;  // From Begin to the answer.
};

class Update {
 public:
  explicit Update(const Setup& setup) : setup_(setup) {}
  ~Update() {
    updates_.reset();
    scheduler_.reset();
    log_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  absl::Status Load();
  absl::Status Run(Report* report);

 private:
  absl::Status StartServing(Precision precision);
  void Submit(int number, Phase* phase);
  double Capacity();
  Phase RunPhase(double rate, double update_every);
  void PublishUntil(Clock::time_point end, double every, Phase* phase);
  absl::Status PublishOne();
  void Add(const std::string& row, const Phase& with, const Phase& without, Report* report) const;

  const Setup setup_;
  std::string folder_;
  std::unique_ptr<Backend> backend_, canary_;
  std::shared_ptr<const Checkpoint> base_;
  std::vector<Checkpoint> versions_;
  std::vector<Sent> sent_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  const Disk disk_;
  std::unique_ptr<VersionLog> log_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<MixedWeightCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<ParameterUpdates> updates_;
  uint64_t sequence_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  int in_flight_ = 0;
};

absl::Status Update::Load() {
  ASSIGN_OR_RETURN(const Precision precision, ParsePrecision(setup_.precision));
  ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(setup_.model));
  if (checkpoint.clp.rewards.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(setup_.model,
                                                   " has no two rewards; make it with trimtab "
                                                   "make-random --variant attn --rewards 2"));
  }
  base_ = std::make_shared<const Checkpoint>(std::move(checkpoint));
  versions_.push_back(RoundPublished(*base_));
  versions_.push_back(Perturbed(versions_[0], 0));
  for (const Checkpoint& version : versions_) sent_.push_back(Send(version));
  folder_ = absl::StrCat(setup_.state, "/trimtab-update-", getpid());
  ASSIGN_OR_RETURN(log_, VersionLog::Open({.directory = folder_, .keep = 1}, base_, &disk_));
  return StartServing(precision);
}

absl::Status Update::StartServing(Precision precision) {
  backend_ = NewCpuBackend(setup_.threads);
  canary_ = NewCpuBackend(1);
  ASSIGN_OR_RETURN(auto parameters, Parameters::Create(*base_, backend_.get(), precision));
  const int64_t one = std::max<int64_t>(4096, MixedWeights::Bytes(*parameters));
  ASSIGN_OR_RETURN(const StepCosts costs, MeasureStepCosts(*parameters, backend_.get()));
  store_ = std::make_unique<ParameterStore>(parameters);
  cache_ = std::make_unique<MixedWeightCache>(
      MixedWeightCache::Options{.byte_budget = int64_t{2} * kWeightings * one},
      [this](std::shared_ptr<const Parameters> p, const Coefficients& c, MixTime when) {
        return MixedWeights::Mix(std::move(p), c, backend_.get(), when);
      },
      &metrics_);
  ASSIGN_OR_RETURN(auto engine, NewEngine(base_->config,
                                          {.max_rows = setup_.rows,
                                           .max_input_tokens = setup_.input_tokens,
                                           .max_new_tokens = setup_.new_tokens,
                                           .max_encode_tokens = std::max(1024, setup_.input_tokens)},
                                          backend_.get()));
  scheduler_ = std::make_unique<Scheduler>(SchedulerOptions{.max_queue_length = 1 << 16, .costs = costs},
                                           std::move(engine), cache_.get(), &metrics_);
  updates_ = std::make_unique<ParameterUpdates>(UpdateParts{.store = store_.get(),
                                                            .cache = cache_.get(),
                                                            .metrics = &metrics_,
                                                            .backend = backend_.get(),
                                                            .canary_backend = canary_.get(),
                                                            .log = log_.get(),
                                                            .base = base_,
                                                            .served = base_},
                                                UpdateOptions{});
  return absl::OkStatus();
}

void Update::Submit(int number, Phase* phase) {
  const ClpConfig& clp = base_->clp;
  const double w = (number % kWeightings + 0.5) / kWeightings;
  const Weighting weighting = Weighting::Create(clp.mixing, 2, 0.3, {w, 1.0 - w}).value();
  GenerationOptions options;
  options.max_new_tokens = options.min_new_tokens = setup_.new_tokens;
  std::vector<int32_t> ids;
  ids.reserve(setup_.input_tokens);
  const auto words = static_cast<uint32_t>(base_->config.vocab_size - 3);
  for (int i = 0; i < setup_.input_tokens; ++i) {
    ids.push_back(static_cast<int32_t>(3 + (number * 7919u + i * 104729u) % words));
  }
  SummaryRequest request{std::move(ids), store_->Current(), Coefficients::From(clp.mixing, weighting, {}), options};
  auto last = std::make_shared<Clock::time_point>();
  {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
    ++phase->requests;
  }
  scheduler_->Submit(std::move(request), {.on_token =
                                              [this, phase, last](int32_t) {
                                                const Clock::time_point now = Clock::now();
                                                const std::lock_guard lock(mutex_);
                                                if (*last != Clock::time_point()) {
                                                  phase->gaps.push_back(InSeconds(now - *last));
                                                }
                                                *last = now;
                                              },
                                          .on_done =
                                              [this, phase](const absl::StatusOr<SummaryResult>& result) {
                                                const std::lock_guard lock(mutex_);
                                                phase->failed += !result.ok();
                                                --in_flight_;
                                                changed_.notify_all();
                                              }});
}

// Requests a second with a full batch.
double Update::Capacity() {
  Phase warm_up, full;
  for (Phase* phase : {&warm_up, &full}) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < 4 * setup_.rows; ++i) Submit(i, phase);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return in_flight_ == 0; });
    if (phase == &full) return full.requests / InSeconds(Clock::now() - start);
  }
  return 0.0;
}

absl::Status Update::PublishOne() {
  const Sent& next = sent_[sequence_ % sent_.size()];
  ++sequence_;
  Manifest manifest;
  manifest.version = {1, sequence_, next.digest};
  manifest.expected_parent = store_->Current()->version().digest;
  manifest.tensors = next.manifest;
  ASSIGN_OR_RETURN(const auto begun, updates_->Begin(manifest, {"bench", 1}));
  for (const Sent::Piece& piece : next.pieces) {
    RETURN_IF_ERROR(updates_->Add(begun.ticket, piece.tensor, piece.offset, piece.bytes, piece.checksum));
  }
  std::promise<absl::Status> done;
  updates_->Commit(begun.ticket, next.digest,
                   [&](const absl::StatusOr<ParameterUpdates::Outcome>& outcome) { done.set_value(outcome.status()); });
  return done.get_future().get();
}

void Update::PublishUntil(Clock::time_point end, double every, Phase* phase) {
  for (Clock::time_point due = Clock::now(); due < end;) {
    std::this_thread::sleep_until(due);
    const Clock::time_point start = Clock::now();
    const absl::Status status = PublishOne();
    if (!status.ok()) std::cerr << status << "\n";
    ++(status.ok() ? phase->updates : phase->failed_updates);
    phase->update_seconds.push_back(InSeconds(Clock::now() - start));
    due =
        std::max(Clock::now(), due + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(every)));
  }
}

// `update_every` below 0: none; 0: one after the other.
Phase Update::RunPhase(double rate, double update_every) {
  Phase phase;
  std::mt19937 random(1);  // The same arrivals in every phase.
  std::exponential_distribution<double> wait(rate);
  const Clock::time_point end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(setup_.seconds));
  std::thread publisher([&] {
    if (update_every >= 0) PublishUntil(end, update_every, &phase);
  });
  int number = 0;
  for (Clock::time_point due = Clock::now(); due < end;) {
    std::this_thread::sleep_until(due);
    Submit(number++, &phase);
    due += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(wait(random)));
  }
  publisher.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return in_flight_ == 0; });
  return phase;
}

void Update::Add(const std::string& row, const Phase& with, const Phase& without, Report* report) const {
  const double p99 = Quantile(with.gaps, 0.99), base = Quantile(without.gaps, 0.99);
  report->Add({.name = absl::StrCat("update/", setup_.name, row, "/token_p99"),
               .value = 1e3 * p99,
               .unit = "ms",
               .baseline = "no updates",
               .ratio = p99 / base,
               .details = {{"p99_without_ms", 1e3 * base},
                           {"p50_ms", 1e3 * Quantile(with.gaps, 0.5)},
                           {"p50_without_ms", 1e3 * Quantile(without.gaps, 0.5)},
                           {"updates", with.updates},
                           {"update_s", Quantile(with.update_seconds, 0.5)}}});
  report->Add({.name = absl::StrCat("update/", setup_.name, row, "/failed"),
               .value = static_cast<double>(with.failed + with.failed_updates),
               .unit = "requests and updates",
               .baseline = "requests",
               .ratio = static_cast<double>(with.failed) / std::max<double>(1.0, static_cast<double>(with.requests)),
               .details = {{"requests", with.requests}, {"failed_without", without.failed}}});
}

absl::Status Update::Run(Report* report) {
  const double rate = setup_.load * Capacity();
  RETURN_IF_ERROR(PublishOne());  // The form of what is served is BF16 from now on.
  const Phase without = RunPhase(rate, -1);
  Add("", RunPhase(rate, 10), without, report);
  Add("/every5s", RunPhase(rate, 5), without, report);
  const Phase flood = RunPhase(rate, 0);
  Add("/flood", flood, without, report);
  report->Add({.name = absl::StrCat("update/", setup_.name, "/max_rate"),
               .value = flood.updates / setup_.seconds * 60,
               .unit = "updates/min",
               .baseline = "one every 5 s",
               .ratio = flood.updates / setup_.seconds * 5});
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("What new parameters cost the requests that run.");
  std::string json;
  Setup setup;
  app.add_option("--model", setup.model, "CLP checkpoint with two rewards")->required();
  app.add_option("--name", setup.name, "Of the model, in the names of rows")->capture_default_str();
  app.add_option("--precision", setup.precision, "float32, bfloat16 or int8")->capture_default_str();
  app.add_option("--threads", setup.threads, "Of the engine")->capture_default_str();
  app.add_option("--rows", setup.rows, "Of the batch")->capture_default_str();
  app.add_option("--seconds", setup.seconds, "Of each phase")->capture_default_str();
  app.add_option("--load", setup.load, "Share of what the engine can do")->capture_default_str();
  app.add_option("--state", setup.state, "Folder of the versions, best in memory")->capture_default_str();
  app.add_option("--json", json, "Rows are written here too");
  CLI11_PARSE(app, argc, argv);
  Report report(json);
  Update update(setup);
  absl::Status status = update.Load();
  if (status.ok()) status = update.Run(&report);
  return ExitCode("update", status);
}

}  // namespace
}  // namespace trimtab::bench

int main(int argc, char** argv) { return trimtab::bench::Main(argc, argv); }
