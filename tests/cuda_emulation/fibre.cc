#include "tests/cuda_emulation/fibre.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_emulation {
namespace {

Fibre* running = nullptr;

// Stacks start at different distances from a page's end, or all of them would want the same lines of the caches.
size_t NextOffset() {
  static size_t fibres = 0;
  return ++fibres * 17 % 512 * 64;
}

}  // namespace

Fibre::Fibre() : stack_(new std::byte[kStackBytes]), stack_bytes_(kStackBytes - NextOffset()) {
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_.get();
  context_.uc_stack.ss_size = stack_bytes_;
  context_.uc_link = nullptr;
  makecontext(&context_, &Fibre::Enter, 0);
}

void Fibre::Start(Body body, void* argument) {
  body_ = body;
  argument_ = argument;
}

void Fibre::Resume() {
  running = this;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&caller_fake_stack_, stack_.get(), stack_bytes_);
#endif
  SwitchIn();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(caller_fake_stack_, nullptr, nullptr);
#endif
  running = nullptr;
}

// The first entry needs a context; later ones jump, for setcontext would change the signal mask by a system call. The
// compiler's own jumps would be faster, but GCC 12 loses the place that SwitchOut is to come back to.
__attribute__((noinline)) void Fibre::SwitchIn() {
  if (_setjmp(caller_) != 0) return;
  if (entered_) _longjmp(inside_, 1);
  entered_ = true;
  setcontext(&context_);
}

__attribute__((noinline)) void Fibre::SwitchOut() {
  if (_setjmp(inside_) == 0) _longjmp(caller_, 1);
}

void Fibre::Yield() {
  Fibre& fibre = *running;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fibre.fake_stack_, fibre.caller_stack_, fibre.caller_stack_bytes_);
#endif
  fibre.SwitchOut();
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fibre.fake_stack_, &fibre.caller_stack_, &fibre.caller_stack_bytes_);
#endif
}

void Fibre::Enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &running->caller_stack_, &running->caller_stack_bytes_);
#endif
  running->Loop();
}

void Fibre::Loop() {
  for (;;) {
    body_(argument_);
    body_ = nullptr;
    Yield();
  }
}

}  // namespace cuda_emulation
