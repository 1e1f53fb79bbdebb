#ifndef TRIMTAB_TRAINER_CONTROL_H_
#define TRIMTAB_TRAINER_CONTROL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "trimtab/v1/trainer.grpc.pb.h"

namespace trimtab {

// What a run is told to do, and what it says of itself. Thread-safe.
class Control {
 public:
  void Pause();
  void Resume();
  void Stop();  // For good.

  // Blocks while paused. False when the run is to end.
  bool MayStep();
  // `status` but for its state and what was published.
  void Report(v1::TrainerStatus status);
  // The newest step that every server took, and why a later one was not taken: known between steps too.
  void ReportPublished(uint64_t step, const std::string& error);
  v1::TrainerStatus status() const;

 private:
  mutable absl::Mutex mutex_;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  v1::TrainerStatus status_ ABSL_GUARDED_BY(mutex_);
  uint64_t published_step_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string publish_error_ ABSL_GUARDED_BY(mutex_);
};

// Serves trimtab.v1.Trainer in threads of its own until it goes.
class ControlServer {
 public:
  // `listen` is HOST:PORT without TLS; port 0 takes a free one. `control` must outlive the result. Unavailable when the
  // address cannot be bound.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Start(const std::string& listen, Control* control);
  ~ControlServer();

  int port() const { return port_; }

 private:
  class Service;
  explicit ControlServer(Control* control);

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CONTROL_H_
