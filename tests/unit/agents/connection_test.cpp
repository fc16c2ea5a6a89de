// The media driver comes, dies, is replaced, and refuses.
#include <gtest/gtest.h>

#include "unit/agents/support.hpp"

namespace tensorpool::agents::test {
namespace {

TEST(Connection, IsMadeWhenTheMediaDriverComes) {
  World world;
  Node& node = world.node();
  const auto producer = node.request(world.producer_options());
  const auto subscriber = node.request(world.consumer_options());
  world.run_for(3 * sec);
  EXPECT_FALSE(node.conductor->connected());
  EXPECT_EQ(producer->state(), Request::State::pending);  // its regions are there, its link is not
  EXPECT_EQ(world.files.region_files(), 2);
  EXPECT_EQ(subscriber->state(), Request::State::pending);
  EXPECT_EQ(node.told(NoticeKind::error), 0);  // nothing went wrong

  world.network.start_media_driver(world.aeron_dir);
  const auto port = world.producer(producer);
  const auto consumer = world.consumer(subscriber);
  EXPECT_TRUE(node.conductor->connected());
  EXPECT_EQ(node.text_of(NoticeKind::connected), world.aeron_dir);
  EXPECT_TRUE(world.active(*port));
  EXPECT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*port, 1));
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{1});
}

TEST(Connection, SurvivesAReplacedMediaDriver) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  Node& in = world.node();
  const auto producer = world.producer(out);
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*producer, 1));
  world.step();
  ASSERT_EQ(receive(*consumer), std::vector<int>{1});

  world.network.kill_media_driver(world.aeron_dir);
  world.network.start_media_driver(world.aeron_dir);
  EXPECT_TRUE(world.run_until(
      [&] { return out.told(NoticeKind::connected) == 2 && in.told(NoticeKind::connected) == 2; }));
  EXPECT_EQ(out.text_of(NoticeKind::connection_lost), "the media driver was replaced");
  EXPECT_TRUE(world.active(*producer));
  EXPECT_TRUE(world.active(*consumer));
  // The regions stayed, so sequence numbers go on and nothing is mapped anew.
  EXPECT_EQ(out.told(NoticeKind::mapped), 1);
  EXPECT_EQ(in.told(NoticeKind::mapped), 1);
  EXPECT_EQ(in.told(NoticeKind::unmapped), 0);
  const auto sent = send(*producer, 2);
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_EQ(sent->seq, 1U);
  EXPECT_EQ(sent->told, Told::consumers);
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{2});
  EXPECT_EQ(consumer->cell().consumer.epoch.get(), producer->cell().producer.epoch.get());
  // The old life's links are gone, the new one's are there.
  EXPECT_TRUE(world.run_until([&] { return out.spy->count("-connection") == 1; }));
  EXPECT_TRUE(world.run_until([&] { return in.spy->count("-connection") == 1; }));
}

TEST(Connection, LeavesPortsAtRestWhileNoMediaDriverLives) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  world.network.kill_media_driver(world.aeron_dir);
  EXPECT_TRUE(world.run_until([&] { return producer->state() == PortState::reattaching; }));
  EXPECT_TRUE(world.run_until([&] { return consumer->state() == PortState::reattaching; }));
  EXPECT_FALSE(node.conductor->connected());
  const auto refused = send(*producer, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::reattaching);
  EXPECT_EQ(node.text_of(NoticeKind::connection_lost),
            "the media driver died or dropped this client");
  // The regions outlive it; who comes back finds the stream alive (the producer refreshes it).
  world.run_for(3 * sec);
  EXPECT_EQ(world.files.region_files(), 2);
  EXPECT_EQ(node.told(NoticeKind::unmapped), 0);
  world.network.start_media_driver(world.aeron_dir);
  EXPECT_TRUE(world.active(*producer));
  EXPECT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*producer, 5));
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{5});
}

// A claim that was open when the connection went is committed under the next one.
TEST(Connection, KeepsOpenClaimsAcrossALossOfTheMediaDriver) {
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
  std::memset(claim->data, 9, claim->size);
  world.network.kill_media_driver(world.aeron_dir);
  world.network.start_media_driver(world.aeron_dir);
  EXPECT_TRUE(world.run_until([&] { return node.told(NoticeKind::connected) == 2; }));
  ASSERT_TRUE(world.active(*producer));
  ASSERT_TRUE(world.active(*consumer));
  EXPECT_EQ(node.spy->count("-publication 1100"), 0);  // still pinned by the claim
  const auto sent = producer->commit(*claim, {});
  ASSERT_TRUE(sent) << sent.error().message();
  EXPECT_EQ(sent->told, Told::consumers);
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{9});
  EXPECT_TRUE(world.run_until([&] { return node.spy->count("-publication 1100") == 1; }));
}

