// The file a run is described by. The defaults are the paper's (appendix B); trainer/README.md lists the keys.
#ifndef TRIMTAB_TRAINER_RUN_CONFIG_H_
#define TRIMTAB_TRAINER_RUN_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/channel.h"
#include "trainer/run_rewards.h"
#include "trainer/weighting_sampler.h"

namespace trimtab {

// What a plain T5 becomes when a run starts from one: phi_0 of Algorithm 1. Unused where it starts from a CLP
// checkpoint.
struct NewPolicy {
  std::string name;
  std::string variant = "attn";
  std::vector<std::string> patterns;  // With variant "custom".
  MixingRule mixing = {MixingKind::kFixed, 0.01};
  std::string task_prefix = "summarize: ";
  std::vector<std::string> prompt_labels;  // One per reward: the weights are written into the prompt too (A.2).
};

struct RunConfig {
  std::string out;     // Folder of the run.
  std::string start;   // Checkpoint it starts from: CLP, or a plain T5.
  std::string corpus;  // Lines of JSON.
  NewPolicy policy;
  std::vector<RewardRule> rewards;
  std::vector<std::string> remote_rewards;  // HOST:PORT of servers of trimtab.v1.Rewards.
  SamplingRule sampling;
  bool leave_one_out = false;  // Instead of a value network.
  int32_t samples_per_article = 1;

  int32_t steps = 30000;
  int32_t batch = 32;
  int32_t micro_batch = 8;
  int32_t max_input_tokens = 512;
  int32_t max_new_tokens = 64;
  double learning_rate = 3e-5;
  double value_learning_rate = 1e-4;
  int32_t seed = 0;
  int32_t threads = 2;

  int32_t checkpoint_every = 500;  // Steps; also at the end and when stopped.
  int32_t keep_checkpoints = 2;

  std::vector<std::string> servers;  // HOST:PORT to publish to.
  int32_t publish_every = 100;       // Steps.
  bool publish_bf16 = true;          // Else float32.
  std::string token_file;            // Of the publisher's bearer token.
  TlsOptions tls;                    // To those servers.

  std::string control_listen;  // HOST:PORT of trimtab.v1.Trainer; empty: none.
  std::string metrics_listen;  // HOST:PORT of /metrics; empty: none.
};

// InvalidArgument, naming the key, for an unknown key, a wrong type or range, or a missing out, start or corpus.
absl::StatusOr<RunConfig> ParseRunConfig(absl::string_view json);
absl::StatusOr<RunConfig> ReadRunConfig(const std::string& path);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_RUN_CONFIG_H_
