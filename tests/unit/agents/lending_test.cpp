// What is lent stays until it is back: no remap, loss or close takes memory away from a reader.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "unit/agents/support.hpp"

namespace tensorpool::agents::test {
namespace {

// Is the page of this address mapped into this process?
bool mapped(const void* address) {
  const auto page = reinterpret_cast<std::uintptr_t>(address) & ~std::uintptr_t{4095};
  unsigned char resident = 0;
  return ::mincore(reinterpret_cast<void*>(page), 4096, &resident) == 0;
}

TEST(Lending, KeepsAMappingForAsLongAsAViewUsesIt) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& first = world.node();
  Node& in = world.node();
  auto producer = world.producer(first);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*producer, 1));
  world.step();
  Polled polled;
  OpenFrame* frame = consumer->next(polled);
  ASSERT_NE(frame, nullptr);
  const std::byte* payload = frame->payload;
  const std::uint64_t old_epoch = consumer->cell().consumer.epoch.get();

  // A new epoch; the consumer adopts it with the view still open.
  producer.reset();
  first.conductor.reset();
  const auto again = world.producer(world.node());
  ASSERT_TRUE(world.run_until([&] {
    (void)consumer->state();
    return consumer->cell().consumer.epoch.get() > old_epoch;
  }));
  world.run_for(2 * sec);
  EXPECT_TRUE(mapped(payload));
  EXPECT_EQ(*payload, std::byte{1});
  EXPECT_EQ(consumer->finish(TestConsumer::Visit::unproved), Outcome::ended);
  EXPECT_TRUE(world.run_until([&] { return !mapped(payload); }));
}

TEST(Lending, KeepsAMappingForAsLongAsAClaimUsesIt) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  auto producer = world.producer(node);
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {256};
  const auto claim = producer->claim(spec);
  ASSERT_TRUE(claim);
  producer->close();
  world.run_for(sec);
  EXPECT_EQ(world.files.region_files(), 0);  // removed by name
  EXPECT_TRUE(mapped(claim->data));          // and still there
  std::memset(claim->data, 1, claim->size);
  const auto late = producer->commit(*claim, {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::closed);
  EXPECT_TRUE(world.run_until([&] { return !mapped(claim->data); }));
}

// A port that sleeps through two epochs holds the oldest only; what lay between is gone.
TEST(Lending, HoldsNothingForASleepingPortButWhatItKnows) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& in = world.node();
  const auto consumer = world.consumer(in);
  std::vector<Owned<TestProducer>> producers;
  Node* out = &world.node();
  producers.push_back(world.producer(*out));
  ASSERT_TRUE(world.active(*consumer));
  for (int i = 2; i <= 4; ++i) {
    producers.back().reset();
    out->conductor.reset();
    out = &world.node();
    producers.push_back(world.producer(*out));
    ASSERT_TRUE(world.run_until([&] { return in.told(NoticeKind::mapped) == i; }));
  }
  const std::uint64_t before = consumer->cell().consumer.epoch.get();
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_GT(consumer->cell().consumer.epoch.get(), before);
  EXPECT_EQ(consumer->cell().consumer.sessions.get(), 2U);
  ASSERT_TRUE(send(*producers.back(), 3));
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{3});
}

TEST(Lending, ReplacesAPublicationThatFailedUnderItsPort) {
  sim::NetworkOptions network;
  network.max_position = 4096;  // of every publication's life
  World world(network);
  world.network.start_media_driver(world.aeron_dir);
  ClientOptions options = world.client_options();
  options.announce_period_ns = 20 * sec;  // few control messages, so that only descriptors meet it
  Node& node = world.node(options);
  auto wanted = world.producer_options();
  wanted.qos_interval_ns = 20 * sec;
  const auto producer = world.producer(node.request(wanted));
  auto reading = world.consumer_options();
  reading.hello_interval_ns = reading.qos_interval_ns = 20 * sec;
  const auto consumer = world.consumer(node.request(reading));
  ASSERT_TRUE(world.run_until([&] { return consumer->state() == PortState::active; }, 60 * sec));
  int links_down = 0;
  int told = 0;
  for (int i = 0; i < 200; ++i) {
    const auto sent = send(*producer, 1);
    if (sent && sent->told == Told::link_down) ++links_down;
    if (sent && sent->told == Told::consumers) ++told;
    world.run_for(5 * ms);
    (void)receive(*consumer);
  }
  EXPECT_GT(links_down, 0);
  EXPECT_GT(told, 100);
  EXPECT_GT(node.spy->count("-publication 1100"), 0);
}

}  // namespace
}  // namespace tensorpool::agents::test
