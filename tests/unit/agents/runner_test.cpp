#include "agents/runner.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

namespace tensorpool::agents {
namespace {

// Proves: CON-29
TEST(IdleStrategy, ReturnsForEveryKindAndAnyAmountOfWork) {
  for (const Idle kind :
       {Idle::backoff, Idle::sleeping, Idle::yielding, Idle::busy_spin, Idle::noop}) {
    IdleStrategy idle(kind);
    for (int i = 0; i < 130; ++i) idle.idle(0);
    idle.idle(1);
    idle.idle(0);
  }
}

// However long it is idle: no doubling goes beyond the longest park, nor around it.
TEST(IdleStrategy, ParksAsLongAsItIsToldAndNotLonger) {
  IdleStrategy idle(Idle::backoff, std::chrono::microseconds{60});
  for (int i = 0; i < 120; ++i) idle.idle(0);  // spins and yields
  const auto start = std::chrono::steady_clock::now();
  constexpr int parks = 100;
  for (int i = 0; i < parks; ++i) idle.idle(0);
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, std::chrono::microseconds{50 + 60 * (parks - 1)});
  EXPECT_LT(took, std::chrono::seconds{60});
}

TEST(Runner, RunsInOneThreadUntilItIsStopped) {
  std::atomic<int> cycles{0};
  std::thread::id thread;
  std::atomic<int> ends{0};
  Runner runner(
      [&] {
        thread = std::this_thread::get_id();
        cycles.fetch_add(1);
        return 0;
      },
      Idle::yielding, [&] { ends.fetch_add(1); });
  ASSERT_TRUE(runner.start("test"));
  while (cycles.load() < 3) std::this_thread::yield();
  EXPECT_FALSE(runner.on_this_thread());
  runner.stop();
  const int at_stop = cycles.load();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(ends.load(), 1);
  runner.stop();  // idempotent
  EXPECT_EQ(cycles.load(), at_stop);
}

TEST(Runner, MayBeStoppedFromInside) {
  std::atomic<int> cycles{0};
  std::unique_ptr<Runner> runner;
  std::atomic<bool> ready{false};
  runner = std::make_unique<Runner>(
      [&] {
        while (!ready.load()) std::this_thread::yield();
        cycles.fetch_add(1);
        runner->stop();
        return 1;
      },
      Idle::noop);
  ASSERT_TRUE(runner->start("test"));
  ready.store(true);
  while (cycles.load() == 0) std::this_thread::yield();
  runner->stop();
  EXPECT_EQ(cycles.load(), 1);
}

// As when the last reference to a client goes at the end of its own thread.
TEST(Runner, MayBeDestroyedByItsOwnThreadAtTheEnd) {
  std::promise<void> over;
  std::unique_ptr<Runner> runner;
  std::atomic<bool> ready{false};
  runner = std::make_unique<Runner>(
      [&] {
        while (!ready.load()) std::this_thread::yield();
        runner->ask_to_stop();
        return 0;
      },
      Idle::noop,
      [&] {
        runner.reset();
        over.set_value();
      });
  ASSERT_TRUE(runner->start("test"));
  ready.store(true);
  over.get_future().wait();
  EXPECT_EQ(runner, nullptr);
}

}  // namespace
}  // namespace tensorpool::agents
