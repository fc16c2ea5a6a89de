// Driver mode from end to end without Aeron: clients, a driver, real files, virtual time.
#include <gtest/gtest.h>

#include "transport/channel.hpp"
#include "unit/agents/driver_support.hpp"

namespace tensorpool::agents::test {
namespace {

using wire::driver::PublishMode;
using wire::driver::Role;

class Leases : public ::testing::Test {
 protected:
  // Two clients, one with a producer and one with a consumer, both active.
  void begin() {
    producing = &world.leasing_node();
    consuming = &world.leasing_node();
    producer = world.producer(producing->request(world.leased_producer()));
    ASSERT_NE(producer, nullptr) << heard(*producing);
    consumer = world.consumer(consuming->request(world.consumer_options()));
    ASSERT_TRUE(world.active(*consumer)) << heard(*consuming);
    ASSERT_TRUE(world.active(*producer));
  }
  static std::string heard(const Node& node) {
    std::string all;
    for (const Heard& h : node.notices)
      all += std::to_string(static_cast<int>(h.kind)) + " " + h.text + "\n";
    return all;
  }
  // A frame gets from one to the other, within a while: the consumer may have to map the epoch first.
  ::testing::AssertionResult flows(std::uint8_t value) {
    std::vector<int> got;
    const bool came = world.run_until([&] {
      (void)send(*producer, value);
      world.step();
      got = receive(*consumer);
      return !got.empty();
    });
    if (!came) return ::testing::AssertionFailure() << "nothing arrived";
    for (const int v : got) {
      if (v != value) return ::testing::AssertionFailure() << "got " << v << ", not " << +value;
    }
    return ::testing::AssertionSuccess();
  }
  bool comes(const std::function<bool()>& what) { return world.run_until(what); }
  std::uint64_t lease(Role role) const {
    const auto key = world.driver->lease_of(role);
    return key ? key->lease_id : 0;
  }
  static LeaseEnd last_end(const Node& node) {
    LeaseEnd end = LeaseEnd::none;
    for (const Heard& heard : node.notices) {
      if (heard.kind == NoticeKind::lease_lost) end = heard.lease_end;
    }
    return end;
  }

  DriverWorld world;
  Node* producing = nullptr;
  Node* consuming = nullptr;
  Owned<TestProducer> producer;
  Owned<TestConsumer> consumer;
};

// Proves: CON-40, MSG-59, SHM-70, CON-46
TEST_F(Leases, FramesFlowThroughRegionsThatTheDriverMade) {
  begin();
  EXPECT_TRUE(flows(5));
  ASSERT_GE(world.driver->requests.size(), 2U);
  for (const auto& request : world.driver->requests) {
    EXPECT_EQ(request.publish_mode, request.role == Role::producer ? PublishMode::existing_or_create
                                                                   : PublishMode::require_existing);
    EXPECT_EQ(request.client_id, request.role == Role::producer ? 7U : 9U);
  }
  EXPECT_EQ(producing->told(NoticeKind::attached), 1);
  EXPECT_EQ(consuming->told(NoticeKind::attached), 1);
  world.run_for(3 * sec);
  EXPECT_EQ(world.driver->core().leases().size(), 2U) << "kept alive";
  EXPECT_GE(world.driver->keepalives, 50);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 0);
  EXPECT_EQ(consuming->told(NoticeKind::lease_lost), 0);
  EXPECT_EQ(producer->state(), PortState::active);
  EXPECT_EQ(consumer->state(), PortState::active);
  EXPECT_FALSE(world.driver->hellos.empty());
  EXPECT_TRUE(flows(6));
  // Only the driver announces, and every file is one that it made.
  const std::string announces = "+publication " +
                                transport::control_channel(producing->options.announce.channel) +
                                " " + std::to_string(producing->options.announce.stream_id);
  EXPECT_EQ(producing->spy->count(announces), 0);
  const std::string control = "+publication " +
                              transport::control_channel(producing->options.control.channel) + " " +
                              std::to_string(producing->options.control.stream_id);
  EXPECT_EQ(producing->spy->count(control), 1);
  EXPECT_EQ(world.files.region_files(), 2 * world.driver->creations);
}

// Proves: CON-44, DRV-15
// The answer comes soon; keepalives and announces come at their own pace.
TEST_F(Leases, AnAttachRequestRingsTheConductorAndAKeepaliveDoesNot) {
  Node& node = world.leasing_node();
  Doorbell& bell = node.conductor->bell();
  ASSERT_TRUE(comes([&] { return node.conductor->connected(); }));
  const auto request = node.request(world.leased_producer());
  const auto commanded = bell.rings();
  producer = world.producer(request);
  ASSERT_TRUE(world.active(*producer));
  EXPECT_NE(bell.rings(), commanded);
  const auto attached = bell.rings();
  world.run_for(5 * sec);
  EXPECT_EQ(bell.rings(), attached);
}

TEST_F(Leases, NoiseOnTheControlStreamIsCountedAndDropped) {
  begin();
  wire::driver::ShmLeaseRevoked notice;
  notice.lease_id = lease(Role::producer);
  notice.stream_id = stream;
  notice.client_id = 7;
  notice.role = Role::producer;
  std::vector<std::byte> bytes(wire::encoded_size(notice));
  ASSERT_TRUE(wire::try_encode(notice, bytes));
  for (std::size_t size = 0; size < wire::driver::ShmLeaseRevoked::smallest_size - 4; ++size)
    world.driver->shout(std::span(bytes).first(size));  // cut short
  std::vector<std::byte> odd = bytes;
  odd[8 + 24] = std::byte{9};  // an undefined role
  world.driver->shout(odd);
  odd = bytes;
  odd[4] = std::byte{0xFF};  // another schema
  world.driver->shout(odd);
  odd = bytes;
  odd[6] = std::byte{2};  // another version
  world.driver->shout(odd);
  world.run_for(sec);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 0);
  EXPECT_EQ(producer->state(), PortState::active);
  EXPECT_TRUE(flows(3));
  world.driver->shout(bytes);  // and so it ends, had it been meant
  EXPECT_TRUE(comes([&] { return producing->told(NoticeKind::lease_lost) == 1; }));
}

