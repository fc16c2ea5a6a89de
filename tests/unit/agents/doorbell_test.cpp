#include "agents/doorbell.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "agents/command_queue.hpp"

namespace tensorpool::agents {
namespace {

// A sleep that is only over when somebody rang: one lost ring, and the test does not end.
constexpr std::chrono::hours for_ever{1};

TEST(Doorbell, ARingSinceTheLookEndsASleepBeforeItBegins) {
  Doorbell bell;
  const auto seen = bell.rings();
  bell.ring();
  bell.wait(seen, for_ever);
  bell.wait(seen, for_ever);  // and is not used up
  EXPECT_NE(bell.rings(), seen);
}

TEST(Doorbell, ASleepEndsByItself) {
  Doorbell bell;
  const auto seen = bell.rings();
  const auto start = std::chrono::steady_clock::now();
  constexpr std::chrono::milliseconds longest{20};
  // A signal may end one early.
  while (std::chrono::steady_clock::now() - start < longest) bell.wait(seen, longest);
  EXPECT_EQ(bell.rings(), seen);
  bell.wait(seen, std::chrono::nanoseconds{-1});
}

// Each waits for the other, so every ring comes somewhere between a look and a sleep.
TEST(Doorbell, LosesNoRingBetweenTwoThreads) {
  constexpr int turns = 20'000;
  Doorbell bells[2];
  std::atomic<int> turn{0};
  auto play = [&](int self) {
    for (int mine = self; mine < turns; mine += 2) {
      for (;;) {
        const auto seen = bells[self].rings();
        if (turn.load(std::memory_order_relaxed) == mine) break;
        bells[self].wait(seen, for_ever);
      }
      turn.store(mine + 1, std::memory_order_relaxed);
      bells[1 - self].ring();
    }
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
  EXPECT_EQ(turn.load(), turns);
}

// As a conductor with its commands.
TEST(Doorbell, EveryCommandOfManyThreadsIsTakenWithoutASleepThatEndsByItself) {
  constexpr int threads = 3;
  constexpr int commands = 5'000;
  CommandQueue<int> queue(64);
  Doorbell bell;
  std::vector<std::thread> senders;
  for (int i = 0; i < threads; ++i) {
    senders.emplace_back([&] {
      for (int sent = 1; sent <= commands; ++sent) {
        int command = sent;
        while (!queue.push(std::move(command))) std::this_thread::yield();
        bell.ring();
      }
    });
  }
  int taken = 0;
  while (taken < threads * commands) {
    const auto seen = bell.rings();
    int command = 0;
    int work = 0;
    for (; queue.pop(command); ++work) {
    }
    taken += work;
    if (work == 0) bell.wait(seen, for_ever);
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(taken, threads * commands);
}

}  // namespace
}  // namespace tensorpool::agents
