// A stream in direct mode: create, announce, map, lend, new epochs, foreign messages.
#include <gtest/gtest.h>

#include <fstream>

#include "shm/map.hpp"
#include "shm/uri.hpp"
#include "unit/agents/support.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents::test {
namespace {

// Hears and says what it wants on the control streams.
class Peer {
 public:
  explicit Peer(World& world) : world_(world), transport_(world.network.make_transport()) {
    transport::ConnectOptions options;
    options.directory = world.aeron_dir;
    auto made = transport_->connect(options);
    EXPECT_TRUE(made);
    connection_ = std::move(*made);
    announces_ = finish(connection_->add_subscription("aeron:ipc", 1001, never(), nullptr));
    announce_out_ = finish(connection_->add_publication("aeron:ipc", 1001, never()));
    qos_ = finish(connection_->add_subscription("aeron:ipc", 1200, never(), nullptr));
    control_ = finish(connection_->add_subscription("aeron:ipc", 1000, never(), nullptr));
  }

  std::vector<wire::ShmPoolAnnounce> announces() {
    std::vector<wire::ShmPoolAnnounce> all;
    take<wire::ShmPoolAnnounce>(*announces_, [&](const auto& m) { all.push_back(m); });
    return all;
  }
  template <class M>
  int count_qos() {
    int count = 0;
    take<M>(*qos_, [&](const auto&) { ++count; });
    return count;
  }
  int hellos() {
    int count = 0;
    take<wire::ConsumerHello>(*control_, [&](const auto&) { ++count; });
    return count;
  }
  void send(std::span<const std::byte> message) { EXPECT_GT(announce_out_->offer(message), 0); }
  template <class M>
  void send_message(const M& message) {
    std::vector<std::byte> bytes(wire::encoded_size(message));
    ASSERT_TRUE(wire::try_encode(message, bytes));
    send(bytes);
  }

 private:
  base::Nanos never() const { return world_.network.now() + 1000 * sec; }
  template <class T>
  std::unique_ptr<T> finish(Result<std::unique_ptr<transport::Add<T>>> add) {
    EXPECT_TRUE(add);
    for (int i = 0; i < 100; ++i) {
      auto polled = (*add)->poll();
      if (!polled || *polled != nullptr) return polled ? std::move(*polled) : nullptr;
      world_.network.advance(ms);
    }
    return nullptr;
  }
  template <class M, class F>
  void take(transport::Subscription& from, F&& each) {
    while (from.poll_assembled(
               [&](const transport::Fragment& m) {
                 if (const auto message = wire::try_decode<M>(m.data)) each(*message);
               },
               10) > 0) {
    }
  }

