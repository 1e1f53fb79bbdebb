#include "client/publisher.h"

#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/publication.h"
#include "model/status_macros.h"

namespace trimtab {
namespace {

std::string OwnName() {
  char host[32] = {};
  gethostname(host, sizeof(host) - 1);
  absl::BitGen random;
  std::string name = absl::StrCat(host, "-", getpid(), "-", absl::Uniform<uint32_t>(random));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !absl::ascii_isalnum(c) && c != '.' && c != '-'; }, '_');
  return name;
}

PublisherOptions WithHolder(PublisherOptions options) {
  if (options.holder.empty()) options.holder = OwnName();
  return options;
}

ParametersClientOptions ClientFor(const std::string& endpoint, const PublisherOptions& options) {
  ParametersClientOptions client = options.client;
  const auto host = options.hosts.find(endpoint);
  if (host != options.hosts.end()) client.tls = TlsTo(host->second, client.tls);
  return client;
}

}  // namespace

bool PublishReport::all_ok() const {
  return std::all_of(replicas.begin(), replicas.end(), [](const ReplicaOutcome& o) { return o.status.ok(); });
}

Publisher::Publisher(const std::vector<std::string>& endpoints, PublisherOptions options)
    : options_(WithHolder(std::move(options))) {
  for (const std::string& endpoint : endpoints) {
    replicas_.push_back({endpoint, std::make_unique<ParametersClient>(endpoint, ClientFor(endpoint, options_))});
  }
}

// Asks all servers at once what they have, and takes an epoch and a sequence number above all of them.
absl::StatusOr<std::vector<absl::StatusOr<v1::ListVersionsResponse>>> Publisher::Survey() {
  std::vector<absl::StatusOr<v1::ListVersionsResponse>> states(replicas_.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    threads.emplace_back([&state = states[i], &client = *replicas_[i].client] { state = client.ListVersions(); });
  }
  for (std::thread& thread : threads) thread.join();
  uint64_t highest_epoch = 0;
  absl::Status last = absl::InvalidArgumentError("there is no server to publish to");
  bool any = false;
  for (const auto& state : states) {
    if (!state.ok()) {
      last = state.status();
      continue;
    }
    any = true;
    highest_epoch = std::max(highest_epoch, state->lease().epoch());
    sequence_ = std::max(sequence_, state->highest_sequence());
  }
  if (!any) return last;
  if (epoch_ == 0) epoch_ = highest_epoch + 1;
  ++sequence_;
  return states;
}

absl::StatusOr<PublishReport> Publisher::Publish(const Checkpoint& next, const Checkpoint* parent) {
  ASSIGN_OR_RETURN(const std::unique_ptr<const Publication> whole, PublishWhole(next));
  std::unique_ptr<const Publication> delta;
  if (parent != nullptr) {
    ASSIGN_OR_RETURN(delta, PublishDelta(next, *parent));
  }
  ASSIGN_OR_RETURN(const auto states, Survey());
  v1::Begin begin;
  begin.mutable_version()->set_epoch(epoch_);
  begin.mutable_version()->set_sequence(sequence_);
  begin.mutable_version()->set_digest(next.digest);
  begin.mutable_lease()->set_epoch(epoch_);
  begin.mutable_lease()->set_holder(options_.holder);

  PublishReport report{.version = begin.version(), .replicas = std::vector<ReplicaOutcome>(replicas_.size())};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    ReplicaOutcome& outcome = report.replicas[i];
    outcome.endpoint = replicas_[i].endpoint;
    outcome.status = states[i].status();
    if (!states[i].ok()) continue;
    const std::string& active = states[i]->active().digest();
    outcome.whole = delta == nullptr || active != parent->digest;
    begin.set_expected_parent(active);
    threads.emplace_back(
        [&outcome, begin, &client = *replicas_[i].client, &publication = outcome.whole ? *whole : *delta] {
          absl::StatusOr<PushResult> result = client.Push(begin, publication);
          outcome.status = result.status();
          if (result.ok()) outcome.result = *std::move(result);
        });
  }
  for (std::thread& thread : threads) thread.join();
  return report;
}

}  // namespace trimtab
