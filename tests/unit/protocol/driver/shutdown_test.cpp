// The end of a driver (docs/protocol/04-driver.md A12).
#include <gtest/gtest.h>

#include <string>

#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

Settings with_token() {
  Settings settings = test_settings();
  settings.shutdown_token = "open sesame";
  return settings;
}

const wire::driver::ShmDriverShutdown* end_in(const Harness::Done& done) {
  const SendDriverShutdown* send = find<SendDriverShutdown>(done);
  return send == nullptr ? nullptr : &send->message;
}

// Proves: DRV-200, DRV-201, DRV-202, DRV-203, MSG-112
TEST(DriverShutdown, OnlyTheRightTokenAndReasonCount) {
  Harness none;
  EXPECT_TRUE(none.shutdown("").empty());
  EXPECT_TRUE(none.shutdown("x").empty());
  EXPECT_EQ(none.core.state(), State::running);
  Harness d(with_token());
  EXPECT_TRUE(d.shutdown("").empty());
  EXPECT_TRUE(d.shutdown("open sesam").empty());
  EXPECT_TRUE(d.shutdown("open sesame ").empty());
  EXPECT_TRUE(d.shutdown("open sesame", static_cast<ShutdownReason>(3)).empty());
  EXPECT_TRUE(d.shutdown("open sesame", static_cast<ShutdownReason>(255)).empty());
  EXPECT_EQ(d.core.state(), State::running);
  EXPECT_EQ(d.count_of(Count::shutdown_ignored), 5U);
  EXPECT_EQ(Harness::events(d.shutdown("open sesame"), Event::draining), 1U);
  EXPECT_EQ(d.core.state(), State::draining);
}

// Proves: DRV-141, DRV-193
TEST(DriverShutdown, AnnouncesAllDrainsThenTellsAndIsStopped) {
  Harness d(with_token());
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const LeaseKey consumer = *d.lease(Role::consumer, 6, other_stream);
  d.advance(second / 4);
  (void)d.shutdown("open sesame", ShutdownReason::error, "the roof\nleaks");
  EXPECT_EQ(count<SendAnnounce>(d.timer()), 2U);  // the final ones, at once
  // Leases are served meanwhile, attaches are not.
  const ShmAttachRequest r = d.request(Role::consumer, 7);
  EXPECT_TRUE(is_refusal(d.attach(r), r, ResponseCode::rejected, "driver draining"));
  (void)d.keepalive(producer);
  EXPECT_EQ(d.count_of(Count::keepalives), 1U);
  EXPECT_EQ(Harness::detached_in(d.detach(consumer))->code, ResponseCode::ok);
  d.advance(second);
  EXPECT_EQ(count<SendAnnounce>(d.timer()), 2U);
  d.advance(second - 1);
  EXPECT_EQ(end_in(d.timer()), nullptr);
  d.advance(1);
  EXPECT_EQ(d.core.deadline(), d.now.monotonic);
  const auto done = d.timer();
  const auto* end = end_in(done);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(*end,
            (wire::driver::ShmDriverShutdown{d.clock(), ShutdownReason::error, "the roof?leaks"}));
  EXPECT_EQ(count<Stopped>(done), 1U);
  EXPECT_EQ(count<RemoveRegions>(done), 0U);
  EXPECT_EQ(d.core.state(), State::stopped);
  EXPECT_EQ(d.core.leases().size(), 0U);
  EXPECT_EQ(d.core.deadline(), never);
  // Stopped: attaches are refused, all else is ignored.
  EXPECT_TRUE(is_refusal(d.attach(r), r, ResponseCode::rejected, "driver draining"));
  EXPECT_TRUE(d.detach(producer).empty());
  EXPECT_TRUE(d.keepalive(producer).empty());
  d.advance(10 * second);
  EXPECT_TRUE(d.timer().empty());
}

