// Streams created on demand, and streams for single consumers (docs/protocol/04-driver.md A9).
#include "protocol/driver/streams.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

// --- Ids

TEST(DriverIdPool, GoesRoundItsRanges) {
  IdPool pool({{5, 6}, {9, 9}});
  EXPECT_TRUE(pool.configured());
  EXPECT_EQ(pool.take(), 5U);
  pool.release(5);
  EXPECT_EQ(pool.take(), 6U);
  EXPECT_EQ(pool.take(), 9U);
  EXPECT_EQ(pool.take(), 5U);
  EXPECT_TRUE(pool.exhausted());
  EXPECT_EQ(pool.take(), std::nullopt);
  pool.release(6);
  pool.take(6);
  EXPECT_EQ(pool.take(), std::nullopt);
  EXPECT_TRUE(pool.contains(9));
  EXPECT_FALSE(pool.contains(7));
  EXPECT_FALSE(IdPool({}).configured());
  IdPool huge({{1, 4294967294}});
  EXPECT_EQ(huge.take(), 1U);
}

// --- On demand

class OnDemand : public ::testing::Test {
 protected:
  ShmAttachRequest request(std::uint32_t client_id, std::uint32_t stream_id,
                           Role role = Role::producer) {
    ShmAttachRequest r = d.request(role, client_id, stream_id);
    r.publish_mode = PublishMode::existing_or_create;
    return r;
  }
  Harness d{dynamic_settings()};
};

// Proves: DRV-159, DRV-160, DRV-161
TEST_F(OnDemand, AStreamGetsTheIdThatWasAskedForOrTheNextFreeOne) {
  const auto asked = d.attach(request(5, 0));
  EXPECT_EQ(find<CreateRegions>(asked)->layout.stream_id, range_first);
  EXPECT_EQ(find<CreateRegions>(asked)->layout.nslots, 8U);  // the first profile is the default
  EXPECT_EQ(find<CreateRegions>(asked)->layout.pools.size(), 2U);
  EXPECT_EQ(Harness::events(asked, Event::stream_created), 1U);
  EXPECT_EQ(Harness::answer_in(d.created(asked))->stream_id, range_first);
  EXPECT_EQ(d.lease(request(6, range_first + 1))->stream_id, range_first + 1);
  EXPECT_EQ(d.lease(request(7, 0))->stream_id, range_first + 2);
  // It is provisioned now, for anybody.
  EXPECT_TRUE(d.lease(Role::consumer, 8, range_first + 2));
}

// Proves: DRV-159
TEST_F(OnDemand, TheDefaultProfileIsUsed) {
  Settings settings = dynamic_settings();
  settings.profiles.push_back({"wide", 16, {{3, 128}}});
  settings.default_profile = "wide";
  Harness wide(settings);
  auto asked = wide.attach(request(5, 0));
  EXPECT_EQ(find<CreateRegions>(asked)->layout.nslots, 16U);
  settings.default_profile = "gone";
  Harness gone(settings);
  const ShmAttachRequest r = request(5, 0);
  EXPECT_TRUE(is_refusal(gone.attach(r), r, ResponseCode::invalid_params, "profile not found"));
  EXPECT_EQ(gone.core.streams().all().size(), 2U);
}

// DRV-60: an attach that fails leaves nothing.
TEST_F(OnDemand, AStreamWhoseRegionsCannotBeMadeIsNotLeftBehind) {
  const auto done = d.create_failed(d.attach(request(5, 0)));
  EXPECT_EQ(Harness::answer_in(done)->code, ResponseCode::internal_error);
  EXPECT_EQ(Harness::events(done, Event::stream_forgotten), 1U);
  EXPECT_EQ(d.core.streams().all().size(), 2U);
  EXPECT_EQ(d.core.streams().ids().used(), 0U);
  EXPECT_EQ(d.core.node_ids().in_use(), 0U);
}

// Proves: DRV-130
TEST_F(OnDemand, TheStreamThatNobodyUsedForLongestMakesRoomAndItsEpochsStillRise) {
  for (std::uint32_t client = 5; client < 8; ++client) {
    const LeaseKey key = *d.lease(request(client, 0));
    const auto ended = d.created(d.detach(key));
    if (const CollectEpochs* collect = find<CollectEpochs>(ended)) (void)d.collected(*collect);
    d.advance(second);
  }
  const std::uint64_t old = d.core.streams().all().at(range_first).epoch;
  ASSERT_TRUE(d.lease(request(9, range_first + 1)));  // in use again
  const auto asked = d.attach(request(10, 0));
  EXPECT_EQ(Harness::events(asked, Event::stream_forgotten), 1U);
  EXPECT_EQ(find<CreateRegions>(asked)->layout.stream_id, range_first);
  EXPECT_GT(find<CreateRegions>(asked)->layout.epoch, old);
  // The forgotten one is announced no more.
  d.advance(second);
  for (const Action& action : d.timer()) {
    const auto* send = std::get_if<SendAnnounce>(&action);
    if (send == nullptr) continue;
    EXPECT_NE(send->message.stream_id, range_first);
  }
}

