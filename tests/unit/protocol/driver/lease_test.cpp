// Leases: what keeps one, and all the ways in which it ends (docs/protocol/04-driver.md A3, A5).
#include "protocol/driver/leases.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/limits.hpp"
#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

// --- Identity

// Proves: DRV-29
TEST(DriverLease, IdsStartWhereTheProcessSaysAndNeverComeAgain) {
  Harness d;
  std::set<std::uint64_t> seen;
  for (std::uint32_t round = 0; round < 100; ++round) {
    const LeaseKey key = *d.lease(Role::consumer, 5);
    EXPECT_TRUE(seen.insert(key.lease_id).second);
    (void)d.detach(key);
  }
  EXPECT_EQ(*seen.begin(), first_lease);
}

// Proves: DRV-29
TEST(DriverLease, ZeroAndNullAreNoLeases) {
  for (const std::uint64_t first : {std::uint64_t{0}, wire::null_u64, wire::null_u64 - 1}) {
    LeaseTable table(first);
    std::set<std::uint64_t> seen;
    for (std::uint32_t client = 1; client < 5; ++client) {
      Lease lease;
      lease.key.client_id = client;
      const std::uint64_t id = table.grant(lease).key.lease_id;
      EXPECT_TRUE(table.issued(id));
      EXPECT_NE(id, 0U);
      EXPECT_NE(id, wire::null_u64);
      EXPECT_TRUE(seen.insert(id).second);
      EXPECT_FALSE(table.issued(first - 5));
    }
    EXPECT_FALSE(table.issued(10));
  }
}

// --- Keepalives

// Proves: DRV-98, DRV-100, DRV-95, DRV-102
TEST(DriverLease, KeepalivesExtendALeaseAndItEndsWithoutThem) {
  Harness d;
  const LeaseKey key = *d.lease(Role::consumer, 5);
  for (int i = 0; i < 5; ++i) {
    d.advance(3 * second);  // to the last instant
    EXPECT_EQ(Harness::notice_in(d.timer()), nullptr);
    EXPECT_TRUE(d.keepalive(key).empty());
  }
  EXPECT_TRUE(d.core.leases().all().at(key.lease_id).kept_alive);
  d.advance(3 * second);
  EXPECT_EQ(Harness::notice_in(d.timer()), nullptr);
  d.advance(1);
  EXPECT_EQ(d.core.deadline(), d.now.monotonic);
  const auto done = d.timer();
  const auto* notice = Harness::notice_in(done);
  ASSERT_NE(notice, nullptr);
  EXPECT_EQ(notice->reason, LeaseRevokeReason::expired);
  EXPECT_EQ(notice->lease_id, key.lease_id);
  EXPECT_EQ(notice->timestamp_ns, d.clock());
  EXPECT_EQ(d.core.leases().size(), 0U);
  EXPECT_EQ(d.count_of(Count::expired), 1U);
  // The lease is gone: keepalives and detaches of it have no effect, and it is told once.
  EXPECT_TRUE(d.keepalive(key).empty());
  EXPECT_EQ(Harness::detached_in(d.detach(key))->code, ResponseCode::rejected);
  d.advance(60 * second);
  EXPECT_EQ(Harness::notice_in(d.timer()), nullptr);
}

// Proves: DRV-99
TEST(DriverLease, AKeepaliveCountsOnlyWhenAllFourFieldsMatch) {
  Harness d;
  const LeaseKey key = *d.lease(Role::consumer, 5);
  d.advance(2 * second);
  for (int field = 0; field < 4; ++field) {
    LeaseKey other = key;
    if (field == 0) ++other.lease_id;
    if (field == 1) other.stream_id = other_stream;
    if (field == 2) other.client_id = 6;
    if (field == 3) other.role = Role::producer;
    (void)d.keepalive(other);
    EXPECT_EQ(d.count_of(Count::keepalives), 0U) << field;
  }
  LeaseKey undefined = key;
  undefined.role = static_cast<Role>(9);
  EXPECT_TRUE(d.keepalive(undefined).empty());
  EXPECT_EQ(d.count_of(Count::keepalives_ignored), 5U);
  d.advance(second + 1);
  EXPECT_NE(Harness::notice_in(d.timer()), nullptr);
}

TEST(DriverLease, TheLeaseOfAFormerDriverIsToldOnceThatItIsGone) {
  Harness d;
  const LeaseKey own = *d.lease(Role::consumer, 5);
  const LeaseKey stranger{3, other_stream, 77, Role::producer};
  const auto done = d.keepalive(stranger);
  ASSERT_EQ(done.size(), 1U);
  const auto* notice = Harness::notice_in(done);
  ASSERT_NE(notice, nullptr);
  EXPECT_EQ(notice->reason, LeaseRevokeReason::revoked);
  EXPECT_EQ((LeaseKey{notice->lease_id, notice->stream_id, notice->client_id, notice->role}),
            stranger);
  EXPECT_TRUE(d.keepalive(stranger).empty());
  // Not while that client has a lease here, and not about leases of this driver.
  EXPECT_TRUE(d.keepalive({4, test_stream, 5, Role::consumer}).empty());
  (void)d.detach(own);
  EXPECT_TRUE(d.keepalive(own).empty());
  EXPECT_EQ(d.count_of(Count::strangers_answered), 1U);
}

