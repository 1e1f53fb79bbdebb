#include "server/publisher_lease.h"

#include "absl/strings/str_cat.h"

namespace trimtab {

absl::Status PublisherLease::Check(const LeaseName& lease, Time now) const {
  if (lease == last_) return absl::OkStatus();
  if (lease.epoch < last_.epoch) {
    return absl::AbortedError(absl::StrCat("lease epoch ", lease.epoch, " of ", lease.holder,
                                           " is over: ", last_.holder, " took epoch ", last_.epoch));
  }
  if (lease.epoch == last_.epoch) {
    return absl::AbortedError(
        absl::StrCat("lease epoch ", lease.epoch, " belongs to ", last_.holder, "; take a higher one"));
  }
  if (lease.holder == last_.holder || !alive(now)) return absl::OkStatus();
  const auto left = std::chrono::ceil<std::chrono::seconds>(expires_ - now).count();
  return absl::AbortedError(absl::StrCat(last_.holder, " publishes here (lease epoch ", last_.epoch,
                                         "); its lease lapses ", left, " s after its last message: try again then"));
}

void PublisherLease::Renew(const LeaseName& lease, Time now) {
  last_ = lease;
  expires_ = now + timeout_;
}

}  // namespace trimtab
