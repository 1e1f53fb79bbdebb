#include "server/mailbox.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trimtab {
namespace {

using ::testing::ElementsAre;

TEST(MailboxTest, KeepsTheOrderAndGivesEachItemOnce) {
  Mailbox<int> mailbox;
  EXPECT_FALSE(mailbox.Post(1));
  EXPECT_FALSE(mailbox.Post(2));
  EXPECT_THAT(mailbox.Take(), ElementsAre(1, 2));
  EXPECT_TRUE(mailbox.Take().empty());
}

TEST(MailboxTest, OneOfThosePostingToAWorkerThatRestsIsToWakeIt) {
  Mailbox<int> mailbox;
  ASSERT_TRUE(mailbox.Rest());
  EXPECT_TRUE(mailbox.Post(1));
  EXPECT_FALSE(mailbox.Post(2)) << "it is being woken";
  EXPECT_FALSE(mailbox.Rest()) << "there is something to do";
  EXPECT_THAT(mailbox.Take(), ElementsAre(1, 2));
  EXPECT_TRUE(mailbox.Rest());
}

// The worker that took the last item rests for good, as one does that destroys what it belongs to. Were a post two
// critical sections, the second would find it resting, and wake what is not there any more.
TEST(MailboxTest, WhoHasTakenAnItemHearsNoMoreOfThePostThatLeftIt) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  std::atomic<Mailbox<int>*> next = nullptr;
  std::atomic<bool> over = false;
  std::atomic<int> woken = 0;
  std::thread poster([&] {
    while (!over) {
      if (Mailbox<int>* mailbox = next.exchange(nullptr)) {
        woken += mailbox->Post(1);
      } else {
        std::this_thread::yield();
      }
    }
  });
  while (std::chrono::steady_clock::now() < end) {
    const auto mailbox = std::make_unique<Mailbox<int>>();
    next = mailbox.get();
    for (int tries = 1; mailbox->Take().empty(); ++tries) {
      if (tries % 64 == 0) std::this_thread::yield();
    }
    EXPECT_TRUE(mailbox->Rest());
  }
  over = true;
  poster.join();
  EXPECT_EQ(woken, 0);
}

}  // namespace
}  // namespace trimtab
