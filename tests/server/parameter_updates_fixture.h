// ParameterUpdates over a tiny checkpoint, with its store, cache and log, and a publisher's side of it.
#ifndef TRIMTAB_TESTS_SERVER_PARAMETER_UPDATES_FIXTURE_H_
#define TRIMTAB_TESTS_SERVER_PARAMETER_UPDATES_FIXTURE_H_

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/status_macros.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/parameter_updates.h"
#include "tests/server/publication.h"
#include "tests/testing/devices.h"

namespace trimtab {

inline const LeaseName kLease{"trainer", 1};

class ParameterUpdatesTest : public testing::Test {
 protected:
  ParameterUpdatesTest()
      : base_(OpenTiny(directory_)),
        backend_(NewBackend(TestDevice(), 1).value()),
        canary_(NewBackend(TestDevice(), 1).value()) {}

  // REQUIRES: nothing runs.
  void UseProcessorWith(const std::string& instruction_set) {
    backend_ = NewCpuBackend(1, instruction_set);
    canary_ = NewCpuBackend(1, instruction_set);
  }

  // With a log in memory-backed folder, or without one.
  void Start(bool durable, UpdateOptions options = {}) {
    if (durable) {
      auto log = VersionLog::Open({.directory = ram_.path() + "/state", .keep = 3}, base_, &disk_);
      ASSERT_OK(log);
      log_ = *std::move(log);
    }
    const CheckpointPtr served = durable ? log_->recovered() : base_;
    auto parameters = Parameters::Create(*served, backend_.get(), precision_);
    ASSERT_OK(parameters);
    store_ = std::make_unique<ParameterStore>(*parameters);
    cache_ = std::make_unique<MixedWeightCache>(
        MixedWeightCache::Options{.byte_budget = 1 << 22},
        [this](std::shared_ptr<const Parameters> p, const Coefficients& c, MixTime when) {
          if (when == MixTime::kNow && while_mixing_) while_mixing_();
          return MixedWeights::Mix(std::move(p), c, backend_.get(), when);
        },
        &metrics_);
    updates_ = std::make_unique<ParameterUpdates>(UpdateParts{.store = store_.get(),
                                                              .cache = cache_.get(),
                                                              .metrics = &metrics_,
                                                              .backend = backend_.get(),
                                                              .canary_backend = canary_.get(),
                                                              .log = log_.get(),
                                                              .base = base_,
                                                              .served = served},
                                                  options);
  }
  void Stop() {
    updates_.reset();
    cache_.reset();
    store_.reset();
    log_.reset();
  }
  void Restart() {
    Stop();
    Start(true);
  }

  absl::StatusOr<ParameterUpdates::Outcome> Commit(uint64_t ticket, const std::string& digest) {
    std::promise<absl::StatusOr<ParameterUpdates::Outcome>> done;
    updates_->Commit(ticket, digest,
                     [&](absl::StatusOr<ParameterUpdates::Outcome> outcome) { done.set_value(std::move(outcome)); });
    return done.get_future().get();
  }
  absl::StatusOr<ParameterUpdates::Outcome> Activate(uint64_t sequence) {
    std::promise<absl::StatusOr<ParameterUpdates::Outcome>> done;
    updates_->Activate("", sequence,
                       [&](absl::StatusOr<ParameterUpdates::Outcome> outcome) { done.set_value(std::move(outcome)); });
    return done.get_future().get();
  }
  absl::Status AddAll(uint64_t ticket, const Transfer& transfer, size_t from = 0, size_t to = ~size_t{0}) {
    for (size_t i = from; i < std::min(to, transfer.pieces.size()); ++i) {
      const Piece& piece = transfer.pieces[i];
      RETURN_IF_ERROR(updates_->Add(ticket, piece.tensor, piece.offset, piece.bytes, piece.checksum));
    }
    return absl::OkStatus();
  }
  absl::StatusOr<ParameterUpdates::Outcome> Send(const Transfer& transfer, const LeaseName& lease = kLease) {
    ASSIGN_OR_RETURN(const auto begun, updates_->Begin(transfer.manifest, lease));
    RETURN_IF_ERROR(AddAll(begun.ticket, transfer));
    return Commit(begun.ticket, transfer.manifest.version.digest);
  }
  absl::StatusOr<ParameterUpdates::Outcome> Send(const Checkpoint& next, const Checkpoint& parent,
                                                 const LeaseName& lease = kLease) {
    return Send(MakeTransfer(next, parent, TensorEncoding::kDelta), lease);
  }
  // What the backend's memory holds there.
  std::vector<std::byte> Bytes(const std::byte* data, int64_t bytes) const {
    std::vector<std::byte> copy(bytes);
    backend_->Download(data, bytes, copy.data());
    return copy;
  }
  // What is served has the bits that packing `version` gives.
  void ExpectServes(const Checkpoint& version) {
    EXPECT_EQ(served(), version.digest);
    ASSERT_OK_AND_ASSIGN(const auto loaded, Parameters::Create(version, backend_.get(), precision_));
    const auto& tensors = store_->Current()->tensors();
    ASSERT_EQ(tensors.size(), loaded->tensors().size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      for (size_t set = 0; set < tensors[i].sets.size(); ++set) {
        EXPECT_EQ(Bytes(tensors[i].sets[set], tensors[i].bytes),
                  Bytes(loaded->tensors()[i].sets[set], tensors[i].bytes));
      }
    }
  }
  // Of the served version, as if a request had used it.
  void Use(double first) {
    const MixingRule rule = base_->clp.mixing;
    ASSERT_OK_AND_ASSIGN(const Weighting weighting, Weighting::Create(rule, 2, rule.alpha_min, {first, 1.0 - first}));
    ASSERT_OK(cache_->Acquire(store_->Current(), Coefficients::From(rule, weighting, {})));
  }
  std::string served() const { return store_->Current()->version().digest; }
  std::string Exposition() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  TempDir directory_;
  RamFolder ram_;
  std::atomic<bool> disk_fails_ = false;
  const Disk disk_{[this](absl::string_view call, const std::string&) {
    return disk_fails_ && call == "fsync" ? absl::ResourceExhaustedError("disk full") : absl::OkStatus();
  }};
  const CheckpointPtr base_;
  Precision precision_ = Precision::kFloat32;
  std::unique_ptr<Backend> backend_, canary_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  std::function<void()> while_mixing_;  // Called by mixes that no request waits for.
  std::unique_ptr<VersionLog> log_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<MixedWeightCache> cache_;
  std::unique_ptr<ParameterUpdates> updates_;
};

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_SERVER_PARAMETER_UPDATES_FIXTURE_H_
