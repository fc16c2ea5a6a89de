// The cores of producer and consumer in driver mode: what they do with regions that come and go with a lease.
#include <gtest/gtest.h>

#include "protocol/producer_core.hpp"
#include "unit/protocol/lease/support.hpp"

namespace tensorpool::protocol {
namespace {

class Leased : public ::testing::Test {
 protected:
  static ConsumerSettings settings() {
    ConsumerSettings s = ConsumerDriver::default_settings();
    s.leased = true;
    return s;
  }
  wire::ShmPoolAnnounce regions(std::uint64_t epoch) const {
    wire::ShmPoolAnnounce r = announce_of(epoch, 0);
    r.producer_id = 0;
    return r;
  }
  ConsumerDriver::Actions lease(std::uint64_t epoch) {
    d.core.on_lease(d.now, regions(epoch), d.list);
    return d.list.take();
  }
  ConsumerDriver::Actions lease_ended() {
    d.core.on_lease_ended(d.now, d.list);
    return d.list.take();
  }
  ConsumerDriver::Actions producer_gone(std::uint64_t told_ns = 0) {
    d.core.on_producer_gone(d.now, told_ns, d.list);
    return d.list.take();
  }
  // Leased, mapped and active at this epoch.
  void begin(std::uint64_t epoch) {
    d.core.on_links(true);
    (void)d.mapped(ConsumerDriver::map_id(lease(epoch)), d.clock());
    ASSERT_EQ(d.core.state(), ConsumerState::active);
  }

