// Driver mode: what a client never does, whatever happens to its leases, and what it has to be told.
#include <gtest/gtest.h>

#include "unit/agents/driver_support.hpp"
#include "unit/shm/faulty_file_system.hpp"

namespace tensorpool::agents::test {
namespace {

using shm::test::FaultyFileSystem;
using shm::test::Op;
using wire::driver::Role;

class LeaseRules : public ::testing::Test {
 protected:
  // A client whose files are watched.
  Node& watched_node() {
    Node& made = world.leasing_node();
    shm::MapPolicy::Settings settings;
    settings.allowed_base_dirs = made.options.allowed_base_dirs;
    auto policy = shm::MapPolicy::make(files, settings);
    EXPECT_TRUE(policy.has_value());
    made.conductor.reset();
    made.conductor = std::make_unique<Conductor>(
        made.options, std::move(*policy), agents::World{*made.transport, files, world.clock});
    return made;
  }
  void begin() {
    node = &watched_node();
    producer = world.producer(node->request(world.leased_producer()));
    ASSERT_NE(producer, nullptr);
    consumer = world.consumer(node->request(world.consumer_options()));
    ASSERT_TRUE(world.active(*producer));
    ASSERT_TRUE(world.active(*consumer));
  }
  bool flows() {
    return world.run_until([&] {
      (void)send(*producer, 5);
      world.step();
      return !receive(*consumer).empty();
    });
  }
  bool attached(int times) {
    return world.run_until([&] { return node->told(NoticeKind::attached) >= times; });
  }

  FaultyFileSystem files;
  DriverWorld world;
  Node* node = nullptr;
  Owned<TestProducer> producer;
  Owned<TestConsumer> consumer;
};

// Proves: DRV-2, DRV-178
TEST_F(LeaseRules, NoClientMakesChangesOrRemovesAFile) {
  begin();
  EXPECT_TRUE(flows());
  world.driver->revoke(world.driver->lease_of(Role::producer)->lease_id);
  ASSERT_TRUE(attached(3));
  EXPECT_TRUE(flows());
  const int made = world.driver->creations;
  world.kill_driver();
  ASSERT_TRUE(world.run_until([&] { return producer->state() == PortState::reattaching; }));
  world.start_driver();
  ASSERT_TRUE(attached(5));
  EXPECT_TRUE(flows());
  world.driver->terminate();
  ASSERT_TRUE(world.run_until([&] { return producer->state() == PortState::shutdown; }));
  producer.reset();
  consumer.reset();
  EXPECT_TRUE(node->conductor->close());
  world.run_for(100 * ms);

  EXPECT_GT(files.calls[Op::map], 0) << "the client's files are not the ones that are watched";
  for (const Op op : {Op::make_directory, Op::set_length, Op::reserve, Op::set_mode, Op::file_lock})
    EXPECT_EQ(files.calls[op], 0) << static_cast<int>(op);
  for (const std::string& entry : files.log) EXPECT_FALSE(entry.starts_with("create")) << entry;
  // All that any driver made is there still.
  EXPECT_EQ(world.files.region_files(), 2 * (made + world.driver->creations));
}

// Proves: DRV-30
TEST_F(LeaseRules, TheLeaseOfAFormerDriverIsNotShownToItsSuccessor) {
  begin();
  const std::uint64_t former = world.driver->lease_of(Role::producer)->lease_id;
  world.kill_driver();
  ASSERT_TRUE(world.run_until([&] {
    return producer->state() == PortState::reattaching &&
           consumer->state() == PortState::reattaching;
  }));
  world.start_driver();
  ASSERT_TRUE(attached(4));
  // What was sent before, to nobody, may still be heard.
  world.run_for(10 * ms);
  const drv::Counters& counts = world.driver->core().counters();
  const std::uint64_t ignored = counts.of(drv::Count::keepalives_ignored);
  const int detaches = world.driver->detaches;
  const int keepalives = world.driver->keepalives;
  world.run_for(3 * sec);
  EXPECT_TRUE(flows());
  EXPECT_NE(world.driver->lease_of(Role::producer)->lease_id, former);
  EXPECT_GE(world.driver->keepalives, keepalives + 50);
  EXPECT_EQ(counts.of(drv::Count::keepalives_ignored), ignored);
  EXPECT_EQ(world.driver->detaches, detaches);
  EXPECT_EQ(world.driver->core().leases().size(), 2U);
}

// Proves: DRV-131
TEST_F(LeaseRules, NothingOfAnOldEpochIsReadOnceThereIsANewOne) {
  begin();
  Polled polled;
  OpenFrame* view = nullptr;
  ASSERT_TRUE(world.run_until([&] {
    (void)send(*producer, 9);
    world.step();
    return (view = consumer->next(polled)) != nullptr;
  }));
  ASSERT_TRUE(send(*producer, 7));  // waits behind the open view
  const int mapped = node->told(NoticeKind::mapped);
  producer->close();
  producer = world.producer(node->request(world.leased_producer()));
  ASSERT_TRUE(world.active(*producer));
  // The consumer's, and the new producer's.
  ASSERT_TRUE(world.run_until([&] { return node->told(NoticeKind::mapped) >= mapped + 2; }));
  EXPECT_EQ(consumer->finish(TestConsumer::Visit::unproved), Outcome::ended);
  std::vector<int> got;
  EXPECT_TRUE(world.run_until([&] {
    (void)send(*producer, 8);
    world.step();
    const std::vector<int> more = receive(*consumer);
    got.insert(got.end(), more.begin(), more.end());
    return !got.empty();
  }));
  for (const int value : got) EXPECT_EQ(value, 8);
}

// Proves: CON-9
TEST_F(LeaseRules, OneDutyCycleHearsAsManyMessagesAsItsLimit) {
  begin();
  world.run_for(5 * ms);
  const std::vector<std::byte> noise(wire::message_header_bytes);
  for (int i = 0; i < 25; ++i) world.driver->shout(noise);
  world.network.advance(ms);
  int heard = 0;
  for (int cycle = 0; cycle < 3; ++cycle) {
    const int work = node->do_work();
    heard += work;
    EXPECT_GE(work, cycle < 2 ? 10 : 5);
    EXPECT_LT(work, 20) << "ten messages, and what else there is to do";
  }
  EXPECT_GE(heard, 25);
}

// Keepalives every 100 ms, three of grace, on the driver's side.
// Proves: CFG-93, DRV-106
TEST_F(LeaseRules, IntervalAndGraceAreToldToTheClientByNobodyElse) {
  begin();  // set to the same
  world.run_for(5 * sec);
  EXPECT_EQ(node->told(NoticeKind::lease_lost), 0);
  EXPECT_EQ(world.driver->core().counters().of(drv::Count::expired), 0U);

  ClientOptions options = world.driver_options();
  options.keepalive_interval_ns = sec;  // left alone
  Node& stranger = world.node(options);
  ConsumerOptions wanted = world.consumer_options();
  wanted.consumer_id = 11;
  const auto second = world.consumer(stranger.request(wanted));
  EXPECT_TRUE(world.run_until([&] { return stranger.told(NoticeKind::lease_lost) >= 2; }));
  EXPECT_GE(world.driver->core().counters().of(drv::Count::expired), 2U);
  EXPECT_EQ(node->told(NoticeKind::lease_lost), 0);
}

}  // namespace
}  // namespace tensorpool::agents::test
