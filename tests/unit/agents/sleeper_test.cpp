#include "agents/sleeper.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "agents/cell.hpp"
#include "agents/ringer.hpp"
#include "support/eventually.hpp"
#include "unit/agents/wake_support.hpp"

namespace tensorpool::agents::test {
namespace {

using tensorpool::test::eventually;

constexpr base::Nanos for_ever = std::numeric_limits<base::Nanos>::max();

struct Scene {
  FakeCounterMemory bell{1};
  FakeCounterMemory second{2};
  FakeCounterMemory armed{3};
  Cell cell;
  Cell producer;
  Ringer ringer;
  Sleeper sleeper{{cell.asleep, cell.kick}};

  // Ends the sleep of this thread from another one, again and again: it may begin late.
  template <class Wake>
  SleepEnd wait_while(Wake&& wake) {
    std::atomic<bool> over{false};
    std::thread other([&] {
      while (!over) {
        wake();
        std::this_thread::yield();
      }
    });
    const SleepEnd end = sleeper.wait(for_ever);
    over = true;
    other.join();
    return end;
  }
};

TEST(Sleeper, SaysThatItIsAboutToSleepAndThatItIsAwake) {
  Scene s;
  const WakeLinks links = wake_links(s.armed, {&s.bell});
  get_ready(s.sleeper, links);
  EXPECT_EQ(s.armed.get(), 1);
  EXPECT_EQ(s.cell.asleep, 1U);
  EXPECT_TRUE(s.sleeper.has_bell());
  s.sleeper.disarm();
  EXPECT_EQ(s.armed.get(), 0);
  EXPECT_EQ(s.cell.asleep, 0U);
}

TEST(Sleeper, IsEndedByABell) {
  Scene s;
  const WakeLinks links = wake_links(s.armed, {&s.bell, &s.second});
  const WakeLinks theirs = wake_links(s.second, {&s.armed});
  get_ready(s.sleeper, links);
  const SleepEnd end = s.wait_while([&] { s.ringer.ring(theirs, s.producer); });
  EXPECT_TRUE(end == SleepEnd::rung || end == SleepEnd::changed);
  s.sleeper.disarm();
}

TEST(Sleeper, IsEndedByTheConductor) {
  Scene s;
  get_ready(s.sleeper, wake_links(s.armed, {&s.bell}));
  const SleepEnd end = s.wait_while([&] { s.cell.kick_sleeper(); });
  EXPECT_TRUE(end == SleepEnd::kicked || end == SleepEnd::changed);
  s.sleeper.disarm();
}

TEST(Sleeper, WithoutABellIsEndedByTheConductorToo) {
  Scene s;
  get_ready(s.sleeper, WakeLinks{});
  EXPECT_FALSE(s.sleeper.has_bell());
  const SleepEnd end = s.wait_while([&] { s.cell.kick_sleeper(); });
  EXPECT_TRUE(end == SleepEnd::kicked || end == SleepEnd::changed);
  s.sleeper.disarm();
}

TEST(Sleeper, IsEndedByNewsThatAreNoMail) {
  Scene s;
  for (const News what : {News::images, News::interrupted}) {
    get_ready(s.sleeper, wake_links(s.armed, {&s.bell}));
    const SleepEnd end = s.wait_while([&] { s.cell.tell(what); });
    EXPECT_TRUE(end == SleepEnd::kicked || end == SleepEnd::changed);
    s.sleeper.disarm();
    EXPECT_TRUE(s.cell.has_news());
    EXPECT_EQ(s.cell.take_interrupt(), what == News::interrupted);
    EXPECT_FALSE(s.cell.has_news());
  }
  s.cell.tell(News::images);
  s.cell.tell(News::interrupted);
  EXPECT_TRUE(s.cell.take_interrupt());
  EXPECT_FALSE(s.cell.take_interrupt());
}

// What happens between arming and sleeping lets no sleep begin.
TEST(Sleeper, DoesNotSleepOverWhatCameAfterItWasArmed) {
  Scene s;
  const WakeLinks theirs = wake_links(s.second, {&s.armed});
  get_ready(s.sleeper, wake_links(s.armed, {&s.bell, &s.second}));
  s.ringer.ring(theirs, s.producer);
  EXPECT_EQ(s.sleeper.wait(for_ever), SleepEnd::changed);
  s.sleeper.disarm();
  get_ready(s.sleeper, wake_links(s.armed, {&s.bell}));
  s.cell.kick_sleeper();
  EXPECT_EQ(s.sleeper.wait(for_ever), SleepEnd::changed);
  s.sleeper.disarm();
  get_ready(s.sleeper, WakeLinks{});
  s.cell.kick_sleeper();
  EXPECT_EQ(s.sleeper.wait(for_ever), SleepEnd::changed);
  s.sleeper.disarm();
}

TEST(Sleeper, EndsWhenItsTimeIsOver) {
  Scene s;
  for (const WakeLinks& links : {wake_links(s.armed, {&s.bell}), WakeLinks{}}) {
    get_ready(s.sleeper, links);
    EXPECT_EQ(s.sleeper.wait(base::SystemClock::monotonic() + 1'000'000), SleepEnd::time);
    EXPECT_EQ(s.sleeper.wait(-1), SleepEnd::time);
    s.sleeper.disarm();
  }
}

TEST(Sleeper, NobodyIsKickedWhoIsAwake) {
  Scene s;
  s.cell.kick_sleeper();
  EXPECT_EQ(s.cell.kick, 0U);
  get_ready(s.sleeper, WakeLinks{});
  s.cell.kick_sleeper();
  EXPECT_EQ(s.cell.kick, 1U);
  s.sleeper.disarm();
  s.cell.kick_sleeper();
  EXPECT_EQ(s.cell.kick, 1U);
}

TEST(Sleeper, TrustsNoPlaceThatWasGivenToSomebodyElse) {
  Scene s;
  const WakeLinks links = wake_links(s.armed, {&s.bell, &s.second});
  s.bell.reuse();
  get_ready(s.sleeper, links);
  EXPECT_TRUE(s.sleeper.has_bell());
  s.sleeper.disarm();
  s.second.reuse();
  get_ready(s.sleeper, links);
  EXPECT_FALSE(s.sleeper.has_bell());
  EXPECT_EQ(s.armed.get(), 1);
  // It becomes another's while we sleep.
  s.armed.reuse();
  s.sleeper.disarm();
  EXPECT_EQ(s.armed.get(), 1);
  s.armed.set(55);
  get_ready(s.sleeper, links);
  EXPECT_FALSE(s.sleeper.has_bell());
  s.sleeper.disarm();
  EXPECT_EQ(s.armed.get(), 55);
}

// A word that is mapped no more says nothing about the kernel, and nobody looks for it without a pause.
TEST(Sleeper, AFutexThatFailsOnceIsNoMissingCall) {
  const std::uint32_t here = 1;
  const base::FutexWord differs{&here, 0, base::FutexScope::shared};
  const base::FutexWord nowhere{nullptr, 0, base::FutexScope::shared};
  const base::Nanos before = base::SystemClock::monotonic();
  EXPECT_EQ(base::futex_wait(nowhere, for_ever), base::FutexEnd::time);
  EXPECT_GE(base::SystemClock::monotonic() - before, 1'000'000);
  if (base::futex_wait_any(std::span(&differs, 1), for_ever).end == base::FutexEnd::unsupported)
    GTEST_SKIP() << "no futex_waitv here";
  EXPECT_EQ(base::futex_wait_any(std::span(&nowhere, 1), for_ever).end, base::FutexEnd::time);
}

using Slices = SleepSlices;

TEST(SleepSlices, WithoutABellPausesGrowToAMillisecondAndStartAnewWithWhatWasFound) {
  Slices slices;
  EXPECT_EQ(slices.next(false, 0), Slices::first_pause_ns);
  for (int i = 0; i < 10; ++i) slices.ended(SleepEnd::time, false);
  EXPECT_EQ(slices.next(false, 0), Slices::longest_pause_ns);
  slices.found();
  EXPECT_EQ(slices.next(false, 0), Slices::first_pause_ns);
}

TEST(SleepSlices, ABellIsTrustedForLongOnceItEndedASleep) {
  Slices slices;
  EXPECT_EQ(slices.next(true, 1), Slices::first_slice_ns);
  for (int i = 0; i < 10; ++i) slices.ended(SleepEnd::time, false);
  EXPECT_EQ(slices.next(true, 1), Slices::untried_slice_ns);
  slices.ended(SleepEnd::rung, true);
  EXPECT_EQ(slices.next(true, 1), Slices::longest_slice_ns);
  slices.found();
  EXPECT_EQ(slices.next(true, 1), Slices::longest_slice_ns);
}

TEST(SleepSlices, ABellThatDidNotRingIsNotTrustedUntilItDoes) {
  Slices slices;
  (void)slices.next(true, 1);
  for (int i = 0; i < 10; ++i) slices.ended(SleepEnd::rung, true);
  slices.ended(SleepEnd::time, true);
  EXPECT_EQ(slices.next(true, 1), Slices::first_slice_ns);
  for (int i = 0; i < 10; ++i) slices.ended(SleepEnd::time, false);
  EXPECT_EQ(slices.next(true, 1), Slices::first_slice_ns);
  for (int i = 0; i < 10; ++i) slices.ended(SleepEnd::rung, true);
  EXPECT_EQ(slices.next(true, 1), Slices::longest_slice_ns);
}

TEST(SleepSlices, OtherBellsHaveToProveThemselves) {
  Slices slices;
  (void)slices.next(true, 1);
  for (int i = 0; i < 10; ++i) slices.ended(SleepEnd::rung, true);
  EXPECT_EQ(slices.next(true, 2), Slices::first_slice_ns);
  EXPECT_EQ(slices.next(false, 2), Slices::first_pause_ns);
}

}  // namespace
}  // namespace tensorpool::agents::test
