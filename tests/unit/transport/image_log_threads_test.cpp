#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "transport/image_log.hpp"

namespace tensorpool::transport {
namespace {

// One pushing and one popping thread; what is popped is whole, in order, and all that was not lost.
TEST(ImageLogThreads, events_cross_whole_and_in_order) {
  constexpr std::int32_t count = 200'000;
  const auto log = std::make_unique<ImageLog>();
  std::thread pusher([&] {
    for (std::int32_t i = 1; i <= count; ++i) {
      (void)log->push({i, base::Nanos{i} * 3, i % 2 == 0});
    }
    while (!log->push({0, 0, false})) std::this_thread::yield();  // the end
  });
  std::int32_t last = 0;
  std::uint64_t got = 0;
  for (bool ended = false; !ended;) {
    const auto event = log->pop();
    if (!event) {
      std::this_thread::yield();
      continue;
    }
    ended = event->session_id == 0;
    if (ended) break;
    ASSERT_GT(event->session_id, last);
    ASSERT_EQ(event->monotonic_ns, base::Nanos{event->session_id} * 3);
    ASSERT_EQ(event->available, event->session_id % 2 == 0);
    last = event->session_id;
    ++got;
  }
  pusher.join();
  // The pusher's retries of the end mark count as lost too.
  EXPECT_GE(got + log->lost(), static_cast<std::uint64_t>(count));
  EXPECT_LE(got, static_cast<std::uint64_t>(count));
}

}  // namespace
}  // namespace tensorpool::transport
