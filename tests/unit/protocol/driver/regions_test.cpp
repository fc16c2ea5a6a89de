// Epochs, creation, announces and collection (docs/protocol/04-driver.md A6, A7, A10, A11).
#include <gtest/gtest.h>

#include <string>

#include "shm/layout.hpp"
#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

const Stream& stream_of(const Harness& d, std::uint32_t id = test_stream) {
  return d.core.streams().all().at(id);
}

// --- Epochs

// Proves: DRV-125, DRV-128, DRV-130, DRV-132
TEST(DriverEpoch, EveryProducerBringsAHigherOne) {
  Harness d;
  std::uint64_t last = 0;
  for (std::uint32_t client = 1; client < 20; ++client) {
    const auto asked = d.attach(d.request(Role::producer, client));
    const std::uint64_t epoch = find<CreateRegions>(asked)->layout.epoch;
    EXPECT_GT(epoch, last);  // the clock stands still: term b
    const auto done = d.created(asked);
    EXPECT_EQ(Harness::answer_in(done)->epoch, epoch);
    const LeaseKey key{*Harness::answer_in(done)->lease_id, test_stream, client, Role::producer};
    const auto idle = d.created(d.detach(key));
    last = Harness::announce_in(idle)->epoch;
    EXPECT_GT(last, epoch);
  }
}

// Proves: DRV-129, DRV-130, DRV-190
TEST(DriverEpoch, ARestartedDriverStartsAboveWhatIsOnDisk) {
  Settings settings = test_settings();
  settings.streams[0].highest_epoch_on_disk =
      900'000 * static_cast<std::uint64_t>(second);  // ahead of the clock
  Harness d(settings);
  const auto asked = d.attach(d.request(Role::consumer, 5));
  EXPECT_EQ(find<CreateRegions>(asked)->layout.epoch,
            settings.streams[0].highest_epoch_on_disk + 1);
  // The agent may find more when it creates: that is the epoch then.
  const auto done = d.created(asked, 1000);
  EXPECT_EQ(Harness::answer_in(done)->epoch, settings.streams[0].highest_epoch_on_disk + 1001);
  const auto next = d.attach(d.request(Role::producer, 6));
  EXPECT_EQ(find<CreateRegions>(next)->layout.epoch,
            settings.streams[0].highest_epoch_on_disk + 1002);
}

TEST(DriverEpoch, TheClockLeads) {
  Harness d;
  const auto asked = d.attach(d.request(Role::consumer, 5));
  EXPECT_EQ(find<CreateRegions>(asked)->layout.epoch, d.clock());
  EXPECT_EQ(next_epoch(-5, 0), 1U);
  EXPECT_EQ(next_epoch(0, 0), 1U);
  EXPECT_EQ(next_epoch(7, 7), 8U);
}

// Proves: DRV-132
TEST(DriverEpoch, TheLastUsableEpochIsNotWrapped) {
  EXPECT_EQ(next_epoch(5, shm::epoch_null - 2), shm::epoch_null - 1);
  EXPECT_EQ(next_epoch(5, shm::epoch_null - 1), std::nullopt);
  EXPECT_EQ(next_epoch(5, shm::epoch_null), std::nullopt);
  Settings settings = test_settings();
  settings.streams[0].highest_epoch_on_disk = shm::epoch_null - 2;
  Harness d(settings);
  const auto done = d.created(d.attach(d.request(Role::producer, 5)));
  const LeaseKey key{*Harness::answer_in(done)->lease_id, test_stream, 5, Role::producer};
  const auto ended = d.detach(key);
  EXPECT_EQ(find<CreateRegions>(ended), nullptr);
  EXPECT_EQ(Harness::detached_in(ended)->code, ResponseCode::ok);
  const ShmAttachRequest r = d.request(Role::consumer, 6);
  (void)d.attach(r);
  EXPECT_TRUE(is_refusal(
      d.timer(), r, ResponseCode::internal_error,
      "failed to provision SHM: no epoch is left; the stream needs a new id or namespace"));
}

