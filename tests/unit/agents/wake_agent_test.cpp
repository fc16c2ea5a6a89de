// The conductor's half of the wake-up extension: which counters there are, and what ports are told of them.
#include "agents/wake_agent.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "unit/agents/support.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::agents::test {
namespace {

// Bells and armed counters that are nobody's port, as other implementations and liars make them.
class Stranger {
 public:
  explicit Stranger(World& world) : world_(world), transport_(world.network.make_transport()) {
    transport::ConnectOptions options;
    options.directory = world.aeron_dir;
    auto connection = transport::connect_now(*transport_, options);
    EXPECT_TRUE(connection);
    connection_ = std::move(*connection);
  }
  transport::Counter& add(std::int32_t type_id, std::span<const std::byte> key) {
    transport::CounterSpec spec;
    spec.type_id = type_id;
    spec.key = key;
    spec.label = "a stranger's";
    auto add = connection_->add_counter(spec, world_.clock.monotonic_ns() + 10 * sec);
    EXPECT_TRUE(add);
    EXPECT_TRUE(world_.run_until([&] {
      auto polled = (*add)->poll();
      if (!polled || *polled == nullptr) return false;
      counters_.push_back(std::move(*polled));
      return true;
    }));
    return *counters_.back();
  }
  transport::Counter& add(std::int32_t type_id, std::uint32_t of_stream = stream) {
    const CounterKey key =
        counter_key(of_stream, 500 + static_cast<std::uint32_t>(counters_.size()), 1);
    return add(type_id, key);
  }
  transport::Counter& at(std::size_t i) { return *counters_.at(i); }
  void remove(std::size_t i) {
    counters_.erase(counters_.begin() + static_cast<std::ptrdiff_t>(i));
  }

 private:
  World& world_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::vector<std::unique_ptr<transport::Counter>> counters_;
};

struct Scene {
  Scene() {
    world.network.start_media_driver(world.aeron_dir);
    Node& node = world.node();
    ProducerOptions options = world.producer_options();
    options.wake_waiters = true;
    producer = world.producer(node.request(options));
    consumer = world.consumer(world.node());
    EXPECT_TRUE(world.active(*consumer));
    EXPECT_TRUE(world.run_until([&] { return bell().live(); }));
  }
  transport::CounterPlace bell() {
    (void)producer->state();
    return producer->wake_links()->own;
  }
  const WakeLinks& of_producer() {
    (void)producer->state();
    return *producer->wake_links();
  }
  const WakeLinks& of_consumer() {
    (void)consumer->state();
    return *consumer->wake_links();
  }
  std::vector<sim::CounterView> counters(std::int32_t type_id) {
    auto all = world.network.counters(world.aeron_dir);
    std::erase_if(all, [&](const auto& counter) { return counter.type_id != type_id; });
    return all;
  }
  bool serves(std::size_t count) {
    return world.run_until([&] { return of_producer().count == count; }, 5 * sec);
  }

  World world;
  Owned<TestProducer> producer;
  Owned<TestConsumer> consumer;
};

TEST(Wake, AProducerThatDidNotOptInHasNoBell) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  const auto producer = world.producer(world.node());
  world.run_for(2 * sec);
  for (const auto& counter : world.network.counters(world.aeron_dir))
    EXPECT_NE(counter.type_id, bell_type_id);
  (void)producer->state();
  EXPECT_FALSE(producer->wake_links()->own.live());
}

TEST(Wake, CountersAreThoseOfTheProtocol) {
  Scene s;
  EXPECT_TRUE(s.counters(armed_type_id).empty());  // it has never slept
  s.consumer->cell().may_sleep = true;
  ASSERT_TRUE(s.world.run_until([&] { return !s.counters(armed_type_id).empty(); }));
  for (const auto& [type_id, id] : {std::pair(bell_type_id, 7U), std::pair(armed_type_id, 9U)}) {
    const auto counters = s.counters(type_id);
    ASSERT_EQ(counters.size(), 1U);
    std::uint32_t key[4];
    ASSERT_EQ(counters[0].key.size(), sizeof key);
    std::memcpy(key, counters[0].key.data(), sizeof key);
    EXPECT_EQ(key[0], 1U);
    EXPECT_EQ(key[1], stream);
    EXPECT_EQ(key[2], id);
    EXPECT_EQ(key[3], static_cast<std::uint32_t>(s.world.file_system.process_id()));
  }
}

