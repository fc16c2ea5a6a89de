#include "base/clock.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace tensorpool::base {
namespace {

Nanos now_of(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return Nanos{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Proves: SHM-256
TEST(SystemClock, is_the_monotonic_clock_of_the_host) {
  const SystemClock clock;
  const Nanos before = now_of(CLOCK_MONOTONIC);
  const Nanos value = clock.monotonic_ns();
  const Nanos after = now_of(CLOCK_MONOTONIC);
  EXPECT_LE(before, value);
  EXPECT_LE(value, after);
  EXPECT_LE(after, SystemClock::monotonic());
}

TEST(SystemClock, realtime_is_the_wall_clock) {
  const SystemClock clock;
  // Within an hour of the other way of asking: a step of the clock is not this test's matter.
  constexpr Nanos hour = Nanos{3600} * 1'000'000'000;
  const Nanos difference = clock.realtime_ns() - now_of(CLOCK_REALTIME);
  EXPECT_LT(difference, hour);
  EXPECT_GT(difference, -hour);
}

TEST(ManualClock, stands_until_it_is_advanced) {
  ManualClock clock(5, 100);
  EXPECT_EQ(clock.monotonic_ns(), 5);
  EXPECT_EQ(clock.realtime_ns(), 100);
  clock.advance(7);
  EXPECT_EQ(clock.monotonic_ns(), 12);
  EXPECT_EQ(clock.realtime_ns(), 107);
  const Clock& any = clock;
  EXPECT_EQ(any.monotonic_ns(), 12);
}

}  // namespace
}  // namespace tensorpool::base
