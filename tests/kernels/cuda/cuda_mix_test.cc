// Mixing and packing on the CUDA backend.
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/cuda_backend.h"
#include "tests/kernels/cuda/device_rows.h"
#include "tests/kernels/product_cases.h"
#include "tests/kernels/random_floats.h"

namespace trimtab {
namespace {

class CudaMixTest : public testing::Test {
 protected:
  std::vector<float> Mix(const std::vector<std::vector<float>>& sets, const std::vector<float>& c, int64_t skip = 0) {
    std::vector<DeviceRows> on_device;
    std::vector<const float*> pointers;
    for (const auto& set : sets) on_device.emplace_back(*cuda_, set, 1);
    for (DeviceRows& set : on_device) pointers.push_back(set.data() + skip);
    const auto n = static_cast<int64_t>(sets[0].size()) - skip;
    DeviceRows out(*cuda_, std::vector<float>(n + 4, 42.0f), 1);
    cuda_->Mix(pointers, c, n, out.data());
    return out.values();
  }

  std::vector<std::byte> Bytes(const PackedMatrix& matrix) {
    std::vector<std::byte> bytes(cuda_->PackedBytes(matrix.out, matrix.in, matrix.precision));
    cuda_->Download(matrix.data, static_cast<int64_t>(bytes.size()), bytes.data());
    return bytes;
  }

  static float Kept(float value, Precision precision) {
    return precision == Precision::kFloat32 ? value : FromBfloat16(ToBfloat16(value));
  }

