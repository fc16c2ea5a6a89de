// Every setting of the API: its default is that of docs/protocol/11-configuration.md section 14, and every
// value outside its valid ones is refused by the call that uses it, which starts nothing. The tests walk
// the structs themselves: a new member does not compile until it is listed, and fails until it has a row.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "unit/client/support.hpp"

namespace tensorpool::client_test {
namespace {

using ::testing::HasSubstr;

using Texts = std::map<std::string, std::string>;

std::string text(const Endpoint& endpoint) {
  return fmt::format("{} {}", endpoint.channel, endpoint.stream_id);
}
template <class T>
std::string text(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<int>(value));
  } else if constexpr (std::is_convertible_v<T, std::string>) {
    return value;
  } else {
    return std::to_string(value);
  }
}
template <class T>
std::string text(const std::optional<T>& value) {
  return value ? text(*value) : "none";
}
std::string text(const std::vector<std::string>& values) {
  std::string all;
  for (const std::string& value : values) all += value + " ";
  return all;
}
std::string text(const std::function<void(const Notice&)>& handler) {
  return handler ? "handler" : "none";
}
std::string text(const std::vector<PoolOptions>& pools) {
  return fmt::format("{} pools", pools.size());
}

void list(const std::string& begin, const WaitOptions& options, Texts& all) {
  const auto& [spin_ns, yields, sleep] = options;
  all[begin + "spin_ns"] = text(spin_ns);
  all[begin + "yields"] = text(yields);
  all[begin + "sleep"] = text(sleep);
}

void list(const std::string& begin, const AttachOptions& options, Texts& all) {
  const auto& [publish_mode, hugepages, expected_layout_version, desired_node_id] = options;
  all[begin + "publish_mode"] = text(publish_mode);
  all[begin + "hugepages"] = text(hugepages);
  all[begin + "expected_layout_version"] = text(expected_layout_version);
  all[begin + "desired_node_id"] = text(desired_node_id);
}

Texts texts(const ClientOptions& options) {
  const auto& [mode, threading, aeron_dir, client_name, control, announce, descriptor, qos,
               metadata, announce_period_ns, freshness_factor, liveness_factor, allowed_base_dirs,
               forbidden_mode_bits, required_owner, required_group, lock_memory,
               keepalive_interval_ns, keepalive_grace, attach_timeout_ns, attach_resend_ns,
               backoff_first_ns, backoff_largest_ns, reattach, fragment_limit,
               command_queue_capacity, idle, media_driver_timeout_ns, on_notice] = options;
  return {{"mode", text(mode)},
          {"threading", text(threading)},
          {"aeron_dir", text(aeron_dir)},
          {"client_name", text(client_name)},
          {"control", text(control)},
          {"announce", text(announce)},
          {"descriptor", text(descriptor)},
          {"qos", text(qos)},
          {"metadata", text(metadata)},
          {"announce_period_ns", text(announce_period_ns)},
          {"freshness_factor", text(freshness_factor)},
          {"liveness_factor", text(liveness_factor)},
          {"allowed_base_dirs", text(allowed_base_dirs)},
          {"forbidden_mode_bits", text(forbidden_mode_bits)},
          {"required_owner", text(required_owner)},
          {"required_group", text(required_group)},
          {"lock_memory", text(lock_memory)},
          {"keepalive_interval_ns", text(keepalive_interval_ns)},
          {"keepalive_grace", text(keepalive_grace)},
          {"attach_timeout_ns", text(attach_timeout_ns)},
          {"attach_resend_ns", text(attach_resend_ns)},
          {"backoff_first_ns", text(backoff_first_ns)},
          {"backoff_largest_ns", text(backoff_largest_ns)},
          {"reattach", text(reattach)},
          {"fragment_limit", text(fragment_limit)},
          {"command_queue_capacity", text(command_queue_capacity)},
          {"idle", text(idle)},
          {"media_driver_timeout_ns", text(media_driver_timeout_ns)},
          {"on_notice", text(on_notice)}};
}