TEST(Connection, ComesBackAfterTheMediaDriverDroppedTheClient) {
  sim::NetworkOptions network;
  network.client_liveness_ns = 500 * ms;
  World world(network);
  world.network.start_media_driver(world.aeron_dir);
  ClientOptions options = world.client_options();
  options.threading = Threading::invoked;  // a client that is not driven says nothing
  Node& node = world.node(options);
  const auto producer = world.producer(node);
  ASSERT_TRUE(world.active(*producer));
  world.network.advance(2 * sec);  // paused
  EXPECT_TRUE(world.run_until([&] { return node.told(NoticeKind::connection_lost) == 1; }));
  EXPECT_TRUE(world.run_until([&] { return node.told(NoticeKind::connected) == 2; }));
  EXPECT_TRUE(world.active(*producer));
}

TEST(Connection, RetriesAnAddThatFailedAndTellsItOnce) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  node.spy->refuse = "publication aeron:ipc?term-length=16m";
  const auto request = node.request(world.producer_options());
  world.run_for(5 * sec);
  EXPECT_EQ(request->state(), Request::State::pending);
  EXPECT_EQ(node.told(NoticeKind::error), 1);
  EXPECT_NE(node.text_of(NoticeKind::error).find("no memory left"), std::string::npos);
  // Another reason is news.
  node.spy->refusal = "the media driver is tired";
  world.run_for(2 * sec);
  EXPECT_EQ(node.told(NoticeKind::error), 2);
  const int tries = node.spy->count("+" + node.spy->refuse);
  EXPECT_GT(tries, 4);
  EXPECT_LT(tries, 30);  // a pause between them
  node.spy->refuse.clear();
  const auto port = world.producer(request);
  EXPECT_TRUE(world.active(*port));
}

TEST(Connection, GivesUpAnAddAtItsDeadlineAndTriesAgain) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  ClientOptions options = world.client_options();
  options.media_driver_timeout_ns = 60 * sec;  // a frozen one is not noticed otherwise
  Node& node = world.node(options);
  (void)node.do_work();
  ASSERT_TRUE(node.conductor->connected());
  world.network.freeze_media_driver(world.aeron_dir, true);
  const auto request = node.request(world.producer_options());
  world.run_for(59 * sec, 100 * ms);
  EXPECT_EQ(node.told(NoticeKind::error), 0);
  world.network.freeze_media_driver(world.aeron_dir, false);
  const auto port = world.producer(request);
  EXPECT_TRUE(world.active(*port));
}

// What one link cannot have does not keep the others from working.
// Proves: CON-11
TEST(Connection, KeepsTheErrorOfOnePollerToItself) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& out = world.node();
  Node& in = world.node();
  in.spy->refuse = "publication";  // of hellos and of quality of service
  const auto producer = world.producer(out);
  // A consumer of a stream whose regions are refused beside one whose regions are good.
  auto other = world.producer_options();
  other.stream = stream + 1;
  other.file_mode = 0600;
  const auto other_producer = world.producer(out.request(other));
  auto wanted = world.consumer_options();
  wanted.stream = stream + 1;
  std::filesystem::path pool;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(world.files.path())) {
    const std::string path = entry.path().string();
    if (path.find("/" + std::to_string(stream + 1) + "/") != std::string::npos &&
        path.ends_with(".pool"))
      pool = entry.path();
  }
  ASSERT_FALSE(pool.empty());
  std::filesystem::permissions(pool, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  const auto refused = world.consumer(in.request(wanted));
  const auto consumer = world.consumer(in);
  ASSERT_TRUE(world.active(*consumer));
  world.run_for(2 * sec);
  EXPECT_EQ(refused->state(), PortState::connecting);
  // Every error is reported, and once.
  EXPECT_EQ(in.told(NoticeKind::announce_rejected), 1);
  EXPECT_EQ(in.told(NoticeKind::error), 2);
  ASSERT_TRUE(send(*producer, 3));
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{3});
  // And the refused stream comes when its regions are good again.
  std::filesystem::permissions(pool, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::remove);
  EXPECT_TRUE(world.active(*refused));
}

}  // namespace
}  // namespace tensorpool::agents::test