TEST_F(OnDemand, AtOneInstantAForgottenStreamGetsAHigherEpochToo) {
  Settings settings = dynamic_settings();
  settings.stream_id_range = {{range_first, range_first}, {range_first + 2, range_first + 2}};
  Harness one(settings);
  std::uint64_t last = 0;
  for (std::uint32_t client = 5; client < 25; ++client) {
    ShmAttachRequest r = one.request(Role::producer, client, range_first + (client % 2) * 2);
    r.publish_mode = PublishMode::existing_or_create;
    r.stream_id = 0;
    const auto asked = one.attach(r);
    ASSERT_NE(find<CreateRegions>(asked), nullptr);
    if (find<CreateRegions>(asked)->layout.stream_id != range_first) {
      (void)one.create_failed(asked);
      continue;
    }
    EXPECT_GT(find<CreateRegions>(asked)->layout.epoch, last);
    const auto done = one.created(asked);
    if (const CollectEpochs* collect = find<CollectEpochs>(done)) (void)one.collected(*collect);
    const auto ended = one.created(
        one.detach({*Harness::answer_in(done)->lease_id, range_first, client, Role::producer}));
    if (const CollectEpochs* collect = find<CollectEpochs>(ended)) (void)one.collected(*collect);
    last = Harness::announce_in(ended)->epoch;
  }
  EXPECT_GT(last, 0U);
}

TEST_F(OnDemand, AStreamInUseIsNeverForgotten) {
  for (std::uint32_t client = 5; client < 8; ++client)
    ASSERT_TRUE(d.lease(request(client, 0, Role::consumer)));
  const ShmAttachRequest r = request(9, 0);
  EXPECT_TRUE(
      is_refusal(d.attach(r), r, ResponseCode::invalid_params, "stream_id_range exhausted"));
}

// --- For single consumers

class PerConsumer : public ::testing::Test {
 protected:
  static Settings settings() {
    Settings settings = test_settings();
    settings.descriptor_stream_id_range = {{31000, 31001}};
    settings.control_stream_id_range = {{32000, 32001}};
    return settings;
  }
  static wire::ConsumerHello hello(std::uint32_t client_id, std::uint32_t descriptor,
                                   std::uint32_t control) {
    wire::ConsumerHello hello;
    hello.stream_id = test_stream;
    hello.consumer_id = client_id;
    hello.supports_shm = false;
    hello.mode = wire::Mode::rate_limited;
    hello.descriptor_stream_id = descriptor;
    hello.descriptor_channel = descriptor == 0 ? "" : "aeron:ipc?alias=d";
    hello.control_stream_id = control;
    hello.control_channel = control == 0 ? "" : "aeron:ipc?alias=c";
    return hello;
  }
  wire::ConsumerConfig answer(const wire::ConsumerHello& message) {
    const auto done = d.hello(message);
    const SendConsumerConfig* send = find<SendConsumerConfig>(done);
    EXPECT_NE(send, nullptr);
    return send == nullptr ? wire::ConsumerConfig{} : send->message;
  }
  Harness d{settings()};
};

// Proves: DRV-170, DRV-171, DRV-173, STR-71
TEST_F(PerConsumer, IdsComeFromTheRangesAndStayForTheLease) {
  ASSERT_TRUE(d.lease(Role::consumer, 5));
  ASSERT_TRUE(d.lease(Role::consumer, 6));
  wire::ConsumerConfig expected;
  expected.stream_id = test_stream;
  expected.consumer_id = 5;
  expected.use_shm = true;
  expected.mode = wire::Mode::rate_limited;
  expected.descriptor_stream_id = 31000;
  expected.control_stream_id = 32000;
  expected.descriptor_channel = "aeron:ipc?alias=d";
  expected.control_channel = "aeron:ipc?alias=c";
  EXPECT_EQ(answer(hello(5, 1, 1)), expected);
  EXPECT_EQ(answer(hello(6, 31000, 32000)).descriptor_stream_id, 31001U);
  EXPECT_EQ(answer(hello(5, 31000, 32000)), expected);
  EXPECT_EQ(answer(hello(5, 77, 78)), expected);
  wire::ConsumerHello moved = hello(5, 1, 1);
  moved.descriptor_channel = "aeron:udp?endpoint=h:1";
  expected.descriptor_channel = moved.descriptor_channel;
  EXPECT_EQ(answer(moved), expected);
}

