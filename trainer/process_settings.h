#ifndef TRIMTAB_TRAINER_PROCESS_SETTINGS_H_
#define TRIMTAB_TRAINER_PROCESS_SETTINGS_H_

namespace trimtab {

// Starts the process once more with the settings that OpenMP, OpenBLAS and malloc read before main, unless it has them.
// Idle OpenMP threads must not spin on the cores the engine runs on; OpenBLAS must not bring threads of its own; and
// what libtorch frees stays with the process, as every step takes the same large blocks again and new ones come zeroed,
// page by page. Call it first in main.
void StartWithSettings(char** argv);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_PROCESS_SETTINGS_H_
