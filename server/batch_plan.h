#ifndef TRIMTAB_SERVER_BATCH_PLAN_H_
#define TRIMTAB_SERVER_BATCH_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace trimtab {

// A request that waits for rows. In order of arrival.
struct Candidate {
  uint64_t lane = 0;  // Requests with equal weights share a lane.
  int32_t rows = 1;
};

// Rows held in the running batch; entries of one lane add up.
struct LaneLoad {
  uint64_t lane = 0;
  int32_t rows = 0;
};

// How many requests of each lane wait.
using WaitingByLane = absl::flat_hash_map<uint64_t, size_t>;

// Which lane gives up a place in a full queue for a newcomer of `lane`: the one of which most wait (ties: any), if
// those are at least two more than of `lane`, so that both are nearer to each other afterwards. None: the newcomer has
// to go. So however one lane floods, another finds a place until as many of it wait. Pure.
std::optional<uint64_t> PlanDisplacement(const WaitingByLane& waiting, uint64_t lane);

// Rows, running and waiting, of the lane that asks for most after the one that asks for most of all; 0 where there is
// one lane only. Pure.
int32_t SecondDemand(std::span<const Candidate> waiting, std::span<const LaneLoad> running);

// Which candidates join now, as indices in the order they join. Pure. Repeatedly takes the oldest candidate of the lane
// with the fewest rows (running and joined; ties by age), until the next choice does not fit in `free_rows`: then
// stops, so that a wide request is not starved by narrow ones behind it. A lane that would exceed `lane_limit` rows
// waits, unless it holds none.
std::vector<size_t> PlanAdmissions(std::span<const Candidate> waiting, std::span<const LaneLoad> running,
                                   int32_t free_rows, int32_t lane_limit);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_BATCH_PLAN_H_
