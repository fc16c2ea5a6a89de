// The live counters, read from outside the process as a tool would.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 980;
using Values = std::map<std::string, std::int64_t>;

class Counters : public ::testing::Test {
 protected:
  // "tensorpool <role> <name> stream=<stream> id=<id>", without the id.
  Values values() const {
    Values found;
    const auto all = transport::aeron::list_counters(world_.folder().aeron());
    if (!all) return found;
    for (const transport::aeron::CounterView& counter : *all) {
      if (counter.label.starts_with("tensorpool "))
        found[counter.label.substr(0, counter.label.find(" id="))] = counter.value;
    }
    return found;
  }
  // Mirrored now and then, so the expectation is waited for.
  void expect(const Values& wanted) {
    const bool good = eventually([&] {
      const Values seen = values();
      return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
        const auto found = seen.find(pair.first);
        return found != seen.end() && found->second == pair.second;
      });
    });
    if (good) return;
    const Values seen = values();
    for (const auto& [label, value] : wanted) {
      const auto found = seen.find(label);
      EXPECT_TRUE(found != seen.end()) << label;
      if (found != seen.end()) {
        EXPECT_EQ(found->second, value) << label;
      }
    }
  }

  World world_;
};

std::string label(const char* role, const char* name) {
  return std::string("tensorpool ") + role + " " + name + " stream=980";
}

void publish(Producer& producer) { (void)producer.claim(DType::u8, {8}).value().commit(); }

TEST_F(Counters, tell_every_outcome_of_both_sides) {
  Client sender = connect(client_options(world_.folder()));
  Client receiver = connect(client_options(world_.folder()));
  Producer producer = make_producer(sender, producer_options(world_.folder(), stream, 8, {64}));
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  ASSERT_TRUE(until_active(consumer));
  ASSERT_TRUE(until_linked(world_.folder()));

  for (int i = 0; i < 10; ++i) publish(producer);  // 2 of them are overwritten
  while (consumer.poll([](const Frame&) {}).work() != 0) {
  }
  (void)producer.claim(DType::u8, {8}).value().abort();  // a gap
  publish(producer);
  (void)consumer.poll([](const Frame&) {});
  publish(producer);
  publish(producer);
  (void)consumer.latest().value().finish();  // the other one is skipped
  (void)producer.claim(DType::u8, {65});     // too large
  std::vector<Slot> open;
  for (int i = 0; i < 4; ++i) open.push_back(producer.claim(DType::u8, {8}).value());
  EXPECT_EQ(producer.claim(DType::u8, {8}).error().code(), Code::claims_exhausted);

  expect({{label("producer", "claimed"), 18},
          {label("producer", "published"), 13},
          {label("producer", "not announced"), 0},
          {label("producer", "aborted"), 1},
          {label("producer", "refused"), 0},
          {label("producer", "open"), 4},
          {label("producer", "too large"), 1},
          {label("producer", "claims exhausted"), 1},
          {label("producer", "back-pressured"), 0},
          {label("producer", "bytes"), 13 * 8},
          {label("producer", "mappings"), 1},
          {label("producer", "errors"), 0}});
  expect({{label("consumer", "delivered"), 10},
          {label("consumer", "overwritten"), 2},
          {label("consumer", "lost"), 1},
          {label("consumer", "skipped"), 1},
          {label("consumer", "ended"), 0},
          {label("consumer", "bytes"), 10 * 8},
          {label("consumer", "foreign descriptors"), 0},
          {label("consumer", "other epochs"), 0},
          {label("consumer", "malformed"), 0},
          {label("consumer", "mappings"), 1},
          {label("consumer", "remaps"), 1},
          {label("consumer", "errors"), 0}});
  EXPECT_EQ(consumer.statistics().seen, 14U);
}

TEST_F(Counters, follow_a_consumer_through_remaps_and_end_with_it) {
  Client receiver = connect(client_options(world_.folder()));
  {
    Consumer consumer = make_consumer(receiver, consumer_options(stream));
    for (int life = 1; life <= 2; ++life) {
      Client sender = connect(client_options(world_.folder()));
      Producer producer = make_producer(sender, producer_options(world_.folder(), stream, 8, {64}));
      (void)producer.state();
      ASSERT_TRUE(eventually([&] {
        return consumer.state() == PortState::active &&
               consumer.statistics().epoch == producer.statistics().epoch;
      }));
      expect({{label("consumer", "mappings"), life}, {label("consumer", "remaps"), life}});
    }
  }
  EXPECT_TRUE(eventually([&] { return values().count(label("consumer", "mappings")) == 0; }));
}

TEST_F(Counters, tell_how_long_a_cycle_of_the_conductor_took_at_most) {
  Client client = connect(client_options(world_.folder()));
  const char* name = "tensorpool client longest conductor cycle ns stream=0";
  EXPECT_TRUE(eventually([&] {
    const Values seen = values();
    return seen.count(name) == 1 && seen.at(name) > 0;
  }));
  expect({{"tensorpool client errors stream=0", 0}});
  EXPECT_GT(client.longest_cycle().count(), 0);
}

}  // namespace
}  // namespace tensorpool::integration