// Proves: DRV-133, DRV-134
TEST(DriverEpoch, ConsumersCreateTheFirstAndChangeNoneAfterIt) {
  Harness d;
  const auto asked = d.attach(d.request(Role::consumer, 5));
  ASSERT_NE(find<CreateRegions>(asked), nullptr);
  // A second one does not ask again; both are answered when it is there.
  EXPECT_TRUE(d.attach(d.request(Role::consumer, 6)).empty());
  const auto done = d.created(asked);
  EXPECT_EQ(count<SendAttachResponse>(done), 2U);
  EXPECT_EQ(Harness::announce_in(done)->producer_id, 0U);
  const std::uint64_t epoch = stream_of(d).epoch;
  const LeaseKey third = *d.lease(Role::consumer, 7);
  (void)d.detach(third);
  EXPECT_EQ(stream_of(d).epoch, epoch);
  EXPECT_EQ(d.count_of(Count::regions_created), 1U);
}

// --- Creation

// Proves: DRV-142
TEST(DriverCreation, NothingIsAnnouncedBeforeTheRegionsAreThere) {
  Harness d;
  const auto asked = d.attach(d.request(Role::producer, 5));
  for (int i = 0; i < 10; ++i) {
    d.advance(second);
    EXPECT_EQ(Harness::announce_in(d.timer()), nullptr);
  }
  EXPECT_NE(Harness::announce_in(d.created(asked)), nullptr);
}

TEST(DriverCreation, AProducerThatIsWaitedForLeavesTheOldEpochInPlace) {
  Harness d;
  ASSERT_TRUE(d.lease(Role::consumer, 6));
  const std::uint64_t epoch = stream_of(d).epoch;
  const auto asked = d.attach(d.request(Role::producer, 5));
  d.advance(second);
  EXPECT_EQ(Harness::announce_in(d.timer())->epoch, epoch);
  EXPECT_EQ(*Harness::answer_in(d.attach(d.request(Role::consumer, 7)))->epoch, epoch);
  // It fails: all is as before (DRV-60).
  (void)d.create_failed(asked);
  EXPECT_EQ(stream_of(d).epoch, epoch);
  d.advance(second);
  EXPECT_EQ(Harness::announce_in(d.timer())->epoch, epoch);
  EXPECT_EQ(Harness::announce_in(d.timer()), nullptr);
}

TEST(DriverCreation, WhoWaitedForRegionsThatFailHearsOfIt) {
  Harness d;
  const auto asked = d.attach(d.request(Role::consumer, 5));
  for (std::uint32_t client = 6; client < 40; ++client)
    (void)d.attach(d.request(Role::consumer, client));
  (void)d.attach(d.request(Role::producer, 40));
  auto done = d.create_failed(asked);
  EXPECT_LE(done.size(), Actions::capacity);
  std::size_t answers = count<SendAttachResponse>(done);
  const Harness::Done retry = done;  // the producer has a try of its own
  ASSERT_NE(find<CreateRegions>(retry), nullptr);
  answers += count<SendAttachResponse>(d.timer());
  EXPECT_EQ(answers, 35U);
  EXPECT_EQ(d.refused(AttachRefusal::provisioning), 35U);
  EXPECT_EQ(Harness::answer_in(d.created(retry))->code, ResponseCode::ok);
}

// Proves: DRV-142
TEST(DriverCreation, WhenTheIdleEpochFailsTheStreamHasNoRegionsUntilTheNextAttach) {
  Harness d;
  ASSERT_TRUE(d.lease(Role::consumer, 6));
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const auto ended = d.detach(producer);
  const std::uint64_t lost = find<CreateRegions>(ended)->layout.epoch;
  const auto failed = d.create_failed(ended);
  EXPECT_EQ(Harness::events(failed, Event::regions_failed), 1U);
  EXPECT_EQ(stream_of(d).epoch, lost);
  d.advance(2 * second);
  EXPECT_EQ(Harness::announce_in(d.timer()), nullptr);
  const auto asked = d.attach(d.request(Role::consumer, 7));
  EXPECT_GT(find<CreateRegions>(asked)->layout.epoch, lost);
  EXPECT_NE(Harness::announce_in(d.created(asked)), nullptr);
}

