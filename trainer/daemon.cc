#include "trainer/daemon.h"

#include <pthread.h>

#include <csignal>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/commands/token_flag.h"
#include "client/endpoints.h"
#include "client/remote_reward.h"
#include "common/stop_signals.h"
#include "model/rewards/reward_model.h"
#include "model/status_macros.h"
#include "prometheus/registry.h"
#include "trainer/control.h"
#include "trainer/metrics_page.h"
#include "trainer/publishing.h"
#include "trainer/run_folder.h"
#include "trainer/training.h"
#include "trainer/training_log.h"
#include "trainer/training_metrics.h"

namespace trimtab {
namespace {

constexpr absl::Duration kLastPublish = absl::Seconds(30);  // How long the end of a run waits for servers.

// Turns SIGTERM and SIGINT into control.Stop() while it lives. Threads that are started meanwhile leave them alone.
class StopOnSignals {
 public:
  explicit StopOnSignals(Control* control) {
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    waiter_ = std::thread([this, control] {
      int signal = 0;
      sigwait(&signals_, &signal);
      control->Stop();
    });
  }
  ~StopOnSignals() {
    pthread_kill(waiter_.native_handle(), SIGINT);
    waiter_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  const sigset_t signals_ = StopSignals();
  sigset_t before_;
  std::thread waiter_;
};

class Daemon {
 public:
  explicit Daemon(const RunConfig& config) : config_(config) {}

  absl::Status Run() {
    const StopOnSignals signals(&control_);
    RETURN_IF_ERROR(Open());
    RETURN_IF_ERROR(Serve());
    while (training_->step() < static_cast<uint64_t>(config_.steps) && control_.MayStep()) RETURN_IF_ERROR(Step());
    return Finish();
  }

 private:
  // What needs no model, the judges beside the checkpoint, and servers.
  absl::StatusOr<std::vector<std::unique_ptr<RewardScorer>>> Scorers() const {
    std::vector<std::unique_ptr<RewardScorer>> scorers = BuiltInScorers();
    ASSIGN_OR_RETURN(auto judges, LoadRewardModels(config_.start, config_.threads));
    for (auto& judge : judges) scorers.push_back(std::move(judge));
    for (const std::string& server : config_.remote_rewards) {
      ASSIGN_OR_RETURN(std::unique_ptr<RemoteReward> remote, RemoteReward::Connect(server));
      scorers.push_back(std::move(remote));
    }
    return scorers;
  }

  absl::Status Open() {
    ASSIGN_OR_RETURN(RunFolder folder, RunFolder::Open(config_));
    folder_ = std::make_unique<RunFolder>(std::move(folder));
    ASSIGN_OR_RETURN(std::vector<std::unique_ptr<RewardScorer>> scorers, Scorers());
    ASSIGN_OR_RETURN(training_, Training::Create(config_, folder_.get(), std::move(scorers)));
    saved_step_ = training_->step();
    std::vector<std::string> rewards;
    for (const RewardInfo& reward : training_->clp().rewards) rewards.push_back(reward.name);
    metrics_ = std::make_unique<TrainingMetrics>(registry_, rewards);
    ASSIGN_OR_RETURN(TrainingLog log,
                     TrainingLog::Open(folder_->log_path(), training_->log_bytes(), rewards, config_.steps));
    log_ = std::make_unique<TrainingLog>(std::move(log));
    return absl::OkStatus();
  }

  absl::Status Serve() {
    int control_port = 0, metrics_port = 0;
    if (!config_.control_listen.empty()) {
      ASSIGN_OR_RETURN(control_server_, ControlServer::Start(config_.control_listen, &control_));
      control_port = control_server_->port();
    }
    if (!config_.metrics_listen.empty()) {
      ASSIGN_OR_RETURN(metrics_page_, MetricsPage::Start(config_.metrics_listen, registry_));
      metrics_port = metrics_page_->port();
    }
    if (!config_.servers.empty()) RETURN_IF_ERROR(StartPublishing());
    Report(StepReport{});
    std::cout << absl::StrCat("training step=", training_->step(), " control=", control_port, " metrics=", metrics_port,
                              "\n")
              << std::flush;
    return absl::OkStatus();
  }

  absl::Status StartPublishing() {
    PublishingOptions options;
    RETURN_IF_ERROR(CheckTls(config_.tls));
    ASSIGN_OR_RETURN(Endpoints endpoints, ResolveAll(config_.servers));
    options.servers = std::move(endpoints.addresses);
    options.publisher.hosts = std::move(endpoints.hosts);
    options.publisher.client.tls = config_.tls;
    options.bf16 = config_.publish_bf16;
    ASSIGN_OR_RETURN(options.publisher.client.token, ReadToken(config_.token_file));
    options.on_attempt = [this](absl::Duration took, const absl::Status& ended, const PublishingStatus& now) {
      metrics_->CountPublication(took, ended);
      control_.ReportPublished(now.step, now.error);
    };
    publishing_ = std::make_unique<Publishing>(std::move(options));
    return absl::OkStatus();
  }

  absl::Status Step() {
    ASSIGN_OR_RETURN(const StepReport report, training_->Step());
    log_->Add(report);
    metrics_->CountStep(report);
    if (publishing_ != nullptr && report.step % config_.publish_every == 0) {
      publishing_->Offer(training_->Snapshot(), report.step);
    }
    if (report.step % config_.checkpoint_every == 0) RETURN_IF_ERROR(Save());
    Report(report);
    return absl::OkStatus();
  }

  absl::Status Save() {
    RETURN_IF_ERROR(training_->Save(log_->bytes()));
    saved_step_ = training_->step();
    return absl::OkStatus();
  }

  absl::Status Finish() {
    control_.Stop();
    if (saved_step_ != training_->step()) RETURN_IF_ERROR(Save());
    if (publishing_ == nullptr || training_->step() == 0) return absl::OkStatus();
    if (publishing_->status().step != training_->step()) publishing_->Offer(training_->Snapshot(), training_->step());
    if (publishing_->Flush(kLastPublish)) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("the last version is saved, but not every server took it: ", publishing_->status().error));
  }

  void Report(const StepReport& report) {
    v1::TrainerStatus status;
    status.set_step(training_->step());
    status.set_steps(config_.steps);
    status.set_checkpoint_step(saved_step_);
    status.set_objective(report.learner.objective);
    status.set_kl(report.kl);
    control_.Report(std::move(status));
  }

  const RunConfig config_;
  Control control_;
  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<Training> training_;
  std::unique_ptr<TrainingLog> log_;
  prometheus::Registry registry_;
  std::unique_ptr<TrainingMetrics> metrics_;
  std::unique_ptr<MetricsPage> metrics_page_;
  std::unique_ptr<ControlServer> control_server_;
  std::unique_ptr<Publishing> publishing_;
  uint64_t saved_step_ = 0;
};

}  // namespace

absl::Status RunDaemon(const RunConfig& config) { return Daemon(config).Run(); }

}  // namespace trimtab
