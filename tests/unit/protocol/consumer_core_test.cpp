// The mapping state machine of a consumer, and what it says when: docs/protocol/03-streams.md
// sections 4.3, 5.1 and 11, and 01-shared-memory.md "Mapping and epoch state machine".
#include "protocol/consumer_core.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

#include "base/limits.hpp"
#include "unit/protocol/support.hpp"

namespace tensorpool::protocol {
namespace {

using Driver = ConsumerDriver;

UnmapReason reason_in(const Driver::Actions& actions) {
  const UnmapRegions* unmap = find<UnmapRegions>(actions);
  EXPECT_NE(unmap, nullptr);
  return unmap == nullptr ? UnmapReason::outdated : unmap->reason;
}

// --- Mapping -----------------------------------------------------------------------------------

// Proves: STR-211, STR-210
TEST(ConsumerMapping, NothingIsMappedBeforeAllRegionsAre) {
  Driver d;
  d.core.on_links(true);
  const std::uint64_t id = Driver::map_id(d.announce(5));
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_EQ(d.core.epoch(), 0U);
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);
  const auto actions = d.mapped(id, d.clock());
  const ReportConsumer* report = find<ReportConsumer>(actions);
  ASSERT_NE(report, nullptr);
  EXPECT_EQ(report->kind, ConsumerReport::mapped);
  EXPECT_EQ(report->epoch, 5U);
  EXPECT_EQ(d.core.session(), id);
  EXPECT_EQ(d.core.epoch(), 5U);
  EXPECT_EQ(d.core.state(), ConsumerState::active);
}

TEST(ConsumerMapping, TheStateSaysWhetherTheDescriptorStreamIsThere) {
  Driver d;
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);
  d.core.on_links(true);
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);
  d.core.on_links(false);
  (void)d.attach(5);
  EXPECT_EQ(d.core.state(), ConsumerState::mapped);
  d.core.on_links(true);
  EXPECT_EQ(d.core.state(), ConsumerState::active);
  d.core.on_links(false);
  EXPECT_EQ(d.core.state(), ConsumerState::mapped);
  EXPECT_EQ(d.core.epoch(), 5U);  // the mapping is kept
}

TEST(ConsumerMapping, WhileOneIsUnderWayTheSameAnnounceAsksForNoSecond) {
  Driver d;
  const std::uint64_t id = Driver::map_id(d.announce(5));
  EXPECT_TRUE(ignored(d.announce(5)));
  // A higher epoch replaces it; the answer to the first one comes too late.
  const std::uint64_t other = Driver::map_id(d.announce(6));
  ASSERT_NE(other, 0U);
  EXPECT_NE(other, id);
  EXPECT_TRUE(ignored(d.mapped(id, d.clock())));
  EXPECT_TRUE(ignored(d.map_failed(id)));
  EXPECT_EQ(d.core.session(), 0U);
  (void)d.mapped(other, d.clock());
  EXPECT_EQ(d.core.epoch(), 6U);
}

TEST(ConsumerMapping, AHigherEpochThatCannotBeMappedStillOutdatesTheOneUnderWay) {
  Driver d;
  const std::uint64_t id = Driver::map_id(d.announce(5));
  wire::ShmPoolAnnounce broken = d.fresh_announce(6);
  broken.payload_pools.clear();
  (void)d.announce(broken);
  EXPECT_EQ(reason_in(d.mapped(id, d.clock())), UnmapReason::outdated);
  EXPECT_EQ(d.core.session(), 0U);
}

// Proves: STR-46, STR-202
TEST(ConsumerMapping, RejectedRegionsLeaveNothingMappedAndADiagnostic) {
  Driver d;
  const auto actions = d.map_failed(Driver::map_id(d.announce(5)), "superblock of pool 2: magic");
  ASSERT_EQ(actions.size(), 1U);
  const ReportConsumer* report = find<ReportConsumer>(actions);
  ASSERT_NE(report, nullptr);
  EXPECT_EQ(report->kind, ConsumerReport::rejected);
  EXPECT_EQ(report->epoch, 5U);
  EXPECT_NE(report->text.find("superblock of pool 2: magic"), std::string::npos) << report->text;
  EXPECT_EQ(report->text.find("fallback"), std::string::npos) << report->text;
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);
}

