// libFuzzer's entry to the one target that this program has.
#include "tests/fuzz/fuzz.h"

// The tokenizer's library is bound to its own operator new, but to AddressSanitizer's delete (sentencepiece_module.h).
extern "C" const char* __asan_default_options() { return "alloc_dealloc_mismatch=0"; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const trimtab::FuzzTarget& target = trimtab::FuzzTargets().begin()->second;
  target({reinterpret_cast<const char*>(data), size});
  return 0;
}
