// The duty cycle: what runs in it, that it is bounded and waits for nothing, and commands.
#include "agents/conductor.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>
#include <utility>

#include "base/limits.hpp"
#include "unit/agents/support.hpp"

namespace tensorpool::agents::test {
namespace {

// Proves: CON-1, CON-18
TEST(Conductor, ChangesNothingOutsideOfItsDutyCycle) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto producer = node.request(world.producer_options());
  const auto consumer = node.request(world.consumer_options());
  world.network.advance(5 * sec);
  EXPECT_FALSE(node.conductor->connected());
  EXPECT_TRUE(node.spy->log.empty());
  EXPECT_TRUE(node.notices.empty());
  EXPECT_EQ(world.files.region_files(), 0);
  EXPECT_EQ(producer->state(), Request::State::pending);
  EXPECT_EQ(consumer->state(), Request::State::pending);

  (void)node.do_work();
  EXPECT_TRUE(node.conductor->connected());
  EXPECT_TRUE(world.run_until([&] { return consumer->state() == Request::State::complete; }));
  EXPECT_TRUE(world.run_until([&] { return producer->state() == Request::State::complete; }));
  EXPECT_EQ(world.files.region_files(), 2);
}

// Virtual time stands still during a cycle and the media driver never answers: who waited for
// either would wait for ever.
// Proves: CON-6
TEST(Conductor, NeverWaits) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  (void)node.do_work();
  ASSERT_TRUE(node.conductor->connected());
  world.network.freeze_media_driver(world.aeron_dir, true);
  const auto producer = node.request(world.producer_options());
  const auto consumer = node.request(world.consumer_options());
  rusage before{};
  ASSERT_EQ(::getrusage(RUSAGE_THREAD, &before), 0);
  for (int i = 0; i < 1000; ++i) (void)node.do_work();
  rusage after{};
  ASSERT_EQ(::getrusage(RUSAGE_THREAD, &after), 0);
  // A cycle that slept would give its processor away each time.
  EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, 500);
  EXPECT_EQ(producer->state(), Request::State::pending);
  EXPECT_EQ(consumer->state(), Request::State::pending);
}

// Whatever should not wait for the end of a sleep between two cycles.
TEST(Conductor, IsRungByCommandsByPortsThatCloseAndByItsOwnRequests) {
  World world;
  Node& node = world.node();
  Doorbell& bell = node.conductor->bell();
  auto rings = bell.rings();
  const auto rung = [&] {
    const auto before = std::exchange(rings, bell.rings());
    return before != rings;
  };
  world.run_for(sec);
  EXPECT_FALSE(rung()) << "nothing happened";
  world.network.start_media_driver(world.aeron_dir);
  ASSERT_TRUE(world.run_until([&] { return node.conductor->connected(); }));
  EXPECT_TRUE(rung()) << "links are added now";
  const auto request = node.request(world.producer_options());
  EXPECT_TRUE(rung()) << "a command";
  auto producer = world.producer(request);
  auto consumer = world.consumer(node);
  ASSERT_TRUE(world.active(*consumer));
  (void)rung();
  world.run_for(5 * sec);
  EXPECT_FALSE(rung()) << "announces, hellos and the like are no news";
  producer.reset();
  EXPECT_TRUE(rung()) << "a producer closed";
  consumer.reset();
  EXPECT_TRUE(rung()) << "a consumer closed";
}

// Proves: CON-7
TEST(Conductor, ReturnsTheAmountOfWork) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  EXPECT_GT(node.do_work(), 0);  // connects
  world.run_for(sec);
  EXPECT_EQ(node.do_work(), 0);  // no time has passed, nothing has come
  const auto consumer = world.consumer(node.request(world.consumer_options()));
  world.run_for(sec);
  (void)node.do_work();
  EXPECT_EQ(node.do_work(), 0);
  const auto request = node.request(world.producer_options());
  EXPECT_GT(node.do_work(), 0);  // the command
  world.network.advance(300 * ms);
  EXPECT_GT(node.do_work(), 0);  // timers
}

TEST(Conductor, TakesNoMoreThanOneQueueOfCommandsInOneCycle) {
  World world;
  ClientOptions options = world.client_options();
  options.command_queue_capacity = 4;
  Node& node = world.node(options);
  int submitted = 0;
  // A notice of the first command queues another one: the cycle must end nevertheless.
  node.also = [&](const Notice&) {
    if (++submitted < 1000) {
      auto failing = world.producer_options();
      failing.base_dir = "/dev/shm/there-is-no-such-directory";
      (void)node.conductor->submit(std::make_shared<Request>(failing));
    }
  };
  auto failing = world.producer_options();
  failing.base_dir = "/dev/shm/there-is-no-such-directory";
  for (int i = 0; i < 4; ++i) (void)node.request(failing);
  (void)node.do_work();
  EXPECT_LE(submitted, 4 + 4);
}

