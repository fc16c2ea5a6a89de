#include "agents/runner.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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

// The parks of an agent in the order in which they come, as long as nobody rings.
std::vector<std::chrono::microseconds> parks_without_a_ring(Rest& rest) {
  std::vector<std::chrono::microseconds> parks;
  for (int i = 0; i < 175; ++i) {
    rest.before();
    parks.push_back(rest.next_park());
    rest.after(0);
  }
  return parks;
}

// Proves: CON-29
TEST(Rest, SpinsThenStaysLivelyThenSleepsAsLongAsItMay) {
  using std::chrono::microseconds;
  Doorbell bell;
  Rest rest(Idle::backoff, bell, microseconds{3000});
  for (int time = 0; time < 2; ++time) {
    SCOPED_TRACE(time);
    const auto parks = parks_without_a_ring(rest);
    for (std::size_t i = 0; i < 120; ++i) EXPECT_EQ(parks[i], microseconds{0}) << i;
    EXPECT_EQ(parks[120], microseconds{50});
    EXPECT_EQ(parks[121], microseconds{100});
    for (std::size_t i = 125; i < 170; ++i) EXPECT_EQ(parks[i], microseconds{1000}) << i;
    for (std::size_t i = 170; i < 175; ++i) EXPECT_EQ(parks[i], microseconds{3000}) << i;
    // What comes by itself does not make it lively; a ring does.
    rest.before();
    rest.after(1);
    EXPECT_EQ(rest.next_park(), microseconds{3000});
    bell.ring();
    rest.before();
    EXPECT_EQ(rest.next_park(), microseconds{0});
  }
}

TEST(Rest, MaySleepForASmallPartOfAnIntervalWithinBounds) {
  using namespace std::chrono_literals;
  EXPECT_EQ(Rest::longest_park_for(1s), 10ms);
  EXPECT_EQ(Rest::longest_park_for(1h), 10ms);
  EXPECT_EQ(Rest::longest_park_for(300ms), 3ms);
  EXPECT_EQ(Rest::longest_park_for(5ms), 1ms);
  EXPECT_EQ(Rest::longest_park_of_client(1s), 20ms);
  EXPECT_EQ(Rest::longest_park_of_client(1h), 20ms);
  EXPECT_EQ(Rest::longest_park_of_client(300ms), 6ms);
  EXPECT_EQ(Rest::longest_park_of_client(5ms), 1ms);
}

TEST(Rest, ReturnsForEveryKindAndAnyAmountOfWork) {
  for (const Idle kind :
       {Idle::backoff, Idle::sleeping, Idle::yielding, Idle::busy_spin, Idle::noop}) {
    Doorbell bell;
    Rest rest(kind, bell, std::chrono::microseconds{1});
    for (int i = 0; i < 180; ++i) {
      rest.before();
      rest.after(i == 90 ? 1 : 0);
    }
  }
}

// Sleeps that would outlast every test: only a ring ends one.
constexpr std::chrono::hours for_ever{1};

TEST(Runner, WakesWhenItsBellIsRungAndForItsEnd) {
  std::atomic<int> cycles{0};
  Doorbell bell;
  Runner runner([&] { return cycles.fetch_add(1) * 0; }, Idle::backoff, bell, for_ever);
  ASSERT_TRUE(runner.start("test", "tp-test"));
  // The last cycle before the long sleep.
  while (cycles.load() < 171) std::this_thread::yield();
  bell.ring();
  while (cycles.load() < 2 * 171) std::this_thread::yield();  // lively anew
  runner.stop();
  EXPECT_GE(cycles.load(), 2 * 171);
}

TEST(Runner, NamesItsThread) {
  std::promise<std::string> name;
  Doorbell bell;
  Runner runner(
      [&] {
        std::array<char, 16> text{};
        (void)::pthread_getname_np(::pthread_self(), text.data(), text.size());
        name.set_value(text.data());
        runner.ask_to_stop();
        return 0;
      },
      Idle::noop, bell, for_ever);
  ASSERT_TRUE(runner.start("test", "tp-test"));
  EXPECT_EQ(name.get_future().get(), "tp-test");
}

TEST(Runner, RunsInOneThreadUntilItIsStopped) {
  std::atomic<int> cycles{0};
  std::thread::id thread;
  std::atomic<int> ends{0};
  Doorbell bell;
  Runner runner(
      [&] {
        thread = std::this_thread::get_id();
        cycles.fetch_add(1);
        return 0;
      },
      Idle::yielding, bell, Rest::longest_park_for({}), [&] { ends.fetch_add(1); });
  ASSERT_TRUE(runner.start("test", "tp-test"));
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
  Doorbell bell;
  std::unique_ptr<Runner> runner;
  std::atomic<bool> ready{false};
  runner = std::make_unique<Runner>(
      [&] {
        while (!ready.load()) std::this_thread::yield();
        cycles.fetch_add(1);
        runner->stop();
        return 1;
      },
      Idle::noop, bell, Rest::longest_park_for({}));
  ASSERT_TRUE(runner->start("test", "tp-test"));
  ready.store(true);
  while (cycles.load() == 0) std::this_thread::yield();
  runner->stop();
  EXPECT_EQ(cycles.load(), 1);
}

// As when the last reference to a client goes at the end of its own thread.
TEST(Runner, MayBeDestroyedByItsOwnThreadAtTheEnd) {
  std::promise<void> over;
  Doorbell bell;
  std::unique_ptr<Runner> runner;
  std::atomic<bool> ready{false};
  runner = std::make_unique<Runner>(
      [&] {
        while (!ready.load()) std::this_thread::yield();
        runner->ask_to_stop();
        return 0;
      },
      Idle::noop, bell, Rest::longest_park_for({}),
      [&] {
        runner.reset();
        over.set_value();
      });
  ASSERT_TRUE(runner->start("test", "tp-test"));
  ready.store(true);
  over.get_future().wait();
  EXPECT_EQ(runner, nullptr);
}

}  // namespace
}  // namespace tensorpool::agents
