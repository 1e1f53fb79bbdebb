#include "server/read_gate.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/event.h"

namespace trimtab {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

struct FakeReader final : ReadGate::Reader {
  void StartReading() override { started = true; }
  void GiveUp() override { gave_up.Set(); }
  std::atomic<bool> started = false;
  Event gave_up;
};

TEST(ReadGateTest, LetsInAsManyAsThereArePlacesAndTheNextInOrderAsTheyLeave) {
  ReadGate gate(2, hours(1));
  FakeReader readers[4];
  for (FakeReader& reader : readers) gate.Enter(&reader);
  EXPECT_TRUE(readers[0].started && readers[1].started);
  EXPECT_FALSE(readers[2].started || readers[3].started);
  ASSERT_TRUE(gate.Arrive(&readers[1]));
  EXPECT_FALSE(readers[2].started);  // What has arrived is still in memory.
  gate.Leave(&readers[1]);
  EXPECT_TRUE(readers[2].started);
  EXPECT_FALSE(readers[3].started);
  ASSERT_TRUE(gate.Arrive(&readers[0]));
  gate.Leave(&readers[0]);
  EXPECT_TRUE(readers[3].started);
}

TEST(ReadGateTest, WhoIsSlowGivesItsPlaceToOneThatWaits) {
  ReadGate gate(1, milliseconds(1));
  FakeReader slow, next;
  gate.Enter(&slow);
  gate.Enter(&next);
  slow.gave_up.Wait();
  EXPECT_TRUE(Eventually([&] { return next.started.load(); }));
  EXPECT_FALSE(gate.Arrive(&slow));
  EXPECT_TRUE(gate.Arrive(&next));
  gate.Leave(&next);
}

TEST(ReadGateTest, OneThatHasArrivedKeepsItsPlaceHoweverLongItTakes) {
  ReadGate gate(1, milliseconds(1));
  FakeReader arrived, next;
  gate.Enter(&arrived);
  ASSERT_TRUE(gate.Arrive(&arrived));
  gate.Enter(&next);
  std::this_thread::sleep_for(milliseconds(20));  // Nothing is to happen.
  EXPECT_FALSE(next.started);
  gate.Leave(&arrived);
  EXPECT_TRUE(next.started);
}

TEST(ReadGateTest, ASlowOneMayTakeItsTimeWhereNobodyWaits) {
  ReadGate gate(2, milliseconds(1));
  FakeReader slow, other;
  gate.Enter(&slow);
  gate.Enter(&other);
  std::this_thread::sleep_for(milliseconds(20));  // Nothing is to happen.
  EXPECT_TRUE(gate.Arrive(&slow));
  gate.Leave(&slow);
}

TEST(ReadGateTest, NeverMoreThanItsPlacesAreReadWhoeverComesAndGoes) {
  constexpr int kPlaces = 3, kThreads = 4, kEach = 500;
  ReadGate gate(kPlaces, hours(1));
  std::atomic<int> reading = 0, most = 0, done = 0;
  struct Counted final : ReadGate::Reader {
    void StartReading() override {
      const int now = ++*reading;
      for (int seen = *most; now > seen && !most->compare_exchange_weak(seen, now);) {
      }
      started.Set();
    }
    void GiveUp() override { ADD_FAILURE(); }
    std::atomic<int>*reading, *most;
    Event started;
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        Counted reader;
        reader.reading = &reading;
        reader.most = &most;
        gate.Enter(&reader);
        reader.started.Wait();
        EXPECT_TRUE(gate.Arrive(&reader));
        --reading;
        gate.Leave(&reader);
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, kThreads * kEach);
  EXPECT_LE(most, kPlaces);
}

}  // namespace
}  // namespace trimtab
