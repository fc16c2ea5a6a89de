// The agent of the driver with messages, files and time: what core and worker do together.
#include <gtest/gtest.h>

#include "agents/driver/driver_counters.hpp"
#include "unit/agents/driver/support.hpp"

namespace tensorpool::agents::driver::test {
namespace {

using DriverAgentTest = DriverRig;

// Proves: DRV-74, DRV-139, DRV-137, DRV-138, MSG-59, MSG-60
TEST_F(DriverAgentTest, GivesAProducerRegionsAndTakesItsDetach) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
  auto mapped = map(lease);
  TP_ASSERT_OK(mapped);
  EXPECT_EQ(mapped->layout.epoch, lease.epoch);

  ASSERT_TRUE(until([&] { return !c.all<wire::ShmPoolAnnounce>().empty(); }));
  const wire::ShmPoolAnnounce announced = c.all<wire::ShmPoolAnnounce>().front();
  EXPECT_EQ(announced.stream_id, stream);
  EXPECT_EQ(announced.epoch, lease.epoch);
  EXPECT_EQ(announced.producer_id, 7U);
  EXPECT_EQ(announced.header_region_uri, lease.header_region_uri);
  EXPECT_EQ(announced.payload_pools, lease.payload_pools);

  for (int i = 0; i < 10; ++i) {
    run_for(sec);
    EXPECT_TRUE(c.send(keepalive(lease, Role::producer, 7)));
  }
  EXPECT_EQ(driver->status().producers, 1U);
  EXPECT_EQ(count(Count::expired), 0U);

  c.heard.clear();
  const ShmDetachRequest bye = detach(lease, Role::producer, 7);
  EXPECT_TRUE(c.send(bye));
  ASSERT_TRUE(until([&] { return c.answer<ShmDetachResponse>(bye.correlation_id).has_value(); }));
  EXPECT_EQ(c.answer<ShmDetachResponse>(bye.correlation_id)->code, ResponseCode::ok);
  EXPECT_EQ(driver->status().producers, 0U);
}

// Who comes or goes has more to say; keepalives, and clients that only listen, do not.
TEST_F(DriverAgentTest, IsRungByAttachesAndDetachesAndNotByKeepalives) {
  Doorbell bell;
  DriverOptions wanted = options();
  wanted.bell = &bell;
  start(std::move(wanted));
  auto rings = bell.rings();
  const auto rung = [&] {
    const auto before = std::exchange(rings, bell.rings());
    return before != rings;
  };
  RawClient& c = client();
  EXPECT_TRUE(rung()) << "connected";
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  EXPECT_TRUE(rung());
  run_for(sec);
  (void)rung();  // files of the start
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(c.send(keepalive(lease, Role::producer, 7)));
    run_for(sec);
  }
  EXPECT_FALSE(rung());
  const ShmDetachRequest bye = detach(lease, Role::producer, 7);
  EXPECT_TRUE(c.send(bye));
  ASSERT_TRUE(until([&] { return c.answer<ShmDetachResponse>(bye.correlation_id).has_value(); }));
  EXPECT_TRUE(rung());
  driver.reset();  // before the bell
}

// Notice, announce of the next epoch, answer: in that order on the wire.
// Proves: DRV-92, DRV-93, DRV-110, DRV-119
TEST_F(DriverAgentTest, SaysTheEndOfALeaseInOrder) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  run_for(10 * ms);
  c.heard.clear();
  const ShmDetachRequest bye = detach(lease, Role::producer, 7);
  EXPECT_TRUE(c.send(bye));
  ASSERT_TRUE(until([&] { return c.answer<ShmDetachResponse>(bye.correlation_id).has_value(); }));
  const auto next = [&](const wire::ShmPoolAnnounce& a) {
    return a.stream_id == stream && a.epoch > *lease.epoch && a.producer_id == 0;
  };
  const std::size_t notice = c.place<ShmLeaseRevoked>(
      [&](const ShmLeaseRevoked& m) { return m.reason == LeaseRevokeReason::detached; });
  const std::size_t announce_at = c.place<wire::ShmPoolAnnounce>(next);
  const std::size_t answer = c.place<ShmDetachResponse>([](const auto&) { return true; });
  EXPECT_LT(notice, announce_at);
  EXPECT_LT(announce_at, answer);
  ASSERT_LT(answer, c.heard.size());
}