  World& world_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::unique_ptr<transport::Subscription> announces_, qos_, control_;
  std::unique_ptr<transport::Publication> announce_out_;
};

// Proves: CON-47
TEST(DirectStream, GoesFromConnectingOverMappedToActive) {
  World world;
  Node& out = world.node();
  Node& in = world.node();
  const auto subscriber = in.request(world.consumer_options());
  const auto request = out.request(world.producer_options());
  world.run_for(sec);
  // Mapped: the regions are there, the descriptor stream is not, so nothing can be claimed.
  EXPECT_EQ(world.files.region_files(), 2);
  EXPECT_EQ(out.told(NoticeKind::mapped), 1);
  EXPECT_EQ(request->state(), Request::State::pending);
  EXPECT_EQ(subscriber->state(), Request::State::pending);

  world.network.start_media_driver(world.aeron_dir);
  const auto consumer = world.consumer(subscriber);
  const auto producer = world.producer(request);
  EXPECT_TRUE(world.active(*producer));
  EXPECT_TRUE(world.active(*consumer));
  EXPECT_EQ(in.told(NoticeKind::mapped), 1);
}

// Proves: CON-48
TEST(DirectStream, IsCreatedAnnouncedKeptAliveAndOfAHigherEpochWithEachStart) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Peer peer(world);
  std::uint64_t last_epoch = 0;
  for (int start = 0; start < 3; ++start) {
    Node& node = world.node();
    auto options = world.producer_options();
    options.remove_on_close = false;
    auto producer = world.producer(node.request(options));
    ASSERT_TRUE(world.active(*producer));
    world.run_for(300 * ms);
    const auto announces = peer.announces();
    ASSERT_GE(announces.size(), 2U);
    const wire::ShmPoolAnnounce& announce = announces.back();
    EXPECT_EQ(announce.stream_id, stream);
    EXPECT_EQ(announce.producer_id, 7U);
    EXPECT_EQ(announce.header_nslots, 8U);
    ASSERT_EQ(announce.payload_pools.size(), 1U);
    EXPECT_EQ(announce.payload_pools[0].stride_bytes, 256U);
    EXPECT_GT(announce.epoch, last_epoch);
    // The canonical place.
    const std::string tail = "/" + std::to_string(stream) + "/" + std::to_string(announce.epoch);
    EXPECT_NE(announce.header_region_uri.find("/default" + tail + "/header.ring"),
              std::string::npos)
        << announce.header_region_uri;
    EXPECT_NE(announce.payload_pools[0].region_uri.find(tail + "/1.pool"), std::string::npos);

    // A reader of its own finds the regions complete and their activity moving.
    shm::MapPolicy::Settings settings;
    settings.allowed_base_dirs = {world.files.path()};
    const auto policy = shm::MapPolicy::make(world.file_system, settings);
    ASSERT_TRUE(policy);
    shm::StreamRegions regions;
    regions.layout.stream_id = stream;
    regions.layout.epoch = announce.epoch;
    regions.layout.nslots = 8;
    regions.layout.pools = {{1, 256}};
    regions.header_uri = announce.header_region_uri;
    regions.pool_uris = {announce.payload_pools[0].region_uri};
    const auto mapped = shm::map_stream(world.file_system, *policy, regions);
    ASSERT_TRUE(mapped) << mapped.error().message();
    const std::uint64_t before = mapped->activity_ns();
    world.run_for(300 * ms);
    EXPECT_GE(mapped->activity_ns(), before + 200U * static_cast<std::uint64_t>(ms));

    last_epoch = announce.epoch;
    producer.reset();
    node.conductor.reset();
    (void)peer.announces();
  }
}

TEST(DirectStream, CarriesFramesInPlace) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  Node& in = world.node();
  const auto producer = world.producer(out);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(send(*producer, static_cast<std::uint8_t>(i)));
    world.step();
    EXPECT_EQ(receive(*consumer), std::vector<int>{i});
  }
}

// A consumer that joins between two announces waits for the next one.
TEST(DirectStream, IsFoundByALateConsumer) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  const auto producer = world.producer(out);
  world.run_for(3 * sec);
  Node& in = world.node();
  const auto consumer = world.consumer(in);
  const base::Nanos asked = world.network.now();
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_LE(world.network.now() - asked, 300 * ms);
  // A second consumer of a client that hears announces already.
  const auto second = world.consumer(in);
  ASSERT_TRUE(world.active(*second));
}

// Producers that died one soon after the other: their epochs are too young when the next one starts,
// and go when they have been silent for long enough.
// Proves: SHM-269, SHM-270
TEST(DirectStream, CollectsWhatWasTooYoungAtItsStart) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  auto options = world.producer_options();
  options.remove_on_close = false;
  for (int death = 0; death < 3; ++death) {
    Node& node = world.node();
    (void)world.producer(node.request(options));
    node.conductor.reset();
  }
  const auto living = world.producer(world.node());
  EXPECT_EQ(world.files.region_files(), 8);
  world.run_for(sec);
  EXPECT_EQ(world.files.region_files(), 4);  // its own epoch and one older
}

