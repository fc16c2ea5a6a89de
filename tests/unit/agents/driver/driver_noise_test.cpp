// Anything at all on the driver's control stream, as bytes: what an agent makes of it beside what its core does.
#include "integration/hostile_attack.hpp"
#include "unit/agents/driver/support.hpp"

namespace tensorpool::agents::driver::test {
namespace {

constexpr std::size_t largest = 8000;  // that the simulated channel takes

class DriverNoiseTest : public DriverRig {};

TEST_F(DriverNoiseTest, CostsNeitherALeaseNorMemoryNorAnErrorAMessage) {
  DriverOptions wanted = options();
  wanted.core.allow_dynamic_streams = true;
  wanted.core.default_profile = "small";
  wanted.core.stream_id_range = {{20'000, 20'003}};
  wanted.core.descriptor_stream_id_range = {{30'000, 30'001}};
  wanted.core.shutdown_token = "secret";
  wanted.core.max_leases = 24;
  start(wanted);
  RawClient& good = client();
  const ShmAttachResponse lease = attach(good, Role::producer, 7);
  ASSERT_EQ(lease.code, ResponseCode::ok) << lease.error_message;
  RawClient& bad = client();
  integration::Attack attack(stream, 20'000, largest, 5);
  for (int i = 0; i < 20'000; ++i) {
    integration::Attack::Message message = attack.next();
    message.resize(std::min(message.size(), largest));
    ASSERT_TRUE(until([&] { return bad.send_bytes(message); }));
    attack.heard(message);
    if (i % 20 == 0) step();
    if (i % 1000 == 0) {
      EXPECT_TRUE(good.send(keepalive(lease, Role::producer, 7)));
      run_for(300 * ms);
      bad.heard.clear();
      const DriverStatus status = driver->status();
      ASSERT_LE(status.producers + status.consumers + status.pending_attaches, 24U);
      ASSERT_LE(status.streams, 3U + 4U);
    }
  }
  EXPECT_FALSE(revoked(good, lease).has_value());
  EXPECT_TRUE(driver->core().leases().all().contains(lease.lease_id.value_or(0)));
  ASSERT_TRUE(until([&] { return driver->status().unsent == 0; }));
  const DriverStatus status = driver->status();
  EXPECT_GT(status.malformed, 100U);
  EXPECT_EQ(status.errors, 0U) << notices.back().second;
  EXPECT_EQ(status.lost_messages, 0U);
  EXPECT_EQ(status.state, State::running);
  const protocol::driver::Counters& counters = driver->core().counters();
  EXPECT_GT(counters.of(protocol::driver::AttachRefusal::schema_version), 0U);
  EXPECT_GT(counters.of(protocol::driver::AttachRefusal::too_many_leases), 0U);
  EXPECT_GT(counters.of(Count::keepalives_ignored), 0U);
  EXPECT_GT(counters.of(Count::detach_refused), 0U);
  EXPECT_GT(counters.of(Count::hellos_ignored), 0U);
  EXPECT_LE(counters.of(Count::strangers_answered), base::limits::driver_strangers_answered);
}

}  // namespace
}  // namespace tensorpool::agents::driver::test