// Proves: DRV-100, DRV-91
TEST_F(DriverAgentTest, ExpiresWhoIsSilent) {
  start();
  RawClient& c = client();
  const ShmAttachResponse silent = attach(c, Role::producer, 7);
  const ShmAttachResponse alive = attach(c, Role::consumer, 8);
  for (int i = 0; i < 3; ++i) {
    run_for(900 * ms);
    EXPECT_TRUE(c.send(keepalive(alive, Role::consumer, 8)));
  }
  EXPECT_FALSE(revoked(c, silent).has_value());
  ASSERT_TRUE(until([&] { return revoked(c, silent).has_value(); }, sec));
  EXPECT_EQ(revoked(c, silent)->reason, LeaseRevokeReason::expired);
  EXPECT_FALSE(revoked(c, alive).has_value());
  EXPECT_EQ(driver->status().consumers, 1U);
  ASSERT_TRUE(until([&] { return driver->status().streams_with_regions == 1; }));
  EXPECT_EQ(reported(Event::lease_ended), 1);
}

TEST_F(DriverAgentTest, EndsALeaseByDecisionOfTheHouse) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::consumer, 7);
  EXPECT_FALSE(driver->revoke(*lease.lease_id + 1, "unknown"));
  EXPECT_TRUE(driver->revoke(*lease.lease_id, "by hand"));
  ASSERT_TRUE(until([&] { return revoked(c, lease).has_value(); }));
  EXPECT_EQ(revoked(c, lease)->reason, LeaseRevokeReason::revoked);
  EXPECT_EQ(revoked(c, lease)->error_message, "by hand");
}

// Proves: DRV-17, DRV-18, DRV-56, DRV-57
TEST_F(DriverAgentTest, AnswersOddRequestsAsTheTableSaysAndDropsBrokenOnes) {
  start();
  RawClient& c = client();
  const ShmAttachRequest good = request(Role::producer, 7);
  std::vector<std::byte> bytes(wire::encoded_size(good));
  ASSERT_TRUE(wire::try_encode(good, bytes));
  constexpr std::size_t role_at = 8 + 16;

  auto odd = bytes;
  odd[role_at] = std::byte{9};
  EXPECT_TRUE(c.send_bytes(odd));
  ASSERT_TRUE(until([&] { return c.answer<ShmAttachResponse>(good.correlation_id).has_value(); }));
  EXPECT_EQ(c.answer<ShmAttachResponse>(good.correlation_id)->error_message, "invalid role");

  c.heard.clear();
  odd = bytes;
  odd[6] = std::byte{2};  // version
  EXPECT_TRUE(c.send_bytes(odd));
  ASSERT_TRUE(until([&] { return c.answer<ShmAttachResponse>(good.correlation_id).has_value(); }));
  EXPECT_EQ(c.answer<ShmAttachResponse>(good.correlation_id)->code, ResponseCode::unsupported);

  c.heard.clear();
  odd = bytes;
  odd[0] = std::byte{28};  // block length
  EXPECT_TRUE(c.send_bytes(odd));
  EXPECT_TRUE(c.send_bytes(std::span(bytes).first(bytes.size() - 1)));
  run_for(100 * ms);
  EXPECT_TRUE(c.heard.size() == 2 || c.all<ShmAttachResponse>().empty());
  EXPECT_EQ(driver->status().malformed, 2U);

  ShmDetachRequest unknown = detach({}, Role::producer, 7);
  std::vector<std::byte> detach_bytes(wire::encoded_size(unknown));
  ASSERT_TRUE(wire::try_encode(unknown, detach_bytes));
  detach_bytes.back() = std::byte{0};
  EXPECT_TRUE(c.send_bytes(detach_bytes));
  ASSERT_TRUE(
      until([&] { return c.answer<ShmDetachResponse>(unknown.correlation_id).has_value(); }));
  EXPECT_EQ(c.answer<ShmDetachResponse>(unknown.correlation_id)->code,
            ResponseCode::invalid_params);
}

