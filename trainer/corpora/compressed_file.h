#ifndef TRIMTAB_TRAINER_CORPORA_COMPRESSED_FILE_H_
#define TRIMTAB_TRAINER_CORPORA_COMPRESSED_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace trimtab {

// The text of a file, plain or compressed (gzip, xz, lz4, zstd, bzip2): its first bytes tell which. NotFound when it
// cannot be opened; InvalidArgument when it is damaged or its text has more than `max_bytes`.
absl::StatusOr<std::string> ReadCompressed(const std::string& path, size_t max_bytes = size_t{1} << 30);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_CORPORA_COMPRESSED_FILE_H_