  ConsumerDriver d{settings()};
};

TEST_F(Leased, WithoutALeaseNothingIsMappedAndNoHelloSent) {
  EXPECT_TRUE(ignored(d.announce(5)));
  EXPECT_EQ(d.refused(AnnounceRefusal::not_leased), 1U);
  const auto due = d.timer();
  EXPECT_EQ(find<SendHello>(due), nullptr);
  EXPECT_NE(find<SendQosConsumer>(due), nullptr);
  (void)lease(5);
  EXPECT_NE(find<SendHello>(d.timer()), nullptr) << "the first one after the attach";
}

// Proves: STR-210, STR-216
TEST_F(Leased, ALeaseMapsItsEpochWhateverWasAnnouncedOrWrittenBefore) {
  (void)d.announce(9);
  const std::uint64_t id = ConsumerDriver::map_id(lease(7));
  ASSERT_NE(id, 0U);
  // Its regions may not have been refreshed yet, and have until the liveness timeout.
  const auto done = d.mapped(id, 0);
  EXPECT_EQ(find<UnmapRegions>(done), nullptr);
  EXPECT_EQ(d.core.epoch(), 7U);
  d.advance(5 * second);
  EXPECT_EQ(find<UnmapRegions>(d.checked({true, true, 0})), nullptr);
  d.advance(1);
  EXPECT_NE(find<UnmapRegions>(d.checked({true, true, 0})), nullptr);
}

TEST_F(Leased, AHigherEpochIsMappedUnderTheSameLease) {
  begin(5);
  const auto done = d.announce(6);
  EXPECT_NE(find<UnmapRegions>(done), nullptr);
  (void)d.mapped(ConsumerDriver::map_id(done), d.clock());
  EXPECT_EQ(d.core.epoch(), 6U);
}

// Proves: DRV-113, STR-206, DRV-122
TEST_F(Leased, WithoutItsProducerOnlyAHigherEpochIsOfInterest) {
  begin(5);
  const auto gone = producer_gone();
  ASSERT_NE(find<UnmapRegions>(gone), nullptr);
  EXPECT_EQ(find<UnmapRegions>(gone)->reason, UnmapReason::producer_gone);
  EXPECT_TRUE(ignored(d.announce(5)));
  EXPECT_EQ(d.refused(AnnounceRefusal::producer_revoked), 1U);
  EXPECT_TRUE(ignored(producer_gone())) << "a second notice has no effect";
  EXPECT_NE(ConsumerDriver::map_id(d.announce(6)), 0U);
  // An attach anew may bring the old epoch again, of a driver that does not increment it.
  EXPECT_NE(ConsumerDriver::map_id(lease(5)), 0U);
}

// Proves: DRV-113
TEST_F(Leased, WhatWasAnnouncedBeforeTheEndOfItsProducerIsNotMappedBehindIt) {
  begin(5);
  const std::uint64_t told = d.clock() + 10;
  (void)producer_gone(told);
  d.advance(10);
  // Epoch 6 began and ended while this consumer heard nothing; its announce comes behind the notice.
  EXPECT_TRUE(ignored(d.announce(6))) << "sent when the notice was";
  EXPECT_EQ(d.refused(AnnounceRefusal::producer_revoked), 1U);
  d.advance(1);
  EXPECT_NE(ConsumerDriver::map_id(d.announce(7)), 0U);
}

// Proves: CON-38
TEST_F(Leased, TheEndOfTheLeaseUnmapsAndWhatIsBeingMappedComesTooLate) {
  begin(5);
  const auto ended = lease_ended();
  ASSERT_NE(find<UnmapRegions>(ended), nullptr);
  EXPECT_EQ(find<UnmapRegions>(ended)->reason, UnmapReason::lease_ended);
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);
  EXPECT_TRUE(ignored(d.announce(6)));
  const std::uint64_t id = ConsumerDriver::map_id(lease(7));
  (void)lease_ended();
  EXPECT_TRUE(ignored(d.mapped(id, d.clock())));
  EXPECT_EQ(d.core.session(), 0U);
}

// Proves: STR-212
TEST_F(Leased, AnEpochWhosePidChangedIsNotMappedByALeaseEither) {
  begin(5);
  EXPECT_NE(find<UnmapRegions>(d.checked({true, false, d.clock()})), nullptr);
  EXPECT_EQ(ConsumerDriver::map_id(lease(5)), 0U);
  EXPECT_NE(ConsumerDriver::map_id(d.announce(6)), 0U);
}

TEST_F(Leased, RegionsOfALeaseThatCannotBeMappedAreTheLeasesAffair) {
  const std::uint64_t id = ConsumerDriver::map_id(lease(5));
  EXPECT_TRUE(ignored(d.map_failed(id)));
  EXPECT_NE(ConsumerDriver::map_id(lease(5)), 0U) << "no pause for the next one";
}

// Proves: STR-21, STR-213, STR-217
TEST(LeasedProducer, RefreshesWhatTheDriverAnnounces) {
  ProducerSettings settings;
  settings.stream_id = test_stream;
  settings.producer_id = 7;
  settings.announces = false;
  Now now{100 * second, 1'700'000'000 * second};
  ProducerCore core(settings, now);
  ProducerActions list;
  core.start(list);
  EXPECT_NE(find<CreateRegions>(list.take()), nullptr);
  core.on_links(true);
  for (const std::uint64_t epoch : {5U, 6U}) {
    core.on_created(now, announce_of(epoch, 0), list);
    const auto done = list.take();
    EXPECT_EQ(count<RefreshActivity>(done), 1U) << "at once";
    EXPECT_EQ(count<SendAnnounce>(done), 0U);
    EXPECT_EQ(core.state(), ProducerState::active);
    EXPECT_EQ(core.epoch(), epoch);
    for (int period = 0; period < 3; ++period) {
      now.monotonic += second;
      core.on_timer(now, list);
      const auto due = list.take();
      EXPECT_EQ(count<RefreshActivity>(due), 1U);
      EXPECT_EQ(count<SendAnnounce>(due), 0U);
    }
    core.on_lost();
    EXPECT_EQ(core.state(), ProducerState::connecting);
    now.monotonic += 10 * second;
    core.on_timer(now, list);
    EXPECT_TRUE(list.empty()) << "there is nothing to refresh";
  }
}

}  // namespace
}  // namespace tensorpool::protocol