// Proves: STR-46
TEST(ConsumerMapping, AConfiguredFallbackIsNamed) {
  ConsumerSettings settings = Driver::default_settings();
  settings.payload_fallback_uri = "bridge://cellar";
  Driver d(settings);
  const auto actions = d.map_failed(Driver::map_id(d.announce(5)));
  const ReportConsumer* report = find<ReportConsumer>(actions);
  ASSERT_NE(report, nullptr);
  EXPECT_NE(report->text.find("bridge://cellar"), std::string::npos) << report->text;
}

TEST(ConsumerMapping, ARejectionIsToldOncePerReasonAndTriedAgainWithTheNextAnnounce) {
  Driver d;
  EXPECT_FALSE(d.map_failed(Driver::map_id(d.announce(5)), "a").empty());
  EXPECT_TRUE(ignored(d.announce(5)));  // at once: no
  EXPECT_EQ(d.refused(AnnounceRefusal::retry_pause), 1U);
  d.advance(second / 2 - 1);
  EXPECT_TRUE(ignored(d.announce(5)));
  d.advance(1);
  EXPECT_TRUE(ignored(d.map_failed(Driver::map_id(d.announce(5)), "a")));  // nothing new
  d.advance(second);
  EXPECT_FALSE(d.map_failed(Driver::map_id(d.announce(5)), "b").empty());
  // A higher epoch need not wait, and its refusal is news.
  EXPECT_FALSE(d.map_failed(Driver::map_id(d.announce(6)), "b").empty());
  // Success ends the memory: the same trouble later is news again.
  d.advance(second);
  (void)d.attach(6);
  (void)d.checked({.matches = false, .pid_same = true, .activity_ns = d.clock()});
  EXPECT_FALSE(d.map_failed(Driver::map_id(d.announce(6)), "b").empty());
}

// Somebody announces ever higher epochs, as fast as he can.
TEST(ConsumerMapping, AFloodOfEpochsIsTriedAndToldAFewTimesAPeriod) {
  Driver d;
  std::size_t tried = 0;
  std::size_t told = 0;
  for (std::uint64_t epoch = 100; epoch < 400; ++epoch) {
    wire::ShmPoolAnnounce announce = d.fresh_announce(epoch);
    if (epoch % 3 == 0) announce.payload_pools.clear();
    auto actions = d.announce(announce);
    told += count<ReportConsumer>(actions);
    if (count<MapRegions>(actions) == 0) continue;
    ++tried;
    told += count<ReportConsumer>(d.map_failed(Driver::map_id(actions), std::to_string(epoch)));
  }
  EXPECT_LE(tried, base::limits::rejections_per_period);
  EXPECT_LE(told, base::limits::rejections_per_period);
  EXPECT_GT(tried, 0U);
  // With the next period comes the next try, also in the middle of the noise.
  d.advance(second);
  (void)d.attach(400);
  EXPECT_EQ(d.core.epoch(), 400U);
}

// Proves: STR-43
TEST(ConsumerMapping, RegionsWithoutASignOfLifeAreNotUsed) {
  Driver d;
  auto actions = d.mapped(Driver::map_id(d.announce(5)), 0);
  EXPECT_EQ(reason_in(actions), UnmapReason::stale_activity);
  EXPECT_EQ(count<ReportConsumer>(actions), 1U);
  EXPECT_EQ(d.core.session(), 0U);
  d.advance(second);
  actions = d.mapped(Driver::map_id(d.announce(5)), d.clock() - 3 * second - 1);
  EXPECT_EQ(reason_in(actions), UnmapReason::stale_activity);
  EXPECT_EQ(count<ReportConsumer>(actions), 0U);  // told already
  EXPECT_EQ(d.core.session(), 0U);
  d.advance(second);
  (void)d.mapped(Driver::map_id(d.announce(5)), d.clock() - 3 * second);
  EXPECT_EQ(d.core.epoch(), 5U);
}

