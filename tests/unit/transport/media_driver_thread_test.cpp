#include "transport/aeron/media_driver_thread.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "support.hpp"

namespace tensorpool::transport::aeron {
namespace {

constexpr base::Nanos interval_ns = 10'000'000;
constexpr base::Nanos second_ns = 1'000'000'000;
constexpr base::Nanos cycle_ns = 1'000;

// A media driver whose timers are looked at as Aeron looks at them, and which finds nothing else to do.
class Simulated {
 public:
  // Until `end`; says how often it rested. `moved` pieces of work are found at the beginning.
  int run_until(base::Nanos end, int moved = 0) {
    int rests = 0;
    while (now_ < end) {
      int work = std::exchange(moved, 0);
      if (now_ > deadline_) {
        deadline_ = now_ + interval_ns;
        ++work;
        ++ticks_;
      }
      now_ += cycle_ns;
      const base::Nanos rest = idle_.rest(now_, work);
      longest_ = std::max(longest_, rest);
      if (rest > 0) ++rests;
      now_ += rest;
    }
    return rests;
  }
  base::Nanos now() const { return now_; }
  base::Nanos longest_since() { return std::exchange(longest_, 0); }
  int ticks() const { return ticks_; }

 private:
  DriverIdle idle_{interval_ns};
  base::Nanos now_ = 100 * second_ns;
  base::Nanos deadline_ = 0;
  base::Nanos longest_ = 0;
  int ticks_ = 0;
};

TEST(DriverIdle, timers_alone_neither_keep_a_media_driver_awake_nor_fall_behind) {
  Simulated driver;
  driver.run_until(driver.now() + second_ns);
  const int ticks = driver.ticks();
  const int rests = driver.run_until(driver.now() + 10 * second_ns);
  EXPECT_LE(rests, 1010);
  EXPECT_GE(driver.ticks() - ticks, 980);
}

TEST(DriverIdle, what_moves_brings_short_rests_back_for_a_tenth_of_a_second) {
  Simulated driver;
  driver.run_until(driver.now() + second_ns);
  EXPECT_EQ(driver.longest_since(), DriverIdle::quiet_rest_ns);
  driver.run_until(driver.now() + DriverIdle::quiet_after_ns, 2);
  EXPECT_EQ(driver.longest_since(), DriverIdle::longest_rest_ns);
  driver.run_until(driver.now() + second_ns);
  EXPECT_EQ(driver.longest_since(), DriverIdle::quiet_rest_ns);
}

TEST(DriverIdle, nothing_rests_in_the_rounds_after_work) {
  DriverIdle idle(interval_ns);
  base::Nanos now = 100 * second_ns;
  EXPECT_EQ(idle.rest(now, 3), 0);
  for (int round = 0; round < DriverIdle::rounds_without_rest; ++round)
    EXPECT_EQ(idle.rest(now += cycle_ns, 0), 0);
  EXPECT_EQ(idle.rest(now += cycle_ns, 0), DriverIdle::shortest_rest_ns);
  EXPECT_EQ(idle.rest(now += cycle_ns, 0), 2 * DriverIdle::shortest_rest_ns);
}

struct Threads {
  int named = 0;      // as Aeron names the thread of a media driver
  bool quiet = true;  // these take no signals
};
Threads threads_of_media_drivers() {
  Threads seen;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream comm(task.path() / "comm");
    std::getline(comm, name);
    if (!name.starts_with("[conductor")) continue;
    ++seen.named;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const std::uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
      for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD})
        seen.quiet = seen.quiet && (blocked >> (signal - 1) & 1) != 0;
    }
  }
  return seen;
}

TEST(MediaDriverThread, is_named_takes_no_signals_and_ends_with_its_media_driver) {
  const Folder folder;
  {
    const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron", false));
    ASSERT_TRUE(driver) << driver.error().message();
    const Threads seen = threads_of_media_drivers();
    EXPECT_EQ(seen.named, 1);
    EXPECT_TRUE(seen.quiet);
    // It works by itself: somebody who never drives it gets an answer.
    EXPECT_TRUE(connect_now(*make_transport(), patient(folder / "aeron")));
  }
  EXPECT_EQ(threads_of_media_drivers().named, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace tensorpool::transport::aeron
