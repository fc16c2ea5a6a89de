// Clients and media drivers that stop, die and come back; limits of publications.
#include "support.hpp"

namespace tensorpool::sim {
namespace {

using transport::Fragment;

constexpr Nanos second_ns = 1'000'000'000;

TEST(Network, a_directory_has_one_media_driver_at_a_time) {
  World world;
  EXPECT_FALSE(world.network.start_media_driver(world.directory));
  EXPECT_TRUE(world.network.start_media_driver("/another"));
  world.network.kill_media_driver(world.directory);
  EXPECT_TRUE(world.network.start_media_driver(world.directory));
}

TEST(Network, time_stands_still_until_it_is_advanced) {
  World world;
  const Nanos before = world.network.now();
  const auto connection = world.connect();
  auto add = connection->add_publication("aeron:ipc", 1, world.never());
  ASSERT_TRUE(add);
  for (int i = 0; i < 100; ++i) {
    const auto polled = (*add)->poll();
    ASSERT_TRUE(polled);
    EXPECT_EQ(*polled, nullptr);
  }
  EXPECT_EQ(world.network.now(), before);
  world.network.advance(12'345);
  EXPECT_EQ(world.network.now(), before + 12'345);
}

TEST(Network, an_invoked_client_that_is_not_driven_gets_nothing) {
  World world({}, true);
  const auto connection = world.connect();
  auto add = connection->add_publication("aeron:ipc", 1, world.never());
  ASSERT_TRUE(add);
  world.network.advance(second_ns);
  auto polled = (*add)->poll();
  ASSERT_TRUE(polled);
  EXPECT_EQ(*polled, nullptr);
  (void)connection->do_work();
  polled = (*add)->poll();
  ASSERT_TRUE(polled);
  EXPECT_NE(*polled, nullptr);
}

TEST(Network, media_drivers_do_not_hear_of_one_another) {
  World world;
  ASSERT_TRUE(world.network.start_media_driver("/another"));
  const auto here = world.connect();
  transport::ConnectOptions options;
  options.directory = "/another";
  auto there = world.transport->connect(options);
  ASSERT_TRUE(there);
  const auto publication = world.publish(*here);
  const auto subscription = world.subscribe(**there);
  EXPECT_FALSE(publication->is_connected());
  EXPECT_EQ(subscription->image_count(), 0);
}

TEST(Network, a_frozen_media_driver_answers_when_it_is_thawed) {
  World world;
  const auto connection = world.connect();
  world.network.freeze_media_driver(world.directory, true);
  auto add = connection->add_publication("aeron:ipc", 1, world.never());
  ASSERT_TRUE(add);
  world.network.advance(300'000'000);  // shorter than the client's patience
  auto polled = (*add)->poll();
  ASSERT_TRUE(polled);
  EXPECT_EQ(*polled, nullptr);
  EXPECT_FALSE(connection->is_closed());
  world.network.freeze_media_driver(world.directory, false);
  polled = (*add)->poll();
  ASSERT_TRUE(polled);
  EXPECT_NE(*polled, nullptr);
  EXPECT_FALSE(connection->is_closed());
}

TEST(Network, after_the_media_drivers_death_images_go_on_until_the_last_limit) {
  World world;
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  ASSERT_GT(publication->offer(bytes_of(0)), 0);
  world.network.kill_media_driver(world.directory);
  std::uint32_t sent = 0;
  std::uint32_t got = 0;
  while (publication->offer(bytes_of(sent, 1000)) > 0) {
    ++sent;
    got += static_cast<std::uint32_t>(subscription->poll([](const Fragment&) {}, 10));
    ASSERT_LT(sent, 100U);
  }
  EXPECT_GT(sent, 5U);
  EXPECT_EQ(got, sent + 1);
  EXPECT_FALSE(connection->is_closed());
  EXPECT_EQ(publication->offer(bytes_of(0)), transport::back_pressured);
  world.network.advance(second_ns);
  EXPECT_TRUE(connection->is_closed());
  EXPECT_EQ(publication->offer(bytes_of(0)), transport::publication_closed);
  EXPECT_EQ(subscription->poll([](const Fragment&) {}, 10), 0);
}

TEST(Network, a_crashed_client_is_dropped_after_its_liveness_timeout) {
  World world;
  transport::ImageLog log;
  const auto staying = world.connect();
  auto crashing = world.connect();
  const auto subscription = world.subscribe(*staying, 1, &log);
  auto publication = world.publish(*crashing);
  auto counter = world.finish(*crashing, crashing->add_counter({1000, {}, "c"}, world.never()));
  ASSERT_TRUE(log.pop());
  ASSERT_GT(publication->offer(bytes_of(5)), 0);
  world.network.crash(crashing->client_id());
  // Nobody's destructors tell the media driver anything.
  counter.reset();
  publication.reset();
  crashing.reset();
  world.network.advance(9 * second_ns);
  EXPECT_EQ(subscription->image_count(), 1);
  EXPECT_EQ(world.network.counters(world.directory).size(), 1U);
  EXPECT_EQ(take(*subscription), std::vector<std::uint32_t>{5});  // what it had sent is still there
  world.network.advance(2 * second_ns);
  EXPECT_EQ(subscription->image_count(), 0);
  EXPECT_TRUE(world.network.counters(world.directory).empty());
  const auto gone = log.pop();
  ASSERT_TRUE(gone);
  EXPECT_FALSE(gone->available);
}

TEST(Network, an_open_claim_of_a_crashed_client_holds_its_readers) {
  World world;
  const auto staying = world.connect();
  auto crashing = world.connect();
  const auto subscription = world.subscribe(*staying);
  auto publication = world.publish(*crashing);
  transport::Claim claim;
  ASSERT_GT(publication->try_claim(48, claim), 0);
  ASSERT_GT(publication->offer(bytes_of(2)), 0);
  world.network.crash(crashing->client_id());
  publication.reset();
  crashing.reset();
  world.network.advance(5 * second_ns);
  EXPECT_TRUE(take(*subscription).empty());
}

TEST(Network, a_stopped_client_learns_on_waking_that_it_was_dropped) {
  World world;
  const auto connection = world.connect();
  const auto patient = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*patient);
  world.network.stop(connection->client_id(), true);
  world.network.stop(patient->client_id(), true);
  world.network.advance(5 * second_ns);
  world.network.stop(patient->client_id(), false);
  world.network.advance(6 * second_ns);
  EXPECT_FALSE(patient->is_closed());
  EXPECT_FALSE(connection->is_closed());
  EXPECT_EQ(subscription->image_count(), 0);
  world.network.stop(connection->client_id(), false);
  world.network.advance(100'000'000);
  EXPECT_TRUE(connection->is_closed());
  EXPECT_EQ(publication->offer(bytes_of(1)), transport::publication_closed);
}

TEST(Network, a_disconnected_image_comes_back) {
  World world;
  transport::ImageLog log;
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection, 1, &log);
  ASSERT_TRUE(log.pop());
  world.network.disconnect(publication->session_id(), second_ns);
  EXPECT_FALSE(publication->is_connected());
  EXPECT_EQ(publication->offer(bytes_of(1)), transport::not_connected);
  EXPECT_EQ(subscription->image_count(), 0);
  const auto gone = log.pop();
  ASSERT_TRUE(gone && !gone->available);
  world.network.advance(second_ns + 100'000'000);
  const auto back = log.pop();
  ASSERT_TRUE(back && back->available);
  EXPECT_EQ(back->session_id, publication->session_id());
  ASSERT_GT(publication->offer(bytes_of(2)), 0);
  EXPECT_EQ(take(*subscription), std::vector<std::uint32_t>{2});
}

TEST(Network, a_publication_ends_at_its_last_position) {
  NetworkOptions options;
  options.max_position = std::int64_t{128} << 10U;
  World world(options);
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  transport::Position position = 0;
  for (std::uint32_t i = 0; i < 200 && position != transport::max_position_exceeded; ++i) {
    position = publication->offer(bytes_of(i, 1000));
    (void)take(*subscription);
  }
  EXPECT_EQ(position, transport::max_position_exceeded);
}

TEST(Network, udp_channels_meet_by_their_endpoint) {
  World world;
  const auto connection = world.connect();
  const auto add = [&](const char* channel) {
    return world.finish(*connection, connection->add_publication(channel, 1, world.never()));
  };
  const auto a = add("aeron:udp?endpoint=localhost:4001|mtu=1408");
  const auto b = add("aeron:udp?endpoint=localhost:4002");
  const auto subscription =
      world.subscribe(*connection, 1, nullptr, "aeron:udp?endpoint=localhost:4001");
  EXPECT_TRUE(a->is_connected());
  EXPECT_FALSE(b->is_connected());
  EXPECT_EQ(subscription->image_count(), 1);
}

}  // namespace
}  // namespace tensorpool::sim