// Proves: DRV-166, DRV-167, STR-64, STR-68
TEST_F(PerConsumer, WithoutARangeOrAFreeIdTheRequestIsDeclined) {
  for (std::uint32_t client = 5; client < 8; ++client) ASSERT_TRUE(d.lease(Role::consumer, client));
  (void)answer(hello(5, 1, 0));
  (void)answer(hello(6, 1, 0));
  wire::ConsumerConfig config = answer(hello(7, 1, 1));
  EXPECT_EQ(config.descriptor_stream_id, 0U);
  EXPECT_EQ(config.descriptor_channel, "");
  EXPECT_EQ(config.control_stream_id, 32000U);  // the other half is granted
  EXPECT_EQ(d.core.leases().size(), 3U);
  Harness none;
  ASSERT_TRUE(none.lease(Role::consumer, 5));
  const auto done = none.hello(hello(5, 1, 1));
  config = find<SendConsumerConfig>(done)->message;
  EXPECT_EQ(config.descriptor_stream_id, 0U);
  EXPECT_EQ(config.descriptor_channel, "");
  EXPECT_EQ(config.control_stream_id, 0U);
  EXPECT_EQ(config.control_channel, "");
  EXPECT_TRUE(config.use_shm);
}

// Proves: DRV-172
TEST_F(PerConsumer, IdsReturnWithTheLeaseOrWhenNoLongerAskedFor) {
  const LeaseKey five = *d.lease(Role::consumer, 5);
  ASSERT_TRUE(d.lease(Role::consumer, 6));
  ASSERT_TRUE(d.lease(Role::consumer, 7));
  (void)answer(hello(5, 1, 1));
  (void)answer(hello(6, 1, 1));
  EXPECT_EQ(answer(hello(7, 1, 1)).descriptor_stream_id, 0U);
  (void)d.detach(five);
  EXPECT_EQ(answer(hello(7, 1, 1)).descriptor_stream_id, 31000U);
  EXPECT_EQ(answer(hello(6, 0, 32001)).descriptor_stream_id, 0U);  // STR-57
  ASSERT_TRUE(d.lease(Role::consumer, 5));
  EXPECT_EQ(answer(hello(5, 1, 0)).descriptor_stream_id, 31001U);
  // Nothing asked, nothing held: nothing to say. Something held: it is told that it is not any more.
  EXPECT_EQ(answer(hello(6, 0, 0)).control_stream_id, 0U);
  EXPECT_TRUE(d.hello(hello(6, 0, 0)).empty());
}

// Proves: STR-66, STR-67, STR-70
TEST_F(PerConsumer, OneInvalidHalfDeclinesBoth) {
  ASSERT_TRUE(d.lease(Role::consumer, 5));
  const auto declined = [&](const wire::ConsumerHello& message) {
    const wire::ConsumerConfig config = answer(message);
    return config.descriptor_stream_id == 0 && config.descriptor_channel.empty() &&
           config.control_stream_id == 0 && config.control_channel.empty();
  };
  wire::ConsumerHello bad = hello(5, 1, 1);
  bad.descriptor_channel.clear();
  EXPECT_TRUE(declined(bad));
  bad = hello(5, 1, 1);
  bad.control_stream_id = 0;
  EXPECT_TRUE(declined(bad));
  bad.control_stream_id = wire::null_u32;
  EXPECT_TRUE(declined(bad));
  bad = hello(5, 2147483648, 1);
  EXPECT_TRUE(declined(bad));
  bad = hello(5, 1, 1);
  bad.descriptor_channel = "shm:file?path=/etc/passwd";
  EXPECT_TRUE(declined(bad));
  bad.descriptor_channel = "aeron:" + std::string(4095 - 5, 'x');
  EXPECT_TRUE(declined(bad));
  bad.descriptor_channel.pop_back();
  EXPECT_FALSE(declined(bad));
}

// Proves: DRV-169
TEST_F(PerConsumer, OnlyConsumersWithALeaseOfThatStreamAreAnswered) {
  EXPECT_TRUE(d.hello(hello(5, 1, 1)).empty());
  ASSERT_TRUE(d.lease(Role::producer, 5));
  EXPECT_TRUE(d.hello(hello(5, 1, 1)).empty());
  ASSERT_TRUE(d.lease(Role::consumer, 6, other_stream));
  EXPECT_TRUE(d.hello(hello(6, 1, 1)).empty());
  wire::ConsumerHello odd = hello(6, 1, 1);
  odd.stream_id = other_stream;
  odd.mode = static_cast<wire::Mode>(0);
  EXPECT_TRUE(d.hello(odd).empty());
  EXPECT_EQ(d.count_of(Count::hellos_ignored), 4U);
  odd.mode = wire::Mode::stream;
  EXPECT_FALSE(d.hello(odd).empty());
}

TEST_F(PerConsumer, ASupervisorAnswersInsteadOfTheDriver) {
  Settings supervised = settings();
  supervised.answer_hellos = false;
  Harness s(supervised);
  ASSERT_TRUE(s.lease(Role::consumer, 5));
  EXPECT_TRUE(s.hello(hello(5, 1, 1)).empty());
}

}  // namespace
}  // namespace tensorpool::protocol::driver
