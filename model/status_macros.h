#ifndef TRIMTAB_MODEL_STATUS_MACROS_H_
#define TRIMTAB_MODEL_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function when `expr` is not OK.
#define RETURN_IF_ERROR(expr)                                         \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

// Declares or assigns `lhs` from a StatusOr, or returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) TRIMTAB_ASSIGN_OR_RETURN_(TRIMTAB_CONCAT_(status_or_, __LINE__), lhs, expr)

#define TRIMTAB_CONCAT_INNER_(a, b) a##b
#define TRIMTAB_CONCAT_(a, b) TRIMTAB_CONCAT_INNER_(a, b)
#define TRIMTAB_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = *std::move(tmp)

#endif  // TRIMTAB_MODEL_STATUS_MACROS_H_
