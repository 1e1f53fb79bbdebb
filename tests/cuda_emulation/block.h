// One block of threads: each a fibre that runs until it must wait for others, in an order drawn anew for every block.
#ifndef TRIMTAB_TESTS_CUDA_EMULATION_BLOCK_H_
#define TRIMTAB_TESTS_CUDA_EMULATION_BLOCK_H_

#include <cstdint>
#include <functional>
#include <source_location>

namespace cuda_emulation {

inline constexpr int kWarp = 32;
inline constexpr int kMaxThreads = 1024;
inline constexpr int kMaxSharedBytes = 48 << 10;

// Ends the process with a message: a kernel broke a rule of the machine.
[[noreturn]] void Fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

// Runs the kernel on every thread of one block, whose sizes and place the variables below give. Shared memory is
// poisoned before, and its bytes beyond `shared_bytes` are checked after. Fails where a thread waits for others that
// cannot come. One block runs at a time in the whole process: the device's lock sees to that.
void RunBlock(const std::function<void()>& kernel, int shared_bytes);

// The order of everything that CUDA leaves open, from now on in this process. By default it starts at 1.
void SeedOrder(uint64_t seed);
uint32_t Draw(uint32_t bound);

// --- called by the threads of a block ---

// Waits for all threads of the block. Fails unless they wait at the same place of the program.
void SyncThreads(std::source_location place);

// Waits for the whole warp, each lane giving `bytes` bytes; returns what all lanes gave, lane after lane, valid until
// the warp's next exchange but one. Fails unless all 32 lanes exchange at the same place.
const void* Exchange(const void* mine, int bytes, std::source_location place);
inline constexpr int kMaxExchangeBytes = 48;

}  // namespace cuda_emulation

// Of the thread that runs, named as in CUDA.
extern cuda_emulation::Index threadIdx, blockIdx, blockDim, gridDim;

#endif  // TRIMTAB_TESTS_CUDA_EMULATION_BLOCK_H_
