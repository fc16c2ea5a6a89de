#include "agents/ringer.hpp"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agents/sleeper.hpp"
#include "support/eventually.hpp"
#include "unit/agents/wake_support.hpp"

namespace tensorpool::agents::test {
namespace {

using tensorpool::test::eventually;
using Clock = std::chrono::steady_clock;

// Longer than a waiter may cause wakes that find nobody.
constexpr std::chrono::milliseconds long_enough{300};

struct Scene {
  FakeCounterMemory bell{1};
  FakeCounterMemory one{2};
  FakeCounterMemory other{3};
  Cell cell;
  Ringer ringer;

  // Rings for a while, with a commit in between whenever `between` says so.
  template <class Between>
  void ring_for(std::chrono::milliseconds time, const WakeLinks& links, Between&& between) {
    const auto until = Clock::now() + time;
    while (Clock::now() < until) {
      ringer.ring(links, cell);
      between();
    }
  }
  void ring_for(std::chrono::milliseconds time, const WakeLinks& links) {
    ring_for(time, links, [] {});
  }
  Note::Value note() { return cell.note(NoteKind::silent_waiters).read(); }
};

// Sleeps on the bell again and again until it is told to end, and counts.
class RealWaiter {
 public:
  RealWaiter(FakeCounterMemory& armed, FakeCounterMemory& bell)
      : armed_(armed), links_(wake_links(armed, {&bell})), thread_([this] { run(); }) {}
  RealWaiter(const RealWaiter&) = delete;
  RealWaiter& operator=(const RealWaiter&) = delete;
  ~RealWaiter() { end(); }

  void end() {
    if (!thread_.joinable()) return;
    over_ = true;
    kick_.fetch_add(1);
    (void)base::futex_wake_all(&kick_, base::FutexScope::process);
    thread_.join();
  }
  // In the kernel, on its futexes: it waits for nothing else.
  bool sleeps() {
    if (armed_.get() != 1 || tid_ == 0) return false;
    std::ifstream file("/proc/self/task/" + std::to_string(tid_) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name_end = text.rfind(')');
    return name_end != std::string::npos && text.substr(name_end + 1, 2) == " S";
  }
  int ended() const { return ended_; }

 private:
  void run() {
    tid_ = static_cast<int>(::syscall(SYS_gettid));
    Sleeper sleeper({asleep_, kick_});
    while (!over_) {
      get_ready(sleeper, links_);
      if (!over_) (void)sleeper.wait(INT64_MAX);
      ++ended_;
      sleeper.disarm();
    }
  }

  std::atomic<std::uint32_t> asleep_{0};
  std::atomic<std::uint32_t> kick_{0};
  std::atomic<bool> over_{false};
  std::atomic<int> ended_{0};
  std::atomic<int> tid_{0};
  FakeCounterMemory& armed_;
  WakeLinks links_;
  std::thread thread_;
};

TEST(Ringer, CountsCommitsOnItsBellAndCallsNobodyWhenNobodySleeps) {
  Scene s;
  const WakeLinks none = wake_links(s.bell, {});
  for (int i = 0; i < 5; ++i) s.ringer.ring(none, s.cell);
  EXPECT_EQ(s.bell.get(), 5);
  const WakeLinks awake = wake_links(s.bell, {&s.one, &s.other});
  for (int i = 0; i < 5; ++i) s.ringer.ring(awake, s.cell);
  EXPECT_EQ(s.bell.get(), 10);
  EXPECT_EQ(s.cell.producer.wakes.get(), 0U);
}

TEST(Ringer, WithoutABellDoesNothing) {
  Scene s;
  s.one.set(1);
  WakeLinks links = wake_links(s.bell, {&s.one});
  links.own = WakeLinks{}.own;
  s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.bell.get(), 0);
  EXPECT_EQ(s.cell.producer.wakes.get(), 0U);
}

TEST(Ringer, NeverWritesIntoAPlaceThatIsSomebodyElsesByNow) {
  Scene s;
  const WakeLinks links = wake_links(s.bell, {});
  s.ringer.ring(links, s.cell);
  s.bell.reuse();
  s.bell.set(77);
  s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.bell.get(), 77);
}

TEST(Ringer, CallsNobodyForAPlaceThatIsNoWaitersAnyMore) {
  Scene s;
  const WakeLinks links = wake_links(s.bell, {&s.one});
  s.one.reuse();
  s.one.set(1);
  for (int i = 0; i < 100; ++i) s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.bell.get(), 100);
  EXPECT_EQ(s.cell.producer.wakes.get(), 0U);
}

