// Messages that are valid and forged: what whoever may write to Aeron's directory can do to a producer and a
// consumer in driver mode, what it costs at worst, and how soon all is well again. docs/internals/threat-model.md
// lists them; every bound there is one here, in virtual time.
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "transport/channel.hpp"
#include "unit/agents/driver_support.hpp"

namespace tensorpool::agents::test {
namespace {

using wire::driver::LeaseRevokeReason;
using wire::driver::Role;
using wire::driver::ShmAttachResponse;

// As driver_options() and TestDriver have them.
constexpr base::Nanos period = 100 * ms;          // of announces
constexpr base::Nanos lease_life = 3 * 100 * ms;  // keepalive interval × grace
constexpr base::Nanos largest_backoff = 100 * ms;
constexpr base::Nanos liveness = 5 * period;
// Messages that are on their way, regions that are created, the first frame.
constexpr base::Nanos a_moment = 30 * ms;

// Somebody with a client of his own, who hears everything and says what he likes.
class Forger {
 public:
  explicit Forger(World& world) : world_(world), transport_(world.network.make_transport()) {
    transport::ConnectOptions connect;
    connect.directory = world.aeron_dir;
    connection_ = std::move(*transport_->connect(connect));
    const ClientOptions client = world.client_options();
    control_ = add(client.control);
    announce_ = add(client.announce);
    descriptor_ = add(client.descriptor);
  }

  template <class M>
  void control(const M& message) {
    say(*control_, message);
  }
  // Our own encoder writes printable text only: its last bytes, with an escape for every '~'.
  void control_with_escapes(wire::driver::ShmDriverShutdown message, std::string_view text) {
    message.error_message = text;
    std::vector<std::byte> bytes(wire::encoded_size(message));
    ASSERT_TRUE(wire::try_encode(message, bytes));
    std::replace(bytes.end() - static_cast<std::ptrdiff_t>(text.size()), bytes.end(),
                 std::byte{'~'}, std::byte{0x1B});
    EXPECT_GT(control_->offer(bytes), 0);
  }
  void announce(const wire::ShmPoolAnnounce& message) { say(*announce_, message); }
  void describe(const wire::FrameDescriptor& message) { say(*descriptor_, message); }

 private:
  std::unique_ptr<transport::Publication> add(const Endpoint& endpoint) {
    auto adding =
        connection_->add_publication(transport::control_channel(endpoint.channel),
                                     endpoint.stream_id, world_.clock.monotonic_ns() + sec);
    std::unique_ptr<transport::Publication> made;
    EXPECT_TRUE(world_.run_until([&] {
      (void)connection_->do_work();
      return (made = std::move(*(*adding)->poll())) != nullptr;
    }));
    return made;
  }
  template <class M>
  void say(transport::Publication& to, const M& message) {
    std::vector<std::byte> bytes(wire::encoded_size(message));
    ASSERT_TRUE(wire::try_encode(message, bytes));
    EXPECT_GT(to.offer(bytes), 0);
  }