// Of this client and of another one of the process alike; tests/fault does the same with processes.
// Proves: STR-1
TEST(DirectStream, HasOneProducerAtATime) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  auto producer = world.producer(node);
  ASSERT_TRUE(world.active(*producer));
  Node& other = world.node();
  for (Node* at : {&node, &other}) {
    const auto refused = at->request(world.producer_options());
    ASSERT_TRUE(world.run_until([&] { return refused->state() == Request::State::failed; }));
    EXPECT_EQ(refused->error().code(), Code::stream_in_use) << refused->error().message();
    EXPECT_NE(at->text_of(NoticeKind::error).find("producer.lock"), std::string::npos);
  }
  EXPECT_EQ(world.files.region_files(), 2);
  // Another namespace is another directory.
  auto elsewhere = world.producer_options();
  elsewhere.namespace_name = "elsewhere";
  (void)world.producer(other.request(elsewhere));
  ASSERT_TRUE(send(*producer, 1));
  producer.reset();
  world.run_for(100 * ms);
  const auto next = world.producer(other);
  EXPECT_TRUE(world.active(*next));
}

// Proves: CON-4
TEST(DirectStream, MapsWhatIsAnnouncedAndNothingElse) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  // Two producers of the same stream id with the same layout: the second in a folder that the
  // consumer may map, announced on another stream of announces.
  const auto producer = world.producer(out);
  TempDir elsewhere;
  ClientOptions unheard = world.client_options();
  unheard.announce.stream_id = 2001;
  auto same = world.producer_options();
  same.base_dir = elsewhere.path();
  const auto decoy = world.producer(world.node(unheard).request(same));
  ClientOptions strict = world.client_options();
  strict.allowed_base_dirs = {elsewhere.path()};
  Node& in = world.node(strict);
  const auto consumer = world.consumer(in);
  world.run_for(2 * sec);
  EXPECT_EQ(consumer->state(), PortState::connecting);
  EXPECT_EQ(in.told(NoticeKind::announce_rejected), 1);
  EXPECT_NE(in.text_of(NoticeKind::announce_rejected).find(world.files.path()), std::string::npos)
      << in.text_of(NoticeKind::announce_rejected);
}

TEST(DirectStream, MovesToANewEpochWhenItsProducerStartsAgain) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& first = world.node();
  Node& in = world.node();
  auto producer = world.producer(first);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*producer, 1));
  world.step();
  ASSERT_EQ(receive(*consumer), std::vector<int>{1});
  const std::uint64_t old_epoch = consumer->cell().consumer.epoch.get();

  producer.reset();
  first.conductor.reset();
  auto again = world.producer(world.node());
  EXPECT_TRUE(world.run_until([&] {
    (void)consumer->state();
    return consumer->cell().consumer.epoch.get() > old_epoch;
  }));
  EXPECT_TRUE(world.active(*consumer));
  EXPECT_EQ(in.told(NoticeKind::mapped), 2);
  EXPECT_EQ(in.told(NoticeKind::unmapped), 1);
  ASSERT_TRUE(send(*again, 2));  // its sequence begins anew
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{2});
  EXPECT_EQ(consumer->cell().consumer.sessions.get(), 2U);
}

// The producer's process dies without a word: the consumer notices by the activity.
TEST(DirectStream, IsLetGoWhenItsWriterGivesNoSignOfLife) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  Node& in = world.node();
  const auto producer = world.producer(out);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  const auto dead = std::move(out.conductor);  // never stepped again
  world.run_for(400 * ms);
  EXPECT_EQ(consumer->state(), PortState::active);
  EXPECT_TRUE(
      world.run_until([&] { return consumer->state() == PortState::reattaching; }, 2 * sec));
  EXPECT_EQ(in.text_of(NoticeKind::unmapped), "the writer gives no sign of life");
}