// Proves: DRV-211
TEST(DriverShutdown, FurtherRequestsChangeNothing) {
  Harness d(with_token());
  (void)d.shutdown("open sesame", ShutdownReason::admin, "first");
  d.advance(second);
  EXPECT_TRUE(d.shutdown("open sesame", ShutdownReason::error, "second").empty());
  d.advance(second);
  const auto done = d.timer();
  ASSERT_NE(end_in(done), nullptr);
  EXPECT_EQ(end_in(done)->reason, ShutdownReason::admin);
  EXPECT_EQ(end_in(done)->error_message, "first");
  EXPECT_TRUE(d.shutdown("open sesame").empty());
  EXPECT_TRUE(d.timer().empty());
}

TEST(DriverShutdown, WithATimeoutOfZeroTheFinalAnnouncesStillComeFirst) {
  Settings settings = with_token();
  settings.shutdown_timeout_ns = 0;
  for (std::uint32_t id = 100; id < 140; ++id) settings.streams.push_back({id, "small"});
  Harness d(settings);
  for (std::uint32_t id = 100; id < 140; ++id) ASSERT_TRUE(d.lease(Role::consumer, id, id));
  (void)d.shutdown("open sesame");
  const auto done = d.timer();
  EXPECT_EQ(count<SendAnnounce>(done), 40U);
  ASSERT_NE(end_in(done), nullptr);
  for (std::size_t i = Harness::place<SendDriverShutdown>(done); i < done.size(); ++i) {
    EXPECT_FALSE(std::holds_alternative<SendAnnounce>(done[i]));
  }
}

TEST(DriverShutdown, ASignalDrainsAndASecondOneEndsWithoutWaiting) {
  Harness d;
  d.core.on_terminate(d.now, d.list);
  EXPECT_EQ(Harness::events(d.list.take(), Event::draining), 1U);
  EXPECT_EQ(end_in(d.timer()), nullptr);
  d.core.on_terminate(d.now, d.list);
  const auto done = d.timer();
  ASSERT_NE(end_in(done), nullptr);
  EXPECT_EQ(end_in(done)->reason, ShutdownReason::normal);
  d.core.on_terminate(d.now, d.list);
  EXPECT_TRUE(d.timer().empty());
}

TEST(DriverShutdown, AnAttachInProgressIsServedWhileDrainingAndRefusedAtTheEnd) {
  Harness d(with_token());
  const auto served = d.attach(d.request(Role::producer, 5));
  const ShmAttachRequest late = d.request(Role::producer, 6, other_stream);
  const auto asked = d.attach(late);
  for (std::uint32_t client = 10; client < 50; ++client) {
    (void)d.attach(d.request(Role::consumer, client, other_stream));
  }
  (void)d.shutdown("open sesame");
  EXPECT_EQ(Harness::answer_in(d.created(served))->code, ResponseCode::ok);
  d.advance(2 * second);
  const auto done = d.timer();
  EXPECT_EQ(count<SendAttachResponse>(done), 41U);
  EXPECT_EQ(d.refused(AttachRefusal::draining), 41U);
  EXPECT_LT(Harness::place<SendAttachResponse>(done), Harness::place<SendDriverShutdown>(done));
  EXPECT_TRUE(d.created(asked).empty());
  EXPECT_EQ(d.core.pending(), 0U);
}

TEST(DriverShutdown, FilesGoAfterTheNoticeWhenConfigured) {
  Settings settings = with_token();
  settings.cleanup_shm_on_exit = true;
  for (std::uint32_t id = 100; id < 140; ++id) settings.streams.push_back({id, "small"});
  Harness d(settings);
  for (std::uint32_t id = 100; id < 140; ++id) ASSERT_TRUE(d.lease(Role::consumer, id, id));
  (void)d.shutdown("open sesame");
  d.advance(2 * second);
  const auto done = d.timer();
  EXPECT_EQ(count<RemoveRegions>(done), 40U);  // not of the two streams that never had any
  EXPECT_LT(Harness::place<SendDriverShutdown>(done), Harness::place<RemoveRegions>(done));
  EXPECT_TRUE(std::holds_alternative<Stopped>(done.back()));
  EXPECT_EQ(count<Stopped>(done), 1U);
}

}  // namespace
}  // namespace tensorpool::protocol::driver
