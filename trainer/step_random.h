#ifndef TRIMTAB_TRAINER_STEP_RANDOM_H_
#define TRIMTAB_TRAINER_STEP_RANDOM_H_

#include <cstdint>
#include <random>

namespace trimtab {

// What chance decides in a step of training.
enum class Chance : uint64_t { kWeighting = 1, kShuffle = 2, kRollout = 3 };

// A number of its own for each (seed, purpose, step, index). All randomness of a run comes from here, so the state of
// its generators is the number of the step, and a resumed run draws what it would have drawn.
inline uint64_t StepSeed(uint64_t seed, Chance purpose, uint64_t step, uint64_t index = 0) {
  uint64_t hash = 0;
  for (uint64_t part : {seed, static_cast<uint64_t>(purpose), step, index}) {
    hash = (hash ^ part) + 0x9e3779b97f4a7c15u;  // SplitMix64's step and mix.
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    hash ^= hash >> 31;
  }
  return hash;
}

inline std::mt19937_64 StepRandom(uint64_t seed, Chance purpose, uint64_t step) {
  return std::mt19937_64(StepSeed(seed, purpose, step));
}

}  // namespace trimtab

#endif  // TRIMTAB_TRAINER_STEP_RANDOM_H_
