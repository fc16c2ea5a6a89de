#include "agents/command_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "base/limits.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::agents {
namespace {

TEST(CommandQueue, GivesCommandsInTheOrderTheyWereQueued) {
  CommandQueue<int> queue(4);
  int value = 0;
  EXPECT_FALSE(queue.pop(value));
  // Many turns around the ring.
  for (int i = 1; i <= 40; ++i) {
    EXPECT_TRUE(queue.push(2 * i));
    EXPECT_TRUE(queue.push(2 * i + 1));
    ASSERT_TRUE(queue.pop(value));
    EXPECT_EQ(value, 2 * i);
    ASSERT_TRUE(queue.pop(value));
    EXPECT_EQ(value, 2 * i + 1);
  }
  EXPECT_FALSE(queue.pop(value));
}

// Proves: CON-14
TEST(CommandQueue, RefusesAtOnceWhenFullAndChangesNothing) {
  CommandQueue<std::unique_ptr<int>> queue(2);
  EXPECT_TRUE(queue.push(std::make_unique<int>(1)));
  EXPECT_TRUE(queue.push(std::make_unique<int>(2)));
  auto third = std::make_unique<int>(3);
  for (int tries = 0; tries < 3; ++tries) {
    EXPECT_FALSE(queue.push(std::move(third)));
    ASSERT_NE(third, nullptr);  // still the caller's, to try again
    EXPECT_EQ(*third, 3);
  }
  std::unique_ptr<int> value;
  ASSERT_TRUE(queue.pop(value));
  EXPECT_EQ(*value, 1);
  EXPECT_TRUE(queue.push(std::move(third)));
  ASSERT_TRUE(queue.pop(value));
  EXPECT_EQ(*value, 2);
  ASSERT_TRUE(queue.pop(value));
  EXPECT_EQ(*value, 3);
  EXPECT_FALSE(queue.pop(value));
}

TEST(CommandQueue, KeepsNothingOfWhatWasTaken) {
  CommandQueue<std::shared_ptr<int>> queue(2);
  auto value = std::make_shared<int>(1);
  EXPECT_TRUE(queue.push(std::shared_ptr<int>(value)));
  std::shared_ptr<int> taken;
  ASSERT_TRUE(queue.pop(taken));
  EXPECT_EQ(value.use_count(), 2);
}

// Proves: CON-13
TEST(CommandQueue, HasAFixedPowerOfTwoCapacityOf1024UnlessToldOtherwise) {
  EXPECT_EQ(ClientOptions{}.command_queue_capacity, 1024U);
  EXPECT_EQ(base::limits::commands, 1024U);
  EXPECT_DEATH(CommandQueue<int>(3), "capacity");
  CommandQueue<int> queue(ClientOptions{}.command_queue_capacity);
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(queue.push(int{i}));
  EXPECT_FALSE(queue.push(1024));
}

// Several threads queue numbered commands behind pointers; the queue is much smaller than what they
// queue, so that they meet a full one again and again.
// Proves: CON-12, CON-16, CON-17
TEST(CommandQueue, KeepsEachThreadsOrderAndLosesNothing) {
  struct Command {
    std::size_t thread = 0;
    int number = 0;
  };
  constexpr std::size_t writers = 3;
  constexpr int each = 5000;
  CommandQueue<std::unique_ptr<Command>> queue(16);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < writers; ++t) {
    threads.emplace_back([&queue, t] {
      for (int i = 0; i < each; ++i) {
        auto command = std::make_unique<Command>(Command{t, i});
        while (!queue.push(std::move(command))) std::this_thread::yield();
      }
    });
  }
  std::array<int, writers> next{};
  for (std::size_t taken = 0; taken < writers * each;) {
    std::unique_ptr<Command> command;
    if (!queue.pop(command)) {
      std::this_thread::yield();
      continue;
    }
    ++taken;
    ASSERT_NE(command, nullptr);
    ASSERT_LT(command->thread, writers);
    EXPECT_EQ(command->number, next[command->thread]++);
  }
  for (std::thread& thread : threads) thread.join();
  std::unique_ptr<Command> none;
  EXPECT_FALSE(queue.pop(none));
}

}  // namespace
}  // namespace tensorpool::agents
