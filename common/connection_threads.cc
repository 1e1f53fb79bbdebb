#include "common/connection_threads.h"

#include <system_error>
#include <utility>

namespace trimtab {

void ConnectionThreads::enqueue(std::function<void()> connection) {
  absl::MutexLock lock(&mutex_);
  waiting_.push_back(std::move(connection));
  if (idle_ < waiting_.size() && threads_.size() < most_) StartThread();
  mutex_.Await(absl::Condition(this, &ConnectionThreads::HasRoom));
}

void ConnectionThreads::shutdown() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    over_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void ConnectionThreads::StartThread() {
  try {
    threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    // The system gives no more threads: those that are there will come to it.
  }
}

void ConnectionThreads::Work() {
  while (true) {
    std::function<void()> connection;
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
      mutex_.Await(absl::Condition(this, &ConnectionThreads::HasWork));
      --idle_;
      if (waiting_.empty()) return;
      connection = std::move(waiting_.front());
      waiting_.pop_front();
    }
    connection();
  }
}

}  // namespace trimtab
