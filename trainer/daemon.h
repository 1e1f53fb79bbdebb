#ifndef TRIMTAB_TRAINER_DAEMON_H_
#define TRIMTAB_TRAINER_DAEMON_H_

#include "absl/status/status.h"
#include "trainer/run_config.h"

namespace trimtab {

// Runs `config` to its last step, or until SIGTERM, SIGINT or a call says stop; then writes a checkpoint, waits for
// servers a little while, and returns. Goes on from the newest checkpoint of config.out. Its first line of output is
// "training step=<N> control=<port> metrics=<port>", with 0 for what is not served.
absl::Status RunDaemon(const RunConfig& config);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_DAEMON_H_