  std::unique_ptr<Backend> cuda_ = NewCudaBackend(0).value();
};

TEST_F(CudaMixTest, AgreesWithDoubleForEveryLengthAndNumberOfSetsAndWritesNothingBeyond) {
  for (int k = 1; k <= 9; ++k) {
    for (int64_t n : {1, 3, 4, 5, 31, 1000, 5000}) {
      std::vector<std::vector<float>> sets;
      std::vector<float> c;
      for (int j = 0; j < k; ++j) {
        sets.push_back(RandomFloats(n, 100 * k + j));
        c.push_back(1.0f / static_cast<float>(k + j));
      }
      const std::vector<float> out = Mix(sets, c);
      for (int64_t i = 0; i < n; ++i) {
        double expected = 0.0;
        for (int j = 0; j < k; ++j) expected += double{c[j]} * sets[j][i];
        ASSERT_NEAR(out[i], expected, 2e-6) << "k " << k << " n " << n << " i " << i;
      }
      for (int64_t i = n; i < n + 4; ++i) ASSERT_EQ(out[i], 42.0f) << "n " << n;
    }
  }
}

TEST_F(CudaMixTest, SetsThatLieOnNoVectorMixToTheSameBits) {
  const std::vector<float> a = RandomFloats(101, 1), b = RandomFloats(101, 2);
  const std::vector<float> whole = Mix({a, b}, {0.3f, 0.7f}), shifted = Mix({a, b}, {0.3f, 0.7f}, 1);
  for (int i = 1; i < 101; ++i) ASSERT_EQ(shifted[i - 1], whole[i]);
}

TEST_F(CudaMixTest, OneWholeCoefficientCopiesEveryBitAndOtherSetsAreNotRead) {
  std::vector<float> odd = {0.0f, -0.0f, 1e-45f, -1e38f, 3.0f};
  DeviceRows set(*cuda_, odd, 1), out(*cuda_, std::vector<float>(5), 1);
  const float* const sets[] = {nullptr, set.data(), nullptr};
  const float c[] = {0.0f, 1.0f, 0.0f};
  cuda_->Mix(sets, c, 5, out.data());
  const std::vector<float> copied = out.values();
  EXPECT_EQ(std::memcmp(copied.data(), odd.data(), 20), 0);
}

TEST_F(CudaMixTest, EmbeddingRowsMixToTheSameBitsAsWholeTensors) {
  const int64_t dim = 37, vocab = 11;
  const std::vector<float> a = RandomFloats(dim * vocab, 6), b = RandomFloats(dim * vocab, 7);
  const std::vector<float> whole = Mix({a, b}, {0.375f, 0.3f});
  DeviceRows on_a(*cuda_, a, dim), on_b(*cuda_, b, dim), rows(*cuda_, std::vector<float>(4 * dim), dim);
  const float* const sets[] = {on_a.data(), on_b.data()};
  const float c[] = {0.375f, 0.3f};
  const int32_t ids[] = {10, 0, 3, 3};
  cuda_->Embed(sets, c, dim, ids, rows.rows());
  const std::vector<float> values = rows.values();
  for (int r = 0; r < 4; ++r) {
    for (int64_t i = 0; i < dim; ++i) ASSERT_EQ(values[r * dim + i], whole[ids[r] * dim + i]);
  }
}

// Into every precision, by one thread or the engine's, mixing is packing what the mix gives in float32.
TEST_F(CudaMixTest, MixingPackedMatricesIsPackingTheMix) {
  for (const auto& [out, in] : {std::pair{45, 19}, {17, 130}, {1, 1}}) {
    for (int k : {1, 2, 3, 6}) {
      for (Precision from : {Precision::kFloat32, Precision::kBfloat16}) {
        std::vector<PackedCopy> matrices;
        std::vector<PackedMatrix> sets;
        std::vector<std::vector<float>> kept;
        std::vector<float> c;
        for (int j = 0; j < k; ++j) {
          std::vector<float> set = RandomFloats(out * in, 31 * j + in);
          matrices.emplace_back(*cuda_, set, out, in, from);
          for (float& value : set) value = Kept(value, from);
          kept.push_back(std::move(set));
          c.push_back(1.0f / static_cast<float>(k));
        }
        for (const PackedCopy& matrix : matrices) sets.push_back(matrix.get());
        std::vector<float> mixed = Mix(kept, c);
        mixed.resize(out * in);
        for (Precision to : {from, Precision::kInt8}) {
          const PackedCopy expected(*cuda_, mixed, out, in, to);
          const PackedCopy first(*cuda_, std::vector<float>(out * in), out, in, to);
          const PackedCopy second(*cuda_, std::vector<float>(out * in), out, in, to);
          cuda_->MixMatrix(sets, c, to, const_cast<std::byte*>(first.get().data));
          cuda_->MixMatrixNow(sets, c, to, const_cast<std::byte*>(second.get().data));
          cuda_->OnHost(reinterpret_cast<float*>(const_cast<std::byte*>(second.get().data)), 1);  // Until it is done.
          EXPECT_EQ(Bytes(first.get()), Bytes(expected.get())) << out << " x " << in << ", " << k << " sets";
          EXPECT_EQ(Bytes(second.get()), Bytes(expected.get())) << out << " x " << in << ", " << k << " sets";
        }
      }
    }
  }
}

TEST_F(CudaMixTest, AMatrixThatIsPackedInPiecesIsWhole) {
  const int64_t out = 40, in = 60000;  // Two pieces and a bit.
  const std::vector<float> w = RandomFloats(out * in, 1);
  const std::unique_ptr<Backend> reference = NewReferenceBackend();
  for (Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    const PackedCopy matrix(*cuda_, w, out, in, precision), expected(*reference, w, out, in, precision);
    const std::vector<std::byte> packed = Bytes(matrix.get());
    const int64_t bytes = precision == Precision::kFloat32 ? 4 : precision == Precision::kBfloat16 ? 2 : 1;
    const int64_t scales = precision == Precision::kInt8 ? 4 * 48 : 0, row = (in * bytes + 127) / 128 * 128;
    const std::byte* plain = expected.get().data + (precision == Precision::kInt8 ? 4 * out : 0);
    for (int64_t r = 0; r < out; ++r) {
      ASSERT_EQ(std::memcmp(packed.data() + scales + r * row, plain + r * in * bytes, in * bytes), 0) << "row " << r;
    }
    for (int64_t i = scales + out * row; i < static_cast<int64_t>(packed.size()); ++i)
      ASSERT_EQ(packed[i], std::byte{});
  }
}

}  // namespace
}  // namespace trimtab
