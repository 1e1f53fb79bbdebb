#include "trainer/supervised/copy_start.h"

#include <ATen/CPUGeneratorImpl.h>

#include <string>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

constexpr double kQuiet = 0.2;           // Of the output projections that copying does not use.
constexpr double kSmallAttention = 0.1;  // Of the first layer's content: its position decides.
constexpr double kPreviousBias = 6.0;    // Towards the token to the left, over all others.
constexpr int64_t kPreviousBucket = 1;
constexpr double kMatch = 0.25;  // Sharpness of the search for the last token written.
constexpr double kCopy = 1.4;    // Strength of what is found.

torch::Tensor Rotation(int64_t size, at::Generator& generator) {
  const torch::Tensor random = torch::randn({size, size}, generator);
  return std::get<0>(torch::linalg_qr(random)).contiguous();
}

}  // namespace

absl::Status StartByCopying(const T5Config& config, uint64_t seed, NamedTensors& weights) {
  if (config.inner() != config.d_model) {
    return absl::InvalidArgumentError(absl::StrCat("copying needs heads of d_model in all; ", config.num_heads, " of ",
                                                   config.d_kv, " are ", config.inner(), ", d_model is ",
                                                   config.d_model));
  }
  const torch::NoGradGuard no_gradients;
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const torch::Tensor p = Rotation(config.d_model, generator), r = Rotation(config.d_model, generator);
  for (auto& [name, weight] : weights) {
    if (absl::EndsWith(name, ".o.weight") || absl::EndsWith(name, ".wo.weight")) weight.mul_(kQuiet);
  }
  const std::string previous = "encoder.block.0.layer.0.SelfAttention.",
                    copy = "decoder.block.0.layer.1.EncDecAttention.";
  weights.at(previous + "q.weight").mul_(kSmallAttention);
  weights.at(previous + "k.weight").mul_(kSmallAttention);
  weights.at(previous + "relative_attention_bias.weight")[kPreviousBucket].fill_(kPreviousBias);
  weights.at(previous + "v.weight").copy_(p);
  weights.at(previous + "o.weight").copy_(torch::matmul(r, p.t()));
  weights.at(copy + "q.weight").copy_(kMatch * p);
  weights.at(copy + "k.weight").copy_(torch::matmul(p, r.t()));
  weights.at(copy + "v.weight").copy_(p);
  weights.at(copy + "o.weight").copy_(kCopy * (p.t() - torch::matmul(r.t(), p.t())));
  return absl::OkStatus();
}

}  // namespace trimtab
