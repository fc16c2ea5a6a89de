#include "agents/counters.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "unit/agents/support.hpp"

namespace tensorpool::agents::test {
namespace {

std::optional<sim::CounterView> find(World& world, const std::string& label) {
  for (const sim::CounterView& counter : world.network.counters(world.aeron_dir)) {
    if (counter.label == label) return counter;
  }
  return std::nullopt;
}

std::int64_t value(World& world, const std::string& label) {
  const auto counter = find(world, label);
  EXPECT_TRUE(counter) << label;
  return counter ? counter->value : -1;
}

TEST(Counters, MirrorWhatPortsCountUnderTheNamesOfStreamAndRole) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(send(*producer, 1));
    world.step();
    (void)receive(*consumer);
  }
  TensorSpec large;
  large.dtype = DType::u8;
  large.shape = {10'000};
  EXPECT_FALSE(producer->claim(large));
  world.run_for(sec);
  EXPECT_EQ(value(world, "tensorpool producer published stream=10000 id=7"), 5);
  EXPECT_EQ(value(world, "tensorpool producer bytes stream=10000 id=7"), 5 * 64);
  EXPECT_EQ(value(world, "tensorpool producer too large stream=10000 id=7"), 1);
  EXPECT_EQ(value(world, "tensorpool producer mappings stream=10000 id=7"), 1);
  EXPECT_EQ(value(world, "tensorpool consumer delivered stream=10000 id=9"), 5);
  EXPECT_EQ(value(world, "tensorpool consumer remaps stream=10000 id=9"), 1);
  EXPECT_EQ(value(world, "tensorpool client errors stream=0 id=0"), 0);
  const auto counter = find(world, "tensorpool producer published stream=10000 id=7");
  ASSERT_TRUE(counter);
  EXPECT_EQ(counter->type_id, counter_type_id);
  std::uint32_t key[4];
  ASSERT_EQ(counter->key.size(), sizeof key);
  std::memcpy(key, counter->key.data(), sizeof key);
  EXPECT_EQ(key[0], 1U);
  EXPECT_EQ(key[1], stream);
  EXPECT_EQ(key[2], 7U);
  EXPECT_EQ(key[3], static_cast<std::uint32_t>(world.file_system.process_id()));
}

TEST(Counters, ExistForEverythingThatIsCountedOnceEach) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  world.run_for(sec);
  std::set<std::string> labels;
  for (const auto& counter : world.network.counters(world.aeron_dir))
    EXPECT_TRUE(labels.insert(counter.label).second) << counter.label;
  EXPECT_EQ(labels.size(),
            producer_counters().size() + consumer_counters().size() + client_counters().size());
  for (const char* cause : {"overwritten", "lost", "skipped", "ended", "duplicates", "malformed",
                            "other epochs", "foreign descriptors", "resynchronisations"}) {
    EXPECT_TRUE(labels.contains(std::string("tensorpool consumer ") + cause + " stream=10000 id=9"))
        << cause;
  }
  EXPECT_TRUE(labels.contains("tensorpool client longest conductor cycle ns stream=0 id=0"));
}

TEST(Counters, GoOnCountingUnderANewMediaDriver) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*producer, 1));
  world.run_for(sec);
  world.network.kill_media_driver(world.aeron_dir);
  world.network.start_media_driver(world.aeron_dir);
  ASSERT_TRUE(world.run_until([&] { return node.told(NoticeKind::connected) == 2; }));
  ASSERT_TRUE(world.active(*producer));
  ASSERT_TRUE(world.active(*consumer));
  ASSERT_TRUE(send(*producer, 2));
  world.run_for(sec);
  EXPECT_EQ(value(world, "tensorpool producer published stream=10000 id=7"), 2);
  EXPECT_EQ(value(world, "tensorpool client errors stream=0 id=0"), 1);  // the loss
}

TEST(Counters, GoWithTheirPort) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = world.producer(node);
  world.run_for(sec);
  ASSERT_TRUE(find(world, "tensorpool producer published stream=10000 id=7"));
  producer->close();
  world.run_for(sec);
  EXPECT_FALSE(find(world, "tensorpool producer published stream=10000 id=7"));
  EXPECT_TRUE(find(world, "tensorpool client errors stream=0 id=0"));
}

TEST(Counters, MissingOnesAreToldOnceAndHoldNothingUp) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  node.spy->refuse = "counter tensorpool producer";
  const auto producer = world.producer(node);
  const auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  world.run_for(5 * sec);
  EXPECT_EQ(node.told(NoticeKind::error), 1);
  EXPECT_NE(node.text_of(NoticeKind::error).find("counter"), std::string::npos);
  ASSERT_TRUE(send(*producer, 1));
  world.step();
  EXPECT_EQ(receive(*consumer), std::vector<int>{1});
  node.spy->refuse.clear();
  world.run_for(2 * sec);
  EXPECT_EQ(value(world, "tensorpool producer published stream=10000 id=7"), 1);
}

}  // namespace
}  // namespace tensorpool::agents::test
