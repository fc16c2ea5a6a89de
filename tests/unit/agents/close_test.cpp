// Ends: of a port, of a client with its ports, and where notices come from.
#include <gtest/gtest.h>

#include "unit/agents/support.hpp"

namespace tensorpool::agents::test {
namespace {

// Proves: CON-24
TEST(Closing, EndsPendingRequestsWithClosed) {
  World world;  // no media driver: nothing completes
  Node& node = world.node();
  const auto taken = node.request(world.producer_options());
  world.run_for(sec);
  const auto queued = node.request(world.producer_options());
  ASSERT_TRUE(node.conductor->close());
  for (const auto& request : {taken, queued}) {
    ASSERT_EQ(request->state(), Request::State::failed);
    EXPECT_EQ(request->error().code(), Code::closed);
  }
  node.conductor.reset();
  EXPECT_EQ(taken->error().code(), Code::closed);  // still safe to look at
  EXPECT_EQ(world.files.region_files(), 0);
}

TEST(Closing, TellsPortsAndWaitsForNobody) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {64};
  const auto claim = producer->claim(spec);
  ASSERT_TRUE(claim);
  ASSERT_TRUE(node.conductor->close());
  EXPECT_EQ(producer->state(), PortState::closed);
  EXPECT_EQ(consumer->state(), PortState::closed);
  const auto late = producer->commit(*claim, {});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::closed);
  const auto refused = producer->claim(spec);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::closed);
  Polled polled = consumer->poll([](OpenFrame&) { return TestConsumer::Visit::unproved; });
  EXPECT_EQ(polled.state, PortState::closed);
  EXPECT_EQ(polled.work(), 0);
  EXPECT_EQ(world.files.region_files(), 0);
  ASSERT_TRUE(node.conductor->close());  // idempotent
}

// Links go before their connection, and what ports hold goes when they let go of it.
// Proves: CON-32
TEST(Closing, GoesFromPortsOverLinksToTheConnection) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  auto producer = world.producer(node);
  auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  ASSERT_TRUE(world.active(*producer));
  const auto& spy = *node.spy;
  ASSERT_TRUE(node.conductor->close());
  EXPECT_EQ(spy.find("-connection"), -1);  // lent
  EXPECT_EQ(spy.find("-publication 1100"), -1);
  EXPECT_EQ(spy.find("-subscription 1100"), -1);
  producer->close();
  consumer->close();
  producer.reset();
  consumer.reset();
  node.conductor.reset();
  EXPECT_EQ(spy.count("-connection"), 1);
  EXPECT_EQ(spy.count("-publication"), spy.count("+publication"));
  EXPECT_EQ(spy.count("-subscription"), spy.count("+subscription"));
  EXPECT_EQ(spy.log.back(), "-connection");
}

TEST(Closing, OfAPortDetachesIt) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  producer->close();
  consumer->close();
  consumer->close();
  EXPECT_EQ(consumer->state(), PortState::closed);
  world.run_for(sec);
  EXPECT_EQ(world.files.region_files(), 0);
  EXPECT_EQ(node.spy->count("-publication 1100"), 1);
  EXPECT_EQ(node.spy->count("-subscription 1100"), 1);
  EXPECT_TRUE(node.conductor->connected());
}

TEST(Closing, KeepsTheFilesWhereTheyAreToStay) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  auto options = world.producer_options();
  options.remove_on_close = false;
  const auto producer = world.producer(node.request(options));
  producer->close();
  world.run_for(sec);
  EXPECT_EQ(world.files.region_files(), 2);
}

// Everything that an application is told in a whole life, the losses and the end included.
// Proves: CON-33
TEST(Closing, NotifiesOnlyInsideTheDutyCycle) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  Node& in = world.node();
  const auto producer = world.producer(out);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  world.network.kill_media_driver(world.aeron_dir);
  world.network.start_media_driver(world.aeron_dir);
  ASSERT_TRUE(world.run_until([&] { return out.told(NoticeKind::connected) == 2; }));
  // What closing cannot remove is an error of close() and no notice.
  const std::string epoch = out.text_of(NoticeKind::mapped);
  ASSERT_TRUE(std::filesystem::exists(epoch)) << epoch;
  std::filesystem::rename(epoch, world.files.path() + "/moved");
  std::filesystem::create_symlink(world.files.path() + "/moved", epoch);
  const auto closed = out.conductor->close();
  EXPECT_FALSE(closed);
  EXPECT_EQ(producer->state(), PortState::closed);
  ASSERT_TRUE(in.conductor->close());
  EXPECT_GT(out.notices.size(), 3U);
  EXPECT_EQ(out.notices_outside, 0);
  EXPECT_EQ(in.notices_outside, 0);
}

}  // namespace
}  // namespace tensorpool::agents::test