// Another thread queues a command while this one is inside the duty cycle. A lock that both take
// would stop it until the cycle is over, which waits for that thread here.
// Proves: CON-15
TEST(Conductor, AcceptsCommandsDuringItsDutyCycle) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  std::shared_ptr<Request> second;
  node.also = [&](const Notice& notice) {
    if (notice.kind != NoticeKind::connected) return;
    std::thread other([&] { second = node.request(world.consumer_options()); });
    other.join();
  };
  (void)node.do_work();
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(world.run_until([&] { return second->state() == Request::State::complete; }));
}

// Proves: CON-20
TEST(Conductor, EndsEveryRequestWithAPortOrAnError) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  auto bad = world.producer_options();
  bad.stream = stream + 1;
  bad.base_dir = "/dev/shm/there-is-no-such-directory";
  const auto failing = node.request(bad);
  const auto good = node.request(world.producer_options());
  EXPECT_TRUE(world.run_until([&] {
    return failing->state() != Request::State::pending && good->state() != Request::State::pending;
  }));
  EXPECT_EQ(good->state(), Request::State::complete);
  ASSERT_EQ(failing->state(), Request::State::failed);
  EXPECT_NE(failing->error().message().find("/dev/shm/there-is-no-such-directory"),
            std::string::npos)
      << failing->error().message();
  EXPECT_EQ(node.told(NoticeKind::error), 1);
}

TEST(Conductor, ShowsTheRegistrationOfTheLinkBeingAdded) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto request = node.request(world.producer_options());
  EXPECT_EQ(request->registration_id.load(), -1);
  EXPECT_TRUE(world.run_until([&] { return request->registration_id.load() != -1; }));
}

TEST(Conductor, DropsARequestWhoseHandleIsGone) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  const auto early = node.request(world.producer_options());
  EXPECT_TRUE(early->abandon());
  world.run_for(sec);
  EXPECT_EQ(world.files.region_files(), 0);

  // In the middle of being created.
  const auto late = node.request(world.producer_options());
  EXPECT_TRUE(world.run_until([&] { return world.files.region_files() > 0; }));
  EXPECT_TRUE(late->abandon());
  EXPECT_TRUE(world.run_until([&] { return world.files.region_files() == 0; }));
  EXPECT_TRUE(late->abandoned());
}

// Created, but never completed for want of a media driver: its place and its memory come back.
TEST(Conductor, KeepsNothingOfRequestsThatWereDroppedHalfWay) {
  World world;
  Node& node = world.node();
  for (std::size_t i = 1; i <= base::limits::ports_per_client; ++i) {
    const auto request = node.request(world.producer_options());
    const int mapped = static_cast<int>(i);
    ASSERT_TRUE(world.run_until([&] { return node.told(NoticeKind::mapped) == mapped; }));
    EXPECT_TRUE(request->abandon());
    world.step();
  }
  const auto one_more = node.request(world.producer_options());
  world.step();
  EXPECT_EQ(one_more->state(), Request::State::pending);
}

TEST(Conductor, HoldsAtMost64Ports) {
  World world;
  world.network.start_media_driver(world.aeron_dir);
  Node& node = world.node();
  std::vector<std::shared_ptr<Request>> requests;
  for (std::size_t i = 0; i < base::limits::ports_per_client; ++i) {
    auto options = world.consumer_options();
    options.stream = 1 + static_cast<std::uint32_t>(i);
    requests.push_back(node.request(options));
  }
  for (const auto& request : requests)
    EXPECT_TRUE(world.run_until([&] { return request->state() == Request::State::complete; }));
  const auto one_too_many = node.request(world.consumer_options());
  (void)node.do_work();
  ASSERT_EQ(one_too_many->state(), Request::State::failed);
  EXPECT_EQ(one_too_many->error().code(), Code::limit_exceeded);
  EXPECT_NE(one_too_many->error().message().find("64"), std::string::npos);

  // A port that is closed makes room.
  requests.front()->take_cell()->closed.store(true);
  (void)node.do_work();
  const auto again = node.request(world.consumer_options());
  EXPECT_TRUE(world.run_until([&] { return again->state() == Request::State::complete; }));
}

TEST(Conductor, MeasuresItsLongestCycle) {
  World world;
  Node& node = world.node();
  (void)node.do_work();
  EXPECT_EQ(node.conductor->longest_cycle_ns(), 0);
  node.also = [&](const Notice&) { world.clock.advance(3 * ms); };
  world.network.start_media_driver(world.aeron_dir);
  world.network.advance(sec);
  (void)node.do_work();
  EXPECT_EQ(node.conductor->longest_cycle_ns(), 3 * ms);
}

}  // namespace
}  // namespace tensorpool::agents::test
