#include "server/read_gate.h"

#include <algorithm>
#include <optional>

namespace trimtab {

ReadGate::ReadGate(int places, std::chrono::milliseconds patience)
    : places_(static_cast<size_t>(places)), patience_(patience) {}

void ReadGate::Enter(Reader* reader) {
  std::vector<Reader*> starting;
  {
    MutexLock lock(mutex_);
    waiting_.push_back(reader);
    starting = FillPlaces();
  }
  for (Reader* next : starting) next->StartReading();
}

bool ReadGate::Arrive(Reader* reader) {
  MutexLock lock(mutex_);
  const auto found = reading_.find(reader);
  if (found == reading_.end()) return false;
  found->second.arrived = true;
  return true;
}

void ReadGate::Leave(const Reader* reader) {
  std::vector<Reader*> starting;
  {
    MutexLock lock(mutex_);
    reading_.erase(reader);
    starting = FillPlaces();
  }
  for (Reader* next : starting) next->StartReading();
}

std::vector<ReadGate::Reader*> ReadGate::FillPlaces() {
  std::vector<Reader*> starting;
  while (!waiting_.empty() && reading_.size() < places_) {
    starting.push_back(waiting_.front());
    waiting_.pop_front();
    reading_[starting.back()] = {std::chrono::steady_clock::now()};
  }
  WatchSlowest();
  return starting;
}

// While somebody waits, one alarm is set for the first reader that will have been too slow.
void ReadGate::WatchSlowest() {
  if (watching_ || waiting_.empty()) return;
  std::optional<Time> first;
  for (const auto& [reader, place] : reading_) {
    if (!place.arrived) first = std::min(first.value_or(place.since), place.since);
  }
  watching_ = true;  // Where all have arrived, one may come that has not.
  watch_.SetAlarm(first.value_or(std::chrono::steady_clock::now()) + patience_, [this] { PassOnSlow(); });
}

void ReadGate::PassOnSlow() {
  std::vector<Reader*> slow, starting;
  {
    MutexLock lock(mutex_);
    watching_ = false;
    const Time late = std::chrono::steady_clock::now() - patience_;
    for (auto next = reading_.begin(); next != reading_.end();) {
      const bool gives_up = !next->second.arrived && next->second.since <= late && slow.size() < waiting_.size();
      if (gives_up) slow.push_back(const_cast<Reader*>(next->first));
      next = gives_up ? reading_.erase(next) : std::next(next);
    }
    starting = FillPlaces();
  }
  for (Reader* reader : slow) reader->GiveUp();
  for (Reader* reader : starting) reader->StartReading();
}

}  // namespace trimtab