TEST(Ringer, WakesTheLastOfMany) {
  Scene s;
  std::vector<std::unique_ptr<FakeCounterMemory>> all;
  WakeLinks links = wake_links(s.bell, {});
  for (std::size_t i = 0; i < base::limits::waiters_per_producer; ++i) {
    all.push_back(std::make_unique<FakeCounterMemory>(static_cast<std::int64_t>(100 + i)));
    links.add(all.back()->place());
  }
  all.back()->set(1);
  s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.cell.producer.wakes.get(), 1U);
  EXPECT_EQ(s.cell.producer.empty_wakes.get(), 1U);
}

// Threads of nobody that the producer knows of, asleep on its bell.
class Crowd {
 public:
  Crowd(FakeCounterMemory& bell, int size) : bell_(bell) {
    const auto expected = static_cast<std::uint32_t>(bell.get());
    for (int i = 0; i < size; ++i) {
      threads_.emplace_back([this, expected] {
        // A word that differs has been rung before this thread slept.
        const base::FutexWord word{bell_.place().value, expected, base::FutexScope::shared};
        while (base::futex_wait(word, INT64_MAX) == base::FutexEnd::interrupted) continue;
        ++awake_;
      });
    }
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    EXPECT_TRUE(eventually([&] {
      (void)base::futex_wake_all(bell_.place().value, base::FutexScope::shared);
      return awake_ == static_cast<int>(threads_.size());
    }));
    for (std::thread& thread : threads_) thread.join();
  }
  int awake() const { return awake_; }

 private:
  FakeCounterMemory& bell_;
  std::atomic<int> awake_{0};
  std::vector<std::thread> threads_;
};

// How many sleep on the bell, without waking one: they are queued on another word, and back.
int asleep_on(FakeCounterMemory& bell) {
  FakeCounterMemory other{99};
  const auto move = [](FakeCounterMemory& from, FakeCounterMemory& to) {
    return static_cast<int>(
        ::syscall(SYS_futex, from.place().value, FUTEX_REQUEUE, 0, INT_MAX, to.place().value, 0));
  };
  const int found = move(bell, other);
  EXPECT_EQ(move(other, bell), found);
  return found;
}

TEST(Ringer, WhoSleepsOnTheBellUnannouncedCostsNoCall) {
  Scene s;
  const Crowd crowd(s.bell, 50);
  ASSERT_TRUE(eventually([&] { return asleep_on(s.bell) == 50; }));
  const WakeLinks links = wake_links(s.bell, {&s.one, &s.other});
  for (int i = 0; i < 1000; ++i) s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.cell.producer.wakes.get(), 0U);
  EXPECT_EQ(crowd.awake(), 0);
}

TEST(Ringer, ACrowdOnTheBellIsWokenInPiecesOneCallEach) {
  constexpr int size = 3 * base::limits::sleepers_per_ring + 10;
  Scene s;
  s.one.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.one});
  const Crowd crowd(s.bell, size);
  ASSERT_TRUE(eventually([&] { return asleep_on(s.bell) == size; }));
  for (int rings = 1; rings <= 4; ++rings) {
    s.ringer.ring(links, s.cell);
    EXPECT_EQ(s.cell.producer.wakes.get(), static_cast<std::uint64_t>(rings));
    EXPECT_EQ(asleep_on(s.bell), std::max(0, size - rings * base::limits::sleepers_per_ring));
  }
  EXPECT_TRUE(eventually([&] { return crowd.awake() == size; }));
  // With nobody left the armed counter alone is passed over as ever.
  s.ring_for(long_enough, links);
  const std::uint64_t wakes = s.cell.producer.wakes.get();
  EXPECT_EQ(s.note().count, 1U);
  s.ring_for(long_enough, links);
  EXPECT_EQ(s.cell.producer.wakes.get(), wakes);
}

TEST(Ringer, AWaiterThatNoWakeFindsCostsABoundedNumberOfCallsAndIsTold) {
  Scene s;
  s.one.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.other, &s.one}, 9);
  s.ring_for(long_enough, links);
  const std::uint64_t wakes = s.cell.producer.wakes.get();
  EXPECT_GE(wakes, base::limits::empty_wakes);
  EXPECT_EQ(wakes, s.cell.producer.empty_wakes.get());
  ASSERT_EQ(s.note().count, 1U);
  EXPECT_EQ(s.note().session, 9U);
  EXPECT_EQ(s.note().argument, 2U);  // the second of the list
  s.ring_for(long_enough, links);
  EXPECT_EQ(s.cell.producer.wakes.get(), wakes);
}

