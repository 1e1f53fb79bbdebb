#ifndef TRIMTAB_COMMON_OPEN_FILES_H_
#define TRIMTAB_COMMON_OPEN_FILES_H_

#include <cstddef>

namespace trimtab {

// How many files, connections among them, this process may have open at once. First raises its soft limit to `wanted`
// where that is more than it was, as far as the hard limit goes.
size_t AllowOpenFiles(size_t wanted);

}  // namespace trimtab

#endif  // TRIMTAB_COMMON_OPEN_FILES_H_
