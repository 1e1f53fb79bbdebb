#include "server/rim/connection_threads.h"

#include <utility>

namespace trimtab {

void ConnectionThreads::enqueue(std::function<void()> connection) {
  MutexLock lock(mutex_);
  waiting_.push_back(std::move(connection));
  if (idle_ < waiting_.size() && threads_.size() < most_) threads_.emplace_back([this] { Work(); });
  changed_.NotifyOne();
}

void ConnectionThreads::shutdown() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    over_ = true;
    threads.swap(threads_);
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads) thread.join();
}

void ConnectionThreads::Work() {
  while (true) {
    std::function<void()> connection;
    {
      MutexLock lock(mutex_);
      ++idle_;
      while (waiting_.empty() && !over_) changed_.Wait(mutex_);
      --idle_;
      if (waiting_.empty()) return;
      connection = std::move(waiting_.front());
      waiting_.pop_front();
    }
    connection();
  }
}

}  // namespace trimtab
