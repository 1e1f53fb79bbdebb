#include "trainer/process_settings.h"

#include <unistd.h>

#include <cstdlib>

namespace trimtab {

void StartWithSettings(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  setenv("MALLOC_MMAP_MAX_", "0", 0);
  setenv("MALLOC_TRIM_THRESHOLD_", "1099511627776", 0);
  execv("/proc/self/exe", argv);
}

}  // namespace trimtab
