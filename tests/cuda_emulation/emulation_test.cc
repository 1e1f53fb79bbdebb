// The emulation itself: it runs what is right in any order, and stops what is wrong.
#include <cuda_runtime.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.h"
#include "tests/cuda_emulation/block.h"

namespace trimtab::cuda {
namespace {

constexpr int kThreads = 128;

class EmulationTest : public testing::Test {
 protected:
  EmulationTest() {
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    cudaMalloc(reinterpret_cast<void**>(&data_), kThreads * sizeof(int));
  }
  ~EmulationTest() override {
    cudaFree(data_);
    cudaStreamDestroy(stream_);
  }

  template <typename Kernel>
  void Run(Kernel kernel, int blocks = 1, size_t shared_bytes = kThreads * sizeof(int)) {
    Launch{dim3(blocks), kThreads, shared_bytes, stream_}(kernel, data_);
    cudaStreamSynchronize(stream_);
  }
  std::vector<int> Values() {
    std::vector<int> values(kThreads);
    cudaMemcpyAsync(values.data(), data_, kThreads * sizeof(int), cudaMemcpyDeviceToHost, stream_);
    return values;
  }

  cudaStream_t stream_;
  int* data_;
};
using EmulationDeathTest = EmulationTest;

void Reverse(int* out) {
  int* const shared = SharedMemory<int>();
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = shared[kThreads - 1 - threadIdx.x];
}

void ReverseWithoutBarrier(int* out) {
  int* const shared = SharedMemory<int>();
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  out[threadIdx.x] = shared[kThreads - 1 - threadIdx.x];
}

void MeetAtDifferentPlaces(int*) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST_F(EmulationTest, ThreadsMeetAtABarrierInAnyOrder) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    cuda_emulation::SeedOrder(seed);
    Run(Reverse);
    const std::vector<int> values = Values();
    for (int i = 0; i < kThreads; ++i) ASSERT_EQ(values[i], kThreads - 1 - i);
  }
}

TEST_F(EmulationTest, ADroppedBarrierShows) {
  Run(ReverseWithoutBarrier);
  const std::vector<int> values = Values();
  int poisoned = 0;
  for (int value : values) poisoned += value == -1;  // Shared memory that nobody had written yet.
  EXPECT_GT(poisoned, 0);
}

TEST_F(EmulationTest, WarpsSumAndVote) {
  Run(+[](int* out) {
    const auto sum = static_cast<int>(WarpSum(static_cast<float>(threadIdx.x)));
    const int odd = __ballot_sync(kAllLanes, threadIdx.x % 2) == 0xaaaaaaaau;
    out[threadIdx.x] = sum * 2 + odd;
  });
  const std::vector<int> values = Values();
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(values[i], (i / 32 * 32 * 32 + 31 * 16) * 2 + 1);
}

TEST_F(EmulationDeathTest, ThreadsThatWaitForOnesThatLeftAreFound) {
  EXPECT_DEATH(Run(+[](int*) {
                 if (threadIdx.x > 0) __syncthreads();
               }),
               "divergence: thread .* waits at .*emulation_test.cc");
}

TEST_F(EmulationDeathTest, ThreadsThatWaitAtDifferentPlacesAreFound) {
  EXPECT_DEATH(Run(MeetAtDifferentPlaces), "divergence: thread .* while others wait at");
}

TEST_F(EmulationDeathTest, AnExchangeThatPartOfAWarpSkipsIsFound) {
  EXPECT_DEATH(Run(+[](int* out) {
                 if (threadIdx.x % 32 < 31) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 1);
               }),
               "divergence");
}

TEST_F(EmulationDeathTest, AWriteBeyondABlockOfMemoryIsFound) {
  EXPECT_DEATH(
      {
        Run(+[](int* out) { out[threadIdx.x + 1] = 0; });
        cudaFree(data_);
      },
      "beyond a block|AddressSanitizer");
}

TEST_F(EmulationDeathTest, AWriteBeyondSharedMemoryIsFound) {
  EXPECT_DEATH(Run(+[](int*) { SharedMemory<int>()[threadIdx.x + 1] = 0; }), "beyond its end|AddressSanitizer");
}

TEST_F(EmulationDeathTest, AHostThatFollowsADevicePointerIsStopped) { EXPECT_DEATH(data_[0] = 1, ""); }

TEST_F(EmulationDeathTest, AKernelThatIsGivenAHostPointerIsStopped) {
  std::vector<int> host(kThreads);
  EXPECT_DEATH((Launch{dim3(1), kThreads, 512, stream_}(Reverse, host.data())), "a pointer to memory of the host");
}

TEST_F(EmulationDeathTest, LaunchesBeyondTheMachinesLimitsAreRefused) {
  EXPECT_DEATH((Launch{dim3(1), 1056, 0, stream_}(Reverse, data_)), "starting a kernel");
  EXPECT_DEATH((Launch{dim3(1, 65536), 32, 0, stream_}(Reverse, data_)), "starting a kernel");
  EXPECT_DEATH((Launch{dim3(1), 32, 50000, stream_}(Reverse, data_)), "starting a kernel");
}

