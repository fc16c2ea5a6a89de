#include "agents/bell_thread.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/eventually.hpp"
#include "unit/agents/wake_support.hpp"

namespace tensorpool::agents::test {
namespace {

using tensorpool::test::eventually;

class Bells : public ::testing::Test {
 protected:
  ~Bells() override {
    for (const auto& seat : seats_) bells_.remove(*seat);
    ::close(fd_);
  }
  BellThread::Seat& sit() {
    seats_.push_back(std::make_unique<BellThread::Seat>());
    EXPECT_TRUE(bells_.add(*seats_.back(), fd_, "test"));
    return *seats_.back();
  }

  int fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  std::vector<std::unique_ptr<BellThread::Seat>> seats_;
  BellThread bells_;
};

TEST_F(Bells, HasRoomForAsManyWordsAsTheKernelTakesWithTheOneOfItsOwn) {
  constexpr std::size_t words = 5;
  constexpr std::size_t fit = (base::limits::futexes_per_wait - 1) / words;
  for (std::size_t i = 0; i < fit; ++i) ASSERT_TRUE(bells_.make_room(sit(), words)) << i;
  BellThread::Seat& late = sit();
  EXPECT_FALSE(bells_.make_room(late, words));
  EXPECT_TRUE(bells_.make_room(*seats_.front(), words));  // what it has already
  // Who wants less makes room for others.
  EXPECT_TRUE(bells_.make_room(*seats_.front(), 1));
  EXPECT_TRUE(bells_.make_room(late, words));
  EXPECT_FALSE(bells_.make_room(*seats_.front(), words));
  bells_.remove(late);
  EXPECT_TRUE(bells_.make_room(*seats_.front(), words));
}

// Or an armed counter would be taken back that has been armed again, and nobody would ring.
TEST_F(Bells, BetweenDisarmAndArmTheThreadTouchesNothing) {
  FakeCounterMemory counter{1};
  FakeCounterMemory bell{2};
  std::atomic<std::uint32_t> kick{0};
  BellThread::Seat& seat = sit();
  ASSERT_TRUE(bells_.make_room(seat, 2));
  std::map<BellThread::End, int> ends;
  const auto round = [&](int number) {
    const std::array words{
        base::FutexWord{&kick, kick, base::FutexScope::process},
        base::FutexWord{bell.place().value, static_cast<std::uint32_t>(bell.get()),
                        base::FutexScope::shared}};
    counter.set(1);
    bells_.arm(seat, words, counter.place(),
               base::SystemClock::monotonic() + (number % 4 == 0 ? 0 : 3'600'000'000'000));
    if (number % 4 == 1) {
      bell.set(bell.get() + 1);
      (void)base::futex_wake_all(bell.place().value, base::FutexScope::shared);
    }
    if (number % 4 == 2) {
      ++kick;
      (void)base::futex_wake_all(&kick, base::FutexScope::process);
    }
    for (int i = 0; i < number % 16; ++i) std::this_thread::yield();
    const BellThread::End end = bells_.disarm(seat);
    ++ends[end];
    EXPECT_EQ(counter.get(), end == BellThread::End::none ? 1 : 0);
    counter.set(1);
    for (int i = 0; i < 3; ++i) {
      std::this_thread::yield();
      EXPECT_EQ(counter.get(), 1);
    }
  };
  int number = 0;
  while (number < 5'000) round(number++);
  EXPECT_TRUE(eventually([&] {
    round(number++);
    return ends.size() == 4;
  }));
}

// Whoever has no room is looked after now and then; nobody is forgotten, nobody served for somebody else's word.
TEST_F(Bells, BeyondTheKernelsLimitEverySeatIsServedAllTheSame) {
  constexpr std::size_t words = 1 + base::limits::bells_per_consumer;
  constexpr std::size_t seats = 2 * base::limits::futexes_per_wait / words;
  struct Place {
    BellThread::Seat seat;
    int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    std::array<std::uint32_t, words> values{};
    bool room = false;
    bool readable() const {
      pollfd wait{fd, POLLIN, 0};
      return ::poll(&wait, 1, 0) == 1;
    }
  };
  std::vector<std::unique_ptr<Place>> places;
  const auto arm = [&](Place& place) {
    std::array<base::FutexWord, words> futexes;
    for (std::size_t i = 0; i < words; ++i)
      futexes[i] = {&place.values[i], place.values[i], base::FutexScope::process};
    bells_.arm(place.seat, futexes, {}, base::SystemClock::monotonic() + 3'600'000'000'000);
  };
  std::size_t roomy = 0;
  for (std::size_t i = 0; i < seats; ++i) {
    Place& place = *places.emplace_back(std::make_unique<Place>());
    ASSERT_TRUE(bells_.add(place.seat, place.fd, "test"));
    place.room = bells_.make_room(place.seat, words);
    roomy += place.room ? 1U : 0U;
    arm(place);
  }
  EXPECT_EQ(roomy, (base::limits::futexes_per_wait - 1) / words);
  // The last word of each, in an order that mixes those with room and those without.
  for (std::size_t i = 0; i < seats; ++i) {
    Place& place = *places[i * 7 % seats];
    EXPECT_FALSE(place.readable()) << i;
    std::atomic_ref<std::uint32_t>(place.values.back()).store(1, std::memory_order_seq_cst);
    (void)base::futex_wake_all(&place.values.back(), base::FutexScope::process);
    EXPECT_TRUE(eventually([&] { return place.readable(); })) << i << " room " << place.room;
    std::size_t served = 0;
    for (const auto& one : places) served += one->readable() ? 1U : 0U;
    EXPECT_EQ(served, 1U) << i;
    EXPECT_EQ(bells_.disarm(place.seat), BellThread::End::rung);
    std::uint64_t count = 0;
    ASSERT_EQ(::read(place.fd, &count, sizeof count), static_cast<ssize_t>(sizeof count));
    EXPECT_EQ(count, 1U);
    arm(place);
  }
  for (const auto& place : places) {
    bells_.remove(place->seat);
    ::close(place->fd);
  }
}

TEST_F(Bells, ThreadHasItsOwnName) {
  (void)sit();
  EXPECT_TRUE(eventually([] {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string name;
      if (std::getline(file, name) && name == "tp-bells") return true;
    }
    return false;
  }));
}

}  // namespace
}  // namespace tensorpool::agents::test