TEST(ConsumerMapping, ActivityAheadOfTheClockIsFresh) {
  Driver d;
  (void)d.mapped(Driver::map_id(d.announce(5)), d.clock() + 100 * second);
  EXPECT_EQ(d.core.epoch(), 5U);
}

TEST(ConsumerMapping, NoSessionIsUsedTwice) {
  Driver d;
  std::set<std::uint64_t> sessions;
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t session = d.attach(5);
    EXPECT_TRUE(sessions.insert(session).second);
    (void)d.note(session, ConsumerNote::regression, 0);
    d.advance(second);
  }
}

// --- Announces of a mapped stream --------------------------------------------------------------

// Proves: STR-41, STR-44
TEST(ConsumerMapped, AnAnnounceOfItsEpochAsksForACheckAndNoRemap) {
  Driver d;
  const std::uint64_t session = d.attach(5);
  for (int i = 0; i < 3; ++i) {
    const auto actions = d.announce(5);
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_NE(find<CheckRegions>(actions), nullptr);
    EXPECT_TRUE(ignored(d.checked({true, true, d.clock()})));
  }
  EXPECT_EQ(d.core.session(), session);
  // Whoever sent it (a producer in driver mode may, too).
  wire::ShmPoolAnnounce other = d.fresh_announce(5);
  other.producer_id = 8;
  EXPECT_NE(find<CheckRegions>(d.announce(other)), nullptr);
}

// Proves: STR-45, STR-205, SHM-155, SHM-261, STR-208
TEST(ConsumerMapped, AHigherEpochUnmapsFirstAndMapsThen) {
  Driver d;
  const std::uint64_t session = d.attach(5);
  const auto actions = d.announce(6);
  ASSERT_EQ(actions.size(), 3U);
  ASSERT_TRUE(std::holds_alternative<UnmapRegions>(actions[0]));
  EXPECT_EQ(std::get<UnmapRegions>(actions[0]).reason, UnmapReason::higher_epoch_announced);
  ASSERT_TRUE(std::holds_alternative<ReportConsumer>(actions[1]));
  EXPECT_EQ(std::get<ReportConsumer>(actions[1]).kind, ConsumerReport::unmapped);
  EXPECT_EQ(std::get<ReportConsumer>(actions[1]).epoch, 5U);
  ASSERT_TRUE(std::holds_alternative<MapRegions>(actions[2]));
  // Nothing is accepted until the new regions are there.
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_EQ(d.core.epoch(), 0U);
  (void)d.mapped(std::get<MapRegions>(actions[2]).map_id, d.clock());
  EXPECT_EQ(d.core.epoch(), 6U);
  EXPECT_NE(d.core.session(), session);
}

// Proves: STR-45, STR-46
TEST(ConsumerMapped, AHigherEpochEndsTheMappingEvenIfItsOwnRegionsAreImpossible) {
  Driver d;
  (void)d.attach(5);
  wire::ShmPoolAnnounce broken = d.fresh_announce(6);
  broken.header_nslots = 7;
  const auto actions = d.announce(broken);
  EXPECT_EQ(reason_in(actions), UnmapReason::higher_epoch_announced);
  EXPECT_EQ(count<MapRegions>(actions), 0U);
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_TRUE(ignored(d.announce(5)));  // and does not come back
}

