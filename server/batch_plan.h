#ifndef TRIMTAB_SERVER_BATCH_PLAN_H_
#define TRIMTAB_SERVER_BATCH_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

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

// Whether a queue takes one more request of a lane of which `waiting` wait already, with `free` places left: as long as
// the lane holds less than four times what is free. So one lane fills at most four fifths of the queue, n of them
// 4n/(4n + 1), and a lane of which nobody waits is taken in while a place is left. Nobody who waits is ever sent away.
// Pure.
bool MayWait(size_t waiting, size_t free);

// Which candidates join now, as indices in the order they join. Pure. Repeatedly takes the oldest candidate of the lane
// with the fewest rows (running and joined; ties by age), until the next choice does not fit in `free_rows`: then
// stops, so that a wide request is not starved by narrow ones behind it.
std::vector<size_t> PlanAdmissions(std::span<const Candidate> waiting, std::span<const LaneLoad> running,
                                   int32_t free_rows);

}  // namespace trimtab

#endif  // TRIMTAB_SERVER_BATCH_PLAN_H_
