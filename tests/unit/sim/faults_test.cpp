// Faults from a seed: what they do, what they never do, and that they repeat.
#include <algorithm>
#include <map>

#include "support.hpp"

namespace tensorpool::sim {
namespace {

// A small deployment under all faults at once; returns everything that happened.
std::vector<TraceEvent> run(std::uint64_t seed) {
  NetworkOptions options;
  options.seed = seed;
  options.faults = {20'000, 20'000, 20'000, 1'000, 3'000'000};
  World world(options);
  std::vector<TraceEvent> events;
  world.network.on_trace([&](const TraceEvent& event) { events.push_back(event); });
  const auto a = world.connect();
  const auto b = world.connect();
  const auto first = world.publish(*a);
  const auto second = world.publish(*b);
  const auto receiver = world.subscribe(*b);
  for (std::uint32_t i = 0; i < 400; ++i) {
    (void)first->offer(bytes_of(i, 48));
    (void)second->offer(bytes_of(i, 3000));
    world.network.advance(500'000);
    (void)take(*receiver);
  }
  return events;
}

TEST(Faults, the_same_seed_gives_the_same_run) {
  const auto once = run(7);
  EXPECT_GT(once.size(), 1000U);
  EXPECT_EQ(once, run(7));
  EXPECT_NE(once, run(8));
}

TEST(Faults, every_kind_happens) {
  std::map<TraceKind, int> count;
  for (const TraceEvent& event : run(7)) ++count[event.kind];
  for (const TraceKind kind :
       {TraceKind::sent, TraceKind::lost, TraceKind::duplicated, TraceKind::delivered,
        TraceKind::back_pressured, TraceKind::image_available}) {
    EXPECT_GT(count[kind], 0) << static_cast<int>(kind);
  }
  EXPECT_EQ(count[TraceKind::client_dropped], 0);
}

TEST(Faults, loss_leaves_gaps_and_keeps_order_and_messages_whole) {
  NetworkOptions options;
  options.faults.loss_per_million = 200'000;
  World world(options);
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  std::vector<std::uint32_t> got;
  for (std::uint32_t i = 0; i < 300; ++i) {
    while (publication->offer(bytes_of(i, 3000)) <= 0) world.network.advance(100'000);
    world.network.advance(100'000);
    while (subscription->poll_assembled(
               [&](const transport::Fragment& m) {
                 const std::uint32_t number = number_in(m.data);
                 got.push_back(number);
                 const auto sent = bytes_of(number, 3000);
                 EXPECT_TRUE(std::equal(m.data.begin(), m.data.end(), sent.begin(), sent.end()));
               },
               10) > 0) {
    }
  }
  EXPECT_GT(got.size(), 80U);  // 0.8³ of them
  EXPECT_LT(got.size(), 220U);
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
  EXPECT_EQ(std::adjacent_find(got.begin(), got.end()), got.end());
}

TEST(Faults, duplicates_come_whole_and_behind_their_message) {
  NetworkOptions options;
  options.faults.duplicate_per_million = 300'000;
  World world(options);
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  std::vector<std::uint32_t> got;
  for (std::uint32_t i = 0; i < 100; ++i) {
    while (publication->offer(bytes_of(i, 2000)) <= 0) world.network.advance(100'000);
    for (const std::uint32_t number : take(*subscription)) got.push_back(number);
  }
  EXPECT_GT(got.size(), 110U);
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
  got.erase(std::unique(got.begin(), got.end()), got.end());
  EXPECT_EQ(got.size(), 100U);
}

TEST(Faults, delay_reorders_publications_among_each_other_never_one_in_itself) {
  NetworkOptions options;
  options.faults.delay_max_ns = 5'000'000;
  World world(options);
  const auto connection = world.connect();
  const auto first = world.publish(*connection);
  const auto second = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  std::map<std::int32_t, std::uint32_t> next;
  bool overtaken = false;
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_GT(first->offer(bytes_of(i)), 0);
    ASSERT_GT(second->offer(bytes_of(i)), 0);
    world.network.advance(1'000'000);
    (void)subscription->poll(
        [&](const transport::Fragment& m) {
          EXPECT_EQ(number_in(m.data), next[m.session_id]++);
          overtaken |= next[second->session_id()] > next[first->session_id()];
        },
        100);
  }
  EXPECT_TRUE(overtaken);
}

TEST(Faults, nothing_arrives_before_its_time) {
  NetworkOptions options;
  options.faults.delay_min_ns = options.faults.delay_max_ns = 1'000'000;
  World world(options);
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  ASSERT_GT(publication->offer(bytes_of(1)), 0);
  world.network.advance(999'999);
  EXPECT_TRUE(take(*subscription).empty());
  world.network.advance(1);
  EXPECT_EQ(take(*subscription), std::vector<std::uint32_t>{1});
}

TEST(Faults, a_link_may_have_faults_of_its_own) {
  World world;
  const auto sender = world.connect();
  const auto lucky = world.connect();
  const auto unlucky = world.connect();
  const auto publication = world.publish(*sender);
  const auto heard = world.subscribe(*lucky);
  const auto unheard = world.subscribe(*unlucky);
  LinkFaults deaf;
  deaf.loss_per_million = 1'000'000;
  world.network.set_faults(sender->client_id(), unlucky->client_id(), deaf);
  ASSERT_GT(publication->offer(bytes_of(1)), 0);
  EXPECT_EQ(take(*heard), std::vector<std::uint32_t>{1});
  EXPECT_TRUE(take(*unheard).empty());
  world.network.set_faults(sender->client_id(), unlucky->client_id(), {});
  ASSERT_GT(publication->offer(bytes_of(2)), 0);
  EXPECT_EQ(take(*unheard), std::vector<std::uint32_t>{2});
}

TEST(Faults, back_pressure_can_be_had_at_any_time) {
  World world;
  const auto connection = world.connect();
  const auto publication = world.publish(*connection);
  const auto subscription = world.subscribe(*connection);
  LinkFaults full;
  full.back_pressure_per_million = 1'000'000;
  world.network.set_faults(full);
  EXPECT_EQ(publication->offer(bytes_of(1)), transport::back_pressured);
  world.network.set_faults({});
  EXPECT_GT(publication->offer(bytes_of(1)), 0);
}

TEST(Faults, a_late_joiner_sees_older_messages_under_some_seeds_only) {
  int with = 0;
  int without = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    NetworkOptions options;
    options.seed = seed;
    World world(options);
    const auto connection = world.connect();
    const auto publication = world.publish(*connection);
    const auto early = world.subscribe(*connection);
    for (std::uint32_t i = 0; i < 3; ++i) ASSERT_GT(publication->offer(bytes_of(i)), 0);
    const auto late = world.subscribe(*connection);
    ASSERT_GT(publication->offer(bytes_of(3)), 0);
    const auto seen = take(*late);
    ASSERT_FALSE(seen.empty());
    EXPECT_EQ(seen.back(), 3U);
    EXPECT_EQ(seen.size(), seen.back() - seen.front() + 1U);
    (seen.size() > 1 ? with : without) += 1;
  }
  EXPECT_GT(with, 0);
  EXPECT_GT(without, 0);
}

}  // namespace
}  // namespace tensorpool::sim
