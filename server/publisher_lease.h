#ifndef TRIMTAB_SERVER_PUBLISHER_LEASE_H_
#define TRIMTAB_SERVER_PUBLISHER_LEASE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace trimtab {

struct LeaseName {
  std::string holder;
  uint64_t epoch = 0;  // The fencing number; 0: nobody's.
  friend bool operator==(const LeaseName&, const LeaseName&) = default;
};

// Who may publish: one holder at a time. A lease lives for `timeout` after the last message of its holder; one with a
// higher epoch takes over when it has lapsed, or at once when it is the holder's own, and from then on the lower epoch
// is refused for ever. So a publisher that slept through the takeover cannot come back. Epochs must outlive the
// process; times come from a clock that never jumps. Pure: no clock, no lock, no disk.
class PublisherLease {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `last` is the lease of the highest epoch that was ever granted; it has lapsed.
  PublisherLease(LeaseName last, std::chrono::milliseconds timeout) : last_(std::move(last)), timeout_(timeout) {}

  // Whether `lease` may act now. Aborted, with the reason.
  absl::Status Check(const LeaseName& lease, Time now) const;
  // It acts now. REQUIRES: Check(lease, now) is OK and, where last() differs, `lease` has been persisted.
  void Renew(const LeaseName& lease, Time now);

  const LeaseName& last() const { return last_; }
  bool alive(Time now) const { return now < expires_; }
  Time expires() const { return expires_; }
  std::chrono::milliseconds timeout() const { return timeout_; }

 private:
  LeaseName last_;
  const std::chrono::milliseconds timeout_;
  Time expires_ = Time::min();
};

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_PUBLISHER_LEASE_H_