TEST(DirectStream, IgnoresWhatIsNotForIt) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  Node& in = world.node();
  const auto producer = world.producer(out);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  Peer peer(world);
  // Noise, a message of another kind, a cut announce, an announce of another stream.
  peer.send(std::vector<std::byte>(3, std::byte{0xFF}));
  peer.send(std::vector<std::byte>(200, std::byte{0x5A}));
  wire::ConsumerHello hello;
  hello.stream_id = stream;
  hello.consumer_id = 1;
  peer.send_message(hello);
  wire::ShmPoolAnnounce announce;
  announce.stream_id = stream + 9;
  announce.producer_id = 1;
  announce.epoch = 1;
  announce.layout_version = 1;
  announce.header_nslots = 8;
  announce.header_slot_bytes = 256;
  announce.header_region_uri = "shm:file?path=/dev/shm/none";
  announce.payload_pools = {{1, 8, 256, "shm:file?path=/dev/shm/none"}};
  announce.announce_clock_domain = ClockDomain::monotonic;
  announce.announce_timestamp_ns = static_cast<std::uint64_t>(world.network.now());
  peer.send_message(announce);
  std::vector<std::byte> cut(wire::encoded_size(announce));
  ASSERT_TRUE(wire::try_encode(announce, cut));
  cut.resize(cut.size() - 5);
  peer.send(cut);
  world.run_for(sec);
  EXPECT_EQ(consumer->state(), PortState::active);
  EXPECT_EQ(in.told(NoticeKind::mapped), 1);
  EXPECT_EQ(in.told(NoticeKind::unmapped), 0);
  EXPECT_EQ(in.told(NoticeKind::announce_rejected), 0);
  ASSERT_TRUE(send(*producer, 4));
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{4});
}

TEST(DirectStream, SpeaksOfItselfAtItsIntervals) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Peer peer(world);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  (void)peer.announces();
  (void)peer.hellos();
  world.run_for(2 * sec);
  const auto announces = peer.announces().size();  // every 100 ms
  EXPECT_GE(announces, 18U);
  EXPECT_LE(announces, 22U);
  const int hellos = peer.hellos();  // every 200 ms
  EXPECT_GE(hellos, 8);
  EXPECT_LE(hellos, 12);
  EXPECT_GE(peer.count_qos<wire::QosProducer>(), 8);
}

// Proves: CON-5
TEST(DirectStream, SharesOneSubscriptionWhereAnnounceAndControlAreOneEndpoint) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  ClientOptions one = world.client_options();
  one.announce = one.control;
  Node& out = world.node(one);
  Node& in = world.node(one);
  const auto producer = world.producer(out);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_EQ(in.spy->count("+subscription aeron:ipc?term-length=4m 1000"), 1);
  EXPECT_EQ(in.spy->count("+subscription"), 2);  // and its descriptors

  Node& apart = world.node();
  const auto other = world.consumer(apart);
  world.run_for(sec);
  EXPECT_EQ(apart.spy->count("+subscription aeron:ipc?term-length=4m 1000"), 1);
  EXPECT_EQ(apart.spy->count("+subscription aeron:ipc?term-length=4m 1001"), 1);
  EXPECT_EQ(apart.spy->count("+subscription"), 3);
}

// Proves: CON-19
TEST(DirectStream, AddsItsLinksWhereItIsToldAndClosesThem) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  ClientOptions options = world.client_options();
  options.descriptor = {"aeron:ipc?alias=frames", 77};
  Node& node = world.node(options);
  auto producer = world.producer(node);
  auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_EQ(node.spy->count("+publication aeron:ipc?alias=frames"), 1);
  EXPECT_EQ(node.spy->count("+subscription aeron:ipc?alias=frames 77"), 1);
  producer->close();
  EXPECT_TRUE(world.run_until([&] { return node.spy->count("-publication 77") == 1; }));
  EXPECT_EQ(node.spy->count("-subscription 77"), 0);
  EXPECT_EQ(world.files.region_files(), 0);
  consumer->close();
  EXPECT_TRUE(world.run_until([&] { return node.spy->count("-subscription 77") == 1; }));
}

}  // namespace
}  // namespace tensorpool::agents::test
