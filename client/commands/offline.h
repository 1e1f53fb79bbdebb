#ifndef TRIMTAB_CLIENT_COMMANDS_OFFLINE_H_
#define TRIMTAB_CLIENT_COMMANDS_OFFLINE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/commands/article.h"
#include "trimtab/v1/summarizer.pb.h"

namespace trimtab {

struct OfflineOptions {
  std::string model;                  // Checkpoint folder.
  std::string device = "cpu";         // As trimtabd's.
  std::string precision = "float32";  // Likewise.
  int draft_tokens = 7;               // Likewise.
  int threads = 0;                    // 0: one per core.
  int batch_rows = 32;                // Sequences decoded together.
  int max_input_tokens = 512;         // Longer articles are cut.
};

// Called in the order of articles, and for each in the order of weightings.
using OnSummary = std::function<void(const Article& article, const v1::SummarizeResponse& reply)>;

// Summarises every article for every weighting in this process, all in one batch that summaries join and leave. Errors
// name what is at fault; one error ends all.
absl::Status SummarizeOffline(const OfflineOptions& options, const std::vector<Article>& articles,
                              const std::vector<v1::Steering>& steerings, const v1::GenerationOptions& generation,
                              const OnSummary& on_summary);

}  // namespace trimtab

#endif  // TRIMTAB_CLIENT_COMMANDS_OFFLINE_H_