// Its own answers come back to it on the control stream; nothing of them is taken for a request.
// Proves: DRV-13, DRV-14
TEST_F(DriverAgentTest, IgnoresWhatItSaysItself) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  EXPECT_TRUE(c.send(ShmDetachResponse{1, ResponseCode::ok, {}}));
  ShmLeaseRevoked forged;
  forged.lease_id = *lease.lease_id;
  forged.stream_id = stream;
  forged.client_id = 7;
  forged.role = Role::producer;
  EXPECT_TRUE(c.send(forged));
  EXPECT_TRUE(c.send(ShmDriverShutdown{1, wire::driver::ShutdownReason::normal, {}}));
  run_for(100 * ms);
  EXPECT_EQ(driver->status().producers, 1U);
  EXPECT_EQ(driver->status().malformed, 0U);
  EXPECT_EQ(driver->status().state, State::running);
}

// Proves: DRV-19
TEST_F(DriverAgentTest, FragmentsAnAnswerThatIsLargerThanAClaim) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7, big_stream);
  ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
  EXPECT_EQ(lease.payload_pools.size(), 16U);
  EXPECT_GT(c.largest, 1376U);
  TP_ASSERT_OK(map(lease));
}

// Regions that no producer keeps alive are refreshed with every announce, up to their last superblock; those of a
// producer are left to it.
// Proves: DRV-10, DRV-11
TEST_F(DriverAgentTest, KeepsIdleRegionsAlive) {
  start();
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::consumer, 7);
  auto mapped = map(lease);
  TP_ASSERT_OK(mapped);
  const std::uint64_t first = mapped->activity_ns();
  run_for(2 * sec);
  EXPECT_TRUE(c.send(keepalive(lease, Role::consumer, 7)));
  const auto age = static_cast<std::uint64_t>(clock.monotonic_ns()) - mapped->activity_ns();
  EXPECT_GT(mapped->activity_ns(), first);
  EXPECT_LE(age, static_cast<std::uint64_t>(sec + 10 * ms));

  const ShmAttachResponse producer = attach(c, Role::producer, 8);
  auto written = map(producer);
  TP_ASSERT_OK(written);
  const std::uint64_t created = written->activity_ns();
  run_for(1500 * ms);
  EXPECT_EQ(written->activity_ns(), created);
}

// Proves: DRV-5
TEST_F(DriverAgentTest, HasItsNamespaceForItself) {
  start();
  const auto second = make(options());
  TP_EXPECT_CODE(second, Code::driver_running);
  for (const std::string& part : {std::to_string(::getpid()), namespace_dir() + "/driver.lock"})
    EXPECT_NE(second.error().message().find(part), std::string::npos) << second.error().message();
  DriverOptions elsewhere = options();
  elsewhere.regions.namespace_name = "other";
  TP_ASSERT_OK(make(elsewhere));
  driver.reset();
  TP_ASSERT_OK(make(options()));
  EXPECT_FALSE(std::filesystem::exists(namespace_dir() + "/driver.lock"));
}

// A former driver, perhaps of another boot, used higher epochs than this clock would.
// Proves: DRV-129, DRV-130
TEST_F(DriverAgentTest, BeginsAboveTheEpochsOnDisk) {
  const std::uint64_t before = 10'000ULL * static_cast<std::uint64_t>(sec);
  std::filesystem::create_directories(namespace_dir() + "/" + std::to_string(stream) + "/" +
                                      std::to_string(before));
  std::filesystem::create_directories(namespace_dir() + "/" + std::to_string(stream) + "/not-one");
  start();
  RawClient& c = client();
  EXPECT_GT(attach(c, Role::producer, 7).epoch.value_or(0), before);
  EXPECT_LT(attach(c, Role::producer, 8, other_stream).epoch.value_or(0), before);
}

// Proves: DRV-1, DRV-147, DRV-146
TEST_F(DriverAgentTest, MakesFilesWithTheirModeInTheCanonicalPlace) {
  DriverOptions wanted = options();
  wanted.regions.file_mode = 0640;
  start(wanted);
  RawClient& c = client();
  const ShmAttachResponse lease = attach(c, Role::producer, 7);
  const std::string epoch_dir = namespace_dir() + "/" + std::to_string(stream) + "/" +
                                std::to_string(lease.epoch.value_or(0));
  for (const char* name : {"header.ring", "1.pool", "2.pool"}) {
    const auto status = std::filesystem::status(epoch_dir + "/" + name);
    ASSERT_TRUE(std::filesystem::is_regular_file(status)) << name;
    EXPECT_EQ(static_cast<unsigned>(status.permissions()), 0640U);
  }
}

