#include "transport/image_log.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace tensorpool::transport {
namespace {

TEST(ImageLog, gives_events_in_order_and_each_once) {
  const auto log = std::make_unique<ImageLog>();
  EXPECT_FALSE(log->pop());
  EXPECT_TRUE(log->push({1, 10, true}));
  EXPECT_TRUE(log->push({2, 20, false}));
  const auto first = log->pop();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->session_id, 1);
  EXPECT_EQ(first->monotonic_ns, 10);
  EXPECT_TRUE(first->available);
  const auto second = log->pop();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->session_id, 2);
  EXPECT_FALSE(second->available);
  EXPECT_FALSE(log->pop());
}

TEST(ImageLog, a_full_log_refuses_and_counts_and_goes_on_when_read) {
  const auto log = std::make_unique<ImageLog>();
  for (std::size_t i = 0; i < base::limits::image_events; ++i) {
    ASSERT_TRUE(log->push({static_cast<std::int32_t>(i), 0, true}));
  }
  EXPECT_FALSE(log->push({-1, 0, true}));
  EXPECT_FALSE(log->push({-2, 0, true}));
  EXPECT_EQ(log->lost(), 2U);
  EXPECT_EQ(log->pop()->session_id, 0);
  EXPECT_TRUE(log->push({1000, 0, true}));
  std::int32_t last = 0;
  while (const auto event = log->pop()) last = event->session_id;
  EXPECT_EQ(last, 1000);
}

}  // namespace
}  // namespace tensorpool::transport
