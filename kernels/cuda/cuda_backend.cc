// The Backend on a GPU: says which kernels run on which stream and where their tables lie; the kernels are in the .cu
// files.
#include "kernels/cuda/cuda_backend.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/choose.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/graphs.h"
#include "kernels/cuda/host_buffer.h"
#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/layout.h"
#include "kernels/cuda/mix.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/staging.h"

namespace trimtab {
namespace {

constexpr int64_t kStagedItems = 4096;                 // Of a table, at a time.
constexpr int64_t kPreparedBytes = int64_t{20} << 20;  // Of activations made ready for a product, at a time.
constexpr int64_t kChoiceElements = sizeof(cuda::Choice) / sizeof(float);
constexpr int64_t kPackedElements = int64_t{1} << 20;  // Of a matrix on its way to be packed, at a time.

cudaStream_t NewStream() {
  cudaStream_t stream;
  cuda::Check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return stream;
}

Rows Slice(Rows rows, int64_t begin, int64_t count) { return {rows.row(begin), count, rows.stride}; }

class CudaBackend final : public Backend, public TokenChooser {
 public:
  explicit CudaBackend(int device) : device_(device) {
    Use();
    engine_ = NewStream();
    side_ = NewStream();
    memory_ = std::make_shared<cuda::DeviceMemory>(device, engine_);
  }

  absl::Status Init() {
    absl::StatusOr<std::unique_ptr<cuda::Staging>> staging = cuda::Staging::Create(*memory_, engine_);
    if (!staging.ok()) return staging.status();
    staging_ = *std::move(staging);
    const int64_t choices = kMaxChosenTokens * kChoiceElements;
    for (auto& [buffer, elements] :
         {std::pair{&prepared_, kPreparedBytes / 4}, {&unpacked_, kPackedElements}, {&choices_, choices}}) {
      absl::StatusOr<Buffer> allocated = Allocate(elements);
      if (!allocated.ok()) return allocated.status();
      *buffer = *std::move(allocated);
    }
    return absl::OkStatus();
  }

  ~CudaBackend() override {
    Use();
    cuda::Check(cudaStreamSynchronize(engine_), "waiting for the engine's stream");
    memory_->Close();
    staging_.reset();
    cuda::Check(cudaStreamDestroy(engine_), "ending a stream");
    cuda::Check(cudaStreamDestroy(side_), "ending a stream");
  }

  absl::string_view name() const override { return "cuda"; }
  std::string layout() const override { return "cuda/lines"; }
  bool on_host() const override { return false; }
  absl::StatusOr<Buffer> Allocate(int64_t elements) override { return memory_->Allocate(elements); }

  int64_t PackedBytes(int64_t out, int64_t in, Precision precision) const override {
    return cuda::ShapeOf(out, in, precision).bytes();
  }

  // --- on the side stream, from any thread; done when they return ---

  void Upload(const void* host, int64_t bytes, std::byte* to) const override {
    OnSide([&] { cuda::Check(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, side_), "uploading"); });
  }

  void Download(const std::byte* from, int64_t bytes, void* host) const override {
    OnSide([&] { cuda::Check(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, side_), "downloading"); });
  }

  void Pack(const float* w, int64_t out, int64_t in, Precision precision, std::byte* packed) const override {
    OnSide([&] {
      const int64_t most = std::max<int64_t>(1, kPackedElements / in);
      for (int64_t first = 0; first < out; first += most) {
        const int64_t rows = std::min(most, out - first);
        cuda::Check(cudaMemcpyAsync(unpacked_.data(), w + first * in, rows * in * 4, cudaMemcpyHostToDevice, side_),
                    "uploading a matrix");
        cuda::PackRows(unpacked_.data(), first, rows, out, in, precision, packed, side_);
      }
    });
  }

  void Mix(std::span<const float* const> sets, std::span<const float> coefficients, int64_t n,
           float* out) const override {
    OnSide([&] { cuda::Mix(cuda::UsedSets::Of(sets, coefficients), n, out, side_); });
  }

  void MixMatrix(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                 std::byte* packed) const override {
    OnSide([&] { cuda::MixMatrix(cuda::UsedSets::Of(sets, coefficients), sets[0], precision, packed, side_); });
  }

  // --- on the engine's stream, from its thread; done in the order of the calls ---

  void MixMatrixNow(std::span<const PackedMatrix> sets, std::span<const float> coefficients, Precision precision,
                    std::byte* packed) override {
    Use();
    cuda::MixMatrix(cuda::UsedSets::Of(sets, coefficients), sets[0], precision, packed, engine());
  }

  void MatMul(Rows x, std::span<const Product> products, Rows coefficients) override {
    std::vector<Product>& part = products_;
    ForPrepared(x, products[0].w.w, [&](const cuda::PreparedRows& prepared, int64_t begin) {
      part.assign(products.begin(), products.end());
      for (Product& product : part) product.y = Slice(product.y, begin, prepared.count);
      cuda::Multiply(prepared, part, Slice(coefficients, begin, prepared.count), engine());
    });
  }