TEST(DriverCreation, AnAnswerNobodyAskedForIsIgnored) {
  Harness d;
  const auto asked = d.attach(d.request(Role::producer, 5));
  d.core.on_created(d.now, 4711, regions_of(find<CreateRegions>(asked)->layout), d.list);
  EXPECT_TRUE(d.list.take().empty());
  d.core.on_create_failed(d.now, 4711, Error(Code::no_space, "create_stream", ""), d.list);
  d.core.on_collected(d.now, 4711, 1, 1, d.list);
  EXPECT_TRUE(d.list.take().empty());
  (void)d.created(asked);
  EXPECT_TRUE(d.created(asked).empty());  // twice
}

// Proves: DRV-184, DRV-185
TEST(DriverCreation, WithoutSpaceOldEpochsGoAndItIsTriedOnceMore) {
  Harness d;
  const ShmAttachRequest r = d.request(Role::producer, 5);
  auto asked = d.attach(r);
  const std::uint64_t epoch = find<CreateRegions>(asked)->layout.epoch;
  auto full = d.create_failed(asked, Code::no_space);
  EXPECT_EQ(Harness::answer_in(full), nullptr);
  const CollectEpochs* collect = find<CollectEpochs>(full);
  ASSERT_NE(collect, nullptr);
  EXPECT_TRUE(collect->waive_age);
  auto again = d.collected(*collect, 1);
  EXPECT_GT(find<CreateRegions>(again)->layout.epoch, epoch);
  const auto done = d.create_failed(again, Code::no_space);
  EXPECT_EQ(find<CollectEpochs>(done), nullptr);
  EXPECT_TRUE(is_refusal(done, r, ResponseCode::internal_error,
                         "failed to provision SHM: create_stream: no_space: the disk is on fire"));
  // And when it helps:
  asked = d.attach(r);
  full = d.create_failed(asked, Code::no_space);
  again = d.collected(*find<CollectEpochs>(full), 2);
  EXPECT_EQ(Harness::answer_in(d.created(again))->code, ResponseCode::ok);
}

// Proves: DRV-187
TEST(DriverCreation, WithoutCollectionThereIsNoSecondTry) {
  Settings settings = test_settings();
  settings.epoch_gc_enabled = false;
  Harness d(settings);
  const auto full = d.create_failed(d.attach(d.request(Role::producer, 5)), Code::no_space);
  EXPECT_EQ(find<CollectEpochs>(full), nullptr);
  EXPECT_EQ(Harness::answer_in(full)->code, ResponseCode::internal_error);
}

// --- Announces

// Proves: DRV-137, DRV-138, DRV-139, DRV-141, STR-24
TEST(DriverAnnounce, SaysWhatTheResponseSaysAtOnceAndWheneverItChanges) {
  Harness d;
  const auto done = d.created(d.attach(d.request(Role::producer, 5)));
  const ShmAttachResponse& response = *Harness::answer_in(done);
  const wire::ShmPoolAnnounce& announce = *Harness::announce_in(done);
  EXPECT_EQ(announce.producer_id, 5U);
  EXPECT_EQ(announce.stream_id, response.stream_id);
  EXPECT_EQ(announce.epoch, response.epoch);
  EXPECT_EQ(announce.payload_pools, response.payload_pools);
  EXPECT_EQ(announce.header_region_uri, response.header_region_uri);
  EXPECT_EQ(announce.header_nslots, response.header_nslots);
  EXPECT_EQ(announce.announce_timestamp_ns, d.clock());
  EXPECT_FALSE(find<SendAnnounce>(done)->refresh_activity);  // the producer does it
}

