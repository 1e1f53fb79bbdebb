// What a batch is worth (paper Algorithm 1, line 6, and B.1). Pure functions on numbers.
#ifndef TRIMTAB_TRAINER_OBJECTIVE_H_
#define TRIMTAB_TRAINER_OBJECTIVE_H_

#include <span>
#include <vector>

#include "model/weighting.h"

namespace trimtab {

// What is known of one sampled summary.
struct Outcome {
  std::vector<double> rewards;  // R_i, mapped.
  double log_ratio = 0.0;       // log pi(y | x) - log pi_ref(y | x): an unbiased sample of the KL divergence.
};

// (1 - alpha) w.R - alpha KL, per summary.
std::vector<double> Objectives(const Weighting& weighting, std::span<const Outcome> outcomes);

// Minus the value network's estimate of the reward's share, (1 - alpha) w.V(x). `values` has one entry per outcome.
std::vector<double> ValueAdvantages(const Weighting& weighting, std::span<const double> objectives,
                                    std::span<const std::vector<double>> values);

// Leave-one-out (RLOO): minus the mean of the other samples of the same article. Samples of an article are neighbours.
// REQUIRES: samples_per_article >= 2 and it divides objectives.size().
std::vector<double> LeaveOneOutAdvantages(std::span<const double> objectives, int samples_per_article);

// To mean 0 and standard deviation 1 over the batch. Advantages that are all equal become 0.
void NormalizeAdvantages(std::vector<double>* advantages);

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_OBJECTIVE_H_
