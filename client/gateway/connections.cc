#include "client/gateway/connections.h"

#include <system_error>
#include <utility>

namespace trimtab {

void Connections::enqueue(std::function<void()> serve) {
  bool one_more = false;
  {
    absl::MutexLock lock(&mutex_);
    waiting_.push_back(std::move(serve));
    one_more = idle_ < waiting_.size() && threads_.size() < most_;
  }
  if (!one_more) return;
  try {
    threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that are there will come to it.
  }
}

void Connections::shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void Connections::Work() {
  for (;;) {
    std::function<void()> serve;
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
      mutex_.Await(absl::Condition(this, &Connections::HasWork));
      --idle_;
      if (waiting_.empty()) return;
      serve = std::move(waiting_.front());
      waiting_.pop_front();
    }
    serve();
  }
}

}  // namespace trimtab
