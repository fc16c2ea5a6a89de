// The driver on a real media driver and real files, with a client made of messages alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "agents/driver/driver_agent.hpp"
#include "base/clock.hpp"
#include "integration/support.hpp"
#include "shm/map.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "unit/agents/driver/raw_client.hpp"
#include "unit/agents/driver/slow_file_system.hpp"

namespace tensorpool::integration {
namespace {

using agents::driver::DriverAgent;
using agents::driver::DriverOptions;
using agents::driver::test::RawClient;
using agents::driver::test::ShmAttachRequest;
using agents::driver::test::ShmAttachResponse;
using agents::driver::test::ShmDetachRequest;
using agents::driver::test::ShmDetachResponse;
using agents::driver::test::ShmDriverShutdown;
using agents::driver::test::ShmLeaseKeepalive;
using agents::driver::test::ShmLeaseRevoked;
using wire::ResponseCode;
using wire::driver::Role;

constexpr std::uint32_t small_stream = 810;
constexpr std::uint32_t large_stream = 811;
constexpr std::uint64_t mib = 1U << 20U;

// Driver and client take turns in the test's thread; region worker and Aeron have their own.
class Driver : public ::testing::Test {
 protected:
  DriverOptions options() {
    DriverOptions options;
    options.core.profiles = {{"small", 8, {{1, 4096}}}, {"large", 16, {{1, 4 * mib}}}};
    options.core.streams = {{small_stream, "small"}, {large_stream, "large"}};
    options.core.keepalive_interval_ns = 300'000'000;
    options.core.announce_period_ns = 100'000'000;
    options.core.shutdown_timeout_ns = 50'000'000;
    options.core.cleanup_shm_on_exit = true;
    options.regions.base_dir = world_.folder().regions();
    options.aeron_dir = world_.folder().aeron();
    options.control = {"aeron:ipc?term-length=64k", 4000};
    options.announce = {"aeron:ipc?term-length=64k", 4001};
    return options;
  }
  void start(DriverOptions wanted) {
    transport::ConnectOptions connect;
    connect.directory = world_.folder().aeron();
    connect.invoked = true;
    client_.emplace(*transport_, connect, wanted.control, wanted.announce, clock_);
    driver_ = DriverAgent::make(std::move(wanted), {*transport_, files_, clock_}).value();
    ASSERT_TRUE(eventually([&] {
      turn();
      return client_->ready() && driver_->status().connected;
    }));
  }
  void start() { start(options()); }
  void turn() {
    client_->do_work();
    (void)driver_->do_work();
  }
  template <class Condition>
  bool until(Condition&& done) {
    return eventually([&] {
      if (done()) return true;
      turn();
      return false;
    });
  }
  ShmAttachRequest request(Role role, std::uint32_t client_id, std::uint32_t stream) {
    ShmAttachRequest request;
    request.correlation_id = next_id_++;
    request.stream_id = stream;
    request.client_id = client_id;
    request.role = role;
    return request;
  }
  ShmAttachResponse attach(Role role, std::uint32_t client_id, std::uint32_t stream) {
    const ShmAttachRequest wanted = request(role, client_id, stream);
    std::optional<ShmAttachResponse> answer;
    EXPECT_TRUE(until([&] { return client_->send(wanted); }));
    EXPECT_TRUE(until([&] {
      answer = client_->answer<ShmAttachResponse>(wanted.correlation_id);
      return answer.has_value();
    }));
    return answer.value_or(ShmAttachResponse{});
  }
  Result<shm::MappedStream> map(const ShmAttachResponse& response) {
    shm::MapPolicy::Settings settings;
    settings.allowed_base_dirs = {world_.folder().regions()};
    auto policy = shm::MapPolicy::make(files_, settings);
    if (!policy) return fail(policy.error());
    return shm::map_stream(files_, *policy, agents::driver::test::regions_of(response));
  }
  bool keep(const ShmAttachResponse& lease, Role role, std::uint32_t client_id) {
    return client_->send(ShmLeaseKeepalive{lease.lease_id.value_or(0), lease.stream_id.value_or(0),
                                           client_id, role, 1});
  }
  bool revoked(const ShmAttachResponse& lease) {
    return client_
        ->find<ShmLeaseRevoked>([&](const auto& m) { return m.lease_id == lease.lease_id; })
        .has_value();
  }
  std::size_t files() {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(world_.folder().regions()))
      count += entry.is_regular_file() ? 1U : 0U;
    return count;
  }

