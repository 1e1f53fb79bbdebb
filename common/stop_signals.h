// SIGTERM and SIGINT, which ask a program to end, taken by a thread that waits for them.
#ifndef TRIMTAB_COMMON_STOP_SIGNALS_H_
#define TRIMTAB_COMMON_STOP_SIGNALS_H_

#include <csignal>

namespace trimtab {

sigset_t StopSignals();

// Leaves these signals to WaitForStop, in this thread and those it starts from now on. A peer that goes raises no
// SIGPIPE.
void BlockStopSignals();

// Waits for one and returns it; from then on another ends the process. REQUIRES: BlockStopSignals() was called first.
int WaitForStop();

}  // namespace trimtab

#endif  // TRIMTAB_COMMON_STOP_SIGNALS_H_