TEST_F(EmulationTest, StreamsRunLateAndInAnyOrderButForTheirEvents) {
  cudaStream_t other;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  cudaEvent_t written;
  cudaEventCreateWithFlags(&written, cudaEventDisableTiming);
  int unordered = 0;
  for (const bool wait : {true, false}) {
    for (int i = 0; i < 20; ++i) {
      cudaMemsetAsync(data_, 1, sizeof(int), stream_);
      cudaEventRecord(written, stream_);
      if (wait) cudaStreamWaitEvent(other, written, 0);
      cudaMemsetAsync(data_, 2, sizeof(int), other);
      cudaStreamSynchronize(other);
      cudaStreamSynchronize(stream_);
      const int last = Values()[0];
      EXPECT_TRUE(!wait || last == 0x02020202) << last;
      unordered += last == 0x01010101;
    }
  }
  EXPECT_GT(unordered, 0);
  cudaEventDestroy(written);
  cudaStreamDestroy(other);
}

void Take(int* out, int value) { out[threadIdx.x] = out[threadIdx.x] * 10 + value; }

// A graph of Take(data, i + 1), each after the one before unless `ordered` is false.
class GraphTest : public EmulationTest {
 protected:
  GraphTest() {
    Launch{dim3(1), kThreads, 0, stream_}(Take, data_, 0);  // The emulation learns its type.
    cudaGraphCreate(&graph_, 0);
  }
  ~GraphTest() override { cudaGraphDestroy(graph_); }

  cudaKernelNodeParams Node() {
    cudaKernelNodeParams node = {};
    node.func = reinterpret_cast<void*>(Take);
    node.gridDim = dim3(1);
    node.blockDim = dim3(kThreads);
    node.kernelParams = arguments_;
    return node;
  }
  cudaGraphExec_t Make(int kernels, bool ordered) {
    for (int i = 0; i < kernels; ++i) {
      value_ = i + 1;
      const cudaKernelNodeParams node = Node();
      cudaGraphNode_t made;
      cudaGraphAddKernelNode(&made, graph_, &nodes_.back(), ordered && i > 0 ? 1 : 0, &node);
      nodes_.push_back(made);
    }
    cudaGraphExec_t executable;
    EXPECT_EQ(cudaGraphInstantiate(&executable, graph_, 0), cudaSuccess);
    return executable;
  }
  int Start(cudaGraphExec_t executable) {
    cudaMemsetAsync(data_, 0, kThreads * sizeof(int), stream_);
    EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
    return Values()[0];
  }

  int value_ = 0;
  void* arguments_[2] = {&data_, &value_};
  cudaGraph_t graph_;
  std::vector<cudaGraphNode_t> nodes_ = {nullptr};
};
using GraphDeathTest = GraphTest;

TEST_F(GraphTest, RunsOnTheValuesItWasGivenInTheOrderOfItsEdges) {
  cudaGraphExec_t executable = Make(4, true);
  value_ = 9;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Start(executable), 1234);
  const cudaKernelNodeParams changed = Node();
  cudaMemsetAsync(data_, 0, sizeof(int), stream_);
  cudaGraphLaunch(executable, stream_);  // Waits, and is not to know of the change.
  EXPECT_EQ(cudaGraphExecKernelNodeSetParams(executable, nodes_[2], &changed), cudaSuccess);
  EXPECT_EQ(Values()[0], 1234);
  EXPECT_EQ(Start(executable), 1934);
  cudaGraphExecDestroy(executable);
}

TEST_F(GraphTest, WithoutEdgesRunsInAnyOrder) {
  cudaGraphExec_t executable = Make(4, false);
  int others = 0;
  for (int i = 0; i < 20; ++i) others += Start(executable) != 1234;
  EXPECT_GT(others, 0);
  cudaGraphExecDestroy(executable);
}

TEST_F(GraphDeathTest, AGraphThatEndsAtWorkOrIsUsedAfterItsEndIsFound) {
  cudaGraphExec_t executable = Make(2, true);
  cudaGraphLaunch(executable, stream_);
  EXPECT_DEATH(cudaGraphExecDestroy(executable), "ends while it is at work");
  cudaStreamSynchronize(stream_);
  cudaGraphExecDestroy(executable);
  EXPECT_DEATH(cudaGraphLaunch(executable, stream_), "does not exist");
}

TEST_F(GraphDeathTest, ANodeOfAnotherGraphOrOnMemoryOfTheHostIsFound) {
  cudaGraphExec_t executable = Make(1, true);
  const cudaKernelNodeParams node = Node();
  EXPECT_DEATH(cudaGraphExecKernelNodeSetParams(executable, nullptr, &node), "not of this graph");
  std::vector<int> host(kThreads);
  int* pointer = host.data();
  arguments_[0] = &pointer;
  EXPECT_DEATH(cudaGraphExecKernelNodeSetParams(executable, nodes_[1], &node), "a pointer to memory of the host");
  cudaGraphExecDestroy(executable);
}

TEST_F(EmulationTest, MemoryEndsAtItsLimit) {
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, size_t{2} << 30), cudaErrorMemoryAllocation);
}

}  // namespace
}  // namespace trimtab::cuda