TEST_F(DriverAgentTest, KeepsOnlySuperblocksMappedUnlessMemoryIsLocked) {
  start();
  RawClient& c = client();
  DriverOptions large = options();
  driver.reset();
  large.core.profiles[0] = {"small", 64, {{1, 65536}}};
  for (const bool mlock : {false, true}) {
    large.regions.mlock = mlock;
    start(large);
    ASSERT_TRUE(until([&] { return c.ready() && driver->status().connected; }));
    const std::int64_t before = file_system.mapped_bytes;
    const ShmAttachResponse lease = attach(c, Role::producer, mlock ? 8 : 7);
    ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
    const std::int64_t mapped = file_system.mapped_bytes - before;
    const auto whole = static_cast<std::int64_t>(driver->status().bytes_reserved);
    EXPECT_GT(whole, 4 << 20);
    if (mlock) {
      EXPECT_EQ(mapped, whole);  // DRV-150
      EXPECT_GE(file_system.locked_bytes, static_cast<std::uint64_t>(whole));
    } else {
      EXPECT_LE(mapped, 2 * 65536);
    }
    driver.reset();
    EXPECT_EQ(file_system.mapped_bytes, before);
  }
}

// Every number that `tp` shows, and its label.
TEST_F(DriverAgentTest, ShowsItsCounters) {
  start();
  RawClient& c = client();
  const ShmAttachResponse producer = attach(c, Role::producer, 7);
  (void)attach(c, Role::consumer, 8);
  (void)attach(c, Role::consumer, 8);         // REJECTED
  (void)attach(c, Role::consumer, 9, 4'000);  // REJECTED
  (void)attach(c, Role::consumer, 0);         // INVALID_PARAMS
  EXPECT_TRUE(c.send(wire::driver::ShmDriverShutdownRequest{9, {}, "no such token", ""}));
  run_for(300 * ms);
  EXPECT_EQ(counter("producer leases"), 1);
  EXPECT_EQ(counter("consumer leases"), 1);
  EXPECT_EQ(counter("attaches granted"), 2);
  EXPECT_EQ(counter("attaches refused REJECTED"), 2);
  EXPECT_EQ(counter("attaches refused INVALID_PARAMS"), 1);
  EXPECT_EQ(counter("epochs created"), 1);
  EXPECT_EQ(counter("bytes reserved"), static_cast<std::int64_t>(driver->status().bytes_reserved));
  EXPECT_GT(counter("bytes reserved"), 8 * 4096);
  EXPECT_EQ(counter("state"), 0);
  EXPECT_EQ(counter("connected"), 1);
  EXPECT_EQ(counter("shutdown requests ignored"), 1);
  run_for(4 * sec);
  EXPECT_EQ(counter("leases expired"), 2);
  EXPECT_EQ(counter("producer leases"), 0);
  for (const std::string_view name : DriverCounters::names())
    EXPECT_GE(counter(std::string(name)), 0) << name;
  for (const sim::CounterView& view : network.counters(aeron_dir))
    EXPECT_NE(view.label.find("instance=driver-01"), std::string::npos) << view.label;
}

TEST_F(DriverAgentTest, ChecksItsOptions) {
  const auto refused = [&](const std::function<void(DriverOptions&)>& change,
                           const std::string& word) {
    DriverOptions bad = options();
    change(bad);
    const auto made = make(bad);
    ASSERT_FALSE(made.has_value()) << word;
    EXPECT_EQ(made.error().code(), Code::invalid_argument) << made.error().message();
    EXPECT_NE(made.error().message().find(word), std::string::npos) << made.error().message();
  };
  refused([](auto& o) { o.instance_id.clear(); }, "instance_id");
  refused([](auto& o) { o.control.channel = "udp"; }, "control_channel");
  refused([](auto& o) { o.announce.stream_id = 0; }, "announce_stream_id");
  refused([](auto& o) { o.fragment_limit = 0; }, "fragment_limit");
  refused([](auto& o) { o.regions.namespace_name = "a/b"; }, "a/b");
  refused([](auto& o) { o.regions.file_mode = 0666; }, "666");
  refused([](auto& o) { o.regions.base_dir = "shm"; }, "shm");
  refused([](auto& o) { o.core.announce_period_ns = 0; }, "announce_period");
  refused([](auto& o) { o.core.stream_id_range = {{1000, 2000}}; }, "stream_id_range");
  EXPECT_TRUE(notices.empty());
}

}  // namespace
}  // namespace tensorpool::agents::driver::test
