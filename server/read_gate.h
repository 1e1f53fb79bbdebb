#ifndef TRIMTAB_SERVER_READ_GATE_H_
#define TRIMTAB_SERVER_READ_GATE_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <vector>

#include "server/job_thread.h"
#include "server/mutex.h"

namespace trimtab {

// Lets a bounded number of requests be read at a time, in order of arrival, so that memory for those on their way is
// bounded. One that is still on its way after `patience` gives its place to one that waits, so that nobody holds up
// others by sending slowly. Thread-safe; callbacks run without its lock.
class ReadGate {
 public:
  class Reader {
   public:
    virtual void StartReading() = 0;  // It has a place.
    virtual void GiveUp() = 0;        // It has lost it.

   protected:
    ~Reader() = default;
  };

  ReadGate(int places, std::chrono::milliseconds patience);

  // Calls StartReading when there is a place: at once, or on the thread of who leaves. A reader must live until it has
  // left or given up.
  void Enter(Reader* reader);
  // The request is there: it keeps its place until Leave. False: too late, GiveUp was called or is about to be.
  // REQUIRES: StartReading was called.
  [[nodiscard]] bool Arrive(Reader* reader);
  // `reader` may be gone already. REQUIRES: Arrive said true.
  void Leave(const Reader* reader);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Place {
    Time since;
    bool arrived = false;
  };

  std::vector<Reader*> FillPlaces() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // Who is to start.
  void WatchSlowest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PassOnSlow();

  const size_t places_;
  const std::chrono::milliseconds patience_;
  Mutex mutex_;
  std::map<const Reader*, Place> reading_ ABSL_GUARDED_BY(mutex_);
  std::deque<Reader*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool watching_ ABSL_GUARDED_BY(mutex_) = false;
  JobThread watch_{JobThread::Priority::kNormal};  // Last: its alarm looks at the others.
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_READ_GATE_H_
