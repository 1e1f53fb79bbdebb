#ifndef TRIMTAB_TESTS_CUDA_EMULATION_FIBRE_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_FIBRE_H_

#include <ucontext.h>

#include <csetjmp>
#include <cstddef>
#include <memory>

namespace cuda_emulation {

// A stack on which a function runs in pieces: Resume runs it on until it yields or returns. It may be given another
// function then. Switching makes no system call. One runs at a time in the whole process.
class Fibre {
 public:
  Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  using Body = void (*)(void* argument);
  // REQUIRES: done().
  void Start(Body body, void* argument);
  // REQUIRES: not done(), and not called from inside a fibre.
  void Resume();
  bool done() const { return body_ == nullptr; }

  // Leaves the running fibre until its next Resume.
  static void Yield();

 private:
  static void Enter();
  [[noreturn]] void Loop();
  void SwitchIn();
  void SwitchOut();

  static constexpr size_t kStackBytes = 128 << 10;

  std::unique_ptr<std::byte[]> stack_;
  const size_t stack_bytes_;  // Used of it.
  ucontext_t context_;
  bool entered_ = false;
  jmp_buf caller_, inside_;
  Body body_ = nullptr;
  void* argument_ = nullptr;
  void* caller_fake_stack_ = nullptr;  // AddressSanitizer's, and the bounds of the caller's stack.
  void* fake_stack_ = nullptr;
  const void* caller_stack_ = nullptr;
  size_t caller_stack_bytes_ = 0;
};

}  // namespace cuda_emulation

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_FIBRE_H_