  World& world_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::unique_ptr<transport::Publication> control_, announce_, descriptor_;
};

class Forgeries : public ::testing::Test {
 protected:
  void begin() {
    producing = &world.leasing_node();
    consuming = &world.leasing_node();
    producer = world.producer(producing->request(world.leased_producer()));
    ASSERT_NE(producer, nullptr);
    consumer = world.consumer(consuming->request(world.consumer_options()));
    ASSERT_TRUE(world.active(*consumer));
    forger.emplace(world);
    ASSERT_TRUE(flows());
  }
  // Every frame carries the number of the round that it was sent in, and the rounds' numbers rise: what
  // arrives is what the producer of these rounds wrote.
  bool one_round() {
    ++round;
    (void)send(*producer, round);
    world.step();
    bool any = false;
    for (const int value : receive(*consumer)) {
      EXPECT_TRUE(value == round || value == round - 1) << value << " in round " << +round;
      any = true;
    }
    return any;
  }
  bool flows(base::Nanos within = 20 * sec) {
    const base::Nanos end = world.clock.monotonic_ns() + within;
    for (int whole = 0; whole < 3 && world.clock.monotonic_ns() <= end;)
      whole = one_round() ? whole + 1 : 0;
    return world.clock.monotonic_ns() <= end;
  }
  // The forgery took effect, and within the bound all is as before: frames flow, two leases, and no more is
  // kept than there was.
  void recovers(const std::function<bool()>& felt, base::Nanos bound) {
    const base::Nanos begun = world.clock.monotonic_ns();
    while (!felt() && world.clock.monotonic_ns() - begun <= bound) (void)one_round();
    ASSERT_TRUE(felt()) << "nothing happened";
    const base::Nanos left = bound + a_moment - (world.clock.monotonic_ns() - begun);
    EXPECT_TRUE(flows(left)) << "not within " << bound / ms << " ms";
    world.run_for(lease_life + period);
    EXPECT_TRUE(flows(a_moment)) << "and it lasts";
    EXPECT_EQ(world.driver->core().leases().size(), 2U);
    EXPECT_EQ(world.driver->core().pending(), 0U);
    EXPECT_EQ(consumer->state(), PortState::active);
    EXPECT_EQ(producer->state(), PortState::active);
  }
  std::function<bool()> lost(const Node& node) {
    const int before = node.told(NoticeKind::lease_lost);
    return [&node, before] { return node.told(NoticeKind::lease_lost) > before; };
  }
  std::function<bool()> unmapped(const Node& node) {
    const int before = node.told(NoticeKind::unmapped);
    return [&node, before] { return node.told(NoticeKind::unmapped) > before; };
  }
  std::uint64_t now() const { return static_cast<std::uint64_t>(world.clock.monotonic_ns()); }
  drv::LeaseKey key(Role role) { return world.driver->lease_of(role).value_or(drv::LeaseKey{}); }
  wire::driver::ShmLeaseRevoked notice_about(Role role) {
    const drv::LeaseKey lease = key(role);
    wire::driver::ShmLeaseRevoked notice;
    notice.timestamp_ns = now();
    notice.lease_id = lease.lease_id;
    notice.stream_id = lease.stream_id;
    notice.client_id = lease.client_id;
    notice.role = lease.role;
    notice.reason = LeaseRevokeReason::revoked;
    return notice;
  }
  // What the driver announces, as far as the gate looks at it.
  wire::ShmPoolAnnounce announce_of(std::uint64_t epoch) {
    const drv::Stream& s = world.driver->core().streams().all().at(stream);
    wire::ShmPoolAnnounce announce = *s.regions;
    announce.stream_id = stream;
    announce.epoch = epoch;
    announce.announce_timestamp_ns = now();
    announce.announce_clock_domain = ClockDomain::monotonic;
    return announce;
  }
  std::uint64_t epoch() { return world.driver->core().streams().all().at(stream).epoch; }