// Consumers would take the notice for one about the producer of their stream, and drop it.
TEST(DriverLease, AStrangeProducerIsToldNothingWhereConsumersWouldHearIt) {
  Harness d;
  const LeaseKey stranger{3, test_stream, 77, Role::producer};
  const auto waiting = d.attach(d.request(Role::consumer, 8));
  (void)d.created(waiting);
  EXPECT_TRUE(d.keepalive(stranger).empty());
  ASSERT_TRUE(d.lease(Role::producer, 9).has_value());
  EXPECT_TRUE(d.keepalive(stranger).empty());
  EXPECT_EQ(d.count_of(Count::strangers_answered), 0U);
  EXPECT_EQ(d.count_of(Count::keepalives_ignored), 2U);
  // About a consumer it means nobody else, and a stream without regions has nobody to mislead.
  EXPECT_NE(Harness::notice_in(d.keepalive({4, test_stream, 78, Role::consumer})), nullptr);
  EXPECT_NE(Harness::notice_in(d.keepalive({5, other_stream, 79, Role::producer})), nullptr);
}

TEST(DriverLease, StrangersAreRememberedUpToALimit) {
  Harness d;
  const std::size_t limit = base::limits::driver_strangers_answered;
  std::size_t answered = 0;
  for (std::uint64_t id = 1; id <= limit + 100; ++id) {
    answered += d.keepalive({id, test_stream, 77, Role::consumer}).size();
  }
  EXPECT_EQ(answered, limit);
}

// --- While files are worked on

TEST(DriverLease, NobodyExpiresBecauseTheDriverWasHeldUp) {
  Harness d;
  const LeaseKey key = *d.lease(Role::consumer, 5);
  const auto asked = d.attach(d.request(Role::producer, 6, other_stream));
  d.advance(10 * second);  // prefaulting took that long; keepalives wait in the inbox
  (void)d.created(asked);
  d.core.on_timer(d.now, d.list);
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr);
  EXPECT_GT(d.core.deadline(), d.now.monotonic);  // no reason to hurry either
  EXPECT_TRUE(d.keepalive(key).empty());
  EXPECT_EQ(Harness::notice_in(d.timer()), nullptr);
  EXPECT_EQ(d.core.leases().size(), 2U);
}

TEST(DriverLease, HeldUpExpiryWaitsForTheInboxOrOneIntervalAtMost) {
  Harness d;
  (void)*d.lease(Role::consumer, 5);
  d.advance(10 * second);
  d.core.on_held_up(d.now);
  d.core.on_timer(d.now, d.list);
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr);
  d.advance(second - 1);
  d.core.on_held_up(d.now);  // again: that does not start the interval anew
  d.core.on_timer(d.now, d.list);
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr);
  d.advance(1);
  d.core.on_held_up(d.now);
  EXPECT_EQ(d.core.deadline(), d.now.monotonic);
  d.core.on_timer(d.now, d.list);
  EXPECT_NE(Harness::notice_in(d.list.take()), nullptr);
  // With an empty inbox at once.
  Harness e;
  (void)*e.lease(Role::consumer, 5);
  e.advance(10 * second);
  e.core.on_held_up(e.now);
  e.core.on_drained();
  e.core.on_timer(e.now, e.list);
  EXPECT_NE(Harness::notice_in(e.list.take()), nullptr);
}

TEST(DriverLease, BeingHeldUpAgainIsNoLessReasonToWaitThanTheFirstTime) {
  Harness d;
  const LeaseKey key = *d.lease(Role::consumer, 5);
  d.advance(10 * second);
  d.core.on_held_up(d.now);
  d.core.on_timer(d.now, d.list);  // passed over
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr);
  EXPECT_TRUE(d.keepalive(key).empty());
  d.core.on_drained();
  // Stopped until the lease is due again, before there was anything else to do.
  d.advance(10 * second);
  d.core.on_held_up(d.now);
  d.core.on_timer(d.now, d.list);
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr) << "its keepalive may wait in the inbox";
  EXPECT_TRUE(d.keepalive(key).empty());
  EXPECT_EQ(d.core.leases().size(), 1U);
}

