#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/staging.h"

namespace trimtab::cuda {
namespace {

TEST(StagingTest, ManyTablesInARowDoNotOverwriteEachOther) {
  constexpr int64_t kItems = 50000;
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  auto memory = std::make_shared<DeviceMemory>(0, stream);
  std::unique_ptr<Staging> staging = Staging::Create(*memory, stream).value();
  std::vector<Buffer> copies;
  for (int i = 0; i < 20; ++i) {  // Four times what fits.
    const std::vector<int32_t> table(kItems, i);
    const int32_t* const staged = staging->Push(std::span<const int32_t>(table));
    staging->Send();
    copies.push_back(memory->Allocate(kItems).value());
    cudaMemcpyAsync(copies.back().data(), staged, kItems * 4, cudaMemcpyDeviceToDevice, stream);
  }
  for (int i = 0; i < 20; ++i) {
    std::vector<int32_t> values(kItems);
    cudaMemcpyAsync(values.data(), copies[i].data(), kItems * 4, cudaMemcpyDeviceToHost, stream);
    EXPECT_EQ(values, std::vector<int32_t>(kItems, i));
  }
  copies.clear();
  memory->Close();
  staging.reset();
  cudaStreamDestroy(stream);
}

}  // namespace
}  // namespace trimtab::cuda