// Proves: DRV-10, STR-21, DRV-140
TEST(DriverAnnounce, EveryProvisionedStreamOncePerPeriod) {
  Harness d;
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const LeaseKey consumer = *d.lease(Role::consumer, 6, other_stream);
  for (int i = 0; i < 5; ++i) {
    d.advance(second - 1);
    EXPECT_EQ(Harness::announce_in(d.timer()), nullptr);
    (void)d.keepalive(producer);
    (void)d.keepalive(consumer);
    d.advance(1);
    EXPECT_EQ(d.core.deadline(), d.now.monotonic);
    const auto done = d.timer();
    ASSERT_EQ(count<SendAnnounce>(done), 2U);
    for (const Action& action : done) {
      const auto* send = std::get_if<SendAnnounce>(&action);
      if (send == nullptr) continue;
      EXPECT_EQ(send->message.announce_timestamp_ns, d.clock());
      // Where no producer is, the driver keeps the regions alive (DRV-10, DRV-11).
      EXPECT_EQ(send->refresh_activity, send->message.stream_id == other_stream);
    }
  }
}

// Proves: DRV-143, STR-28
TEST(DriverAnnounce, UsesTheConfiguredClock) {
  Harness monotonic;
  auto done = monotonic.created(monotonic.attach(monotonic.request(Role::producer, 5)));
  EXPECT_EQ(Harness::announce_in(done)->announce_clock_domain, ClockDomain::monotonic);
  Settings settings = test_settings();
  settings.announce_clock_domain = ClockDomain::realtime_synced;
  Harness synced(settings);
  done = synced.created(synced.attach(synced.request(Role::producer, 5)));
  EXPECT_EQ(Harness::announce_in(done)->announce_clock_domain, ClockDomain::realtime_synced);
  EXPECT_EQ(Harness::announce_in(done)->announce_timestamp_ns,
            static_cast<std::uint64_t>(synced.now.realtime));
  synced.now.realtime = 0;
  synced.now.monotonic += second;
  EXPECT_EQ(Harness::announce_in(synced.timer())->announce_timestamp_ns, 1U);
}

// --- Collection