  DriverWorld world;
  Node* producing = nullptr;
  Node* consuming = nullptr;
  Owned<TestProducer> producer;
  Owned<TestConsumer> consumer;
  std::optional<Forger> forger;
  std::uint8_t round = 0;
};

// The driver still counts the lease, and a client id has one at a time: it runs out first.
TEST_F(Forgeries, ANoticeAboutALivingLeaseCostsALeasesLife) {
  for (const Role role : {Role::producer, Role::consumer}) {
    if (producer == nullptr) begin();
    forger->control(notice_about(role));
    recovers(lost(role == Role::producer ? *producing : *consuming),
             lease_life + largest_backoff + period);
  }
}

// Consumers know nothing of the producer's lease: any id will do.
TEST_F(Forgeries, ANoticeAboutTheProducerCostsConsumersTheWaitForAnEpoch) {
  begin();
  wire::driver::ShmLeaseRevoked notice = notice_about(Role::producer);
  notice.lease_id ^= 1U;
  forger->control(notice);
  recovers(unmapped(*consuming), 3 * period + largest_backoff + period);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 0);
}

// Nothing of what a terminal would obey reaches an application.
// Proves: MSG-43
TEST_F(Forgeries, ATextForTerminalsIsMadeHarmless) {
  begin();
  forger->control_with_escapes({now(), wire::driver::ShutdownReason::admin, {}}, "~[2J gone");
  recovers(lost(*consuming), lease_life + largest_backoff + period);
  const std::string text = consuming->text_of(NoticeKind::lease_lost);
  EXPECT_NE(text.find("?[2J gone"), std::string::npos) << text;
}

TEST_F(Forgeries, AShutdownNoticeCostsALeasesLife) {
  begin();
  forger->control(wire::driver::ShmDriverShutdown{now(), wire::driver::ShutdownReason::admin, "x"});
  recovers(lost(*producing), lease_life + largest_backoff + period);
  EXPECT_EQ(consuming->told(NoticeKind::lease_lost), 1);
}

TEST_F(Forgeries, ADetachWithTheRightFieldsCostsABackoff) {
  begin();
  for (const Role role : {Role::consumer, Role::producer}) {
    const drv::LeaseKey lease = key(role);
    forger->control(wire::driver::ShmDetachRequest{5, lease.lease_id, lease.stream_id,
                                                   lease.client_id, lease.role});
    recovers(lost(role == Role::producer ? *producing : *consuming), largest_backoff + period);
  }
}

// Only what is already there can be mapped: whoever cannot write files sends a client to a missing one, or gives
// the right regions a lease that is none.
TEST_F(Forgeries, AnAttachResponseThatLeadsNowhereIsNotFollowed) {
  begin();
  bool forged = false;
  world.driver->spoil = [&](ShmAttachResponse& response) {
    if (response.code != wire::ResponseCode::ok || std::exchange(forged, true)) return;
    response.header_region_uri += "x";
    response.lease_id = 4;
  };
  world.driver->revoke(key(Role::producer).lease_id);
  recovers([&] { return forged; }, 2 * largest_backoff + lease_life + period);
  EXPECT_GE(producing->told(NoticeKind::lease_lost), 2);
}

TEST_F(Forgeries, AnAttachResponseWithTheLeaseOfNobodyLastsALeasesLife) {
  for (const Role role : {Role::producer, Role::consumer}) {
    if (producer == nullptr) begin();
    bool forged = false;
    world.driver->spoil = [&](ShmAttachResponse& response) {
      if (response.code == wire::ResponseCode::ok && !std::exchange(forged, true))
        response.lease_id = 4;
    };
    Node& node = role == Role::producer ? *producing : *consuming;
    const int before = node.told(NoticeKind::lease_lost);
    world.driver->revoke(key(role).lease_id);
    recovers([&] { return forged && node.told(NoticeKind::lease_lost) >= before + 2; },
             2 * (lease_life + largest_backoff + period));
  }
}

// The producer takes a new lease, of an epoch that the consumer does not believe in: until nobody has announced
// the forged one for the liveness timeout, or until it has waited long enough for a still higher one.
TEST_F(Forgeries, AnAnnounceOfAHigherEpochCostsTheLivenessTimeout) {
  begin();
  wire::ShmPoolAnnounce announce = announce_of(wire::null_u64 - 1);
  forger->announce(announce);
  recovers(unmapped(*consuming), liveness + 2 * period);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 1);
  EXPECT_LE(consuming->told(NoticeKind::lease_lost), 1);
  // Of the current one with another layout: the regions are let go of, and the next announce is right.
  announce = announce_of(epoch());
  announce.payload_pools[0].stride_bytes *= 2;
  forger->announce(announce);
  recovers(unmapped(*consuming), 2 * period);
}

// To the consumer alone, whose lease stays: what it waits for is the silence of the forger.
TEST_F(Forgeries, AnAnnounceOfAHigherEpochLeavesTheConsumersLease) {
  begin();
  producer->close();
  ASSERT_TRUE(world.run_until([&] { return key(Role::producer).lease_id == 0; }));
  world.run_for(2 * period);  // the epoch without a producer
  ASSERT_TRUE(world.active(*consumer));
  forger->announce(announce_of(wire::null_u64 - 1));
  ASSERT_TRUE(world.run_until([&] { return consumer->state() != PortState::active; }, a_moment));
  EXPECT_TRUE(world.run_until([&] { return consumer->state() == PortState::active; },
                              liveness + 2 * period));
  EXPECT_EQ(consuming->told(NoticeKind::lease_lost), 0);
}

// With a notice about the producer on top, the consumer waits for an epoch that never comes, and gives up.
TEST_F(Forgeries, AnAnnounceAndANoticeTogetherCostTheWaitForAnEpoch) {
  begin();
  const auto felt = lost(*consuming);
  wire::driver::ShmLeaseRevoked notice = notice_about(Role::producer);
  notice.timestamp_ns = wire::null_u64 - 1;
  forger->announce(announce_of(wire::null_u64 - 1));
  world.run_for(2 * ms);
  forger->control(notice);
  recovers(felt, liveness + lease_life + 2 * largest_backoff + 2 * period);
}

