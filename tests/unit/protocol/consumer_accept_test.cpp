// Which announces a consumer acts on: the checks of docs/protocol/03-streams.md section 4.2, in
// their order, and the memory of the highest epoch.
#include <gtest/gtest.h>

#include <cstdint>

#include "unit/protocol/support.hpp"

namespace tensorpool::protocol {
namespace {

using Driver = ConsumerDriver;

TEST(AcceptAnnounce, AFreshOneOfTheStreamIsMapped) {
  Driver d;
  const auto actions = d.announce(5);
  ASSERT_EQ(actions.size(), 1U);
  const MapRegions* map = find<MapRegions>(actions);
  ASSERT_NE(map, nullptr);
  EXPECT_EQ(map->announce, d.fresh_announce(5));
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);  // asked for is not mapped
}

// Proves: STR-11
TEST(AcceptAnnounce, AnotherStreamIsIgnoredBeforeItsEpochCounts) {
  Driver d;
  wire::ShmPoolAnnounce foreign = d.fresh_announce(900);
  foreign.stream_id = test_stream + 1;
  EXPECT_TRUE(ignored(d.announce(foreign)));
  EXPECT_EQ(d.refused(AnnounceRefusal::other_stream), 1U);
  EXPECT_EQ(d.core.highest_epoch(), 0U);
  EXPECT_NE(Driver::map_id(d.announce(5)), 0U);
}

// Proves: SHM-154
TEST(AcceptAnnounce, AnUnknownClockDomainIsIgnored) {
  Driver d;
  for (const int value : {0, 3, 255}) {
    wire::ShmPoolAnnounce announce = d.fresh_announce(5);
    announce.announce_clock_domain = static_cast<ClockDomain>(value);
    EXPECT_TRUE(ignored(d.announce(announce))) << value;
  }
  EXPECT_EQ(d.refused(AnnounceRefusal::clock_domain), 3U);
}

TEST(AcceptAnnounce, ATimestampOfZeroIsIgnored) {
  Driver d;
  EXPECT_TRUE(ignored(d.announce(announce_of(5, 0))));
  EXPECT_EQ(d.refused(AnnounceRefusal::no_timestamp), 1U);
}

// Proves: STR-33, STR-34, SHM-148, STR-35, SHM-149
TEST(AcceptAnnounce, OneOlderThanTheFreshnessWindowIsIgnored) {
  Driver d;
  EXPECT_TRUE(ignored(d.announce(announce_of(5, d.clock() - 3 * second - 1))));
  EXPECT_EQ(d.refused(AnnounceRefusal::too_old), 1U);
  EXPECT_NE(Driver::map_id(d.announce(announce_of(5, d.clock() - 3 * second))), 0U);
}

TEST(AcceptAnnounce, TheWindowFollowsPeriodAndFactor) {
  ConsumerSettings settings = Driver::default_settings();
  settings.announce_period_ns = second / 10;
  settings.freshness_factor = 2;
  Driver d(settings);
  EXPECT_TRUE(ignored(d.announce(announce_of(5, d.clock() - second / 5 - 1))));
  EXPECT_NE(Driver::map_id(d.announce(announce_of(5, d.clock() - second / 5))), 0U);
}

// Proves: STR-37
TEST(AcceptAnnounce, ATimestampAheadOfTheClockIsFresh) {
  Driver d;
  EXPECT_NE(Driver::map_id(d.announce(announce_of(5, d.clock() + 3600 * second))), 0U);
}

// Proves: STR-36, SHM-148
TEST(AcceptAnnounce, TheAgeIsTakenOnTheClockThatTheAnnounceNames) {
  Driver d;
  // Realtime stamps: far in the monotonic future, but judged by the realtime clock.
  const auto realtime = static_cast<std::uint64_t>(d.now.realtime);
  wire::ShmPoolAnnounce old = announce_of(5, realtime - 3 * second - 1);
  old.announce_clock_domain = ClockDomain::realtime_synced;
  EXPECT_TRUE(ignored(d.announce(old)));
  EXPECT_EQ(d.refused(AnnounceRefusal::too_old), 1U);
  wire::ShmPoolAnnounce fresh = announce_of(5, realtime - second);
  fresh.announce_clock_domain = ClockDomain::realtime_synced;
  EXPECT_NE(Driver::map_id(d.announce(fresh)), 0U);
  // The same number as a monotonic reading is ahead of that clock, and a monotonic reading as a
  // realtime one is decades old.
  Driver other;
  wire::ShmPoolAnnounce decades = other.fresh_announce(5);
  decades.announce_clock_domain = ClockDomain::realtime_synced;
  EXPECT_TRUE(ignored(other.announce(decades)));
}

// Proves: STR-38, SHM-150, SHM-151
TEST(AcceptAnnounce, AMonotonicOneFromBeforeTheImageCameIsIgnored) {
  Driver d;
  d.core.on_image(d.now, 2, d.now.monotonic - second, true);
  EXPECT_TRUE(ignored(d.announce(announce_of(5, d.clock() - second - 1), 2)));
  EXPECT_EQ(d.refused(AnnounceRefusal::before_join), 1U);
  EXPECT_NE(Driver::map_id(d.announce(announce_of(5, d.clock() - second), 2)), 0U);
}

// Proves: STR-38, SHM-151
TEST(AcceptAnnounce, TheJoinTimeBelongsToTheImage) {
  Driver d;
  // Image 1 joined long ago; image 2 only now.
  d.core.on_image(d.now, 2, d.now.monotonic, true);
  const wire::ShmPoolAnnounce earlier = announce_of(5, d.clock() - second);
  EXPECT_TRUE(ignored(d.announce(earlier, 2)));
  EXPECT_NE(Driver::map_id(d.announce(earlier, 1)), 0U);
}

TEST(AcceptAnnounce, AnImageThatNobodyAnnouncedHasJoinedNow) {
  Driver d;
  EXPECT_TRUE(ignored(d.announce(announce_of(5, d.clock() - 1), 99)));
  EXPECT_EQ(d.refused(AnnounceRefusal::before_join), 1U);
  d.advance(second);
  EXPECT_NE(Driver::map_id(d.announce(announce_of(5, d.clock() - second / 2), 99)), 0U);
}

TEST(AcceptAnnounce, AnImageThatComesAgainHasJoinedAgain) {
  Driver d;
  d.core.on_image(d.now, Driver::session, 0, false);
  d.core.on_image(d.now, Driver::session, d.now.monotonic, true);
  EXPECT_TRUE(ignored(d.announce(announce_of(5, d.clock() - 1))));
  // Gone and not announced again: it joins with the next message.
  d.core.on_image(d.now, Driver::session, 0, false);
  d.advance(second);
  EXPECT_TRUE(ignored(d.announce(announce_of(5, d.clock() - 1))));
  EXPECT_EQ(d.refused(AnnounceRefusal::before_join), 2U);
}

// Proves: STR-39, SHM-152
TEST(AcceptAnnounce, TheJoinTimeIsNothingToARealtimeStamp) {
  Driver d;
  // A join time that is above every stamp of the realtime clock.
  d.core.on_image(d.now, 2, d.now.realtime + 3600 * second, true);
  wire::ShmPoolAnnounce announce =
      announce_of(5, static_cast<std::uint64_t>(d.now.realtime - second));
  announce.announce_clock_domain = ClockDomain::realtime_synced;
  EXPECT_NE(Driver::map_id(d.announce(announce, 2)), 0U);
}

// Proves: STR-48
TEST(AcceptAnnounce, AnUnsupportedLayoutVersionIsIgnored) {
  Driver d;
  wire::ShmPoolAnnounce announce = d.fresh_announce(5);
  announce.layout_version = 2;
  EXPECT_TRUE(ignored(d.announce(announce)));
  announce.layout_version = 0;
  EXPECT_TRUE(ignored(d.announce(announce)));
  EXPECT_EQ(d.refused(AnnounceRefusal::layout_version), 2U);
  EXPECT_EQ(d.core.highest_epoch(), 0U);
}

TEST(AcceptAnnounce, AnExpectedLayoutVersionMustBeMet) {
  ConsumerSettings settings = Driver::default_settings();
  settings.expected_layout_version = 2;
  Driver d(settings);
  EXPECT_TRUE(ignored(d.announce(5)));
  EXPECT_EQ(d.refused(AnnounceRefusal::layout_version), 1U);
  settings.expected_layout_version = 1;
  Driver other(settings);
  EXPECT_NE(Driver::map_id(other.announce(5)), 0U);
}

// Proves: STR-40, SHM-162
TEST(AcceptAnnounce, ALowerEpochThanTheHighestObservedIsIgnored) {
  Driver d;
  (void)d.attach(7);
  EXPECT_TRUE(ignored(d.announce(6)));
  EXPECT_EQ(d.refused(AnnounceRefusal::lower_epoch), 1U);
  EXPECT_EQ(d.core.epoch(), 7U);  // and leaves the mapping alone
}

TEST(AcceptAnnounce, TheEpochsThatAreNeverAnnouncedAreIgnored) {
  Driver d;
  EXPECT_TRUE(ignored(d.announce(std::uint64_t{0})));
  EXPECT_TRUE(ignored(d.announce(UINT64_MAX)));
  EXPECT_EQ(d.core.highest_epoch(), 0U);
}

// Proves: STR-40, SHM-162
TEST(AcceptAnnounce, AnEpochThatCouldNotBeMappedCountsAsObserved) {
  Driver d;
  (void)d.map_failed(Driver::map_id(d.announce(7)));
  d.advance(second);
  EXPECT_TRUE(ignored(d.announce(6)));
  EXPECT_EQ(d.refused(AnnounceRefusal::lower_epoch), 1U);
  EXPECT_NE(Driver::map_id(d.announce(7)), 0U);
}

// Proves: STR-40, SHM-162
TEST(AcceptAnnounce, AHigherEpochSeenInADescriptorCountsAsObserved) {
  Driver d;
  const std::uint64_t session = d.attach(7);
  (void)d.note(session, ConsumerNote::higher_epoch, 9);
  EXPECT_EQ(d.core.highest_epoch(), 9U);
  EXPECT_TRUE(ignored(d.announce(7)));  // does not bring the old mapping back
  EXPECT_TRUE(ignored(d.announce(8)));
  EXPECT_NE(Driver::map_id(d.announce(9)), 0U);
}

// A driver that lost its state, or a bogus descriptor, does not lock a consumer out for ever.
TEST(AcceptAnnounce, TheHighestEpochIsForgottenAfterTheLivenessTimeout) {
  Driver d;
  const std::uint64_t session = d.attach(7);
  (void)d.note(session, ConsumerNote::higher_epoch, UINT64_MAX);
  d.advance(5 * second);
  EXPECT_TRUE(ignored(d.announce(7)));
  d.advance(1);
  EXPECT_NE(Driver::map_id(d.announce(7)), 0U);
}

TEST(AcceptAnnounce, AcceptedAnnouncesKeepTheHighestEpochInMind) {
  Driver d;
  for (int i = 0; i < 20; ++i) {  // regions that never map, announced every second
    const std::uint64_t id = Driver::map_id(d.announce(7));
    ASSERT_NE(id, 0U);
    (void)d.map_failed(id);
    d.advance(second);
    ASSERT_TRUE(ignored(d.announce(6)));
  }
  d.advance(5 * second);
  EXPECT_NE(Driver::map_id(d.announce(6)), 0U);
}

TEST(AcceptAnnounce, AMappedStreamNeverForgetsItsEpoch) {
  Driver d;
  (void)d.attach(7);
  d.advance(60 * second);
  (void)d.timer();
  EXPECT_TRUE(ignored(d.announce(6)));
}

// Of two failing checks the earlier one is named: the order of section 4.2.
TEST(AcceptAnnounce, TheChecksStopAtTheFirstFailure) {
  Driver d;
  (void)d.attach(7);
  wire::ShmPoolAnnounce bad = announce_of(3, 0);
  bad.stream_id = 1;
  bad.announce_clock_domain = static_cast<ClockDomain>(9);
  bad.layout_version = 9;
  (void)d.announce(bad);
  EXPECT_EQ(d.refused(AnnounceRefusal::other_stream), 1U);
  bad.stream_id = test_stream;
  (void)d.announce(bad);
  EXPECT_EQ(d.refused(AnnounceRefusal::clock_domain), 1U);
  bad.announce_clock_domain = ClockDomain::monotonic;
  (void)d.announce(bad);
  EXPECT_EQ(d.refused(AnnounceRefusal::no_timestamp), 1U);
  bad.announce_timestamp_ns = 1;
  (void)d.announce(bad);
  EXPECT_EQ(d.refused(AnnounceRefusal::too_old), 1U);
  d.core.on_image(d.now, 2, d.now.monotonic, true);
  bad.announce_timestamp_ns = d.clock() - 1;
  (void)d.announce(bad, 2);
  EXPECT_EQ(d.refused(AnnounceRefusal::before_join), 1U);
  (void)d.announce(bad);
  EXPECT_EQ(d.refused(AnnounceRefusal::layout_version), 1U);
  bad.layout_version = 1;
  bad.header_nslots = 3;
  (void)d.announce(bad);
  EXPECT_EQ(d.refused(AnnounceRefusal::lower_epoch), 1U);
  EXPECT_EQ(d.refused(AnnounceRefusal::malformed_regions), 0U);
}

// Check 9: what STR-29 and STR-30 ask of a sender is not taken on trust.
TEST(AcceptAnnounce, ImpossibleRegionsAreNotMapped) {
  const auto refuse = [](auto&& spoil) {
    Driver d;
    wire::ShmPoolAnnounce announce = d.fresh_announce(5);
    spoil(announce);
    const auto actions = d.announce(announce);
    EXPECT_EQ(count<MapRegions>(actions), 0U);
    EXPECT_EQ(count<ReportConsumer>(actions), 1U);
    EXPECT_EQ(d.refused(AnnounceRefusal::malformed_regions), 1U);
    EXPECT_TRUE(ignored(d.announce(announce)));  // told once
  };
  refuse([](wire::ShmPoolAnnounce& a) { a.header_slot_bytes = 255; });
  refuse([](wire::ShmPoolAnnounce& a) { a.header_slot_bytes = 512; });
  refuse([](wire::ShmPoolAnnounce& a) { a.header_nslots = 0; });
  refuse([](wire::ShmPoolAnnounce& a) { a.header_nslots = a.payload_pools[0].pool_nslots = 12; });
  refuse([](wire::ShmPoolAnnounce& a) { a.payload_pools.clear(); });
  refuse([](wire::ShmPoolAnnounce& a) { a.payload_pools[1].pool_nslots = 16; });
  refuse([](wire::ShmPoolAnnounce& a) { a.header_region_uri.clear(); });
  refuse([](wire::ShmPoolAnnounce& a) { a.payload_pools[0].region_uri.clear(); });
}

}  // namespace
}  // namespace tensorpool::protocol