// Proves: DRV-180
TEST(DriverCollection, FollowsEveryNewEpochAndNamesAllThatProtectsOne) {
  Settings settings = test_settings();
  settings.epoch_gc_keep = 3;
  settings.announce_period_ns = 2 * second;
  Harness d(settings);
  const auto check = [&](const Harness::Done& done) {
    const CollectEpochs* collect = find<CollectEpochs>(done);
    ASSERT_NE(collect, nullptr);
    EXPECT_EQ(collect->stream_id, test_stream);
    EXPECT_EQ(collect->current_epoch, stream_of(d).epoch);
    EXPECT_EQ(collect->current_epoch, Harness::announce_in(done)->epoch);
    EXPECT_EQ(collect->keep, 3U);
    EXPECT_EQ(collect->min_age_ns, 6'000'000'000U);
    EXPECT_FALSE(collect->waive_age);
    EXPECT_TRUE(d.collected(*collect).empty());
  };
  const auto attached = d.created(d.attach(d.request(Role::producer, 5)));
  check(attached);
  check(d.created(
      d.detach({*Harness::answer_in(attached)->lease_id, test_stream, 5, Role::producer})));
}

// Proves: DRV-188
TEST(DriverCollection, IsOneAtATimePerStreamAndAFailureIsReportedOnce) {
  Harness d;
  auto done = d.created(d.attach(d.request(Role::producer, 5)));
  const CollectEpochs first = *find<CollectEpochs>(done);
  const LeaseKey key{*Harness::answer_in(done)->lease_id, test_stream, 5, Role::producer};
  EXPECT_EQ(find<CollectEpochs>(d.created(d.detach(key))), nullptr);
  done = d.collected(first, 2, 1);
  EXPECT_EQ(Harness::events(done, Event::epochs_removed), 1U);
  EXPECT_EQ(Harness::events(done, Event::epoch_removal_failed), 1U);
  EXPECT_EQ(d.count_of(Count::epochs_removed), 2U);
  done = d.created(d.attach(d.request(Role::producer, 5)));
  EXPECT_EQ(
      Harness::events(d.collected(*find<CollectEpochs>(done), 0, 1), Event::epoch_removal_failed),
      0U);
  EXPECT_EQ(d.count_of(Count::removals_failed), 2U);
  EXPECT_EQ(d.core.leases().size(), 1U);
}

// Proves: DRV-187
TEST(DriverCollection, SwitchedOffNothingIsCollected) {
  for (const bool by_keep : {false, true}) {
    Settings settings = test_settings();
    settings.epoch_gc_on_startup = true;
    settings.epoch_gc_enabled = by_keep;
    settings.epoch_gc_keep = by_keep ? 0 : 2;
    Harness d(settings);
    EXPECT_EQ(find<CollectEpochs>(d.timer()), nullptr);
    const auto done = d.created(d.attach(d.request(Role::producer, 5)));
    EXPECT_EQ(find<CollectEpochs>(done), nullptr);
    const LeaseKey key{*Harness::answer_in(done)->lease_id, test_stream, 5, Role::producer};
    EXPECT_EQ(find<CollectEpochs>(d.created(d.detach(key))), nullptr);
  }
}

TEST(DriverCollection, AtStartOnlyWhenAsked) {
  Harness quiet;
  EXPECT_TRUE(quiet.timer().empty());
  Settings settings = test_settings();
  settings.epoch_gc_on_startup = true;
  Harness d(settings);
  EXPECT_EQ(d.core.deadline(), d.now.monotonic);
  const auto done = d.timer();
  EXPECT_EQ(count<CollectEpochs>(done), 2U);
  EXPECT_TRUE(d.timer().empty());
}

// Not even when its creation takes longer than an epoch has to be old, and none but the current is kept: it is not
// the current one when the question is asked.
// Proves: DRV-180
TEST(DriverCollection, AtStartTakesNoEpochThatIsBeingCreated) {
  Settings settings = test_settings();
  settings.epoch_gc_on_startup = true;
  settings.epoch_gc_keep = 1;
  Harness d(settings);
  const auto asked = d.attach(d.request(Role::producer, 5));
  const auto done = d.timer();
  EXPECT_EQ(count<CollectEpochs>(done), 1U) << "of the other stream";
  ASSERT_NE(find<CollectEpochs>(done), nullptr);
  EXPECT_EQ(find<CollectEpochs>(done)->stream_id, other_stream);
  d.advance(60 * second);
  const auto after = d.created(asked);
  ASSERT_NE(find<CollectEpochs>(after), nullptr);
  EXPECT_EQ(find<CollectEpochs>(after)->stream_id, test_stream);
  EXPECT_EQ(find<CollectEpochs>(after)->current_epoch, stream_of(d).epoch);
}

// Whoever comes and goes quickly, and then stays away, leaves nothing for ever.
TEST(DriverCollection, LooksOnceMoreWhenWhatWasTooYoungHasComeOfAge) {
  Settings settings = test_settings();
  settings.epoch_gc_min_age_ns = 5'000'000'000;
  Harness d(settings);
  auto done = d.created(d.attach(d.request(Role::consumer, 5)));
  ASSERT_NE(find<CollectEpochs>(done), nullptr);
  (void)d.collected(*find<CollectEpochs>(done), 0, 0, 3);
  d.advance(5 * second);
  EXPECT_EQ(find<CollectEpochs>(d.timer()), nullptr) << "not yet";
  d.advance(1);
  done = d.timer();
  ASSERT_NE(find<CollectEpochs>(done), nullptr);
  EXPECT_FALSE(find<CollectEpochs>(done)->waive_age);
  EXPECT_EQ(find<CollectEpochs>(done)->current_epoch, stream_of(d).epoch);
  // What is left now belongs to a writer that lives, and nobody asks again.
  (void)d.collected(*find<CollectEpochs>(done), 2, 0, 1);
  d.advance(60 * second);
  EXPECT_EQ(find<CollectEpochs>(d.timer()), nullptr);
  // A new epoch asks anew; one that comes while the question is open has another look, too.
  done = d.created(d.attach(d.request(Role::producer, 5, other_stream)));
  const CollectEpochs open = *find<CollectEpochs>(done);
  const LeaseKey key{*Harness::answer_in(done)->lease_id, other_stream, 5, Role::producer};
  EXPECT_EQ(find<CollectEpochs>(d.created(d.detach(key))), nullptr);
  (void)d.collected(open, 0, 0, 1);
  d.advance(5 * second + 1);
  EXPECT_NE(find<CollectEpochs>(d.timer()), nullptr);
}

// A flood on one stream must not keep another from its regions: what is old enough but for its age goes, whosever
// it is.
// Proves: DRV-184
TEST(DriverCollection, WithoutSpaceOtherStreamsGiveWhatIsTooYoung) {
  Harness d;
  auto done = d.created(d.attach(d.request(Role::consumer, 5)));
  (void)d.collected(*find<CollectEpochs>(done), 0, 0, 3);
  const auto asked = d.attach(d.request(Role::producer, 6, other_stream));
  done = d.create_failed(asked, Code::no_space);
  ASSERT_EQ(count<CollectEpochs>(done), 2U);
  const CollectEpochs& others = *find<CollectEpochs>(done);
  EXPECT_EQ(others.stream_id, test_stream);
  EXPECT_TRUE(others.waive_age);
  EXPECT_EQ(others.current_epoch, stream_of(d).epoch);
  (void)d.collected(others, 3);
  d.advance(60 * second);
  EXPECT_EQ(count<CollectEpochs>(d.timer()), 0U) << "done with";
}

// Proves: DRV-191
TEST(DriverCollection, ARestartedDriverKnowsNoLease) {
  Harness first;
  const LeaseKey key = *first.lease(Role::producer, 5);
  Settings settings = test_settings();
  settings.first_lease_id = 1'000'000;
  settings.streams[0].highest_epoch_on_disk = stream_of(first).epoch;
  Harness restarted(settings);
  EXPECT_EQ(restarted.core.leases().size(), 0U);
  (void)restarted.keepalive(key);
  EXPECT_EQ(Harness::detached_in(restarted.detach(key))->code, ResponseCode::rejected);
  // The same client again: another lease, so that a late keepalive of the old one keeps nothing alive.
  const LeaseKey again = *restarted.lease(Role::producer, 5);
  EXPECT_NE(again.lease_id, key.lease_id);
  EXPECT_GT(stream_of(restarted).epoch, settings.streams[0].highest_epoch_on_disk);
  (void)restarted.keepalive(key);
  EXPECT_EQ(restarted.count_of(Count::keepalives), 0U);
}

// After a media driver was lost nobody waits for the next period, and nobody expires before it had a chance to
// be heard.
TEST(DriverRegions, AreAnnouncedAtOnceWhenTheStreamsAreUpAgain) {
  Harness d;
  const LeaseKey producer = *d.lease(Role::producer, 5);
  (void)d.lease(Role::consumer, 6, other_stream);
  EXPECT_EQ(d.core.leases().producers(), 1U);
  (void)d.timer();
  d.advance(1);
  EXPECT_EQ(Harness::announce_in(d.timer()), nullptr);
  d.core.on_connected(d.now);
  EXPECT_EQ(d.core.deadline(), d.now.monotonic);
  std::size_t announces = 0;
  for (const Action& action : d.timer()) announces += std::holds_alternative<SendAnnounce>(action);
  EXPECT_EQ(announces, 2U);
  EXPECT_GT(d.core.deadline(), d.now.monotonic);

  d.advance(4 * second);
  d.core.on_connected(d.now);
  d.core.on_timer(d.now, d.list);
  (void)d.list.take();
  EXPECT_EQ(d.core.leases().size(), 2U);
  (void)d.keepalive(producer);
  (void)d.timer();
  EXPECT_EQ(d.core.leases().size(), 1U);
  EXPECT_EQ(d.core.leases().producers(), 1U);
}

}  // namespace
}  // namespace tensorpool::protocol::driver
