// What docs/internals/aeron-facts.md says of our use of Aeron, seen with a real media driver.
#include <gtest/gtest.h>

#include <vector>

#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 950;
// A term of 64 KiB holds 682 descriptors of 96 bytes; publishers may be half a term ahead.
constexpr const char* term = "64k";
constexpr std::int64_t window_bytes = 32768;

using transport::aeron::CounterView;

std::vector<CounterView> counters_named(const Folder& folder, const std::string& start) {
  std::vector<CounterView> all = transport::aeron::list_counters(folder.aeron()).value();
  std::erase_if(all, [&](const CounterView& c) { return !c.label.starts_with(start); });
  return all;
}

class TransportFacts : public ::testing::Test {
 protected:
  Told publish() { return producer_.claim(DType::u8, {8}).value().commit().value().told; }

  World world_;
  Client sender_ = connect(client_options(world_.folder(), term));
  Client receiver_ = connect(client_options(world_.folder(), term));
  Producer producer_ =
      make_producer(sender_, producer_options(world_.folder(), stream, 1024, {64}));
  Consumer consumer_ = make_consumer(receiver_, consumer_options(stream));
};

// A subscriber that stands still is let go of, and the others get on with the stream.
// Proves: STR-233, STR-95
TEST_F(TransportFacts, a_consumer_that_never_reads_does_not_stop_the_stream) {
  Consumer still = make_consumer(receiver_, consumer_options(stream));
  ASSERT_TRUE(until_active(consumer_));
  ASSERT_TRUE(until_active(still));
  ASSERT_TRUE(eventually([&] {
    (void)publish();
    (void)still.poll([](const Frame&) {});
    return still.statistics().delivered > 0;
  }));
  constexpr std::uint64_t several_terms = 10 * 682;
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 50; ++i) {
      (void)publish();
      (void)consumer_.poll([](const Frame&) {});
    }
    return consumer_.statistics().delivered >= several_terms;
  }));
  // It comes back, sees that it missed something, and its books balance.
  const std::uint64_t then = producer_.statistics().next_seq;
  ASSERT_TRUE(eventually([&] {
    (void)publish();
    (void)consumer_.poll([](const Frame&) {});
    (void)still.poll([](const Frame&) {});
    return still.statistics().last_seq > then;
  }));
  EXPECT_GT(still.statistics().lost, 0U);
  EXPECT_TRUE(still.statistics().balanced());
  EXPECT_TRUE(consumer_.statistics().balanced());
}

// The end of a term costs no descriptor: each is tried again after the rotation.
// Proves: STR-88
TEST_F(TransportFacts, no_descriptor_is_lost_where_a_term_ends) {
  ASSERT_TRUE(until_active(consumer_));
  ASSERT_TRUE(until_linked(world_.folder()));
  constexpr std::uint64_t frames = 13'700;  // 20 terms
  constexpr std::uint64_t batch = 100;
  for (std::uint64_t sent = 0; sent < frames;) {
    for (std::uint64_t i = 0; i < batch; ++i, ++sent) ASSERT_EQ(publish(), Told::consumers) << sent;
    ASSERT_TRUE(eventually([&] {
      while (consumer_.poll([](const Frame&) {}).work() != 0) {
      }
      return consumer_.statistics().delivered == sent;
    }));
    // The media driver moves the publisher's limit behind the reader, now and then.
    ASSERT_TRUE(eventually([&] {
      std::int64_t limit = 0;
      std::int64_t read = 0;
      for (const CounterView& c : counters_named(world_.folder(), "pub-lmt"))
        if (c.label.find(" 1100 ") != std::string::npos) limit = c.value;
      for (const CounterView& c : counters_named(world_.folder(), "sub-pos"))
        if (c.label.find(" 1100 ") != std::string::npos) read = c.value;
      return limit - read >= window_bytes / 2;
    }));
  }
  EXPECT_EQ(consumer_.statistics().lost, 0U);
  EXPECT_EQ(consumer_.statistics().delivered, frames);
  EXPECT_EQ(producer_.statistics().back_pressured, 0U);
}

TEST_F(TransportFacts, every_subscription_of_ours_is_untethered) {
  ASSERT_TRUE(until_active(consumer_));
  std::vector<CounterView> positions;
  // Descriptors and announces at least.
  ASSERT_TRUE(eventually([&] {
    positions = counters_named(world_.folder(), "sub-pos");
    return positions.size() >= 2;
  }));
  for (const CounterView& position : positions)
    EXPECT_NE(position.label.find("tether=false"), std::string::npos) << position.label;
}

}  // namespace
}  // namespace tensorpool::integration
