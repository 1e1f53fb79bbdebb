#include "server/batch_plan.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace trimtab {
namespace {

// What one lane holds and who of it is next.
struct Lane {
  int32_t rows = 0;
  std::vector<size_t> waiting;  // Oldest first.
  size_t next = 0;
};

// The smallest (rows, oldest candidate) is served first.
struct Turn {
  int32_t rows;
  size_t candidate;
  Lane* lane;
  bool operator<(const Turn& other) const {  // std::priority_queue pops its largest.
    return std::tie(rows, candidate) > std::tie(other.rows, other.candidate);
  }
};

}  // namespace

std::optional<uint64_t> PlanDisplacement(const WaitingByLane& waiting, uint64_t lane) {
  const auto most = std::max_element(waiting.begin(), waiting.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto own = waiting.find(lane);
  const size_t alike = own == waiting.end() ? 0 : own->second;
  if (most == waiting.end() || most->second < alike + 2) return std::nullopt;
  return most->first;
}

int32_t SecondDemand(std::span<const Candidate> waiting, std::span<const LaneLoad> running) {
  absl::flat_hash_map<uint64_t, int32_t> demands;
  for (const Candidate& candidate : waiting) demands[candidate.lane] += candidate.rows;
  for (const LaneLoad& load : running) demands[load.lane] += load.rows;
  int32_t most = 0, second = 0;
  for (const auto& [lane, demand] : demands) {
    second = std::max(second, std::min(most, demand));
    most = std::max(most, demand);
  }
  return second;
}

std::vector<size_t> PlanAdmissions(std::span<const Candidate> waiting, std::span<const LaneLoad> running,
                                   int32_t free_rows, int32_t lane_limit) {
  absl::flat_hash_map<uint64_t, Lane> lanes;
  for (const LaneLoad& load : running) lanes[load.lane].rows += load.rows;
  for (size_t i = 0; i < waiting.size(); ++i) lanes[waiting[i].lane].waiting.push_back(i);

  std::priority_queue<Turn> turns;
  for (auto& [id, lane] : lanes) {
    if (!lane.waiting.empty()) turns.push({lane.rows, lane.waiting.front(), &lane});
  }
  std::vector<size_t> joined;
  while (!turns.empty()) {
    const Turn turn = turns.top();
    turns.pop();
    const int32_t rows = waiting[turn.candidate].rows;
    if (turn.rows > 0 && turn.rows + rows > lane_limit) continue;
    if (rows > free_rows) break;
    free_rows -= rows;
    joined.push_back(turn.candidate);
    Lane& lane = *turn.lane;
    lane.rows += rows;
    if (++lane.next < lane.waiting.size()) turns.push({lane.rows, lane.waiting[lane.next], &lane});
  }
  return joined;
}

}  // namespace trimtab
