#include "trainer/supervised/matching_start.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

constexpr double kMatch = 0.5;      // Of queries and keys: the logit of an equal token is its square times d_kv.
constexpr double kNotItself = -24;  // The bias of distance 0, which every token would match best.
constexpr double kFlag = 0.2;       // Of the direction that says "found", per unit of likeness.

torch::Tensor Rotation(int64_t size, at::Generator& generator) {
  return std::get<0>(torch::linalg_qr(torch::randn({size, size}, generator))).contiguous();
}

absl::Status CheckShape(const T5Config& config) {
  if (config.inner() == config.d_model && config.gated && config.d_ff >= 2 * config.d_model) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "matching needs heads of d_model in all and gated layers of twice d_model; heads have ", config.inner(),
      ", d_model is ", config.d_model, ", d_ff ", config.d_ff, config.gated ? "" : ", not gated"));
}

}  // namespace

absl::Status StartByMatching(const T5Config& config, uint64_t seed, NamedTensors& weights) {
  if (absl::Status shape = CheckShape(config); !shape.ok()) return shape;
  const torch::NoGradGuard no_gradients;
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const int64_t d = config.d_model;
  const torch::Tensor p = Rotation(d, generator), r = Rotation(d, generator);
  const torch::Tensor flag = torch::randn({d}, generator) / std::sqrt(static_cast<double>(d));
  const std::string layer = "encoder.block.0.layer.", find = layer + "0.SelfAttention.",
                    compare = layer + "1.DenseReluDense.";
  weights.at(layer + "0.layer_norm.weight").fill_(1.0);
  weights.at(layer + "1.layer_norm.weight").fill_(1.0);
  weights.at(find + "relative_attention_bias.weight").zero_()[0].fill_(kNotItself);
  weights.at(find + "q.weight").copy_(kMatch * p);
  weights.at(find + "k.weight").copy_(kMatch * p);
  weights.at(find + "v.weight").copy_(p);
  weights.at(find + "o.weight").copy_(torch::matmul(r, p.t()));
  // x + R y comes in, y being what was found. gelu(a) b + gelu(-a) (-b) is a b, so unit by unit the sum is x.y and
  // noise.
  const torch::Tensor x = torch::eye(d), y = r.t();
  torch::Tensor gate = weights.at(compare + "wi_0.weight"), value = weights.at(compare + "wi_1.weight");
  torch::Tensor out = weights.at(compare + "wo.weight");
  gate.slice(0, 0, d).copy_(x);
  gate.slice(0, d, 2 * d).copy_(-x);
  value.slice(0, 0, d).copy_(y);
  value.slice(0, d, 2 * d).copy_(-y);
  out.zero_().slice(1, 0, 2 * d).copy_(kFlag * flag.unsqueeze(1).expand({d, 2 * d}));
  return absl::OkStatus();
}

}  // namespace trimtab