// Proves: STR-42, SHM-135, STR-208
TEST(ConsumerMapped, AnAnnounceThatDescribesOtherRegionsUnmaps) {
  const auto differs = [](auto&& change) {
    Driver d;
    (void)d.attach(5);
    wire::ShmPoolAnnounce announce = d.fresh_announce(5);
    change(announce);
    const auto actions = d.announce(announce);
    EXPECT_EQ(reason_in(actions), UnmapReason::superblock_mismatch);
    EXPECT_EQ(d.core.session(), 0U);
    // Back with the next announce that fits the files, of the same epoch too.
    EXPECT_NE(Driver::map_id(d.announce(5)), 0U);
  };
  differs([](wire::ShmPoolAnnounce& a) { a.header_nslots = 16; });
  differs([](wire::ShmPoolAnnounce& a) { a.header_slot_bytes = 512; });
  differs([](wire::ShmPoolAnnounce& a) { a.payload_pools[0].pool_nslots = 16; });
  differs([](wire::ShmPoolAnnounce& a) { a.payload_pools[0].stride_bytes = 8192; });
  differs([](wire::ShmPoolAnnounce& a) { a.payload_pools[0].pool_id = 3; });
  differs([](wire::ShmPoolAnnounce& a) { a.payload_pools.pop_back(); });
}

// --- Checks of the mapped regions --------------------------------------------------------------

// Proves: SHM-135, STR-48, STR-207, STR-208, STR-210
TEST(ConsumerChecks, ASuperblockThatChangedUnmapsAndWaitsForAnAnnounce) {
  Driver d;
  (void)d.attach(5);
  const auto actions = d.checked({.matches = false, .pid_same = true, .activity_ns = d.clock()});
  EXPECT_EQ(reason_in(actions), UnmapReason::superblock_mismatch);
  EXPECT_EQ(count<MapRegions>(actions), 0U);
  EXPECT_EQ(d.core.session(), 0U);
  for (int i = 0; i < 3; ++i) {
    d.advance(second);
    EXPECT_EQ(count<MapRegions>(d.timer()), 0U);  // nothing maps of itself
  }
  EXPECT_NE(Driver::map_id(d.announce(5)), 0U);
}

// Proves: STR-2, STR-212
TEST(ConsumerChecks, AnotherWriterUnmapsAndItsEpochNeverComesBack) {
  Driver d;
  (void)d.attach(5);
  const auto actions = d.checked({.matches = true, .pid_same = false, .activity_ns = d.clock()});
  EXPECT_EQ(reason_in(actions), UnmapReason::pid_changed);
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_TRUE(ignored(d.announce(5)));
  EXPECT_EQ(d.refused(AnnounceRefusal::same_epoch_after_pid_change), 1U);
  // Not after the highest epoch was forgotten either.
  d.advance(60 * second);
  (void)d.timer();
  EXPECT_TRUE(ignored(d.announce(5)));
  EXPECT_NE(Driver::map_id(d.announce(6)), 0U);
}

// Proves: STR-215
TEST(ConsumerChecks, AWriterWithoutASignOfLifeIsUnmapped) {
  Driver d;
  (void)d.attach(5);
  const std::uint64_t alive = d.clock() + second;
  d.advance(6 * second);
  EXPECT_TRUE(ignored(d.checked({true, true, alive})));  // exactly the timeout
  d.advance(1);
  const auto actions = d.checked({true, true, alive});
  EXPECT_EQ(reason_in(actions), UnmapReason::stale_activity);
  EXPECT_EQ(d.core.session(), 0U);
  // The same epoch may come back once it shows life again.
  EXPECT_NE(Driver::map_id(d.announce(5)), 0U);
}

// Proves: STR-216, STR-214
TEST(ConsumerChecks, TheTimeoutBeginsWithTheMapping) {
  ConsumerSettings settings = Driver::default_settings();
  settings.liveness_factor = 4;
  Driver d(settings);
  const std::uint64_t old = d.clock() - 3 * second;
  (void)d.mapped(Driver::map_id(d.announce(5)), old);
  d.advance(4 * second);
  EXPECT_TRUE(ignored(d.checked({true, true, old})));
  d.advance(1);
  EXPECT_FALSE(d.checked({true, true, old}).empty());
}