TEST(Wake, ProducerAndConsumerFindEachOtherAndTheBellCountsCommits) {
  Scene s;
  s.consumer->cell().may_sleep = true;
  ASSERT_TRUE(s.serves(1));
  ASSERT_TRUE(s.world.run_until([&] { return s.of_consumer().count == 1; }, 5 * sec));
  EXPECT_EQ(s.of_producer().others[0], s.of_consumer().own);
  EXPECT_EQ(s.of_consumer().others[0], s.of_producer().own);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(send(*s.producer, 1));
    s.world.step();
  }
  EXPECT_EQ(receive(*s.consumer).size(), 3U);
  EXPECT_EQ(s.counters(bell_type_id).at(0).value, 3);
  // A change of waiters is no change of mapping.
  EXPECT_EQ(s.consumer->cell().consumer.sessions.get(), 1U);
  EXPECT_EQ(s.producer->cell().producer.sessions.get(), 1U);
}

// Its descriptors come from a producer whose bell nobody knows yet, so the port has to look by itself.
TEST(Wake, APublisherThatIsJoinedEndsTheSleepOfEveryPort) {
  Scene s;
  auto other = s.world.consumer(s.world.node());
  ASSERT_TRUE(s.world.active(*other));
  s.world.run_for(2 * sec);
  ASSERT_EQ(s.of_consumer().count, 0U);  // has adopted what there was
  (void)other->state();
  for (const auto& port : {s.consumer.get(), other.get()}) {
    (void)port->cell().take_interrupt();
    protocol::HostWake::fall_asleep(port->cell().asleep);
  }
  const std::uint32_t kicks = s.consumer->cell().kick;
  s.world.run_for(2 * sec);
  ASSERT_EQ(s.consumer->cell().kick, kicks) << "without a reason";
  // Of another stream, so that the conductor has no mail for this one.
  ProducerOptions options = s.world.producer_options();
  options.stream = stream + 1;
  auto late = s.world.producer(s.world.node().request(options));
  EXPECT_TRUE(
      s.world.run_until([&] { return s.consumer->cell().kick > kicks && other->cell().kick > 0; }));
  EXPECT_TRUE(s.consumer->cell().has_news());
  EXPECT_EQ(s.consumer->cell().mail.load(), nullptr);
  EXPECT_FALSE(s.consumer->cell().take_interrupt());
  // One that goes is no reason.
  s.world.run_for(sec);
  const std::uint32_t later = s.consumer->cell().kick;
  late.reset();
  s.world.run_for(sec);
  EXPECT_EQ(s.consumer->cell().kick, later);
}

TEST(Wake, ACommitThatReachesNobodyRingsNoBell) {
  Scene s;
  s.consumer->close();
  s.world.run_for(sec);
  ASSERT_TRUE(send(*s.producer, 1));
  s.world.step();
  EXPECT_EQ(s.counters(bell_type_id).at(0).value, 0);
}

TEST(Wake, OnlyTheStreamsOwnCountersWithTheProtocolsKeyAreFound) {
  Scene s;
  Stranger stranger(s.world);
  (void)stranger.add(armed_type_id, stream + 1);
  const std::array<std::uint32_t, 4> other_layout{2, stream, 1, 1};
  (void)stranger.add(armed_type_id, std::as_bytes(std::span(other_layout)));
  (void)stranger.add(armed_type_id, std::span<const std::byte>());
  (void)stranger.add(10003);
  s.world.run_for(3 * sec);
  EXPECT_EQ(s.of_producer().count, 0U);
  (void)stranger.add(armed_type_id);
  EXPECT_TRUE(s.serves(1));
}