  void ActivatedMatMul(Rows x, const Operand& w, const Operand& up, Activation activation, Rows y,
                       Rows coefficients) override {
    ForPrepared(x, w.w, [&](const cuda::PreparedRows& prepared, int64_t begin) {
      cuda::ActivatedMultiply(prepared, w, up, activation, Slice(y, begin, prepared.count),
                              Slice(coefficients, begin, prepared.count), engine());
    });
  }

  void RmsNorm(Rows x, int64_t dim, const float* gain, float epsilon, Rows y) override {
    Use();
    cuda::RmsNorm(x, dim, gain, epsilon, y, engine());
  }

  void Embed(std::span<const float* const> sets, std::span<const float> coefficients, int64_t dim,
             std::span<const int32_t> ids, Rows out) override {
    const cuda::UsedSets used = cuda::UsedSets::Of(sets, coefficients);
    ForStaged(ids, [&](const int32_t* staged, int64_t begin, int64_t count) {
      cuda::Embed(used, dim, staged, count, Slice(out, begin, count), engine());
    });
  }

  void Scatter(Rows rows, int64_t dim, std::span<float* const> destinations) override {
    ForStaged(destinations, [&](float* const* staged, int64_t begin, int64_t count) {
      cuda::Scatter(Slice(rows, begin, count), dim, staged, engine());
    });
  }

  void Copy(const float* source, int64_t n, float* destination) override {
    StartHeld();
    cuda::Check(cudaMemcpyAsync(destination, source, n * 4, cudaMemcpyDefault, engine_), "copying");
  }

  float* OnHost(float* data, int64_t n) override {
    StartHeld();
    float* const host = host_.Take(n);
    cuda::Check(cudaMemcpyAsync(host, data, n * 4, cudaMemcpyDeviceToHost, engine_), "copying to the host");
    Wait();
    return host;
  }

  void Wait() override {
    StartHeld();
    cuda::Check(cudaStreamSynchronize(engine_), "waiting for the engine's stream");
    staging_->Rewind();
  }

  void BeginStep() override { in_step_ = true; }

  void EndStep() override {
    StartHeld();
    in_step_ = false;
  }

  TokenChooser* token_chooser() override { return this; }

  void MixRows(Rows logits, int64_t vocab_size, std::span<const RowMix> mixes) override {
    for (const RowMix& mix : mixes) {
      ForStaged(mix.coefficients, [&](const float* staged, int64_t, int64_t count) {
        cuda::MixRow(logits, static_cast<int32_t>(vocab_size), mix.row, staged, count, engine());
      });
    }
  }

  void ChooseTokens(Rows logits, int64_t vocab_size, std::span<const TokenRule> rules,
                    std::span<const ForbiddenToken> forbidden, std::span<ChosenToken> chosen) override {
    const auto vocab = static_cast<int32_t>(vocab_size);
    auto* const choices = reinterpret_cast<cuda::Choice*>(choices_.data());
    const std::span<const cuda::PlacedRule> placed = Place(rules);
    if (std::any_of(rules.begin(), rules.end(), [](const TokenRule& rule) { return rule.log_prob; })) {
      ForStaged(placed, [&](const cuda::PlacedRule* staged, int64_t, int64_t count) {
        cuda::SumExps(logits, vocab, staged, count, choices, engine());
      });
    }
    places_.clear();
    for (const ForbiddenToken& token : forbidden) places_.push_back(logits.row(token.row) + token.id);
    ForStaged(std::span<float* const>(places_),
              [&](float* const* staged, int64_t, int64_t count) { cuda::Forbid(staged, count, engine()); });
    ForStaged(placed, [&](const cuda::PlacedRule* staged, int64_t, int64_t count) {
      cuda::Choose(logits, vocab, staged, count, choices, engine());
    });
    const auto count = static_cast<int64_t>(chosen.size());
    Report(placed, reinterpret_cast<const cuda::Choice*>(OnHost(choices_.data(), count * kChoiceElements)), chosen);
  }

  void Attend(const EncoderAttention& args) override {
    tiles_.clear();
    for (const EncoderSequence& s : args.sequences) {
      const float* const keys = args.k.row(s.begin);
      const float* const values = args.v.row(s.begin);
      for (int64_t i = 0; i < s.length; i += cuda::kMaxQueries) {
        tiles_.push_back({keys, values, args.k.stride, args.v.stride, s.begin + i,
                          static_cast<int32_t>(std::min<int64_t>(cuda::kMaxQueries, s.length - i)),
                          static_cast<int32_t>(s.length), static_cast<int32_t>(i), s.bias});
      }
    }
    AttendTiles({args.q, args.out, args.heads, args.head_dim, cuda::kMaxQueries});
  }

  void Attend(const DecodeAttention& args) override {
    tiles_.clear();
    for (const DecodeQuery& query : args.queries) {
      tiles_.push_back({query.keys, query.values, query.row_stride, query.row_stride,
                        static_cast<int64_t>(tiles_.size()), 1, query.length, query.position, query.bias});
    }
    AttendTiles({args.q, args.out, args.heads, args.head_dim, 1});
  }

