#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

#include "support.hpp"

namespace tensorpool::transport::aeron {
namespace {

TEST(MediaDriverThreads, of_threads_that_start_at_once_exactly_one_wins) {
  for (int round = 0; round < 3; ++round) {
    const Folder folder;
    constexpr std::size_t racers = 3;
    std::latch gate(racers);
    std::vector<Result<std::unique_ptr<EmbeddedMediaDriver>>> outcomes(racers);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < racers; ++i) {
      threads.emplace_back([&, i] {
        gate.arrive_and_wait();
        outcomes[i] = EmbeddedMediaDriver::launch(small_driver(folder / "aeron", false));
      });
    }
    for (std::thread& thread : threads) thread.join();
    int winners = 0;
    for (const auto& outcome : outcomes) {
      winners += outcome ? 1 : 0;
      if (!outcome) {
        EXPECT_EQ(outcome.error().code(), Code::rejected) << outcome.error().message();
      }
    }
    EXPECT_EQ(winners, 1) << "round " << round;
    EXPECT_TRUE(alive(folder / "aeron"));
  }
}

// The media driver works by itself: a client of another thread gets what it asks for.
TEST(MediaDriverThreads, a_threaded_one_serves_without_being_driven) {
  const Folder folder;
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron", false));
  ASSERT_TRUE(driver);
  EXPECT_EQ((*driver)->do_work(), 0);
  const ConnectOptions options = patient(folder / "aeron");
  const auto connection = connect_now(*make_transport(), options);
  ASSERT_TRUE(connection) << connection.error().message();
  EXPECT_EQ((*connection)->do_work(), 0);
  auto add = (*connection)
                 ->add_subscription("aeron:ipc", 1, base::SystemClock::monotonic() + 60'000'000'000,
                                    nullptr);
  ASSERT_TRUE(add);
  for (;;) {
    const auto polled = (*add)->poll();
    ASSERT_TRUE(polled) << polled.error().message();
    if (*polled != nullptr) break;
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace tensorpool::transport::aeron
