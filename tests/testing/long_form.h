#ifndef TRIMTAB_TESTS_TESTING_LONG_FORM_H_
#define TRIMTAB_TESTS_TESTING_LONG_FORM_H_

#include <cstdlib>

namespace trimtab {

// Tests of faults have an everyday form and a long one, which ./dev faults runs.
inline bool LongForm() { return std::getenv("TRIMTAB_LONG_FAULTS") != nullptr; }
inline int Often(int everyday, int long_form) { return LongForm() ? long_form : everyday; }

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_LONG_FORM_H_
