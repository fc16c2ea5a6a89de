// Every setting outside its valid values is refused by name and value (CFG-116).
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "unit/client/support.hpp"

namespace tensorpool::client_test {
namespace {

template <class O>
struct Bad {
  const char* setting;
  const char* value;
  std::function<void(O&)> change;
};

template <class O, class Make>
void expect_refused(const Bad<O>& bad, O options, Make&& make) {
  bad.change(options);
  const Error error = make(std::move(options));
  SCOPED_TRACE(bad.setting);
  EXPECT_EQ(error.code(), Code::invalid_argument) << error.message();
  EXPECT_NE(error.message().find(bad.setting), std::string::npos) << error.message();
  EXPECT_NE(error.message().find(bad.value), std::string::npos) << error.message();
}

Error refusal_of(ClientOptions options) {
  auto client = Client::connect(std::move(options));
  return client ? Error::hot(Code::ok, "none") : client.error();
}

TEST(Validate, RefusesEveryBadSettingOfAClientByNameAndValue) {
  const std::string long_name(101, 'n');
  const Bad<ClientOptions> cases[] = {
      {"aeron_dir", "relative/dir", [](auto& o) { o.aeron_dir = "relative/dir"; }},
      {"client_name", "101 bytes", [&](auto& o) { o.client_name = long_name; }},
      {"control.channel", "\"\"", [](auto& o) { o.control.channel.clear(); }},
      {"announce.channel", "control characters",
       [](auto& o) { o.announce.channel = "aeron:ipc\n"; }},
      {"control.stream_id", "0", [](auto& o) { o.control.stream_id = 0; }},
      {"announce.stream_id", "-1", [](auto& o) { o.announce.stream_id = -1; }},
      {"descriptor.stream_id", "-5", [](auto& o) { o.descriptor.stream_id = -5; }},
      {"qos.channel", "\"\"", [](auto& o) { o.qos.channel.clear(); }},
      {"metadata.stream_id", "0", [](auto& o) { o.metadata.stream_id = 0; }},
      {"announce_period_ns", "0", [](auto& o) { o.announce_period_ns = 0; }},
      {"announce_period_ns", "9223372036854775807",
       [](auto& o) { o.announce_period_ns = INT64_MAX; }},
      {"keepalive_interval_ns", "0", [](auto& o) { o.keepalive_interval_ns = 0; }},
      {"keepalive_grace", "0", [](auto& o) { o.keepalive_grace = 0; }},
      {"attach_timeout_ns", "-2", [](auto& o) { o.attach_timeout_ns = -2; }},
      {"attach_resend_ns", "0", [](auto& o) { o.attach_resend_ns = 0; }},
      {"attach_resend_ns", "6000000000", [](auto& o) { o.attach_resend_ns = 6'000'000'000; }},
      {"backoff_first_ns", "0", [](auto& o) { o.backoff_first_ns = 0; }},
      {"backoff_first_ns", "4000000000", [](auto& o) { o.backoff_first_ns = 4'000'000'000; }},
      {"backoff_largest_ns", "-1", [](auto& o) { o.backoff_largest_ns = -1; }},
      {"media_driver_timeout_ns", "-1", [](auto& o) { o.media_driver_timeout_ns = -1; }},
      {"freshness_factor", "0", [](auto& o) { o.freshness_factor = 0; }},
      {"liveness_factor", "2", [](auto& o) { o.liveness_factor = 2; }},
      {"liveness_factor", "6", [](auto& o) { o.liveness_factor = 6; }},
      {"allowed_base_dirs", "[]", [](auto& o) { o.allowed_base_dirs.clear(); }},
      {"forbidden_mode_bits", "1000", [](auto& o) { o.forbidden_mode_bits = 01000; }},
      {"fragment_limit", "0", [](auto& o) { o.fragment_limit = 0; }},
      {"fragment_limit", "17", [](auto& o) { o.fragment_limit = 17; }},
      {"command_queue_capacity", "1000", [](auto& o) { o.command_queue_capacity = 1000; }},
      {"command_queue_capacity", "0", [](auto& o) { o.command_queue_capacity = 0; }},
      {"command_queue_capacity", "131072", [](auto& o) { o.command_queue_capacity = 131072; }},
      {"threading", "7", [](auto& o) { o.threading = static_cast<Threading>(7); }},
      {"idle", "9", [](auto& o) { o.idle = static_cast<Idle>(9); }},
      {"mode", "5", [](auto& o) { o.mode = static_cast<Mode>(5); }},
  };
  const Deployment deployment;
  for (const auto& bad : cases) expect_refused(bad, deployment.client_options(), refusal_of);
}

TEST(Validate, NamesAFolderThatIsNotThere) {
  const Deployment deployment;
  ClientOptions options = deployment.client_options();
  options.allowed_base_dirs = {"/dev/shm/there-is-no-such-folder"};
  const Error error = refusal_of(options);
  EXPECT_NE(error.message().find("/dev/shm/there-is-no-such-folder"), std::string::npos)
      << error.message();
}

TEST(Validate, RefusesEveryBadSettingOfAProducerByNameAndValue) {
  const Deployment deployment;
  auto client = deployment.connect();
  const auto refuse = [&](ProducerOptions options) {
    auto pending = client.producer(std::move(options));
    auto outcome = pending.poll();
    return outcome && !*outcome ? outcome->error() : Error::hot(Code::ok, "none");
  };
  const Bad<ProducerOptions> cases[] = {
      {"stream", "0", [](auto& o) { o.stream = 0; }},
      {"stream", "4294967295", [](auto& o) { o.stream = 0xFFFFFFFFU; }},
      {"producer_id", "4294967295", [](auto& o) { o.producer_id = 0xFFFFFFFFU; }},
      {"qos_interval_ns", "0", [](auto& o) { o.qos_interval_ns = 0; }},
      {"slots", "3", [](auto& o) { o.slots = 3; }},
      {"slots", "33554432", [](auto& o) { o.slots = 1U << 25U; }},
      {"max_claims", "0", [](auto& o) { o.max_claims = 0; }},
      {"max_claims", "65", [](auto& o) { o.max_claims = 65; }},
      {"pools", "[]", [](auto& o) { o.pools.clear(); }},
      {"pools", "17 pools",
       [](auto& o) {
         o.pools.clear();
         for (std::uint16_t i = 1; i <= 17; ++i)
           o.pools.push_back({.pool_id = i, .stride_bytes = 64});
       }},
      {"pools[].pool_id", "0", [](auto& o) { o.pools[0].pool_id = 0; }},
      {"pools[].pool_id", "1", [](auto& o) { o.pools.push_back(o.pools[0]); }},
      {"pools[].stride_bytes", "100", [](auto& o) { o.pools[0].stride_bytes = 100; }},
      {"pools[].stride_bytes", "0", [](auto& o) { o.pools[0].stride_bytes = 0; }},
      {"namespace", "a/b", [](auto& o) { o.namespace_name = "a/b"; }},
      {"mode", "664", [](auto& o) { o.file_mode = 0664; }},
      {"base_dir", "relative", [](auto& o) { o.base_dir = "relative"; }},
  };
  for (const auto& bad : cases) expect_refused(bad, deployment.producer_options(), refuse);
}

TEST(Validate, RefusesEveryBadSettingOfAConsumerByNameAndValue) {
  const Deployment deployment;
  auto client = deployment.connect();
  const auto refuse = [&](ConsumerOptions options) {
    auto pending = client.consumer(std::move(options));
    auto outcome = pending.poll();
    return outcome && !*outcome ? outcome->error() : Error::hot(Code::ok, "none");
  };
  const Bad<ConsumerOptions> cases[] = {
      {"stream", "0", [](auto& o) { o.stream = 0; }},
      {"consumer_id", "4294967295", [](auto& o) { o.consumer_id = 0xFFFFFFFFU; }},
      {"hello_interval_ns", "0", [](auto& o) { o.hello_interval_ns = 0; }},
      {"qos_interval_ns", "-3", [](auto& o) { o.qos_interval_ns = -3; }},
      {"mode", "3", [](auto& o) { o.mode = static_cast<DeliveryMode>(3); }},
      {"expected_layout_version", "2", [](auto& o) { o.expected_layout_version = 2; }},
  };
  for (const auto& bad : cases) expect_refused(bad, ConsumerOptions{.stream = stream}, refuse);
}

// Proves: CON-51
TEST(Validate, TakesTheModeThatItIsToldAndNoOther) {
  const Deployment deployment;
  ClientOptions options = deployment.client_options();
  options.mode = Mode::driver;
  EXPECT_TRUE(Client::connect(options));
  EXPECT_EQ(ClientOptions{}.mode, Mode::driver);  // direct mode is never a default
}

// Proves: CON-50
TEST(Validate, InDriverModeTheRegionsAreNotTheProducers) {
  const Deployment deployment;
  ClientOptions driven = deployment.client_options();
  driven.mode = Mode::driver;
  auto client = Client::connect(driven);
  ASSERT_TRUE(client);
  const auto refuse = [&](ProducerOptions options) {
    auto pending = client->producer(std::move(options));
    auto outcome = pending.poll();
    return outcome && !*outcome ? outcome->error() : Error::hot(Code::ok, "none");
  };
  const ProducerOptions plain{.stream = stream};
  EXPECT_EQ(refuse(plain).code(), Code::ok);
  const Bad<ProducerOptions> cases[] = {
      {"pools", "1 pools", [](auto& o) { o.pools.push_back({.pool_id = 1, .stride_bytes = 64}); }},
      {"slots", "64", [](auto& o) { o.slots = 64; }},
      {"base_dir", "/tmp", [](auto& o) { o.base_dir = "/tmp"; }},
      {"namespace_name", "mine", [](auto& o) { o.namespace_name = "mine"; }},
      {"file_mode", "600", [](auto& o) { o.file_mode = 0600; }},
      {"prefault", "false", [](auto& o) { o.prefault = false; }},
      {"lock_memory", "true", [](auto& o) { o.lock_memory = true; }},
      {"remove_on_close", "false", [](auto& o) { o.remove_on_close = false; }},
      {"max_claims", "0", [](auto& o) { o.max_claims = 0; }},
      {"attach.publish_mode", "3",
       [](auto& o) { o.attach.publish_mode = static_cast<PublishMode>(3); }},
      {"attach.hugepages", "3", [](auto& o) { o.attach.hugepages = static_cast<Hugepages>(3); }},
      {"attach.expected_layout_version", "2",
       [](auto& o) { o.attach.expected_layout_version = 2; }},
      {"attach.desired_node_id", "0", [](auto& o) { o.attach.desired_node_id = 0; }},
  };
  for (const auto& bad : cases) expect_refused(bad, plain, refuse);
}

}  // namespace
}  // namespace tensorpool::client_test