TEST_F(Leases, AConsumerOfAStreamWithoutAProducerMapsItAndWaits) {
  consuming = &world.leasing_node();
  consumer = world.consumer(consuming->request(world.consumer_options()));
  ASSERT_TRUE(world.active(*consumer));
  world.run_for(2 * sec);
  EXPECT_EQ(consumer->state(), PortState::active) << "the driver keeps the idle stream fresh";
  producing = &world.leasing_node();
  producer = world.producer(producing->request(world.leased_producer()));
  EXPECT_TRUE(flows(3));
  EXPECT_EQ(consuming->told(NoticeKind::attached), 1) << "a new epoch is no new lease";
}

// Proves: CON-38, CON-39, CON-42, CON-45, DRV-112
TEST_F(Leases, ARevokedProducerIsRefusedAndComesBack) {
  begin();
  EXPECT_TRUE(flows(1));
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {64};
  const auto claim = producer->claim(spec);
  ASSERT_TRUE(claim);
  world.driver->revoke(lease(Role::producer));
  ASSERT_TRUE(comes([&] { return producing->told(NoticeKind::lease_lost) == 1; }));
  EXPECT_EQ(last_end(*producing), LeaseEnd::revoked);
  EXPECT_EQ(producing->text_of(NoticeKind::lease_lost), "by hand");
  EXPECT_EQ(producer->state(), PortState::reattaching);
  EXPECT_EQ(producer->claim(spec).error().code(), Code::reattaching);
  // The claim's memory is there until it is back, whatever became of the lease.
  std::memset(claim->data, 0xAB, claim->size);
  ASSERT_TRUE(world.active(*producer));
  std::memset(claim->data, 0xAB, claim->size);
  EXPECT_EQ(producer->commit(*claim, {}).error().code(), Code::lease_ended);
  EXPECT_TRUE(flows(2));
  EXPECT_EQ(producing->told(NoticeKind::attached), 2);
}

TEST_F(Leases, AViewOfARevokedConsumerEndsAndItComesBack) {
  begin();
  EXPECT_TRUE(flows(1));
  Polled polled;
  OpenFrame* view = nullptr;
  ASSERT_TRUE(comes([&] {
    (void)send(*producer, 9);
    world.step();
    return (view = consumer->next(polled)) != nullptr;
  }));
  world.driver->revoke(lease(Role::consumer));
  ASSERT_TRUE(comes([&] { return consuming->told(NoticeKind::lease_lost) == 1; }));
  world.run_for(10 * ms);
  EXPECT_EQ(static_cast<int>(*view->payload), 9) << "still mapped, until it is given back";
  EXPECT_EQ(consumer->finish(TestConsumer::Visit::unproved), Outcome::ended);
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_TRUE(flows(2));
  EXPECT_EQ(consuming->told(NoticeKind::attached), 2);
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 0);
}

// Proves: DRV-113
TEST_F(Leases, TheConsumersLeaseOutlivesItsProducer) {
  begin();
  EXPECT_TRUE(flows(1));
  const std::uint64_t held = lease(Role::consumer);
  producer->close();
  ASSERT_TRUE(comes([&] { return lease(Role::producer) == 0; }));
  EXPECT_EQ(world.driver->detaches, 1);
  producer = world.producer(world.leasing_node().request(world.leased_producer()));
  EXPECT_TRUE(flows(2));
  EXPECT_EQ(lease(Role::consumer), held);
  EXPECT_EQ(consuming->told(NoticeKind::attached), 1);
  EXPECT_EQ(consuming->told(NoticeKind::lease_lost), 0);
}