TEST(Wake, TheLowestCounterIdsAreServedAndWhoGoesMakesRoom) {
  Scene s;
  Stranger stranger(s.world);
  std::vector<transport::CounterPlace> places;
  for (int i = 0; i < 20; ++i) places.push_back(stranger.add(armed_type_id).place());
  ASSERT_TRUE(s.serves(base::limits::waiters_per_producer));
  for (std::size_t i = 0; i < base::limits::waiters_per_producer; ++i)
    EXPECT_EQ(s.of_producer().others[i], places[i]) << i;
  stranger.remove(3);
  ASSERT_TRUE(s.world.run_until([&] { return s.of_producer().others[15] == places[16]; }, 5 * sec));
  EXPECT_EQ(s.of_producer().count, base::limits::waiters_per_producer);
}

TEST(Wake, WhereThereAreTooManyWhoSleepsGoesBeforeWhoNeverDoes) {
  constexpr std::size_t most = base::limits::waiters_per_producer;
  Scene s;
  Stranger stranger(s.world);
  for (std::size_t i = 0; i < most; ++i) (void)stranger.add(armed_type_id);  // never sleep
  ASSERT_TRUE(s.serves(most));
  std::vector<transport::CounterPlace> sleepers;
  for (int i = 0; i < 3; ++i) {
    transport::Counter& counter = stranger.add(armed_type_id);
    counter.set(1);
    sleepers.push_back(counter.place());
  }
  const auto serves_sleepers = [&] {
    const WakeLinks& links = s.of_producer();
    return std::ranges::all_of(sleepers, [&](const auto& place) {
      return std::ranges::find(links.others, place) != links.others.end();
    });
  };
  EXPECT_TRUE(s.world.run_until(serves_sleepers));
  EXPECT_EQ(s.of_producer().count, most);
  // They keep their places, also while none of them is seen asleep for once.
  const std::uint64_t version = s.of_producer().version;
  s.world.run_for(20 * sec);
  for (std::size_t i = most; i < most + 3; ++i) stranger.at(i).set(0);
  s.world.run_for(20 * sec);
  EXPECT_TRUE(serves_sleepers());
  EXPECT_EQ(s.of_producer().version, version);
  // Until somebody comes who does sleep while they do no more.
  transport::Counter& late = stranger.add(armed_type_id);
  late.set(1);
  sleepers = {late.place()};
  EXPECT_TRUE(s.world.run_until(serves_sleepers));
}

TEST(Wake, AConsumerWaitsForTheNewestBellsOfItsStream) {
  Scene s;
  s.consumer->cell().may_sleep = true;
  Stranger stranger(s.world);
  std::vector<transport::CounterPlace> places;
  for (int i = 0; i < 6; ++i) places.push_back(stranger.add(bell_type_id).place());
  (void)stranger.add(bell_type_id, stream + 1);
  ASSERT_TRUE(s.world.run_until(
      [&] { return s.of_consumer().count == base::limits::bells_per_consumer; }, 5 * sec));
  for (std::size_t i = 0; i < base::limits::bells_per_consumer; ++i)
    EXPECT_EQ(s.of_consumer().others[i], places[5 - i]) << i;
}

TEST(Wake, WhoNoWakeFindsIsPassedOverUntilItIsSeenAwake) {
  Scene s;
  Stranger stranger(s.world);
  (void)stranger.add(armed_type_id);
  transport::Counter& liar = stranger.add(armed_type_id);
  liar.set(1);
  ASSERT_TRUE(s.serves(2));
  const WakeLinks before = s.of_producer();
  s.producer->cell().note(NoteKind::silent_waiters).write(before.version, 2);
  s.world.step();
  ASSERT_EQ(s.of_producer().count, 1U);
  EXPECT_EQ(s.of_producer().others[0], before.others[0]);
  s.world.run_for(500 * ms);
  EXPECT_EQ(s.of_producer().count, 1U);
  liar.set(0);
  s.world.step();
  EXPECT_EQ(s.of_producer().count, 2U);
}

// The port passes it over by then, and judges it anew with another list only.
TEST(Wake, WhoIsAwakeWhenTheConductorHearsThatItIsSilentIsServedAnew) {
  Scene s;
  Stranger stranger(s.world);
  transport::Counter& armed = stranger.add(armed_type_id);
  armed.set(1);
  ASSERT_TRUE(s.serves(1));
  const WakeLinks before = s.of_producer();
  s.producer->cell().note(NoteKind::silent_waiters).write(before.version, 1);
  armed.set(0);
  s.world.step();
  ASSERT_EQ(s.of_producer().count, 1U);
  EXPECT_EQ(s.of_producer().others[0], before.others[0]);
  EXPECT_NE(s.of_producer().version, before.version);
}

