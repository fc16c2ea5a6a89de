// Fibers: they give way where they say so, keep what they had, and may be left standing.
#include "sim/fiber.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace tensorpool::sim {
namespace {

TEST(Fiber, runs_when_it_is_resumed_and_goes_on_where_it_gave_way) {
  std::string said;
  Fiber fiber([&] {
    said += "a";
    Fiber::yield();
    said += "b";
    Fiber::yield();
    said += "c";
  });
  EXPECT_EQ(said, "");
  fiber.resume();
  EXPECT_EQ(said, "a");
  EXPECT_EQ(Fiber::current(), nullptr);
  fiber.resume();
  EXPECT_EQ(said, "ab");
  EXPECT_FALSE(fiber.done());
  fiber.resume();
  EXPECT_EQ(said, "abc");
  EXPECT_TRUE(fiber.done());
}

TEST(Fiber, many_take_turns_with_stacks_of_their_own) {
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::array<int, 20> sums{};
  for (int id = 0; id < 20; ++id) {
    fibers.push_back(std::make_unique<Fiber>([id, &sums] {
      std::array<unsigned char, 4096> mine{};
      for (int round = 0; round < 10; ++round) {
        std::memset(mine.data(), id, mine.size());
        Fiber::yield();
        for (const unsigned char byte : mine) sums[static_cast<std::size_t>(id)] += byte == id;
      }
    }));
  }
  for (bool more = true; more;) {
    more = false;
    for (auto& fiber : fibers) {
      if (fiber->done()) continue;
      fiber->resume();
      EXPECT_EQ(Fiber::current(), nullptr);
      more = true;
    }
  }
  for (const int sum : sums) EXPECT_EQ(sum, 10 * 4096);
}

// A function that is compiled with a frame the address sanitizer may move off the stack.
int deep(int levels) {
  std::array<char, 100> frame{};
  frame[static_cast<std::size_t>(levels) % frame.size()] = 1;
  if (levels % 3 == 0) Fiber::yield();
  return levels == 0 ? frame[0] : deep(levels - 1) + frame[static_cast<std::size_t>(levels) % 100];
}

TEST(Fiber, gives_way_from_the_depth_of_calls) {
  int result = 0;
  Fiber fiber([&] { result = deep(60); });
  int resumed = 0;
  for (; !fiber.done(); ++resumed) fiber.resume();
  EXPECT_EQ(result, 61);
  EXPECT_EQ(resumed, 22);
}

TEST(Fiber, one_that_is_abandoned_runs_nothing_more) {
  struct Tell {
    ~Tell() { ++*count; }
    int* count;
  };
  int destroyed = 0;
  {
    Fiber fiber([&] {
      const Tell tell{&destroyed};
      Fiber::yield();
    });
    fiber.resume();
  }
  EXPECT_EQ(destroyed, 0);
}

}  // namespace
}  // namespace tensorpool::sim