TEST_F(Leases, ADriverThatIsKilledIsNoticedAndItsSuccessorAttachedTo) {
  begin();
  EXPECT_TRUE(flows(1));
  world.kill_driver();
  ASSERT_TRUE(comes([&] {
    return producer->state() == PortState::reattaching &&
           consumer->state() == PortState::reattaching;
  }));
  world.run_for(sec);
  world.start_driver();
  ASSERT_TRUE(world.active(*producer));
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_TRUE(flows(2));
  EXPECT_EQ(producing->told(NoticeKind::lease_lost), 1);
  EXPECT_EQ(consuming->told(NoticeKind::lease_lost), 1);
}

TEST_F(Leases, ADriverThatIsReplacedAtOnceIsNoticedToo) {
  begin();
  EXPECT_TRUE(flows(1));
  world.kill_driver();
  world.start_driver();
  ASSERT_TRUE(comes([&] {
    return producing->told(NoticeKind::attached) == 2 && consuming->told(NoticeKind::attached) == 2;
  }));
  EXPECT_TRUE(flows(2));
  EXPECT_EQ(world.driver->core().leases().size(), 2U);
}

// Proves: DRV-212
TEST_F(Leases, AShutdownShowsAndTheNextDriverIsAttachedTo) {
  begin();
  world.driver->terminate();
  ASSERT_TRUE(comes([&] { return producer->state() == PortState::shutdown; }));
  EXPECT_EQ(producer->claim({.dtype = DType::u8, .shape = {1}}).error().code(), Code::shutdown);
  EXPECT_EQ(last_end(*producing), LeaseEnd::shutdown);
  EXPECT_EQ(last_end(*consuming), LeaseEnd::shutdown);
  world.kill_driver();
  world.start_driver();
  ASSERT_TRUE(world.active(*producer));
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_TRUE(flows(2));
}

// The whole process is stopped, and when it goes on its ports are called before its conductor runs.
TEST_F(Leases, AProcessThatWasStoppedPastItsLeaseWritesAndReadsNothing) {
  begin();
  EXPECT_TRUE(flows(1));
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {64};
  const base::Nanos deadline = producer->cell().lease_deadline.load();
  EXPECT_GT(deadline, world.clock.monotonic_ns());
  EXPECT_LE(deadline, world.clock.monotonic_ns() + 300 * ms);
  ASSERT_TRUE(send(*producer, 7));  // waits for the consumer, which is stopped as well
  const auto claim = producer->claim(spec);
  ASSERT_TRUE(claim);
  const auto held = send(*producer, 8);  // behind the open claim
  ASSERT_TRUE(held);
  EXPECT_EQ(held->told, Told::held);
  auto one = std::move(producing->conductor);
  auto other = std::move(consuming->conductor);
  world.run_for(sec);
  EXPECT_EQ(lease(Role::producer), 0U) << "the driver counted it out";

  const std::uint64_t published = producer->cell().producer.published.get();
  EXPECT_EQ(producer->commit(*claim, {}).error().code(), Code::lease_ended);
  EXPECT_EQ(producer->claim(spec).error().code(), Code::reattaching);
  EXPECT_EQ(producer->cell().producer.published.get(), published);
  const Polled polled = consumer->poll([](OpenFrame&) {
    ADD_FAILURE() << "a frame was handed out after the lease";
    return TestConsumer::Visit::unproved;
  });
  EXPECT_EQ(polled.work(), 0);
  EXPECT_EQ(polled.state, PortState::reattaching);

  producing->conductor = std::move(one);
  consuming->conductor = std::move(other);
  ASSERT_TRUE(comes([&] { return producing->told(NoticeKind::lease_lost) == 1; }));
  ASSERT_TRUE(comes([&] { return consuming->told(NoticeKind::lease_lost) == 1; }));
  EXPECT_TRUE(flows(2));
}

TEST_F(Leases, ASecondProducerIsToldWhyAndTakesOver) {
  begin();
  Node& second = world.leasing_node();
  ProducerOptions options = world.leased_producer();
  options.producer_id = 8;
  const auto request = second.request(options);
  ASSERT_TRUE(comes([&] { return second.told(NoticeKind::attach_failed) == 1; }));
  EXPECT_NE(second.text_of(NoticeKind::attach_failed).find("producer already attached"),
            std::string::npos);
  world.run_for(sec);
  EXPECT_EQ(second.told(NoticeKind::attach_failed), 1) << "once per reason";
  EXPECT_EQ(request->state(), Request::State::pending);
  producer->close();
  producer = world.producer(request);
  EXPECT_TRUE(flows(4));
}