TEST_F(Forgeries, DescriptorsThatLieCostAtMostTheLivenessTimeoutAndNoByte) {
  begin();
  const auto descriptor = [&](std::uint64_t seq, std::uint64_t of) {
    wire::FrameDescriptor d;
    d.stream_id = stream;
    d.epoch = of;
    d.seq = seq;
    return d;
  };
  const std::uint64_t seq = producer->cell().producer.published.get();
  for (const std::uint64_t other : {seq, seq + 1, seq + 7, seq / 2, std::uint64_t{0}})
    forger->describe(descriptor(other, epoch()));
  EXPECT_TRUE(flows(liveness + 2 * period));
  forger->describe(descriptor(seq + 1000, epoch()));  // and what is true goes back from there
  EXPECT_TRUE(flows(liveness + 2 * period));
  forger->describe(descriptor(1, wire::null_u64 - 1));
  recovers(unmapped(*consuming), liveness + 2 * period);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost) + consuming->told(NoticeKind::lease_lost), 0);
}

// The stream stays without a producer for as long as somebody pretends, and no longer. Its consumers leave the
// regions that nobody keeps alive.
TEST_F(Forgeries, KeepalivesForADeadLeaseHoldItOnlyWhileTheyCome) {
  begin();
  const drv::LeaseKey dead = key(Role::producer);
  const std::unique_ptr<Conductor> killed = std::move(producing->conductor);
  const auto next = world.leasing_node().request([&] {
    ProducerOptions options = world.leased_producer();
    options.producer_id = 8;
    return options;
  }());
  const base::Nanos until = world.clock.monotonic_ns() + 2 * sec;
  while (world.clock.monotonic_ns() < until) {
    forger->control(wire::driver::ShmLeaseKeepalive{dead.lease_id, dead.stream_id, dead.client_id,
                                                    dead.role, now()});
    world.run_for(50 * ms);
    (void)receive(*consumer);
  }
  EXPECT_EQ(key(Role::producer), dead);
  EXPECT_NE(consumer->state(), PortState::active);
  EXPECT_EQ(next->state(), Request::State::pending);
  EXPECT_TRUE(world.run_until([&] { return next->state() == Request::State::complete; },
                              lease_life + largest_backoff + a_moment));
  producer = world.producer(next);
  EXPECT_TRUE(flows(liveness + 2 * period));
}

// Keepalives for leases that nobody knows get no answer that consumers would take for one about their producer.
TEST_F(Forgeries, KeepalivesOutOfTheBlueChangeNothing) {
  begin();
  for (const Role role : {Role::producer, Role::consumer}) {
    for (std::uint32_t id = 1; id < 20; ++id)
      forger->control(wire::driver::ShmLeaseKeepalive{id, stream, 100 + id, role, now()});
  }
  for (base::Nanos at = 0; at < liveness; at += ms) EXPECT_TRUE(one_round() || at < 2 * ms);
  EXPECT_EQ(consuming->told(NoticeKind::unmapped) + consuming->told(NoticeKind::lease_lost), 0);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 0);
}

// Hellos and configs change which streams a consumer is offered, and nothing that this client reads.
TEST_F(Forgeries, HellosAndConfigsChangeNothing) {
  begin();
  wire::ConsumerHello hello;
  hello.stream_id = stream;
  hello.consumer_id = 9;
  hello.descriptor_stream_id = 77;
  hello.descriptor_channel = "aeron:ipc";
  forger->control(hello);
  wire::ConsumerConfig config;
  config.stream_id = stream;
  config.consumer_id = 9;
  config.use_shm = false;
  config.payload_fallback_uri = "shm:file?path=/dev/null";
  forger->control(config);
  for (base::Nanos at = 0; at < liveness; at += ms) EXPECT_TRUE(one_round() || at < 2 * ms);
  EXPECT_EQ(consuming->told(NoticeKind::unmapped) + consuming->told(NoticeKind::lease_lost), 0);
}

// All of it, again and again: nothing grows, and it ends with the forger.
TEST_F(Forgeries, ManyOfThemLeaveNothingBehind) {
  begin();
  for (int times = 0; times < 40; ++times) {
    forger->control(notice_about(times % 2 == 0 ? Role::producer : Role::consumer));
    forger->announce(announce_of(wire::null_u64 - 1 - static_cast<std::uint64_t>(times % 3)));
    forger->describe(wire::FrameDescriptor{});
    if (times % 5 == 0) {
      forger->control(
          wire::driver::ShmDriverShutdown{now(), wire::driver::ShutdownReason::admin, "x"});
    }
    for (int rounds = 0; rounds < 60; ++rounds) (void)one_round();
  }
  recovers([] { return true; }, liveness + 2 * (lease_life + largest_backoff + period));
  world.run_for(sec);
  EXPECT_EQ(world.driver->core().streams().all().size(), 1U);
}

}  // namespace
}  // namespace tensorpool::agents::test
