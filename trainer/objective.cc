#include "trainer/objective.h"

#include <cmath>
#include <numeric>

namespace trimtab {
namespace {

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace

std::vector<double> Objectives(const Weighting& weighting, std::span<const Outcome> outcomes) {
  const double alpha = weighting.alpha();
  std::vector<double> objectives;
  for (const Outcome& outcome : outcomes) {
    objectives.push_back((1.0 - alpha) * Dot(weighting.w(), outcome.rewards) - alpha * outcome.log_ratio);
  }
  return objectives;
}

std::vector<double> ValueAdvantages(const Weighting& weighting, std::span<const double> objectives,
                                    std::span<const std::vector<double>> values) {
  std::vector<double> advantages;
  for (size_t i = 0; i < objectives.size(); ++i) {
    advantages.push_back(objectives[i] - (1.0 - weighting.alpha()) * Dot(weighting.w(), values[i]));
  }
  return advantages;
}

std::vector<double> LeaveOneOutAdvantages(std::span<const double> objectives, int samples_per_article) {
  std::vector<double> advantages;
  for (size_t begin = 0; begin < objectives.size(); begin += samples_per_article) {
    const std::span<const double> samples = objectives.subspan(begin, samples_per_article);
    const double sum = std::accumulate(samples.begin(), samples.end(), 0.0);
    for (double sample : samples) advantages.push_back(sample - (sum - sample) / (samples_per_article - 1));
  }
  return advantages;
}

void NormalizeAdvantages(std::vector<double>* advantages) {
  constexpr double kNothing = 1e-8;  // Deviations below are rounding.
  const double count = static_cast<double>(advantages->size());
  const double mean = std::accumulate(advantages->begin(), advantages->end(), 0.0) / count;
  double square = 0.0;
  for (double& advantage : *advantages) {
    advantage -= mean;
    square += advantage * advantage;
  }
  const double deviation = std::sqrt(square / count);
  for (double& advantage : *advantages) advantage = deviation > kNothing ? advantage / deviation : 0.0;
}

}  // namespace trimtab