// An announce says nothing about the writer of the regions: only the activity does.
TEST(ConsumerChecks, AnnouncesDoNotKeepASilentWriterAlive) {
  Driver d;
  (void)d.attach(5);
  const std::uint64_t alive = d.clock();
  for (int i = 0; i < 5; ++i) {
    d.advance(second);
    EXPECT_NE(find<CheckRegions>(d.announce(5)), nullptr);
    EXPECT_TRUE(ignored(d.checked({true, true, alive})));
  }
  d.advance(second);
  (void)d.announce(5);
  EXPECT_EQ(reason_in(d.checked({true, true, alive})), UnmapReason::stale_activity);
}

TEST(ConsumerChecks, ActivityAheadOfTheClockIsAlive) {
  Driver d;
  (void)d.attach(5);
  d.advance(second);
  EXPECT_TRUE(ignored(d.checked({true, true, d.clock() + 1000 * second})));
}

TEST(ConsumerChecks, AnAnswerThatComesAfterTheUnmapIsNothing) {
  Driver d;
  const std::uint64_t session = d.attach(5);
  (void)d.note(session, ConsumerNote::regression, 1);
  EXPECT_TRUE(ignored(d.checked({false, false, 0})));
}

// --- What the port saw -------------------------------------------------------------------------

// Proves: STR-112, STR-205, STR-206, SHM-155, SHM-156, SHM-261
TEST(ConsumerNotes, ADescriptorOfAHigherEpochUnmaps) {
  Driver d;
  const std::uint64_t session = d.attach(5);
  const auto actions = d.note(session, ConsumerNote::higher_epoch, 6);
  EXPECT_EQ(reason_in(actions), UnmapReason::higher_epoch_descriptor);
  EXPECT_EQ(count<MapRegions>(actions), 0U);  // from an announce only
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_EQ(d.core.state(), ConsumerState::connecting);
  (void)d.attach(6);
}

// Proves: STR-207, STR-210
TEST(ConsumerNotes, ARegressionUnmapsAndTheNextAnnounceMapsAgain) {
  Driver d;
  const std::uint64_t session = d.attach(5);
  const auto actions = d.note(session, ConsumerNote::regression, 17);
  EXPECT_EQ(reason_in(actions), UnmapReason::sequence_regression);
  EXPECT_EQ(d.core.session(), 0U);
  EXPECT_NE(d.attach(5), session);
}

TEST(ConsumerNotes, ANoteOfASessionThatIsOverIsIgnored) {
  Driver d;
  const std::uint64_t first = d.attach(5);
  (void)d.note(first, ConsumerNote::regression, 17);
  EXPECT_TRUE(ignored(d.note(first, ConsumerNote::higher_epoch, 99)));
  const std::uint64_t next = d.attach(5);
  EXPECT_TRUE(ignored(d.note(first, ConsumerNote::higher_epoch, 99)));
  EXPECT_TRUE(ignored(d.note(first, ConsumerNote::regression, 0)));
  EXPECT_EQ(d.core.session(), next);
  EXPECT_EQ(d.core.highest_epoch(), 5U);
}

// --- Timers and messages -----------------------------------------------------------------------

// Proves: STR-51, STR-54, STR-226, STR-185
TEST(ConsumerMessages, HelloAndQosGoOutAtOnceAndThenPeriodically) {
  ConsumerSettings settings = Driver::default_settings();
  settings.mode = wire::Mode::rate_limited;
  settings.max_rate_hz = 30;
  settings.expected_layout_version = 1;
  Driver d(settings);
  EXPECT_LE(d.core.deadline(), d.now.monotonic);
  auto actions = d.timer();
  ASSERT_EQ(actions.size(), 2U);
  const SendHello* hello = find<SendHello>(actions);
  ASSERT_NE(hello, nullptr);
  wire::ConsumerHello expected;
  expected.stream_id = test_stream;
  expected.consumer_id = 42;
  expected.supports_shm = true;
  expected.supports_progress = false;
  expected.mode = wire::Mode::rate_limited;
  expected.max_rate_hz = 30;
  expected.expected_layout_version = 1;
  EXPECT_EQ(hello->message, expected);  // no progress hints, no request for streams
  EXPECT_EQ(d.core.deadline(), d.now.monotonic + second);
  d.advance(second - 1);
  EXPECT_TRUE(ignored(d.timer()));
  d.advance(1);
  actions = d.timer();
  EXPECT_EQ(count<SendHello>(actions), 1U);
  EXPECT_EQ(count<SendQosConsumer>(actions), 1U);
}

