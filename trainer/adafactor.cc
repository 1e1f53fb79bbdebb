#include "trainer/adafactor.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace trimtab {
namespace {

double RootMeanSquare(const torch::Tensor& x) {
  return x.norm().item<double>() / std::sqrt(static_cast<double>(x.numel()));
}

torch::Tensor Without(const torch::Tensor& x, int64_t axis) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.erase(shape.begin() + axis);
  return torch::zeros(shape);
}

}  // namespace

Adafactor::Adafactor(std::vector<NamedParameter> parameters, const AdafactorOptions& options)
    : options_(options), parameters_(std::move(parameters)) {
  for (const NamedParameter& parameter : parameters_) {
    Moments& moments = moments_.emplace_back();
    const torch::Tensor& value = parameter.value;
    std::vector<int64_t> axes(value.dim());
    std::iota(axes.begin(), axes.end(), 0);
    std::stable_sort(axes.begin(), axes.end(), [&](int64_t a, int64_t b) { return value.size(a) < value.size(b); });
    if (axes.size() < 2 || value.size(axes[axes.size() - 2]) < options_.min_factored_size) {
      moments.full = torch::zeros_like(value);
      continue;
    }
    moments.long_axis = axes.back();
    moments.short_axis = axes[axes.size() - 2];
    moments.row = Without(value, moments.long_axis);
    moments.column = Without(value, moments.short_axis);
  }
}

// The gradient divided by the root of its second moment.
torch::Tensor Adafactor::Scaled(const torch::Tensor& gradient, Moments& moments) const {
  const double decay = 1.0 - std::pow(moments.step.item<double>() + 1.0, -options_.decay_exponent);
  moments.step.add_(1.0);
  const torch::Tensor squared = gradient.pow(2).add_(options_.epsilon);
  if (moments.full.defined()) {
    moments.full.mul_(decay).add_(squared, 1.0 - decay);
    return gradient * moments.full.rsqrt();
  }
  moments.row.mul_(decay).add_(squared.mean(moments.long_axis), 1.0 - decay);
  moments.column.mul_(decay).add_(squared.mean(moments.short_axis), 1.0 - decay);
  const int64_t row_axis = moments.short_axis > moments.long_axis ? moments.short_axis - 1 : moments.short_axis;
  const torch::Tensor row = (moments.row / moments.row.mean(row_axis, /*keepdim=*/true)).rsqrt_();
  torch::Tensor update = gradient * row.unsqueeze(moments.long_axis);
  return update.mul_(moments.column.rsqrt().unsqueeze(moments.short_axis));
}

void Adafactor::Move(size_t parameter, const torch::Tensor& gradient, double learning_rate) {
  const torch::NoGradGuard no_gradients;
  torch::Tensor& value = parameters_[parameter].value;
  const torch::Tensor update = Scaled(gradient, moments_[parameter]);
  const double clipping = std::max(1.0, RootMeanSquare(update) / options_.clipping_threshold);
  const double scale = std::max(RootMeanSquare(value), options_.min_parameter_scale);
  value.sub_(update, learning_rate * scale / clipping);
}

void Adafactor::Step(std::span<const torch::Tensor> gradients, double learning_rate, ThreadPool* pool) {
  const auto move = [&](int64_t i, int) {
    if (gradients[i].defined()) Move(i, gradients[i], learning_rate);
  };
  if (pool != nullptr) return pool->ParallelFor(static_cast<int64_t>(parameters_.size()), move);
  for (size_t i = 0; i < parameters_.size(); ++i) move(static_cast<int64_t>(i), 0);
}

NamedTensors Adafactor::State() const {
  NamedTensors state;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    const Moments& moments = moments_[i];
    state[name + "/step"] = moments.step;
    if (moments.full.defined()) {
      state[name + "/v"] = moments.full;
    } else {
      state[name + "/row"] = moments.row;
      state[name + "/column"] = moments.column;
    }
  }
  return state;
}

absl::Status Adafactor::Restore(const NamedTensors& state) {
  const NamedTensors own = State();
  if (own.size() != state.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the optimiser's state has ", state.size(), " tensors; these parameters have ", own.size()));
  }
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat("the optimiser's state lacks ", name, " of this shape"));
    }
    torch::Tensor target = tensor;  // Shares memory with ours.
    target.copy_(found->second);
  }
  return absl::OkStatus();
}

}  // namespace trimtab
