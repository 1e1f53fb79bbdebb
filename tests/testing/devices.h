#ifndef TRIMTAB_TESTS_TESTING_DEVICES_H_
#define TRIMTAB_TESTS_TESTING_DEVICES_H_

#include <cstdlib>
#include <string>
#include <vector>

namespace trimtab {

// The devices that tests of any device run on: the one that TRIMTAB_TEST_DEVICE names, which trimtab_cuda_test sets, or
// what every machine has.
inline std::vector<std::string> TestDevices() {
  const char* const named = std::getenv("TRIMTAB_TEST_DEVICE");
  if (named != nullptr) return {named};
  return {"reference", "cpu"};
}

// Where one will do.
inline std::string TestDevice() { return TestDevices().back(); }

// How many times to do something: an emulated device, which trimtab_cuda_test names, has time for fewer.
inline int Fewer(int many, int emulated) { return std::getenv("TRIMTAB_TEST_EMULATED") == nullptr ? many : emulated; }

}  // namespace trimtab

#endif  // TRIMTAB_TESTS_TESTING_DEVICES_H_