TEST(ConsumerMessages, TheirIntervalsAreTheirOwn) {
  ConsumerSettings settings = Driver::default_settings();
  settings.hello_interval_ns = 3 * second;
  settings.qos_interval_ns = second / 2;
  Driver d(settings);
  std::size_t hellos = 0;
  std::size_t reports = 0;
  const base::Nanos end = d.now.monotonic + 30 * second;
  while (d.core.deadline() < end) {
    d.advance(d.core.deadline() - d.now.monotonic);
    const auto actions = d.timer();
    ASSERT_FALSE(actions.empty());  // a deadline always has something to do
    hellos += count<SendHello>(actions);
    reports += count<SendQosConsumer>(actions);
  }
  EXPECT_EQ(hellos, 10U);
  EXPECT_EQ(reports, 60U);
}

// Proves: STR-186
TEST(ConsumerMessages, QosNamesTheMappedEpochAndTheMode) {
  ConsumerSettings settings = Driver::default_settings();
  settings.mode = wire::Mode::rate_limited;
  Driver d(settings);
  auto actions = d.timer();
  const SendQosConsumer* qos = find<SendQosConsumer>(actions);
  ASSERT_NE(qos, nullptr);
  EXPECT_EQ(qos->message.stream_id, test_stream);
  EXPECT_EQ(qos->message.consumer_id, 42U);
  EXPECT_EQ(qos->message.epoch, 0U);
  EXPECT_EQ(qos->message.mode, wire::Mode::rate_limited);
  const std::uint64_t session = d.attach(5);
  d.advance(second);
  actions = d.timer();
  ASSERT_NE(find<SendQosConsumer>(actions), nullptr);
  EXPECT_EQ(find<SendQosConsumer>(actions)->message.epoch, 5U);
  (void)d.note(session, ConsumerNote::regression, 0);
  d.advance(second);
  actions = d.timer();
  ASSERT_NE(find<SendQosConsumer>(actions), nullptr);
  EXPECT_EQ(find<SendQosConsumer>(actions)->message.epoch, 0U);
}

// Proves: STR-215
TEST(ConsumerMessages, AMappedStreamIsLookedAtEveryAnnouncePeriod) {
  ConsumerSettings settings = Driver::default_settings();
  settings.hello_interval_ns = 1000 * second;
  settings.qos_interval_ns = 1000 * second;
  Driver d(settings);
  (void)d.timer();
  EXPECT_EQ(d.core.deadline(), d.now.monotonic + 1000 * second);
  const std::uint64_t session = d.attach(5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(d.core.deadline(), d.now.monotonic + second);
    d.advance(second);
    const auto actions = d.timer();
    ASSERT_EQ(actions.size(), 1U);
    EXPECT_NE(find<CheckRegions>(actions), nullptr);
  }
  (void)d.note(session, ConsumerNote::regression, 0);
  EXPECT_GT(d.core.deadline(), d.now.monotonic + 900 * second);
}

TEST(ConsumerNames, EveryReasonHasOne) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(UnmapReason::outdated); ++i)
    EXPECT_TRUE(names.insert(name(static_cast<UnmapReason>(i))).second);
  EXPECT_EQ(names.count("unknown"), 0U);
  EXPECT_EQ(name(static_cast<UnmapReason>(99)), "unknown");
}

}  // namespace
}  // namespace tensorpool::protocol