 private:
  // Every thread chooses its device anew; this is cheap.
  void Use() const { cuda::Check(cudaSetDevice(device_), "choosing the device"); }

  cuda::Queue engine() { return {engine_, in_step_ ? &held_ : nullptr}; }

  // What was held back since the step began, and its tables.
  void StartHeld() {
    Use();
    staging_->Send();
    graphs_.Start(held_, engine_);
  }

  template <typename Work>
  void OnSide(Work work) const {
    const std::lock_guard<std::mutex> lock(side_mutex_);
    Use();
    work();
    cuda::Check(cudaStreamSynchronize(side_), "waiting for the side stream");
  }

  // Calls use(prepared rows, first row) for as many rows at a time as there is room for.
  template <typename UsePrepared>
  void ForPrepared(Rows x, const PackedMatrix& w, UsePrepared use) {
    Use();
    const int64_t most = cuda::MostPrepared(kPreparedBytes, w.in, w.precision);
    for (int64_t begin = 0; begin < x.count; begin += most) {
      const Rows rows = Slice(x, begin, std::min(most, x.count - begin));
      use(cuda::Prepare(rows, w.in, w.precision, prepared_.raw(), engine()), begin);
    }
  }

  // Calls use(items on the device, number of the first, how many).
  template <typename T, typename UseStaged>
  void ForStaged(std::span<const T> items, UseStaged use) {
    Use();
    for (size_t begin = 0; begin < items.size(); begin += kStagedItems) {
      const std::span<const T> part = items.subspan(begin, std::min<size_t>(kStagedItems, items.size() - begin));
      if (!staging_->Fits(static_cast<int64_t>(part.size_bytes()))) Wait();
      const T* const staged = staging_->Push(part);
      if (!in_step_) staging_->Send();
      use(staged, static_cast<int64_t>(begin), static_cast<int64_t>(part.size()));
    }
  }

  std::span<const cuda::PlacedRule> Place(std::span<const TokenRule> rules) {
    rules_.clear();
    int64_t first = 0;
    for (const TokenRule& rule : rules) {
      rules_.push_back({rule, first});
      first += rule.count;
    }
    return rules_;
  }

  static void Report(std::span<const cuda::PlacedRule> rules, const cuda::Choice* made, std::span<ChosenToken> chosen) {
    for (const auto& [rule, first] : rules) {
      const double log_sum = made[first].top + std::log(made[first].exp_sum);
      for (int64_t i = first; i < first + rule.count; ++i) {
        chosen[i].id = static_cast<int32_t>(made[i].id);
        chosen[i].log_prob = rule.log_prob ? static_cast<float>(made[i].score - log_sum) : 0.0f;
      }
    }
  }

  void AttendTiles(const cuda::AttentionShape& shape) {
    ForStaged(std::span<const cuda::AttentionTile>(tiles_),
              [&](const cuda::AttentionTile* staged, int64_t, int64_t count) {
                cuda::Attend(shape, staged, count, engine());
              });
  }

  const int device_;
  cudaStream_t engine_ = nullptr;
  cudaStream_t side_ = nullptr;
  std::shared_ptr<cuda::DeviceMemory> memory_;
  std::unique_ptr<cuda::Staging> staging_;  // Of the engine's stream.
  Buffer prepared_;                         // Likewise.
  bool in_step_ = false;                    // If so, kernels wait in
  cuda::KernelList held_;                   // this list; and
  cuda::Graphs graphs_;                     // start as one of these.
  mutable std::mutex side_mutex_;           // Guards the side stream and
  mutable Buffer unpacked_;                 // what is on its way to be packed.
  Buffer choices_;                          // Of ChooseTokens.
  std::vector<cuda::PlacedRule> rules_;     // Likewise.
  std::vector<float*> places_;              // Likewise.
  cuda::HostBuffer host_;                   // Of OnHost.
  std::vector<cuda::AttentionTile> tiles_;  // Of the attention at hand.
  std::vector<Product> products_;           // Of the product at hand.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> NewCudaBackend(int device) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || device < 0 || device >= devices) {
    return absl::NotFoundError(absl::StrCat("there is no CUDA device ", device, "; the driver lists ",
                                            error == cudaSuccess ? devices : 0, " (", cudaGetErrorString(error), ")"));
  }
  int capability = 0;
  cuda::Check(cudaDeviceGetAttribute(&capability, cudaDevAttrComputeCapabilityMajor, device), "asking what it can do");
  if (capability < 8) {
    return absl::FailedPreconditionError(
        absl::StrCat("CUDA device ", device, " has compute capability ", capability, "; expected 8 (Ampere) or later"));
  }
  auto backend = std::make_unique<CudaBackend>(device);
  const absl::Status status = backend->Init();
  if (!status.ok()) return status;
  return backend;
}

}  // namespace trimtab