TEST(Ringer, ABurstIntoAWaiterThatIsAboutToSleepSilencesNobody) {
  Scene s;
  s.one.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.one});
  for (std::uint32_t i = 0; i < base::limits::empty_wakes * 10; ++i) s.ringer.ring(links, s.cell);
  if (s.note().count != 0) GTEST_SKIP() << "the machine stood still for longer than a burst takes";
  EXPECT_EQ(s.cell.producer.wakes.get(), base::limits::empty_wakes * 10);
}

// Nor does it set the bell back to what it said before.
TEST(Ringer, WhoScribblesOnTheBellKeepsNoSilentWaiterAlive) {
  Scene s;
  s.one.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.one});
  std::int64_t rung = 0;
  s.ring_for(long_enough, links, [&] {
    ASSERT_EQ(s.bell.get(), ++rung);
    s.bell.set(rung % 2 == 0 ? 7 : rung - 1);
  });
  EXPECT_EQ(s.note().count, 1U);
  const std::uint64_t wakes = s.cell.producer.wakes.get();
  s.bell.set(0);
  s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.bell.get(), rung + 1);
  EXPECT_EQ(s.cell.producer.wakes.get(), wakes);
}

TEST(Ringer, WhoIsSeenAwakeIsWokenAgain) {
  Scene s;
  s.one.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.one});
  s.ring_for(long_enough, links);
  ASSERT_EQ(s.note().count, 1U);
  const std::uint64_t wakes = s.cell.producer.wakes.get();
  s.one.set(0);
  s.ringer.ring(links, s.cell);
  s.one.set(1);
  s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.cell.producer.wakes.get(), wakes + 1);
}

TEST(Ringer, WhoIsAwakeNowAndThenIsNeverSilenced) {
  Scene s;
  const WakeLinks links = wake_links(s.bell, {&s.one});
  s.ring_for(long_enough, links, [&] {
    s.one.set(0);
    s.ringer.ring(links, s.cell);
    s.one.set(1);
  });
  EXPECT_EQ(s.note().count, 0U);
  EXPECT_GT(s.cell.producer.wakes.get(), base::limits::empty_wakes);
}

TEST(Ringer, AnotherListIsJudgedAnew) {
  Scene s;
  s.one.set(1);
  s.ring_for(long_enough, wake_links(s.bell, {&s.one}, 1));
  const std::uint64_t wakes = s.cell.producer.wakes.get();
  s.ringer.ring(wake_links(s.bell, {&s.one}, 2), s.cell);
  EXPECT_EQ(s.cell.producer.wakes.get(), wakes + 1);
}

// By every ring that finds it asleep, before and after the liar is silenced.
TEST(Ringer, AWaiterThatSleepsIsWokenBesideOneThatLies) {
  Scene s;
  s.other.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.one, &s.other});
  for (const std::uint64_t silenced : {0U, 1U}) {
    ASSERT_EQ(s.note().count, silenced);
    RealWaiter real(s.one, s.bell);
    for (int round = 0; round < 200; ++round) {
      ASSERT_TRUE(eventually([&] { return real.sleeps(); }));
      const int ended = real.ended();
      s.ringer.ring(links, s.cell);
      ASSERT_TRUE(eventually([&] { return real.ended() > ended; })) << round;
    }
    real.end();
    s.ring_for(long_enough, links);
  }
}

// With nobody but the liar awake between rings, silence comes although others are woken in between.
TEST(Ringer, ALiarIsSilencedBesideAWaiterThatIsAwake) {
  Scene s;
  s.other.set(1);
  const WakeLinks links = wake_links(s.bell, {&s.one, &s.other}, 4);
  s.ring_for(long_enough, links);
  ASSERT_EQ(s.note().count, 1U);
  EXPECT_EQ(s.note().argument, 2U);
  const std::uint64_t wakes = s.cell.producer.wakes.get();
  s.one.set(1);
  s.ringer.ring(links, s.cell);
  EXPECT_EQ(s.cell.producer.wakes.get(), wakes + 1);  // for the other one
}

}  // namespace
}  // namespace tensorpool::agents::test
