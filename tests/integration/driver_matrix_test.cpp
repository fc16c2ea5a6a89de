// The configuration matrix: what every key of the driver does to a real tp_driver, seen from outside
// through messages, files, counters and its log. The rows are checked against the table of keys, so that a new key
// without a test fails. What a key may say at all: tests/unit/config/matrix_test.cpp.
#include "integration/driver_matrix.hpp"

#include "config/keys.hpp"

namespace tensorpool::integration::matrix {

const std::map<std::string, std::vector<std::string>>& rows() {
  static const std::map<std::string, std::vector<std::string>> all = {
      {"names", {"driver.instance_id", "driver.aeron_dir"}},
      {"media_driver", {"driver.embedded_media_driver"}},
      {"endpoints",
       {"driver.control_channel", "driver.control_stream_id", "driver.announce_channel",
        "driver.announce_stream_id"}},
      {"qos_is_kept_free", {"driver.qos_channel", "driver.qos_stream_id"}},
      {"ids_of_ranges",
       {"driver.stream_id_range", "driver.descriptor_stream_id_range",
        "driver.control_stream_id_range", "policies.allow_dynamic_streams",
        "policies.default_profile"}},
      {"regions",
       {"shm.base_dir", "shm.namespace", "shm.permissions_mode", "shm.allowed_base_dirs",
        "profiles.<name>.header_nslots", "profiles.<name>.header_slot_bytes",
        "profiles.<name>.payload_pools[].pool_id", "profiles.<name>.payload_pools[].stride_bytes",
        "streams.<name>.stream_id", "streams.<name>.profile"}},
      {"page_size", {"shm.page_size_bytes"}},
      {"hugepages", {"shm.require_hugepages"}},
      {"announce_period", {"policies.announce_period_ms"}},
      {"announce_clock", {"policies.announce_clock_domain"}},
      {"leases",
       {"policies.lease_keepalive_interval_ms", "policies.lease_expiry_grace_intervals",
        "policies.max_leases"}},
      {"node_ids", {"policies.node_id_reuse_cooldown_ms"}},
      {"memory", {"policies.prefault_shm", "policies.mlock_shm"}},
      {"existing_files", {"policies.reuse_existing_shm", "policies.cleanup_shm_on_exit"}},
      {"old_epochs",
       {"policies.epoch_gc_enabled", "policies.epoch_gc_keep", "policies.epoch_gc_min_age_ns",
        "policies.epoch_gc_on_startup"}},
      {"shutdown", {"policies.shutdown_timeout_ms", "policies.shutdown_token"}},
  };
  return all;
}

namespace {

using agents::driver::test::ShmDriverShutdown;
using agents::driver::test::ShmLeaseRevoked;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using wire::driver::PublishMode;

TEST(DriverMatrixRows, every_key_of_the_table_is_observed_by_a_test) {
  std::set<std::string> tests;
  const auto& unit = *::testing::UnitTest::GetInstance();
  for (int i = 0; i < unit.total_test_suite_count(); ++i) {
    const auto& suite = *unit.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) tests.insert(suite.GetTestInfo(j)->name());
  }
  std::set<std::string> observed;
  for (const auto& [test, keys] : rows()) {
    EXPECT_TRUE(tests.contains(test)) << test;
    for (const std::string& key : keys) EXPECT_TRUE(observed.insert(key).second) << key;
  }
  for (const config::TableKind& kind : config::table_kinds()) {
    for (const config::Key& key : kind.keys) {
      const std::string path = std::string(kind.path) + "." + std::string(key.name);
      EXPECT_EQ(observed.erase(path), 1U) << path << " is observed by no test";
    }
  }
  EXPECT_THAT(observed, ::testing::IsEmpty());
}

// Proves: CFG-35
TEST_F(DriverMatrix, names) {
  const std::string other = folder_.path() + "/media";
  DriverProcess& driver =
      start({{"driver.instance_id", "\"trial 7\""}, {"driver.aeron_dir", quoted(other)}});
  EXPECT_THAT(driver.log(), HasSubstr("driver trial 7 of " + folder_.regions()));
  EXPECT_FALSE(fs::exists(folder_.aeron()));
  EXPECT_TRUE(
      eventually([&] { return counters({"tensorpool driver", "instance=trial 7"}, other) > 0; }));
  RawClient& there = client({channel, 4000}, {channel, 4001}, other);
  EXPECT_TRUE(until([&] { return there.ready(); }));
  EXPECT_EQ(attach(there, Role::consumer, 1).code, ResponseCode::ok);
}

TEST_F(DriverMatrix, media_driver) {
  // With nobody's alive.
  DriverProcess& own = start({{"driver.embedded_media_driver", "\"auto\""}});
  EXPECT_TRUE(own.told("media_driver_started"));
  end(own);
  EXPECT_FALSE(fs::exists(folder_.aeron()));

  DriverProcess& waiting = launch({{"driver.embedded_media_driver", "\"never\""}});
  ASSERT_TRUE(eventually([&] { return waiting.told("starting"); })) << waiting.log();
  EXPECT_FALSE(fs::exists(folder_.aeron()));
  auto media_driver = MediaDriver::launch({.aeron_dir = folder_.aeron()});
  ASSERT_TRUE(media_driver.has_value()) << media_driver.error().message();
  ASSERT_TRUE(ready(waiting)) << waiting.log();
  end(waiting);
  EXPECT_FALSE(waiting.told("media_driver_started"));

  // With this one alive.
  DriverProcess& guest = start({{"driver.embedded_media_driver", "\"auto\""}});
  EXPECT_FALSE(guest.told("media_driver_started"));
  end(guest);
  DriverProcess& stubborn = launch({{"driver.embedded_media_driver", "\"always\""}});
  EXPECT_EQ(stubborn.exit_code(), 1) << stubborn.log();
  EXPECT_THAT(stubborn.log(), HasSubstr(std::to_string(::getpid())));
}

// Proves: CFG-33
TEST_F(DriverMatrix, endpoints) {
  const std::string control = "aeron:ipc?term-length=128k";
  const std::string announce = "aeron:ipc?term-length=256k";
  DriverProcess& driver = start({{"driver.control_channel", quoted(control)},
                                 {"driver.control_stream_id", "4100"},
                                 {"driver.announce_channel", quoted(announce)},
                                 {"driver.announce_stream_id", "4101"}});
  EXPECT_EQ(counters({"pub-lmt", " 4100 ", control}), 1U);
  EXPECT_EQ(counters({"pub-lmt", " 4101 ", announce}), 1U);
  RawClient& both = client({control, 4100}, {announce, 4101});
  RawClient& control_only = client({control, 4100}, {control, 4100});
  RawClient& elsewhere = client({control, 4000}, {control, 4000});
  ASSERT_TRUE(until([&] { return both.ready() && control_only.ready(); }));
  const ShmAttachRequest unheard = request(Role::consumer, 2);
  ASSERT_TRUE(until([&] { return elsewhere.send(unheard); }));
  const ShmAttachResponse answer = attach(both, Role::consumer, 1);
  EXPECT_EQ(answer.code, ResponseCode::ok) << answer.error_message;
  EXPECT_TRUE(until(
      [&] { return announces(both) >= 3 && !control_only.all<ShmAttachResponse>().empty(); }));
  EXPECT_EQ(announces(control_only), 0U);
  EXPECT_FALSE(elsewhere.answer<ShmAttachResponse>(unheard.correlation_id).has_value());
  end(driver);

  // Left out or empty, it is the control stream.
  start({{"driver.announce_channel", "\"\""}, {"driver.announce_stream_id", "0"}});
  RawClient& one = client({channel, 4000}, {channel, 4000});
  ASSERT_TRUE(until([&] { return one.ready(); }));
  (void)attach(one, Role::consumer, 1);
  EXPECT_TRUE(until([&] { return announces(one) >= 3; }));
}

// Clients of the library, which were told the endpoints and what they may map, and nothing of base_dir,
// namespace, profiles or ids.
// Proves: DRV-3, DRV-22, DRV-25
TEST_F(DriverMatrix, clients_know_what_the_driver_says) {
  const std::string base = folder_.path() + "/own";
  fs::create_directory(base);
  start({{"shm.base_dir", quoted(base)}, {"shm.namespace", "\"matrix\""}});
  RawClient& ear = ready_client();
  ClientOptions options = client_options(folder_.aeron(), folder_.path());
  options.mode = Mode::driver;
  options.control = {channel, 4000};
  options.announce = {channel, 4001};
  Client one = connect(options);
  ProducerOptions wanted;
  wanted.stream = stream;
  Producer producer = make_producer(one, wanted);
  std::vector<Consumer> consumers;
  for (int i = 0; i < 3; ++i) consumers.push_back(make_consumer(one, consumer_options(stream)));
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = Dims{64};
  const std::vector<std::byte> bytes(64);
  for (Consumer& consumer : consumers) {
    EXPECT_TRUE(until([&] {
      (void)producer.offer(spec, bytes);
      return consumer.next(10ms).has_value();
    }));
  }
  // One for each lease.
  std::map<std::uint32_t, Role> ids;
  const auto heard = [&] {
    std::set<std::uint32_t> all;
    for (const ShmAttachRequest& request : ear.all<ShmAttachRequest>())
      all.insert(request.client_id);
    return all.size();
  };
  EXPECT_TRUE(until([&] { return heard() >= 4; }));
  for (const ShmAttachRequest& request : ear.all<ShmAttachRequest>()) {
    EXPECT_NE(request.client_id, 0U);
    const auto [id, fresh] = ids.emplace(request.client_id, request.role);
    EXPECT_EQ(id->second, request.role);
  }
}

// Proves: CFG-34, DRV-174, DRV-176
TEST_F(DriverMatrix, qos_is_kept_free) {
  const Keys keys = {{"driver.qos_channel", "\"aeron:ipc?term-length=512k\""},
                     {"driver.qos_stream_id", "4200"},
                     {"policies.allow_dynamic_streams", "true"},
                     {"driver.stream_id_range", "\"4199-4201\""}};
  EXPECT_THAT(refusal(keys), AllOf(HasSubstr("driver.qos_stream_id"),
                                   HasSubstr("driver.stream_id_range"), HasSubstr("4200")));
  EXPECT_FALSE(fs::exists(folder_.aeron()));
  Keys apart = keys;
  apart["driver.stream_id_range"] = "\"4201-4202\"";
  start(apart);
  // The driver neither sends nor hears there.
  EXPECT_EQ(counters({" 4200 "}), 0U);
  EXPECT_EQ(counters({"term-length=512k"}), 0U);
}

// Proves: DRV-157, DRV-159, DRV-160, DRV-162, DRV-165
TEST_F(DriverMatrix, ids_of_ranges) {
  const Keys ranges = {{"driver.stream_id_range", "\"21000-21001\""},
                       {"driver.descriptor_stream_id_range", "\"31000-31001\""},
                       {"driver.control_stream_id_range", "\"32000\""},
                       {"profiles.q.header_nslots", "16"},
                       {"profiles.q.payload_pools", "[ { pool_id = 1, stride_bytes = 64 } ]"},
                       {"policies.default_profile", "\"q\""}};
  Keys dynamic = ranges;
  dynamic["policies.allow_dynamic_streams"] = "true";
  DriverProcess& driver = start(dynamic);
  RawClient& peer = ready_client();
  const auto create = [&](std::uint32_t client_id, std::uint32_t stream_id) {
    ShmAttachRequest wanted = request(Role::consumer, client_id, stream_id);
    wanted.publish_mode = PublishMode::existing_or_create;
    return attach(peer, wanted);
  };
  for (const std::uint32_t id : {1U, 2U}) {
    const ShmAttachResponse made = create(id, 0);
    EXPECT_EQ(made.stream_id, 20999 + id) << made.error_message;
    EXPECT_EQ(made.header_nslots, 16U);
  }
  EXPECT_EQ(create(3, 0).error_message, "stream_id_range exhausted");
  EXPECT_EQ(create(3, 21002).error_message, "stream_id outside stream_id_range");

  const auto hello = [&](std::uint32_t client_id) {
    wire::ConsumerHello said;
    said.stream_id = 20999 + client_id;
    said.consumer_id = client_id;
    said.supports_shm = true;
    said.descriptor_channel = said.control_channel = channel;
    said.descriptor_stream_id = said.control_stream_id = 1;
    EXPECT_TRUE(until([&] { return peer.send(said); }));
    std::optional<wire::ConsumerConfig> config;
    EXPECT_TRUE(until([&] {
      config = peer.find<wire::ConsumerConfig>(
          [&](const auto& message) { return message.consumer_id == client_id; });
      return config.has_value();
    }));
    return config.value_or(wire::ConsumerConfig{});
  };
  const wire::ConsumerConfig first = hello(1);
  EXPECT_EQ(first.descriptor_stream_id, 31000U);
  EXPECT_EQ(first.control_stream_id, 32000U);
  const wire::ConsumerConfig second = hello(2);
  EXPECT_EQ(second.descriptor_stream_id, 31001U);
  EXPECT_EQ(second.control_stream_id, 0U);  // none left
  end(driver);

  start(ranges);  // without allow_dynamic_streams
  RawClient& again = ready_client();
  ShmAttachRequest wanted = request(Role::consumer, 1, 21000);
  wanted.publish_mode = PublishMode::existing_or_create;
  EXPECT_EQ(attach(again, wanted).error_message, "stream not provisioned");
}

// Two at once in one base_dir, so that the machine slows both down alike.
// Proves: DRV-156
TEST_F(DriverMatrix, announce_period) {
  start({{"policies.announce_period_ms", "20"}});
  start({{"policies.announce_period_ms", "500"},
         {"driver.control_stream_id", "4010"},
         {"driver.announce_stream_id", "4011"},
         {"shm.namespace", "\"slow\""}});
  RawClient& fast = client();
  RawClient& slow = client({channel, 4010}, {channel, 4011});
  ASSERT_TRUE(until([&] { return fast.ready() && slow.ready(); }));
  (void)attach(fast, Role::consumer, 1);
  (void)attach(slow, Role::consumer, 1);
  const std::size_t fast_before = announces(fast);
  const std::size_t slow_before = announces(slow);
  EXPECT_TRUE(until([&] { return announces(slow) >= slow_before + 4; }));
  // 75 and more where nothing is late.
  EXPECT_GT(announces(fast) - fast_before, 3 * (announces(slow) - slow_before));
  const auto all = slow.all<wire::ShmPoolAnnounce>();
  // The last ones are a period apart, never less.
  const auto& last = all[all.size() - 1];
  const auto& before = all[all.size() - 2];
  EXPECT_GT(last.announce_timestamp_ns - before.announce_timestamp_ns, 250'000'000U);
}

// Proves: DRV-143
TEST_F(DriverMatrix, announce_clock) {
  for (const bool realtime : {false, true}) {
    DriverProcess& driver = start(
        {{"policies.announce_clock_domain", realtime ? "\"realtime_synced\"" : "\"monotonic\""}});
    RawClient& peer = ready_client();
    (void)attach(peer, Role::consumer, 1);
    const auto now = [&] {
      return static_cast<std::uint64_t>(realtime ? clock_.realtime_ns() : clock_.monotonic_ns());
    };
    const std::uint64_t begin = now();
    std::optional<wire::ShmPoolAnnounce> announce;
    EXPECT_TRUE(until([&] {
      announce = peer.find<wire::ShmPoolAnnounce>(
          [&](const auto& a) { return a.announce_timestamp_ns >= begin; });
      return announce.has_value();
    }));
    ASSERT_TRUE(announce.has_value());
    EXPECT_LE(announce->announce_timestamp_ns, now());
    EXPECT_EQ(announce->announce_clock_domain,
              realtime ? ClockDomain::realtime_synced : ClockDomain::monotonic);
    end(driver);
  }
}

// Proves: DRV-31, DRV-72, DRV-100
TEST_F(DriverMatrix, leases) {
  DriverProcess& driver = start({{"policies.lease_keepalive_interval_ms", "7000"},
                                 {"policies.lease_expiry_grace_intervals", "11"},
                                 {"policies.max_leases", "2"}});
  RawClient& peer = ready_client();
  const auto begin = static_cast<std::uint64_t>(clock_.monotonic_ns());
  const ShmAttachResponse lease = attach(peer, Role::consumer, 1);
  EXPECT_GE(lease.lease_expiry_timestamp_ns, begin + 77'000'000'000);
  EXPECT_LE(lease.lease_expiry_timestamp_ns,
            static_cast<std::uint64_t>(clock_.monotonic_ns()) + 77'000'000'000);
  EXPECT_EQ(attach(peer, Role::consumer, 2).code, ResponseCode::ok);
  EXPECT_EQ(attach(peer, Role::consumer, 3).error_message, "too many leases");
  end(driver);

  start({{"policies.lease_keepalive_interval_ms", "20"},
         {"policies.lease_expiry_grace_intervals", "4"}});
  RawClient& silent = ready_client();
  const ShmAttachResponse short_one = attach(silent, Role::consumer, 1);
  EXPECT_NE(short_one.lease_id,
            lease.lease_id);  // a new driver does not count from where the last did
  std::optional<ShmLeaseRevoked> notice;
  EXPECT_TRUE(until([&] {
    notice = silent.find<ShmLeaseRevoked>(
        [&](const auto& message) { return message.lease_id == short_one.lease_id; });
    return notice.has_value();
  }));
  ASSERT_TRUE(notice.has_value());
  EXPECT_EQ(notice->reason, wire::driver::LeaseRevokeReason::expired);
  EXPECT_GT(notice->timestamp_ns, short_one.lease_expiry_timestamp_ns);
}

// Proves: DRV-43
TEST_F(DriverMatrix, node_ids) {
  for (const bool cooling : {true, false}) {
    DriverProcess& driver =
        start({{"policies.node_id_reuse_cooldown_ms", cooling ? "86400000" : "0"}});
    RawClient& peer = ready_client();
    const auto five = [&](std::uint32_t client_id) {
      ShmAttachRequest wanted = request(Role::consumer, client_id);
      wanted.desired_node_id = 5;
      return attach(peer, wanted);
    };
    const ShmAttachResponse first = five(1);
    EXPECT_EQ(first.node_id, 5U);
    detach(peer, first, Role::consumer, 1);
    const ShmAttachResponse second = five(2);
    EXPECT_EQ(second.error_message, cooling ? "desired node_id unavailable" : "");
    EXPECT_EQ(second.code, cooling ? ResponseCode::rejected : ResponseCode::ok);
    end(driver);
  }
}

// Proves: DRV-199, DRV-200, DRV-201, DRV-205, DRV-208, DRV-209
TEST_F(DriverMatrix, shutdown) {
  const Keys patient = {{"policies.shutdown_timeout_ms", "86400000"},
                        {"policies.shutdown_token", "\"hush-hush\""}};
  DriverProcess& driver = start(patient);
  RawClient& peer = ready_client();
  wire::driver::ShmDriverShutdownRequest wanted;
  wanted.reason = wire::driver::ShutdownReason::admin;
  wanted.error_message = "for the test";
  for (const char* wrong : {"", "hush-hus", "hush-hush!"}) {
    wanted.token = wrong;
    ASSERT_TRUE(until([&] { return peer.send(wanted); }));
  }
  EXPECT_EQ(attach(peer, Role::consumer, 1).code, ResponseCode::ok);
  EXPECT_FALSE(driver.told("draining"));
  wanted.token = "hush-hush";
  ASSERT_TRUE(until([&] { return peer.send(wanted); }));
  ASSERT_TRUE(until([&] { return driver.told("draining"); })) << driver.log();
  EXPECT_EQ(attach(peer, Role::consumer, 2).error_message, "driver draining");
  EXPECT_FALSE(driver.ended());
  EXPECT_TRUE(peer.all<ShmDriverShutdown>().empty());
  EXPECT_THAT(driver.log(), Not(HasSubstr("hush")));
  end(driver);  // and a signal ends the wait

  Keys prompt = patient;
  prompt["policies.shutdown_timeout_ms"] = "0";
  DriverProcess& second = start(prompt);
  RawClient& witness = ready_client();
  ASSERT_TRUE(until([&] { return witness.send(wanted); }));
  EXPECT_TRUE(until([&] { return !witness.all<ShmDriverShutdown>().empty(); }));
  EXPECT_EQ(second.exit_code(), 0) << second.log();
  ASSERT_FALSE(witness.all<ShmDriverShutdown>().empty());
  EXPECT_EQ(witness.all<ShmDriverShutdown>()[0].reason, wire::driver::ShutdownReason::admin);
  EXPECT_EQ(witness.all<ShmDriverShutdown>()[0].error_message, "for the test");
}

}  // namespace
}  // namespace tensorpool::integration::matrix