  World world_;
  base::SystemClock clock_;
  agents::driver::test::SlowFileSystem files_;
  std::unique_ptr<transport::Transport> transport_ = transport::aeron::make_transport();
  std::unique_ptr<DriverAgent> driver_;
  std::optional<RawClient> client_;
  std::int64_t next_id_ = 1;
};

// Proves: DRV-12, DRV-74, DRV-93, DRV-108, DRV-210
TEST_F(Driver, a_client_attaches_maps_detaches_and_attaches_again) {
  start();
  const ShmAttachResponse first = attach(Role::producer, 7, small_stream);
  ASSERT_EQ(first.code, ResponseCode::ok) << first.error_message;
  auto mapped = map(first);
  ASSERT_TRUE(mapped.has_value()) << mapped.error().message();
  EXPECT_EQ(mapped->layout.epoch, first.epoch);
  ASSERT_TRUE(until([&] {
    return client_
        ->find<wire::ShmPoolAnnounce>([&](const auto& a) {
          return a.epoch == first.epoch && a.producer_id == 7 &&
                 a.header_region_uri == first.header_region_uri;
        })
        .has_value();
  }));
  const ShmDetachRequest bye{next_id_++, *first.lease_id, small_stream, 7, Role::producer};
  ASSERT_TRUE(until([&] { return client_->send(bye); }));
  ASSERT_TRUE(
      until([&] { return client_->answer<ShmDetachResponse>(bye.correlation_id).has_value(); }));
  EXPECT_EQ(client_->answer<ShmDetachResponse>(bye.correlation_id)->code, ResponseCode::ok);

  const ShmAttachResponse second = attach(Role::producer, 7, small_stream);
  ASSERT_EQ(second.code, ResponseCode::ok) << second.error_message;
  EXPECT_GT(second.epoch, first.epoch);
  EXPECT_NE(second.lease_id, first.lease_id);
  ASSERT_TRUE(map(second).has_value());

  driver_->terminate();
  ASSERT_TRUE(until([&] { return driver_->stopped(); }));
  ASSERT_TRUE(until([&] { return !client_->all<ShmDriverShutdown>().empty(); }));
  driver_.reset();
  EXPECT_EQ(files(), 0U);
}

// The files of one stream stand still for three times as long as a lease lives without a word. Everybody else is
// served meanwhile: keepalives count, attaches are answered, idle streams are announced.
// Proves: DRV-98, DRV-216
TEST_F(Driver, serves_everybody_while_a_large_stream_is_created) {
  start();
  const ShmAttachResponse kept = attach(Role::producer, 7, small_stream);
  ASSERT_EQ(kept.code, ResponseCode::ok) << kept.error_message;
  files_.hold(true);
  const ShmAttachRequest large = request(Role::producer, 8, large_stream);
  ASSERT_TRUE(until([&] { return client_->send(large); }));
  const int reserves = files_.reserves.load();
  ASSERT_TRUE(until([&] { return files_.reserves.load() > reserves; }));

  const base::Nanos begin = clock_.monotonic_ns();
  const base::Nanos lease_ns = 3 * options().core.keepalive_interval_ns;
  ASSERT_TRUE(until([&] {
    (void)keep(kept, Role::producer, 7);
    return clock_.monotonic_ns() - begin > 3 * lease_ns;
  }));
  EXPECT_EQ(attach(Role::consumer, 9, small_stream).code, ResponseCode::ok);
  EXPECT_FALSE(client_->answer<ShmAttachResponse>(large.correlation_id).has_value());
  EXPECT_FALSE(revoked(kept));
  EXPECT_EQ(driver_->status().producers, 1U);
  EXPECT_EQ(driver_->status().pending_attaches, 1U);

  files_.hold(false);
  ASSERT_TRUE(until([&] {
    (void)keep(kept, Role::producer, 7);
    return client_->answer<ShmAttachResponse>(large.correlation_id).has_value();
  }));
  const auto answer = client_->answer<ShmAttachResponse>(large.correlation_id);
  EXPECT_EQ(answer->code, ResponseCode::ok) << answer->error_message;
  EXPECT_FALSE(revoked(kept));
  EXPECT_GT(driver_->status().bytes_reserved, 64 * mib);
}

TEST_F(Driver, survives_its_media_driver_and_keeps_its_leases) {
  DriverOptions wanted = options();
  wanted.core.expiry_grace_intervals = 200;  // a minute
  start(wanted);
  const ShmAttachResponse lease = attach(Role::producer, 7, small_stream);
  ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
  world_.end_media_driver();
  ASSERT_TRUE(until([&] { return !driver_->status().connected; }));
  client_->end();
  client_->heard.clear();
  world_.start_media_driver();
  ASSERT_TRUE(until([&] { return driver_->status().connected && client_->ready(); }));
  ASSERT_TRUE(until([&] {
    return client_
        ->find<wire::ShmPoolAnnounce>([&](const auto& a) { return a.epoch == lease.epoch; })
        .has_value();
  }));
  EXPECT_FALSE(revoked(lease));
  EXPECT_EQ(driver_->status().producers, 1U);
  EXPECT_EQ(attach(Role::consumer, 9, small_stream).epoch, lease.epoch);
}

TEST_F(Driver, shows_its_counters_to_tools) {
  start();
  (void)attach(Role::producer, 7, small_stream);
  (void)attach(Role::producer, 8, small_stream);  // REJECTED
  const auto value = [&](const std::string& name) -> std::int64_t {
    const auto all = transport::aeron::list_counters(world_.folder().aeron());
    if (!all) return -1;
    for (const auto& counter : *all) {
      if (counter.label.starts_with("tensorpool driver " + name + " stream=4000 "))
        return counter.value;
    }
    return -1;
  };
  EXPECT_TRUE(until([&] { return value("attaches granted") == 1; }));
  EXPECT_TRUE(until([&] { return value("attaches refused REJECTED") == 1; }));
  EXPECT_TRUE(until([&] { return value("bytes reserved") > 8 * 4096; }));
  EXPECT_TRUE(until([&] { return value("longest cycle ns") > 0; }));
}

}  // namespace
}  // namespace tensorpool::integration
