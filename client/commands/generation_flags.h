#ifndef TRIMTAB_CLIENT_COMMANDS_GENERATION_FLAGS_H_
#define TRIMTAB_CLIENT_COMMANDS_GENERATION_FLAGS_H_

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "model/generation.h"
#include "model/t5_config.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

// The flags of v1::GenerationOptions. Those not given stay out of the message. `options` must outlive the parse.
void AddGenerationFlags(CLI::App& app, v1::GenerationOptions* options);

// What a server would make of `asked`, without its limits. InvalidArgument naming the field.
absl::StatusOr<GenerationOptions> GenerationOffline(const v1::GenerationOptions& asked,
                                                    const GenerationDefaults& defaults, int32_t vocab_size);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_GENERATION_FLAGS_H_