Texts texts(const ProducerOptions& options) {
  const auto& [its_stream, producer_id, attach, base_dir, namespace_name, file_mode, slots, pools,
               prefault, lock_memory, remove_on_close, max_claims, descriptor_timestamps,
               qos_interval_ns, wake_waiters] = options;
  Texts all = {{"stream", text(its_stream)},
               {"wake_waiters", text(wake_waiters)},
               {"producer_id", text(producer_id)},
               {"base_dir", text(base_dir)},
               {"namespace_name", text(namespace_name)},
               {"file_mode", fmt::format("{:o}", file_mode)},
               {"slots", text(slots)},
               {"pools", text(pools)},
               {"prefault", text(prefault)},
               {"lock_memory", text(lock_memory)},
               {"remove_on_close", text(remove_on_close)},
               {"max_claims", text(max_claims)},
               {"descriptor_timestamps", text(descriptor_timestamps)},
               {"qos_interval_ns", text(qos_interval_ns)}};
  list("attach.", attach, all);
  return all;
}

Texts texts(const ConsumerOptions& options) {
  const auto& [its_stream, consumer_id, attach, mode, max_rate_hz, expected_layout_version,
               max_outstanding_seq_gap, payload_fallback_uri, hello_interval_ns, qos_interval_ns,
               wait] = options;
  Texts all = {{"stream", text(its_stream)},
               {"consumer_id", text(consumer_id)},
               {"mode", text(mode)},
               {"max_rate_hz", text(max_rate_hz)},
               {"expected_layout_version", text(expected_layout_version)},
               {"max_outstanding_seq_gap", text(max_outstanding_seq_gap)},
               {"payload_fallback_uri", text(payload_fallback_uri)},
               {"hello_interval_ns", text(hello_interval_ns)},
               {"qos_interval_ns", text(qos_interval_ns)}};
  list("attach.", attach, all);
  list("wait.", wait, all);
  return all;
}

Texts texts(const MediaDriverOptions& options) {
  const auto& [aeron_dir] = options;
  return {{"aeron_dir", text(aeron_dir)}};
}

// Default and bad values of one setting. No bad ones: its type has none.
template <class O>
struct Row {
  std::string standard;
  std::vector<std::function<void(O&)>> bad = {};
  std::string message_name = {};  // where it is another than the member's
};
template <class O>
using Rows = std::map<std::string, Row<O>>;

template <class O, class V>
std::function<void(O&)> to(V O::* member, V value) {
  return [member, value](O& options) { options.*member = value; };
}

std::vector<std::function<void(ClientOptions&)>> bad_endpoints(Endpoint ClientOptions::* which) {
  const auto channel = [which](std::string value) {
    return [which, value](ClientOptions& o) { (o.*which).channel = value; };
  };
  const auto id = [which](std::int32_t value) {
    return [which, value](ClientOptions& o) { (o.*which).stream_id = value; };
  };
  return {channel(""), channel("aeron:ipc\n"), channel("aeron:" + std::string(4090, 'x')), id(0),
          id(-1),      id(INT32_MIN)};
}

