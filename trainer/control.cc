#include "trainer/control.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace trimtab {

void Control::Pause() {
  absl::MutexLock lock(&mutex_);
  paused_ = true;
}

void Control::Resume() {
  absl::MutexLock lock(&mutex_);
  paused_ = false;
}

void Control::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

bool Control::MayStep() {
  const auto told = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !paused_; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&told));
  return !stopping_;
}

void Control::Report(v1::TrainerStatus status) {
  absl::MutexLock lock(&mutex_);
  status_ = std::move(status);
}

void Control::ReportPublished(uint64_t step, const std::string& error) {
  absl::MutexLock lock(&mutex_);
  published_step_ = step;
  publish_error_ = error;
}

v1::TrainerStatus Control::status() const {
  absl::MutexLock lock(&mutex_);
  v1::TrainerStatus status = status_;
  status.set_state(stopping_ ? v1::TrainerStatus::STOPPING
                             : (paused_ ? v1::TrainerStatus::PAUSED : v1::TrainerStatus::RUNNING));
  status.set_published_step(published_step_);
  status.set_publish_error(publish_error_);
  return status;
}

class ControlServer::Service final : public v1::Trainer::Service {
 public:
  explicit Service(Control* control) : control_(control) {}

  grpc::Status GetTrainerStatus(grpc::ServerContext*, const v1::GetTrainerStatusRequest*,
                                v1::TrainerStatus* status) override {
    return Answer(status);
  }
  grpc::Status PauseTraining(grpc::ServerContext*, const v1::PauseTrainingRequest*,
                             v1::TrainerStatus* status) override {
    control_->Pause();
    return Answer(status);
  }
  grpc::Status ResumeTraining(grpc::ServerContext*, const v1::ResumeTrainingRequest*,
                              v1::TrainerStatus* status) override {
    control_->Resume();
    return Answer(status);
  }
  grpc::Status StopTraining(grpc::ServerContext*, const v1::StopTrainingRequest*, v1::TrainerStatus* status) override {
    control_->Stop();
    return Answer(status);
  }

 private:
  grpc::Status Answer(v1::TrainerStatus* status) const {
    *status = control_->status();
    return grpc::Status::OK;
  }

  Control* const control_;
};

ControlServer::ControlServer(Control* control) : service_(std::make_unique<Service>(control)) {}

ControlServer::~ControlServer() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& listen, Control* control) {
  std::unique_ptr<ControlServer> started(new ControlServer(control));
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &started->port_);
  builder.RegisterService(started->service_.get());
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  started->server_ = builder.BuildAndStart();
  if (started->server_ != nullptr && started->port_ != 0) return started;
  return absl::UnavailableError(absl::StrCat("control: ", listen, " cannot be bound; name a free HOST:PORT"));
}

}  // namespace trimtab