TEST_F(Leases, WithoutReattachARefusalFailsTheRequestAndALossClosesThePort) {
  ClientOptions options = world.driver_options();
  options.reattach = false;
  Node& node = world.node(options);
  ConsumerOptions unknown = world.consumer_options();
  unknown.stream = 4;
  const auto refused = node.request(unknown);
  world.driver->no_regions = true;
  const auto failing = node.request(world.leased_producer());
  ASSERT_TRUE(comes([&] { return failing->state() == Request::State::failed; }));
  EXPECT_EQ(failing->error().code(), Code::rejected);
  EXPECT_NE(failing->error().message().find("failed to provision SHM"), std::string::npos);
  (void)refused;
  world.driver->no_regions = false;
  producer = world.producer(node.request(world.leased_producer()));
  world.driver->revoke(lease(Role::producer));
  ASSERT_TRUE(comes([&] { return producer->state() == PortState::closed; }));
  EXPECT_EQ(producer->claim({.dtype = DType::u8, .shape = {1}}).error().code(), Code::lease_ended);
  world.run_for(sec);
  EXPECT_EQ(node.told(NoticeKind::attached), 1);
}

// Mapped, and lost before there was a port that could have used it: nothing stays behind, however often that happens.
TEST_F(Leases, ARequestThatFailsBehindItsMappingLeavesRoomForOthers) {
  ClientOptions options = world.driver_options();
  options.reattach = false;
  Node& node = world.node(options);
  node.spy->refuse = "subscription " + options.descriptor.channel + " " +
                     std::to_string(options.descriptor.stream_id);
  const auto all = base::limits::ports_per_client;
  for (std::size_t i = 0; i < all; ++i) {
    const auto request = node.request(world.consumer_options());
    ASSERT_TRUE(comes([&] { return node.told(NoticeKind::mapped) == static_cast<int>(i + 1); }))
        << i << heard(node);
    world.driver->revoke(lease(Role::consumer));
    ASSERT_TRUE(comes([&] { return request->state() != Request::State::pending; })) << i;
    ASSERT_EQ(request->state(), Request::State::failed) << i;
    ASSERT_NE(request->error().code(), Code::limit_exceeded) << i;
    world.run_for(200 * ms);  // its node id rests
  }
  node.spy->refuse.clear();
  const auto request = node.request(world.consumer_options());
  ASSERT_TRUE(comes([&] { return request->state() != Request::State::pending; }));
  EXPECT_EQ(request->state(), Request::State::complete) << request->error().message();
}

// Proves: DRV-79, DRV-80, DRV-145
TEST_F(Leases, RegionsOutsideWhatMayBeMappedAreNotMapped) {
  world.driver->spoil = [](wire::driver::ShmAttachResponse& response) {
    if (response.code == wire::ResponseCode::ok)
      response.header_region_uri = "shm:file?path=/dev/null";
  };
  producing = &world.leasing_node();
  const auto request = producing->request(world.leased_producer());
  ASSERT_TRUE(comes([&] { return producing->told(NoticeKind::lease_lost) >= 2; }));
  EXPECT_EQ(last_end(*producing), LeaseEnd::unmappable);
  EXPECT_EQ(request->state(), Request::State::pending);
  EXPECT_GE(world.driver->detaches, 2);
  world.driver->spoil = nullptr;
  producer = world.producer(request);
  EXPECT_TRUE(world.active(*producer));
}

// Proves: CON-32
TEST_F(Leases, ClosingTheClientGivesItsLeasesBack) {
  begin();
  EXPECT_TRUE(producing->conductor->close());
  EXPECT_TRUE(consuming->conductor->close());
  EXPECT_EQ(producer->state(), PortState::closed);
  EXPECT_EQ(consumer->state(), PortState::closed);
  producing->conductor->do_work();
  world.run_for(20 * ms);
  EXPECT_EQ(world.driver->detaches, 2);
  EXPECT_EQ(world.driver->core().leases().size(), 0U);
}

TEST_F(Leases, WithoutADriverAnAttachFailsAndGoesOn) {
  world.kill_driver();
  ClientOptions options = world.driver_options();
  options.attach_timeout_ns = 500 * ms;
  producing = &world.node(options);
  const auto request = producing->request(world.leased_producer());
  ASSERT_TRUE(comes([&] { return producing->told(NoticeKind::attach_failed) == 1; }));
  EXPECT_NE(producing->text_of(NoticeKind::attach_failed).find("no driver answered"),
            std::string::npos);
  world.start_driver();
  producer = world.producer(request);
  EXPECT_TRUE(world.active(*producer));
}

}  // namespace
}  // namespace tensorpool::agents::test