Rows<ClientOptions> client_rows() {
  using O = ClientOptions;
  const auto times = [](std::int64_t O::* member) {
    return std::vector<std::function<void(O&)>>{to<O, std::int64_t>(member, 0),
                                                to<O, std::int64_t>(member, -1),
                                                to<O, std::int64_t>(member, INT64_MIN)};
  };
  Rows<O> rows = {
      {"mode", {"0", {to(&O::mode, static_cast<Mode>(2))}}},
      {"threading", {"0", {to(&O::threading, static_cast<Threading>(2))}}},
      {"aeron_dir",
       {"",
        {to<O, std::string>(&O::aeron_dir, "relative"),
         to<O, std::string>(&O::aeron_dir, "/" + std::string(300, 'x'))}}},
      {"client_name", {"", {to(&O::client_name, std::string(101, 'n'))}}},
      {"control", {"aeron:ipc?term-length=4m 1000", bad_endpoints(&O::control)}},
      {"announce", {"aeron:ipc?term-length=4m 1001", bad_endpoints(&O::announce)}},
      {"descriptor", {"aeron:ipc 1100", bad_endpoints(&O::descriptor)}},
      {"qos", {"aeron:ipc 1200", bad_endpoints(&O::qos)}},
      {"metadata", {"aeron:ipc 1300", bad_endpoints(&O::metadata)}},
      {"announce_period_ns", {"1000000000", times(&O::announce_period_ns)}},
      {"freshness_factor", {"3", {to(&O::freshness_factor, 0U)}}},
      {"liveness_factor", {"5", {to(&O::liveness_factor, 2U), to(&O::liveness_factor, 6U)}}},
      {"allowed_base_dirs",
       {"/dev/shm ",
        {to(&O::allowed_base_dirs, {}), to(&O::allowed_base_dirs, {"relative"}),
         to(&O::allowed_base_dirs, {"/dev/shm", "/dev/shm/there-is-no-such-folder"}),
         to(&O::allowed_base_dirs, {""})}}},
      {"forbidden_mode_bits", {"7", {to(&O::forbidden_mode_bits, 01000U)}}},
      {"required_owner", {"none"}},
      {"required_group", {"none"}},
      {"lock_memory", {"0"}},
      {"keepalive_interval_ns", {"1000000000", times(&O::keepalive_interval_ns)}},
      {"keepalive_grace", {"3", {to(&O::keepalive_grace, 0U)}}},
      {"attach_timeout_ns", {"5000000000", times(&O::attach_timeout_ns)}},
      {"attach_resend_ns", {"200000000", times(&O::attach_resend_ns)}},
      {"backoff_first_ns", {"100000000", times(&O::backoff_first_ns)}},
      {"backoff_largest_ns", {"3200000000", times(&O::backoff_largest_ns)}},
      {"reattach", {"1"}},
      {"fragment_limit", {"10", {to(&O::fragment_limit, 0U), to(&O::fragment_limit, 17U)}}},
      {"command_queue_capacity",
       {"1024", {to(&O::command_queue_capacity, 0U), to(&O::command_queue_capacity, 1000U)}}},
      {"idle", {"0", {to(&O::idle, static_cast<Idle>(5))}}},
      {"media_driver_timeout_ns", {"2000000000", times(&O::media_driver_timeout_ns)}},
      {"on_notice", {"none"}}};
  rows["announce_period_ns"].bad.push_back(to<O, std::int64_t>(&O::announce_period_ns, INT64_MAX));
  rows["attach_resend_ns"].bad.push_back(to<O, std::int64_t>(&O::attach_resend_ns, 5'000'000'001));
  rows["backoff_first_ns"].bad.push_back(to<O, std::int64_t>(&O::backoff_first_ns, 3'200'000'001));
  return rows;
}

// What producers and consumers ask a driver for.
template <class O>
void add_attach(Rows<O>& rows) {
  const auto set = [](auto AttachOptions::* member, auto value) {
    return [member, value](O& o) { o.attach.*member = value; };
  };
  rows["attach.publish_mode"] = {"0",
                                 {set(&AttachOptions::publish_mode, static_cast<PublishMode>(3))}};
  rows["attach.hugepages"] = {"0", {set(&AttachOptions::hugepages, static_cast<Hugepages>(3))}};
  rows["attach.expected_layout_version"] = {"1",
                                            {set(&AttachOptions::expected_layout_version, 2U)}};
  rows["attach.desired_node_id"] = {"none",
                                    {set(&AttachOptions::desired_node_id, 0U),
                                     set(&AttachOptions::desired_node_id, 0xFFFFFFFFU)}};
}

Rows<ProducerOptions> producer_rows() {
  using O = ProducerOptions;
  const auto pool = [](std::uint16_t id, std::uint32_t stride) {
    return [id, stride](O& o) { o.pools.push_back({.pool_id = id, .stride_bytes = stride}); };
  };
  Rows<O> rows = {
      {"stream", {"0", {to(&O::stream, 0U), to(&O::stream, 0xFFFFFFFFU)}}},
      {"producer_id", {"0", {to(&O::producer_id, 0xFFFFFFFFU)}}},
      {"base_dir",
       {"/dev/shm",
        {to<O, std::string>(&O::base_dir, ""), to<O, std::string>(&O::base_dir, "relative")}}},
      {"namespace_name",
       {"default",
        {to<O, std::string>(&O::namespace_name, ""), to<O, std::string>(&O::namespace_name, "a/b"),
         to<O, std::string>(&O::namespace_name, std::string(256, 'n'))},
        "namespace"}},
      {"file_mode",
       {"660",
        {to(&O::file_mode, 0664U), to(&O::file_mode, 0260U), to(&O::file_mode, 01660U)},
        "mode"}},
      {"slots", {"1024", {to(&O::slots, 0U), to(&O::slots, 3U), to(&O::slots, 1U << 25U)}}},
      {"pools",
       {"0 pools",
        {[](O& o) { o.pools.clear(); }, [](O& o) { o.pools.resize(17, {2, 64}); }, pool(0, 64),
         pool(1, 64), pool(2, 0), pool(2, 96)}}},
      {"prefault", {"1"}},
      {"lock_memory", {"0"}},
      {"remove_on_close", {"1"}},
      {"max_claims", {"8", {to(&O::max_claims, 0U), to(&O::max_claims, 65U)}}},
      {"descriptor_timestamps", {"0"}},
      {"qos_interval_ns",
       {"1000000000",
        {to<O, std::int64_t>(&O::qos_interval_ns, 0),
         to<O, std::int64_t>(&O::qos_interval_ns, -1)}}},
      {"wake_waiters", {"0"}}};
  add_attach(rows);
  return rows;
}

Rows<ConsumerOptions> consumer_rows() {
  using O = ConsumerOptions;
  const auto wait = [](auto WaitOptions::* member, auto value) {
    return [member, value](O& o) { o.wait.*member = value; };
  };
  Rows<O> rows = {
      {"stream", {"0", {to(&O::stream, 0U), to(&O::stream, 0xFFFFFFFFU)}}},
      {"consumer_id", {"0", {to(&O::consumer_id, 0xFFFFFFFFU)}}},
      {"mode",
       {"1",
        {to(&O::mode, static_cast<DeliveryMode>(0)), to(&O::mode, static_cast<DeliveryMode>(3))}}},
      {"max_rate_hz", {"0"}},
      {"expected_layout_version", {"0", {to(&O::expected_layout_version, 2U)}}},
      {"max_outstanding_seq_gap", {"256"}},
      {"payload_fallback_uri",
       {"",
        {to<O, std::string>(&O::payload_fallback_uri, "somewhere"),
         to<O, std::string>(&O::payload_fallback_uri, "bridge://"),
         to<O, std::string>(&O::payload_fallback_uri, "://id"),
         to<O, std::string>(&O::payload_fallback_uri, "bridge://a b"),
         to<O, std::string>(&O::payload_fallback_uri, "aeron:ipc\n"),
         to<O, std::string>(&O::payload_fallback_uri, "aeron:" + std::string(4096, 'x'))}}},
      {"hello_interval_ns",
       {"1000000000",
        {to<O, std::int64_t>(&O::hello_interval_ns, 0),
         to<O, std::int64_t>(&O::hello_interval_ns, -1)}}},
      {"qos_interval_ns",
       {"1000000000",
        {to<O, std::int64_t>(&O::qos_interval_ns, 0),
         to<O, std::int64_t>(&O::qos_interval_ns, -1)}}},
      {"wait.spin_ns",
       {"20000",
        {wait(&WaitOptions::spin_ns, std::int64_t{-1}),
         wait(&WaitOptions::spin_ns, std::int64_t{1'000'000'001})}}},
      {"wait.yields", {"10", {wait(&WaitOptions::yields, 1'000'001U)}}},
      {"wait.sleep", {"1"}}};
  add_attach(rows);
  return rows;
}

Rows<MediaDriverOptions> media_driver_rows() {
  using O = MediaDriverOptions;
  return {{"aeron_dir",
           {"",
            {to<O, std::string>(&O::aeron_dir, "relative"),
             to<O, std::string>(&O::aeron_dir, "/" + std::string(4096, 'x'))}}}};
}

// The refusal of each bad value, `options` being good apart from it; every row, and no row for nothing.
template <class O, class Refuse>
void walk(const Rows<O>& rows, const O& options, Refuse&& refusal_of) {
  const Texts standard = texts(O{});
  for (const auto& [name, value] : standard) {
    SCOPED_TRACE(name);
    const auto row = rows.find(name);
    ASSERT_NE(row, rows.end()) << "has no row";
    EXPECT_EQ(value, row->second.standard);
    for (const auto& change : row->second.bad) {
      O bad = options;
      change(bad);
      const Error error = refusal_of(bad);
      EXPECT_EQ(error.code(), Code::invalid_argument) << error.message();
      const std::string& said = row->second.message_name;
      EXPECT_THAT(error.message(), HasSubstr(said.empty() ? name : said));
    }
  }
  EXPECT_EQ(rows.size(), standard.size());
}

std::size_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

Error none() { return Error::hot(Code::ok, "none"); }

// Proves: CFG-4, CFG-116, DRV-104
TEST(Settings, OfAClientAreTheProtocolsAndNothingIsStartedWithABadOne) {
  const Deployment deployment;
  const std::size_t before = threads();
  walk(client_rows(), deployment.client_options(), [](const ClientOptions& options) {
    auto client = Client::connect(options);
    return client ? none() : client.error();
  });
  EXPECT_EQ(threads(), before);
  EXPECT_FALSE(std::filesystem::exists(deployment.aeron_dir()));
}

// Proves: CFG-116
TEST(Settings, OfAProducerAreTheProtocolsAndNothingIsStartedWithABadOne) {
  const Deployment deployment;
  auto client = deployment.connect(Threading::invoked);
  walk(producer_rows(), deployment.producer_options(), [&](const ProducerOptions& options) {
    auto pending = client.producer(options);
    auto outcome = pending.poll();  // at once, without a duty cycle
    return outcome && !*outcome ? outcome->error() : none();
  });
  EXPECT_TRUE(deployment.files.empty());
}

// Proves: CFG-116
TEST(Settings, OfAConsumerAreTheProtocolsAndNothingIsStartedWithABadOne) {
  const Deployment deployment;
  auto client = deployment.connect(Threading::invoked);
  const auto ask = [&](const ConsumerOptions& options) {
    auto pending = client.consumer(options);
    auto outcome = pending.poll();
    return outcome && !*outcome ? outcome->error() : none();
  };
  walk(consumer_rows(), ConsumerOptions{.stream = stream}, ask);
  for (const char* good : {"", "aeron:udp?endpoint=a:1", "bridge://7", "http://host/path"}) {
    ConsumerOptions options{.stream = stream};
    options.payload_fallback_uri = good;
    EXPECT_EQ(ask(options).code(), Code::ok) << good;
  }
}

// Proves: CFG-116
TEST(Settings, OfAMediaDriverAreTheProtocolsAndNothingIsStartedWithABadOne) {
  const std::size_t before = threads();
  walk(media_driver_rows(), MediaDriverOptions{}, [](const MediaDriverOptions& options) {
    auto driver = MediaDriver::launch(options);
    return driver ? none() : driver.error();
  });
  EXPECT_EQ(threads(), before);
}

}  // namespace
}  // namespace tensorpool::client_test