TEST(Wake, AsManyAsAreFoundArePassedOverAtOnce) {
  Scene s;
  Stranger stranger(s.world);
  constexpr std::size_t liars = 6 * base::limits::waiters_per_producer;
  for (std::size_t i = 0; i < liars; ++i) stranger.add(armed_type_id).set(1);
  s.world.run_for(3 * sec);  // all are found by now
  // The rounds take less time together than the first of them are passed over.
  for (std::size_t left = liars; left > 0; left -= base::limits::waiters_per_producer) {
    ASSERT_EQ(s.of_producer().count, base::limits::waiters_per_producer) << left;
    s.producer->cell().note(NoteKind::silent_waiters).write(s.of_producer().version, 0xFFFF);
    s.world.step();
  }
  EXPECT_EQ(s.of_producer().count, 0U);
}

TEST(Wake, WhoIsNeverSeenAwakeGetsAnotherChanceEverLater) {
  Scene s;
  Stranger stranger(s.world);
  stranger.add(armed_type_id).set(1);
  base::Nanos last = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(s.world.run_until([&] { return s.of_producer().count == 1; }));
    s.producer->cell().note(NoteKind::silent_waiters).write(s.of_producer().version, 1);
    s.world.step();
    const base::Nanos since = s.world.network.now();
    ASSERT_EQ(s.of_producer().count, 0U);
    ASSERT_TRUE(s.world.run_until([&] { return s.of_producer().count == 1; }));
    const base::Nanos passed_over = s.world.network.now() - since;
    EXPECT_GT(passed_over, last * 3 / 2) << i;
    last = passed_over;
  }
}

TEST(Wake, ANoteAboutAnotherListIsOld) {
  Scene s;
  Stranger stranger(s.world);
  stranger.add(armed_type_id).set(1);
  ASSERT_TRUE(s.serves(1));
  s.producer->cell().note(NoteKind::silent_waiters).write(s.of_producer().version - 1, 1);
  s.world.run_for(100 * ms);
  EXPECT_EQ(s.of_producer().count, 1U);
}

TEST(Wake, GoesWithTheMediaDriverAndComesBackWithTheNext) {
  Scene s;
  s.consumer->cell().may_sleep = true;
  ASSERT_TRUE(s.serves(1));
  const transport::CounterPlace old_bell = s.bell();
  s.world.network.kill_media_driver(s.world.aeron_dir);
  ASSERT_TRUE(s.world.run_until([&] { return !s.bell().live(); }));
  ASSERT_TRUE(s.world.run_until([&] { return s.of_consumer().count == 0; }));
  s.world.network.start_media_driver(s.world.aeron_dir);
  ASSERT_TRUE(s.world.run_until([&] { return s.bell().live() && s.of_producer().count == 1; }));
  ASSERT_TRUE(s.world.run_until([&] { return s.of_consumer().count == 1; }));
  EXPECT_NE(s.bell(), old_bell);
  EXPECT_EQ(s.of_consumer().others[0], s.bell());
}

TEST(Wake, CountersGoWithTheirPorts) {
  Scene s;
  s.consumer->cell().may_sleep = true;
  ASSERT_TRUE(s.serves(1));
  s.consumer->close();
  s.world.run_for(2 * sec);
  EXPECT_TRUE(s.counters(armed_type_id).empty());
  EXPECT_EQ(s.of_producer().count, 0U);
  s.producer->close();
  s.world.run_for(sec);
  EXPECT_TRUE(s.counters(bell_type_id).empty());
}

TEST(Wake, NewsOfTheConductorEndASleep) {
  Scene s;
  s.consumer->cell().asleep = 1;
  const std::uint32_t kick = s.consumer->cell().kick;
  s.consumer->cell().may_sleep = true;
  ASSERT_TRUE(s.world.run_until([&] { return s.consumer->cell().kick != kick; }));
}

}  // namespace
}  // namespace tensorpool::agents::test