TEST(DriverLease, AnEmptyInboxDoesNotEndTheWaitForClientsThatAreNotBack) {
  Harness d;
  (void)*d.lease(Role::consumer, 5);
  d.advance(10 * second);
  const base::Nanos back = d.now.monotonic + second;
  d.core.on_connected(d.now);
  d.core.on_drained(back);
  d.core.on_timer(d.now, d.list);
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr);
  d.advance(second - 1);
  d.core.on_drained(back);
  d.core.on_held_up(d.now);  // by files: begins anew, though a lease was passed over before
  d.advance(second - 1);
  d.core.on_timer(d.now, d.list);
  EXPECT_EQ(Harness::notice_in(d.list.take()), nullptr);
  d.core.on_drained(back);
  d.core.on_timer(d.now, d.list);
  EXPECT_NE(Harness::notice_in(d.list.take()), nullptr);
}

TEST(DriverLease, TheTimeOfALeaseBeginsWithTheAnswer) {
  Harness d;
  const ShmAttachRequest r = d.request(Role::producer, 5);
  const auto asked = d.attach(r);
  for (int i = 0; i < 20; ++i) {
    d.advance(second);
    EXPECT_EQ(Harness::notice_in(d.timer()), nullptr);
  }
  const auto done = d.created(asked);
  EXPECT_EQ(Harness::answer_in(done)->lease_expiry_timestamp_ns, d.clock() + 3'000'000'000);
  // The requester may be gone by now: its lease ends like any other.
  d.advance(3 * second);
  EXPECT_EQ(Harness::notice_in(d.timer()), nullptr);
  d.advance(1);
  EXPECT_NE(Harness::notice_in(d.timer()), nullptr);
}

TEST(DriverLease, OthersAreServedWhileRegionsAreCreated) {
  Harness d;
  const LeaseKey key = *d.lease(Role::producer, 5);
  (void)d.attach(d.request(Role::producer, 6, other_stream));  // never answered
  std::size_t announces = 0;
  for (int i = 0; i < 10; ++i) {
    d.advance(second);
    (void)d.keepalive(key);
    announces += count<SendAnnounce>(d.timer());
  }
  EXPECT_EQ(announces, 10U);
  EXPECT_EQ(d.core.leases().size(), 1U);
  EXPECT_TRUE(d.lease(Role::consumer, 7));
}

// --- Detach

// Proves: DRV-91, DRV-93, DRV-107, DRV-108, DRV-109, DRV-123
TEST(DriverLease, ADetachEndsTheLeaseOnce) {
  Harness d;
  const LeaseKey consumer = *d.lease(Role::consumer, 5);
  const std::uint64_t epoch = d.core.streams().all().at(test_stream).epoch;
  auto done = d.detach(consumer, 41);
  ASSERT_NE(Harness::notice_in(done), nullptr);
  EXPECT_EQ(Harness::notice_in(done)->reason, LeaseRevokeReason::detached);
  EXPECT_EQ(Harness::notice_in(done)->role, Role::consumer);
  ASSERT_NE(Harness::detached_in(done), nullptr);
  EXPECT_EQ(*Harness::detached_in(done),
            (wire::driver::ShmDetachResponse{41, ResponseCode::ok, {}}));
  EXPECT_LT(Harness::place<SendLeaseRevoked>(done), Harness::place<SendDetachResponse>(done));
  EXPECT_EQ(d.core.streams().all().at(test_stream).epoch, epoch);
  // Again: no second notice.
  done = d.detach(consumer, 42);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(*Harness::detached_in(done),
            (wire::driver::ShmDetachResponse{42, ResponseCode::rejected, "unknown lease"}));
}

// Proves: DRV-35, DRV-93, DRV-126
TEST(DriverLease, AProducersDetachIsAnsweredAfterTheAnnounceOfTheNextEpoch) {
  Harness d;
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const std::uint64_t epoch = d.core.streams().all().at(test_stream).epoch;
  const auto ended = d.detach(producer, -3);
  ASSERT_NE(Harness::notice_in(ended), nullptr);
  EXPECT_EQ(Harness::detached_in(ended), nullptr);
  EXPECT_TRUE(d.detach(producer, -3).empty());  // a copy: the answer is on its way
  const auto done = d.created(ended);
  EXPECT_GT(Harness::announce_in(done)->epoch, epoch);
  EXPECT_EQ(Harness::announce_in(done)->producer_id, 0U);
  EXPECT_EQ(Harness::detached_in(done)->correlation_id, -3);
  EXPECT_EQ(Harness::detached_in(done)->code, ResponseCode::ok);
  EXPECT_LT(Harness::place<SendAnnounce>(done), Harness::place<SendDetachResponse>(done));
}

TEST(DriverLease, AProducersDetachIsAnsweredAlsoWhenNoRegionsCanBeMade) {
  Harness d;
  const auto ended = d.detach(*d.lease(Role::producer, 5), 8);
  const auto done = d.create_failed(ended);
  EXPECT_EQ(Harness::detached_in(done)->code, ResponseCode::ok);
  EXPECT_EQ(Harness::announce_in(done), nullptr);
}

// Proves: DRV-108
TEST(DriverLease, ADetachCountsOnlyWhenAllFourFieldsMatch) {
  Harness d;
  const LeaseKey key = *d.lease(Role::consumer, 5);
  for (int field = 0; field < 4; ++field) {
    LeaseKey other = key;
    if (field == 0) ++other.lease_id;
    if (field == 1) other.stream_id = other_stream;
    if (field == 2) other.client_id = 6;
    if (field == 3) other.role = Role::producer;
    EXPECT_EQ(Harness::detached_in(d.detach(other))->code, ResponseCode::rejected) << field;
  }
  LeaseKey undefined = key;
  undefined.role = static_cast<Role>(0);
  const auto done = d.detach(undefined, 7);
  EXPECT_EQ(*Harness::detached_in(done),
            (wire::driver::ShmDetachResponse{7, ResponseCode::invalid_params, "invalid role"}));
  EXPECT_EQ(d.core.leases().size(), 1U);
}

// --- The end of a producer

// Proves: DRV-91, DRV-92, DRV-100, DRV-126, DRV-101, DRV-136
TEST(DriverLease, AProducerThatExpiresEndsItsEpoch) {
  Harness d;
  const LeaseKey consumer = *d.lease(Role::consumer, 6);
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const std::uint64_t epoch = d.core.streams().all().at(test_stream).epoch;
  d.advance(3 * second);
  (void)d.keepalive(consumer);
  d.advance(1);
  const auto ended = d.timer();
  const auto* notice = Harness::notice_in(ended);
  ASSERT_NE(notice, nullptr);
  EXPECT_EQ(count<SendLeaseRevoked>(ended), 1U);
  EXPECT_EQ((LeaseKey{notice->lease_id, notice->stream_id, notice->client_id, notice->role}),
            producer);
  EXPECT_EQ(notice->reason, LeaseRevokeReason::expired);
  const auto done = d.created(ended);
  EXPECT_GT(Harness::announce_in(done)->epoch, epoch);
  EXPECT_EQ(d.core.leases().size(), 1U);  // the consumer stays
}

// Proves: DRV-92, DRV-94, DRV-116
TEST(DriverLease, ARevokedProducerIsReplacedUnderAHigherEpochOnly) {
  Harness d;
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const LeaseKey elsewhere = *d.lease(Role::producer, 8, other_stream);
  const std::uint64_t before = d.core.streams().all().at(test_stream).epoch;
  const auto ended = d.revoke(producer.lease_id, "the wall is wet");
  EXPECT_EQ(Harness::notice_in(ended)->reason, LeaseRevokeReason::revoked);
  EXPECT_EQ(Harness::notice_in(ended)->error_message, "the wall is wet");
  // The next producer comes at once: it waits for the idle epoch and for one of its own.
  EXPECT_TRUE(d.attach(d.request(Role::producer, 6)).empty());
  const auto idle = d.created(ended);
  EXPECT_EQ(Harness::answer_in(idle), nullptr);
  const std::uint64_t between = Harness::announce_in(idle)->epoch;
  EXPECT_GT(between, before);
  const auto done = d.created(idle);
  EXPECT_GT(Harness::answer_in(done)->epoch, between);
  EXPECT_EQ(Harness::announce_in(done)->producer_id, 6U);
  EXPECT_TRUE(d.core.leases().all().contains(elsewhere.lease_id));
  EXPECT_FALSE(d.core.revoke(d.now, producer.lease_id, "again", d.list));
  EXPECT_TRUE(d.list.take().empty());
}

// Proves: DRV-89
TEST(DriverLease, ManyThatExpireAtOnceAreToldInSeveralSteps) {
  Harness d;
  for (std::uint32_t client = 1; client <= 300; ++client)
    ASSERT_TRUE(d.lease(Role::consumer, client));
  d.advance(3 * second + 1);
  d.core.on_drained();
  d.core.on_timer(d.now, d.list);
  EXPECT_LE(d.list.size(), Actions::capacity);
  EXPECT_EQ(d.core.deadline(), d.now.monotonic);
  std::set<std::uint64_t> told;
  const auto collect = [&](const Harness::Done& done) {
    for (const Action& action : done) {
      const auto* send = std::get_if<SendLeaseRevoked>(&action);
      if (send == nullptr) continue;
      EXPECT_TRUE(told.insert(send->message.lease_id).second);
    }
  };
  collect(d.list.take());
  collect(d.timer());
  EXPECT_EQ(told.size(), 300U);
  EXPECT_EQ(d.core.leases().size(), 0U);
  EXPECT_EQ(d.core.node_ids().in_use(), 0U);
}

}  // namespace
}  // namespace tensorpool::protocol::driver
