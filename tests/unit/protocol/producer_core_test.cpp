// A producer of direct mode: when it creates, refreshes, announces and reports
// (docs/protocol/03-streams.md sections 4.1, 9 and 11.4).
#include "protocol/producer_core.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "unit/protocol/support.hpp"

namespace tensorpool::protocol {
namespace {

using Actions = std::vector<ProducerAction>;

class Driver {
 public:
  explicit Driver(ProducerSettings settings = default_settings()) : core(settings, now) {}

  static ProducerSettings default_settings() {
    ProducerSettings settings;
    settings.stream_id = test_stream;
    settings.producer_id = 7;
    return settings;
  }
  void advance(base::Nanos by) {
    now.monotonic += by;
    now.realtime += by;
  }
  Actions start() {
    core.start(list);
    return list.take();
  }
  // A description as an agent gives it: without identity and time.
  Actions created(std::uint64_t epoch = 5) {
    wire::ShmPoolAnnounce description = announce_of(epoch, 0);
    description.stream_id = 0;
    description.producer_id = 0;
    core.on_created(now, description, list);
    return list.take();
  }
  Actions timer() {
    core.on_timer(now, list);
    return list.take();
  }
  Actions begin() {
    (void)start();
    core.on_links(true);
    return created();
  }

  Now now{100 * second, 1'700'000'000 * second};
  ProducerActions list;
  ProducerCore core;
};

TEST(ProducerCore, WalksFromInitToActive) {
  Driver d;
  EXPECT_EQ(d.core.state(), ProducerState::init);
  EXPECT_EQ(d.core.deadline(), std::numeric_limits<base::Nanos>::max());
  const Actions actions = d.start();
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_NE(find<CreateRegions>(actions), nullptr);
  EXPECT_EQ(d.core.state(), ProducerState::connecting);
  (void)d.created();
  EXPECT_EQ(d.core.state(), ProducerState::mapped);
  EXPECT_EQ(d.core.epoch(), 5U);
  d.core.on_links(true);
  EXPECT_EQ(d.core.state(), ProducerState::active);
  d.core.on_links(false);
  EXPECT_EQ(d.core.state(), ProducerState::mapped);
  d.core.on_close();
  EXPECT_EQ(d.core.state(), ProducerState::closed);
}

TEST(ProducerCore, ADescriptorStreamThatCameFirstMakesItActiveAtOnce) {
  Driver d;
  (void)d.begin();
  EXPECT_EQ(d.core.state(), ProducerState::active);
}

// Proves: STR-32
TEST(ProducerCore, NothingIsAnnouncedBeforeTheRegionsAreCreated) {
  Driver d;
  EXPECT_TRUE(d.timer().empty());
  (void)d.start();
  d.core.on_links(true);
  for (int i = 0; i < 5; ++i) {
    d.advance(second);
    EXPECT_TRUE(d.timer().empty());
  }
  EXPECT_EQ(d.core.deadline(), std::numeric_limits<base::Nanos>::max());
  EXPECT_EQ(count<SendAnnounce>(d.created()), 1U);
}

// Proves: STR-22, STR-24, STR-217, STR-226, MSG-61
TEST(ProducerCore, NewRegionsAreRefreshedAndAnnouncedAtOnce) {
  Driver d;
  (void)d.start();
  const Actions actions = d.created(9);
  ASSERT_EQ(actions.size(), 2U);
  // The activity first: whoever acts on the announce finds it fresh.
  ASSERT_TRUE(std::holds_alternative<RefreshActivity>(actions[0]));
  EXPECT_EQ(std::get<RefreshActivity>(actions[0]).now_ns, static_cast<std::uint64_t>(100 * second));
  ASSERT_TRUE(std::holds_alternative<SendAnnounce>(actions[1]));
  EXPECT_EQ(std::get<SendAnnounce>(actions[1]).message,
            announce_of(9, static_cast<std::uint64_t>(100 * second)));
}

// Proves: STR-23, STR-213, MSG-61
TEST(ProducerCore, RefreshesAndAnnouncesEveryPeriodFromTheMonotonicClock) {
  ProducerSettings settings = Driver::default_settings();
  settings.announce_period_ns = second / 4;
  settings.qos_interval_ns = 1000 * second;
  Driver d(settings);
  (void)d.begin();
  (void)d.timer();  // the first report
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(d.core.deadline(), d.now.monotonic + second / 4);
    d.advance(second / 4 - 1);
    EXPECT_TRUE(d.timer().empty());
    d.advance(1);
    const Actions actions = d.timer();
    ASSERT_EQ(actions.size(), 2U);
    const auto clock = static_cast<std::uint64_t>(d.now.monotonic);
    ASSERT_NE(find<RefreshActivity>(actions), nullptr);
    EXPECT_EQ(find<RefreshActivity>(actions)->now_ns, clock);
    ASSERT_NE(find<SendAnnounce>(actions), nullptr);
    EXPECT_EQ(find<SendAnnounce>(actions)->message, announce_of(5, clock));
  }
}

// Proves: STR-25, STR-28
TEST(ProducerCore, TheAnnounceIsStampedFromTheClockThatItNames) {
  Driver monotonic;
  const Actions first = monotonic.begin();
  ASSERT_NE(find<SendAnnounce>(first), nullptr);
  EXPECT_EQ(find<SendAnnounce>(first)->message.announce_clock_domain, ClockDomain::monotonic);
  EXPECT_EQ(find<SendAnnounce>(first)->message.announce_timestamp_ns,
            static_cast<std::uint64_t>(monotonic.now.monotonic));

  ProducerSettings settings = Driver::default_settings();
  settings.clock_domain = ClockDomain::realtime_synced;
  Driver realtime(settings);
  const Actions second_one = realtime.begin();
  ASSERT_NE(find<SendAnnounce>(second_one), nullptr);
  EXPECT_EQ(find<SendAnnounce>(second_one)->message.announce_clock_domain,
            ClockDomain::realtime_synced);
  EXPECT_EQ(find<SendAnnounce>(second_one)->message.announce_timestamp_ns,
            static_cast<std::uint64_t>(realtime.now.realtime));
  // The activity is monotonic whatever the announce says.
  EXPECT_EQ(find<RefreshActivity>(second_one)->now_ns,
            static_cast<std::uint64_t>(realtime.now.monotonic));
}

// Proves: STR-28
TEST(ProducerCore, TheStampIsNeverZero) {
  Driver d;
  d.now.monotonic = 0;
  const Actions actions = d.begin();
  ASSERT_NE(find<SendAnnounce>(actions), nullptr);
  EXPECT_NE(find<SendAnnounce>(actions)->message.announce_timestamp_ns, 0U);
}

// Whoever joined with a new connection hears of the stream without waiting for the period.
TEST(ProducerCore, ANewConnectionIsToldAtOnce) {
  Driver d;
  (void)d.begin();
  (void)d.timer();
  d.advance(second / 10);
  d.core.on_links(false);
  EXPECT_TRUE(d.timer().empty());
  d.core.on_links(true);
  EXPECT_LE(d.core.deadline(), d.now.monotonic);
  EXPECT_EQ(count<SendAnnounce>(d.timer()), 1U);
  d.core.on_links(true);  // no news
  EXPECT_TRUE(d.timer().empty());
}

// The regions stay announced while the descriptor stream is away.
TEST(ProducerCore, KeepsItsRegionsAliveWithoutADescriptorStream) {
  Driver d;
  (void)d.start();
  (void)d.created();
  d.advance(second);
  EXPECT_EQ(count<RefreshActivity>(d.timer()), 1U);
}

// Proves: STR-185, STR-187, STR-188
TEST(ProducerCore, ReportsItsEpochPeriodically) {
  ProducerSettings settings = Driver::default_settings();
  settings.announce_period_ns = 1000 * second;
  settings.qos_interval_ns = 2 * second;
  Driver d(settings);
  (void)d.begin();
  for (int i = 0; i < 5; ++i) {
    const Actions actions = d.timer();
    ASSERT_EQ(actions.size(), 1U) << i;
    const SendQosProducer* qos = find<SendQosProducer>(actions);
    ASSERT_NE(qos, nullptr);
    EXPECT_EQ(qos->message.stream_id, test_stream);
    EXPECT_EQ(qos->message.producer_id, 7U);
    EXPECT_EQ(qos->message.epoch, 5U);
    EXPECT_FALSE(qos->message.watermark.has_value());
    EXPECT_EQ(d.core.deadline(), d.now.monotonic + 2 * second);
    d.advance(2 * second - 1);
    EXPECT_TRUE(d.timer().empty());
    d.advance(1);
  }
}

TEST(ProducerCore, SaysNothingAfterAFailureOrTheEnd) {
  Driver failed;
  (void)failed.start();
  failed.core.on_create_failed();
  EXPECT_EQ(failed.core.state(), ProducerState::failed);
  EXPECT_TRUE(failed.created().empty());  // an answer that comes too late
  EXPECT_EQ(failed.core.state(), ProducerState::failed);
  failed.advance(10 * second);
  EXPECT_TRUE(failed.timer().empty());

  Driver closed;
  (void)closed.begin();
  closed.core.on_close();
  closed.core.on_links(true);
  closed.advance(10 * second);
  EXPECT_TRUE(closed.timer().empty());
  EXPECT_EQ(closed.core.deadline(), std::numeric_limits<base::Nanos>::max());
}

}  // namespace
}  // namespace tensorpool::protocol
