// A5, A11 and A12 of docs/protocol/04-driver.md from the client's side: what keeps a lease, and everything that
// ends it.
#include <gtest/gtest.h>

#include "unit/protocol/lease/support.hpp"

namespace tensorpool::protocol {
namespace {

// Proves: DRV-96, DRV-97, CON-40, DRV-106
TEST(Lease, KeepalivesGoOutEveryIntervalFromTheAttachOn) {
  LeaseHarness h;
  const auto asked = h.timer();
  (void)h.response(h.ok(find<SendAttach>(asked)->message.correlation_id));
  ASSERT_EQ(h.core.state(), LeaseState::attached) << "before anything is mapped";
  const auto first = h.timer();
  const SendKeepalive* keepalive = find<SendKeepalive>(first);
  ASSERT_NE(keepalive, nullptr);
  EXPECT_EQ(keepalive->message.lease_id, test_lease);
  EXPECT_EQ(keepalive->message.stream_id, test_stream);
  EXPECT_EQ(keepalive->message.client_id, test_client);
  EXPECT_EQ(keepalive->message.role, Role::consumer);
  EXPECT_EQ(keepalive->message.client_timestamp_ns, h.clock());
  (void)h.sent(Sent::taken);
  EXPECT_TRUE(h.run_hearing(20 * second).empty());
  EXPECT_EQ(h.keepalives, 20);
  // The response announces no deadline: just so.
  LeaseHarness without;
  const auto again = without.timer();
  ShmAttachResponse response = without.ok(find<SendAttach>(again)->message.correlation_id);
  response.lease_expiry_timestamp_ns.reset();
  (void)without.response(response);
  EXPECT_TRUE(without.run_hearing(20 * second).empty());
  EXPECT_EQ(without.keepalives, 21);
}

TEST(Lease, TheDeadlineIsTheDriversThenThatOfTheLastKeepaliveSent) {
  LeaseHarness h;
  const auto asked = h.timer();
  ShmAttachResponse response = h.ok(find<SendAttach>(asked)->message.correlation_id);
  response.lease_expiry_timestamp_ns = h.clock() + 500'000'000;
  (void)h.response(response);
  EXPECT_EQ(h.core.lease()->deadline_ns, h.now.monotonic + 500 * ms);
  (void)h.timer();
  EXPECT_EQ(h.core.lease()->deadline_ns, h.now.monotonic + 500 * ms) << "not before it went out";
  (void)h.sent(Sent::busy);
  EXPECT_EQ(h.core.lease()->deadline_ns, h.now.monotonic + 500 * ms);
  (void)h.sent(Sent::taken);
  EXPECT_EQ(h.core.lease()->deadline_ns, h.now.monotonic + 3 * second);
  // Whoever expires later than interval times grace does not expire sooner for a keepalive.
  LeaseHarness patient;
  const auto wanted = patient.timer();
  response = patient.ok(find<SendAttach>(wanted)->message.correlation_id);
  response.lease_expiry_timestamp_ns = patient.clock() + 60'000'000'000;
  (void)patient.response(response);
  (void)patient.timer();
  (void)patient.sent(Sent::taken);
  EXPECT_EQ(patient.core.lease()->deadline_ns, patient.now.monotonic + 60 * second);
}

TEST(Lease, AnExpiryBeyondTheClockIsTheEndOfTime) {
  LeaseHarness h;
  const auto asked = h.timer();
  ShmAttachResponse response = h.ok(find<SendAttach>(asked)->message.correlation_id);
  response.lease_expiry_timestamp_ns = wire::null_u64 - 1;
  (void)h.response(response);
  ASSERT_NE(h.core.lease(), nullptr);
  EXPECT_EQ(h.core.lease()->deadline_ns, INT64_MAX - 1);
}

// Proves: CON-41, DRV-96
TEST(Lease, APauseBeyondTheDeadlineEndsItBeforeAnythingElse) {
  LeaseHarness h;
  (void)h.attach();
  (void)h.timer();
  (void)h.sent(Sent::taken);
  h.advance(3 * second);
  EXPECT_NE(find<SendKeepalive>(h.timer()), nullptr) << "at the deadline it still holds";
  (void)h.sent(Sent::taken);
  h.advance(3 * second + 1);
  const auto done = h.timer();
  EXPECT_EQ(LeaseHarness::end_in(done), LeaseEnd::deadline);
  EXPECT_EQ(find<SendKeepalive>(done), nullptr) << "a keepalive would revive what is another's";
  EXPECT_TRUE(std::holds_alternative<LeaseEnded>(done.front())) << "told before it is given back";
  EXPECT_NE(find<SendDetach>(done), nullptr);
  EXPECT_EQ(h.core.state(), LeaseState::revoked);
  EXPECT_EQ(h.core.lease(), nullptr);
  // What was on its way before does not bring it back.
  EXPECT_TRUE(h.sent(Sent::taken).empty());
  EXPECT_EQ(h.core.lease(), nullptr);
}

TEST(Lease, BackPressureIsTriedAgainWithoutHasteUntilTheDeadline) {
  LeaseHarness h;
  (void)h.attach();
  int tries = 0;
  for (;;) {
    if (h.core.deadline() > h.now.monotonic) h.advance(h.core.deadline() - h.now.monotonic);
    const auto done = h.timer();
    if (find<SendKeepalive>(done) == nullptr) {
      EXPECT_EQ(LeaseHarness::end_in(done), LeaseEnd::deadline);
      break;
    }
    ++tries;
    EXPECT_TRUE(h.sent(Sent::busy).empty());
  }
  EXPECT_EQ(tries, 31);  // ten in each of three intervals
}

// Proves: DRV-105
TEST(Lease, AFailedKeepaliveEndsItUnlessTheLinkNeverWorked) {
  LeaseHarness h;
  (void)h.attach();
  (void)h.timer();
  EXPECT_TRUE(h.sent(Sent::failed).empty()) << "the driver may only not be there yet";
  h.advance(100 * ms);
  (void)h.timer();
  (void)h.sent(Sent::taken);
  h.advance(second);
  ASSERT_NE(find<SendKeepalive>(h.timer()), nullptr);
  EXPECT_EQ(LeaseHarness::end_in(h.sent(Sent::failed)), LeaseEnd::keepalive_failed);
  EXPECT_EQ(h.core.state(), LeaseState::revoked);
}

TEST(Lease, WithoutLinksItIsPausedUntilItsDeadline) {
  LeaseHarness h;
  (void)h.attach();
  (void)h.timer();
  (void)h.sent(Sent::taken);
  const base::Nanos deadline = h.core.lease()->deadline_ns;
  h.core.on_links(h.now, false);
  EXPECT_EQ(h.core.deadline(), deadline + 1);
  h.advance(2 * second);
  EXPECT_TRUE(h.timer().empty());
  h.core.on_links(h.now, true);
  const auto done = h.timer();
  EXPECT_NE(find<SendKeepalive>(done), nullptr) << "resumed at once";
  EXPECT_TRUE(h.sent(Sent::failed).empty()) << "the driver comes back later than we";
  h.core.on_links(h.now, false);
  h.advance(2 * second);
  EXPECT_EQ(LeaseHarness::end_in(h.timer()), LeaseEnd::deadline);
  EXPECT_EQ(h.core.deadline(), INT64_MAX) << "and nothing is asked before the links are there";
}

// --- Notices.

// Proves: DRV-112, DRV-117, DRV-118, DRV-124, MSG-111, DRV-115
TEST(LeaseNotice, OnlyOneThatNamesAllOfTheLeaseEndsIt) {
  struct Case {
    const char* what;
    void (*how)(ShmLeaseRevoked&);
  };
  const Case cases[] = {
      {"an older lease of this client", [](auto& n) { n.lease_id = test_lease - 1; }},
      {"a newer one", [](auto& n) { n.lease_id = test_lease + 1; }},
      {"another stream", [](auto& n) { n.stream_id = test_stream + 1; }},
      {"another client", [](auto& n) { n.client_id = test_client + 1; }},
      {"another role", [](auto& n) { n.role = Role::consumer; }},
      {"an undefined role", [](auto& n) { n.role = static_cast<Role>(3); }},
      {"an undefined reason", [](auto& n) { n.reason = static_cast<LeaseRevokeReason>(0); }},
      {"an undefined reason", [](auto& n) { n.reason = static_cast<LeaseRevokeReason>(4); }},
  };
  LeaseHarness h(lease_settings(Role::producer));
  (void)h.attach();
  for (const Case& c : cases) {
    ShmLeaseRevoked notice = h.notice();
    c.how(notice);
    EXPECT_TRUE(h.revoked(notice).empty()) << c.what;
    EXPECT_NE(h.core.lease(), nullptr);
  }
  EXPECT_EQ(h.core.ignored(), 3U);
  const ShmLeaseRevoked notice = h.notice();
  EXPECT_EQ(LeaseHarness::end_in(h.revoked(notice)), LeaseEnd::revoked);
  EXPECT_TRUE(h.revoked(notice).empty()) << "a second one has no effect";
}

// Proves: CON-42, DRV-90
TEST(LeaseNotice, EveryReasonIsReportedWithItsTextAndLeadsToANewAttach) {
  const std::pair<LeaseRevokeReason, LeaseEnd> reasons[] = {
      {LeaseRevokeReason::detached, LeaseEnd::detached},
      {LeaseRevokeReason::expired, LeaseEnd::expired},
      {LeaseRevokeReason::revoked, LeaseEnd::revoked}};
  LeaseHarness h;
  for (const auto& [reason, why] : reasons) {
    (void)h.attach();
    const auto done = h.revoked(h.notice(reason));
    ASSERT_EQ(done.size(), 1U) << "nothing is detached that the driver ended";
    const LeaseEnded* ended = find<LeaseEnded>(done);
    ASSERT_NE(ended, nullptr);
    EXPECT_EQ(ended->why, why);
    EXPECT_EQ(ended->text, "because");
    EXPECT_EQ(ended->lease.stream_id, test_stream);
    EXPECT_EQ(ended->lease.lease_id, test_lease);
    EXPECT_EQ(h.core.state(), LeaseState::revoked);
    EXPECT_EQ(h.core.deadline() - h.now.monotonic, 100 * ms);
  }
}

TEST(LeaseNotice, ALateOneAboutTheFormerLeaseLeavesTheNewOneAlone) {
  LeaseHarness h;
  (void)h.attach();
  const ShmLeaseRevoked old = h.notice(LeaseRevokeReason::expired);
  h.advance(3 * second + 1);
  EXPECT_EQ(LeaseHarness::end_in(h.timer()), LeaseEnd::deadline);
  (void)h.attach(test_lease + 1);
  EXPECT_TRUE(h.revoked(old).empty());
  EXPECT_EQ(h.core.state(), LeaseState::mapped);
}

// Proves: DRV-111
TEST(LeaseNotice, TheNoticeOfOnesOwnDetachDoesNotAttachAgain) {
  LeaseHarness h;
  (void)h.attach();
  const ShmLeaseRevoked notice = h.notice(LeaseRevokeReason::detached);
  const auto done = h.close();
  ASSERT_EQ(done.size(), 1U);
  ASSERT_NE(find<SendDetach>(done), nullptr);
  EXPECT_EQ(find<SendDetach>(done)->message.lease_id, test_lease);
  EXPECT_EQ(h.core.state(), LeaseState::closed);
  EXPECT_TRUE(h.revoked(notice).empty());
  EXPECT_TRUE(h.shutdown().empty());
  EXPECT_EQ(h.core.deadline(), INT64_MAX);
  EXPECT_TRUE(h.close().empty());
}

// A notice that the producer of the consumer's stream is gone.
ShmLeaseRevoked about_the_producer(LeaseHarness& h) {
  ShmLeaseRevoked notice = h.notice(LeaseRevokeReason::expired);
  notice.lease_id = 1;
  notice.client_id = 2;
  notice.role = Role::producer;
  return notice;
}

// Proves: DRV-113, DRV-116
TEST(LeaseNotice, OfTheProducerLeavesTheConsumersLease) {
  LeaseHarness h;
  (void)h.attach();
  ShmLeaseRevoked notice = about_the_producer(h);
  const auto done = h.revoked(notice);
  ASSERT_EQ(done.size(), 1U);
  ASSERT_NE(find<ProducerGone>(done), nullptr);
  EXPECT_EQ(find<ProducerGone>(done)->why, LeaseRevokeReason::expired);
  EXPECT_EQ(h.core.state(), LeaseState::attached);
  ASSERT_NE(h.core.lease(), nullptr);
  // The consumer maps the next epoch: all is well, for as long as it likes.
  h.core.on_mapped(test_lease);
  EXPECT_TRUE(h.run_hearing(10 * second).empty());
  EXPECT_EQ(h.core.state(), LeaseState::mapped);

  notice.stream_id = test_stream + 1;
  notice.timestamp_ns = h.clock() + 1;
  EXPECT_TRUE(h.revoked(notice).empty()) << "of another stream";
}

// Proves: DRV-120, DRV-121
TEST(LeaseNotice, WithoutANewEpochInTimeTheConsumerAttachesAnew) {
  LeaseHarness h;
  (void)h.attach();
  (void)h.timer();
  (void)h.sent(Sent::taken);
  ShmLeaseRevoked notice = about_the_producer(h);
  const base::Nanos told = h.now.monotonic;
  (void)h.revoked(notice);
  (void)h.run_hearing(second);
  notice.timestamp_ns = h.clock() + 1;
  (void)h.revoked(notice);  // does not begin the wait anew
  const auto done = h.run_hearing(10 * second);
  EXPECT_EQ(LeaseHarness::end_in(done), LeaseEnd::no_new_epoch);
  EXPECT_NE(find<SendDetach>(done), nullptr);
  EXPECT_EQ(h.now.monotonic - told, 3 * second);
}

TEST(LeaseNotice, ThatTheNewAnnounceOvertookIsOld) {
  LeaseHarness h;
  (void)h.attach();
  ShmLeaseRevoked notice = about_the_producer(h);
  h.advance(ms);
  (void)h.announce(test_epoch + 1);
  EXPECT_TRUE(h.revoked(notice).empty());
  EXPECT_EQ(h.core.state(), LeaseState::mapped);
  notice.timestamp_ns = 0;  // of a driver whose notices have no time
  EXPECT_NE(find<ProducerGone>(h.revoked(notice)), nullptr);
}

// No driver sends one; whoever forges it must not make the client deaf to all notices to come.
TEST(LeaseNotice, AnAnnounceFromTheFutureDoesNotMakeLaterOnesOld) {
  LeaseHarness h;
  (void)h.attach();
  (void)h.announce(announce_of(test_epoch + 1, wire::null_u64 - 1));
  h.advance(ms);
  ShmLeaseRevoked notice = about_the_producer(h);
  EXPECT_NE(find<ProducerGone>(h.revoked(notice)), nullptr);
}

TEST(LeaseNotice, FromTheFutureCountsAsSaidNow) {
  LeaseHarness h;
  (void)h.attach();
  ShmLeaseRevoked notice = about_the_producer(h);
  notice.timestamp_ns = wire::null_u64 - 1;
  const auto done = h.revoked(notice);
  ASSERT_NE(find<ProducerGone>(done), nullptr);
  EXPECT_EQ(find<ProducerGone>(done)->told_ns, h.clock());
}

// Proves: DRV-113
TEST(LeaseNotice, CountsThoughAnAnnounceOfTheEpochThatEndsWasSentAtTheSameTime) {
  LeaseHarness h;
  (void)h.attach();
  (void)h.announce(test_epoch + 1);
  h.advance(second);
  // A driver that was held up announces what is due and ends what is due in one step.
  (void)h.announce(test_epoch + 1);
  ShmLeaseRevoked notice = about_the_producer(h);
  notice.timestamp_ns = h.clock();
  const auto done = h.revoked(notice);
  ASSERT_NE(find<ProducerGone>(done), nullptr);
  EXPECT_EQ(find<ProducerGone>(done)->told_ns, h.clock());
}

// --- The driver.

// Proves: DRV-195, DRV-196
TEST(LeaseDriver, ThatAnnouncesNothingForFivePeriodsIsLost) {
  LeaseHarness h;
  (void)h.attach();
  const base::Nanos attached = h.now.monotonic;
  const auto done = h.run(attached + 60 * second);
  EXPECT_EQ(LeaseHarness::end_in(done), LeaseEnd::driver_lost);
  EXPECT_EQ(h.now.monotonic - attached, 5 * second) << "from the attach response on";
  EXPECT_NE(find<SendDetach>(done), nullptr);

  (void)h.attach();
  EXPECT_TRUE(h.run_hearing(30 * second).empty());
  const base::Nanos heard = h.now.monotonic;
  EXPECT_EQ(LeaseHarness::end_in(h.run(heard + 60 * second)), LeaseEnd::driver_lost);
  EXPECT_EQ(h.now.monotonic - heard, 5 * second);
}

TEST(LeaseDriver, IsHeardInAnyAnnounceOfTheStreamThatIsFromNow) {
  struct Case {
    const char* what;
    bool counts;
    void (*how)(wire::ShmPoolAnnounce&, std::uint64_t now);
  };
  const Case cases[] = {
      {"a fresh one", true, [](auto&, std::uint64_t) {}},
      {"of a lower epoch", true, [](auto& a, std::uint64_t) { a.epoch = 1; }},
      {"of regions nobody can use", true, [](auto& a, std::uint64_t) { a.layout_version = 9; }},
      {"of another stream", false, [](auto& a, std::uint64_t) { a.stream_id = 1; }},
      {"without a time", false, [](auto& a, std::uint64_t) { a.announce_timestamp_ns = 0; }},
      {"of another clock", false,
       [](auto& a, std::uint64_t) { a.announce_clock_domain = static_cast<ClockDomain>(9); }},
      {"an old one", false,
       [](auto& a, std::uint64_t now) { a.announce_timestamp_ns = now - 3 * second - 1; }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    LeaseHarness h;
    (void)h.attach();
    const base::Nanos attached = h.now.monotonic;
    EXPECT_TRUE(h.run(attached + 4 * second).empty());
    auto message = announce_of(test_epoch, h.clock());
    c.how(message, h.clock());
    (void)h.announce(message);
    (void)h.run(attached + 60 * second);
    EXPECT_EQ(h.now.monotonic - attached, c.counts ? 9 * second : 5 * second);
  }
}

// Proves: DRV-197
TEST(LeaseDriver, AHigherEpochEndsTheProducersLeaseAndNotTheConsumers) {
  for (const Role role : {Role::producer, Role::consumer}) {
    LeaseHarness h(lease_settings(role));
    (void)h.attach();
    EXPECT_TRUE(h.announce(test_epoch).empty());
    EXPECT_TRUE(h.announce(test_epoch - 1).empty());
    EXPECT_TRUE(h.announce(wire::null_u64).empty());
    const auto done = h.announce(test_epoch + 1);
    EXPECT_EQ(LeaseHarness::end_in(done),
              role == Role::producer ? LeaseEnd::superseded : LeaseEnd::none);
    EXPECT_EQ(h.core.lease() == nullptr, role == Role::producer);
  }
}

// Proves: DRV-194, DRV-212
TEST(LeaseDriver, ItsShutdownEndsEveryLeaseAndItIsAskedAgain) {
  LeaseHarness h;
  (void)h.attach();
  h.core.on_shutdown(h.now, {h.clock(), static_cast<ShutdownReason>(3), ""}, h.list);
  EXPECT_TRUE(h.list.empty()) << "an undefined reason";
  const auto done = h.shutdown(ShutdownReason::admin);
  ASSERT_EQ(done.size(), 1U) << "there is nobody to detach from";
  EXPECT_EQ(LeaseHarness::end_in(done), LeaseEnd::shutdown);
  EXPECT_NE(find<LeaseEnded>(done)->text.find("bye"), std::string::npos);
  EXPECT_EQ(h.core.state(), LeaseState::shutdown);
  EXPECT_TRUE(find<LeaseEnded>(h.shutdown()) == nullptr) << "reported once";
  (void)h.attach(test_lease + 1);
  // The notice of the former driver, behind its back.
  h.core.on_shutdown(h.now, {h.clock() - 1'000'000'000, ShutdownReason::normal, ""}, h.list);
  EXPECT_TRUE(h.list.empty());
  EXPECT_EQ(h.core.state(), LeaseState::mapped);
}

TEST(LeaseDriver, ItsShutdownInTheMiddleOfAnAttachBeginsANewOne) {
  LeaseHarness h;
  const auto asked = h.timer();
  const std::int64_t id = find<SendAttach>(asked)->message.correlation_id;
  const auto done = h.shutdown();
  ASSERT_NE(find<AttachFailed>(done), nullptr);
  EXPECT_EQ(find<AttachFailed>(done)->error.code(), Code::shutdown);
  EXPECT_EQ(h.core.state(), LeaseState::shutdown);
  EXPECT_TRUE(h.response(h.ok(id)).empty());
  h.advance(100 * ms);
  const auto again = h.timer();
  ASSERT_NE(find<SendAttach>(again), nullptr);
  EXPECT_NE(find<SendAttach>(again)->message.correlation_id, id);
  EXPECT_EQ(h.core.state(), LeaseState::connecting);
}

TEST(Lease, MappingAndUnmappingOfTheConsumerShowInTheState) {
  LeaseHarness h;
  (void)h.attach();
  h.core.on_unmapped(test_lease - 1);
  EXPECT_EQ(h.core.state(), LeaseState::mapped);
  h.core.on_unmapped(test_lease);
  EXPECT_EQ(h.core.state(), LeaseState::attached);
  h.core.on_mapped(test_lease - 1);
  EXPECT_EQ(h.core.state(), LeaseState::attached);
  h.core.on_mapped(test_lease);
  EXPECT_EQ(h.core.state(), LeaseState::mapped);
}

}  // namespace
}  // namespace tensorpool::protocol
