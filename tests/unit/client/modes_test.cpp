// A client with a thread of its own and one that is driven by its caller behave alike.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "unit/client/support.hpp"

namespace tensorpool::client_test {
namespace {

class Modes : public testing::TestWithParam<Threading> {};
INSTANTIATE_TEST_SUITE_P(Both, Modes, testing::Values(Threading::threaded, Threading::invoked),
                         [](const auto& each) {
                           return each.param == Threading::threaded ? "threaded" : "invoked";
                         });

// A whole life, from before the media driver to after the end.
// Proves: CON-27
TEST_P(Modes, LiveTheSameLife) {
  Deployment deployment;
  std::mutex mutex;
  std::vector<NoticeKind> told;
  std::vector<std::thread::id> where;
  ClientOptions options = deployment.client_options(GetParam());
  options.on_notice = [&](const Notice& notice) {
    const std::lock_guard lock(mutex);
    told.push_back(notice.kind);
    where.push_back(std::this_thread::get_id());
  };
  auto client = Client::connect(options).value();
  auto pending = client.producer(deployment.producer_options());
  EXPECT_EQ(pending.wait(1ms).error().code(), Code::no_media_driver);
  EXPECT_EQ(client.consumer({.stream = stream}).wait(1ms).error().code(), Code::no_media_driver);
  EXPECT_EQ(client.state(), ClientState::connecting);
  deployment.start();
  auto producer = pending.wait(patience).value();
  auto consumer = client.consumer({.stream = stream}).wait(patience).value();
  EXPECT_EQ(client.state(), ClientState::connected);
  EXPECT_EQ(producer.state(), PortState::active);

  (void)deliver(client, producer, consumer, 255).finish();
  for (std::uint8_t i = 0; i < 100; ++i) {
    const auto sent = send(producer, i);
    ASSERT_TRUE(sent) << sent.error().message();
    ASSERT_EQ(sent->told, Told::consumers);
    int seen = -1;
    EXPECT_TRUE(until(client, [&] {
      return consumer.poll([&](const Frame& f) { seen = static_cast<int>(f.bytes()[5]); })
                 .delivered > 0;
    }));
    EXPECT_EQ(seen, i);
  }
  EXPECT_TRUE(consumer.statistics().balanced());
  EXPECT_EQ(deployment.files.region_files(), 2);
  EXPECT_GE(client.longest_cycle().count(), 1);

  ASSERT_TRUE(client.close());
  EXPECT_EQ(producer.state(), PortState::closed);
  EXPECT_EQ(consumer.state(), PortState::closed);
  EXPECT_EQ(deployment.files.region_files(), 0);
  // The producer's regions and the media driver come in either order.
  EXPECT_THAT(told, testing::UnorderedElementsAre(NoticeKind::connected, NoticeKind::mapped,
                                                  NoticeKind::mapped));
  for (const std::thread::id id : where)
    EXPECT_EQ(id == std::this_thread::get_id(), GetParam() == Threading::invoked);
}

TEST_P(Modes, NoticeAReplacedMediaDriver) {
  Deployment deployment;
  deployment.start();
  auto client = deployment.connect(GetParam());
  Pair pair(deployment, client);
  (void)deliver(client, pair.producer, pair.consumer, 1).finish();
  deployment.driver.reset();
  deployment.start();
  // What is sent before the client notices goes to nobody, although the old log still takes it.
  EXPECT_TRUE(until(client, [&] {
    (void)send(pair.producer, 2);
    auto frame = pair.consumer.next(1ms);
    return frame && frame->bytes()[0] == std::byte{2} &&
           std::move(*frame).finish() == Outcome::delivered;
  }));
  EXPECT_EQ(pair.consumer.statistics().sessions, 1U);  // the mapping stayed
  EXPECT_TRUE(pair.consumer.statistics().balanced());
}

// Waits in one thread while another drives.
TEST(Invoked, PendingIsServedByWhicheverThreadDrives) {
  Deployment deployment;
  deployment.start();
  auto client = deployment.connect(Threading::invoked);
  std::atomic<bool> over{false};
  std::thread driving([&] {
    while (!over.load()) (void)client.do_work();
  });
  for (int i = 0; i < 20; ++i) {
    auto consumer = client.consumer({.stream = stream}).wait(patience);
    EXPECT_TRUE(consumer);
  }
  auto producer = client.producer(deployment.producer_options()).wait(patience);
  EXPECT_TRUE(producer);
  over.store(true);
  driving.join();
}

// What waits in one thread, driving the client, ends when another closes it: in the middle of a duty cycle or between
// two, asleep or not.
TEST(Invoked, ClosingInAnotherThreadEndsWhateverWaits) {
  Deployment deployment;
  deployment.start();
  for (unsigned round = 0; round < 24; ++round) {
    SCOPED_TRACE(round);
    auto client = deployment.connect(Threading::invoked);
    auto consumer = client.consumer({.stream = stream}).wait(patience).value();
    std::atomic<bool> begun{false};
    Code ended = Code::ok;
    std::thread waiting([&] {
      begun.store(true);
      switch (round % 3) {
        case 0:
          ended = consumer.next(patience).error().code();
          return;
        case 1:
          ended = consumer.latest(patience).error().code();
          return;
        default: {
          // A state that it has not been told of yet ends a wait, too.
          auto outcome = consumer.wait(patience);
          while (outcome) {
            (void)consumer.poll([](const Frame&) {});
            outcome = consumer.wait(patience);
          }
          ended = outcome.error().code();
        }
      }
    });
    EXPECT_TRUE(test::eventually([&] { return begun.load(); }));
    for (unsigned i = 0; i < round * round; ++i) std::this_thread::yield();
    EXPECT_TRUE(client.close());
    waiting.join();
    EXPECT_EQ(ended, Code::closed);
    EXPECT_EQ(consumer.state(), PortState::closed);
    EXPECT_EQ(client.do_work(), 0);
  }
}

// A consumer that sleeps when there is no producer, no mapping and no image: all of them come meanwhile.
TEST(Threads, AConsumerThatSleepsIsReachedByAProducerThatComesLater) {
  Deployment deployment;
  deployment.start();
  auto reading = deployment.connect();
  auto consumer = reading.consumer({.stream = stream}).wait(patience).value();
  std::atomic<bool> done{false};
  Outcome outcome = Outcome::ended;
  std::thread waiting([&] {
    auto view = consumer.next(patience);
    if (view) outcome = view->finish();
    done.store(true);
  });
  auto writing = deployment.connect();
  auto options = deployment.producer_options();
  options.wake_waiters = true;
  auto producer = writing.producer(options).wait(patience).value();
  EXPECT_TRUE(test::eventually([&] {
    (void)send(producer, 1);
    return done.load();
  }));
  waiting.join();
  EXPECT_NE(outcome, Outcome::ended);
}

// Ports in threads of their own, a client in a third, all of them at once.
TEST(Threads, PortsRunBesideOneAnotherAndTheirClient) {
  Deployment deployment;
  deployment.start();
  auto client = deployment.connect();
  constexpr std::uint32_t streams = 3;
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> wrong{0};
  for (std::uint32_t s = 1; s <= streams; ++s) {
    threads.emplace_back([&, s] {
      auto options = deployment.producer_options();
      options.stream = s;
      auto producer = client.producer(options).wait(patience).value();
      while (done.load() < static_cast<int>(streams)) {
        (void)send(producer, static_cast<std::uint8_t>(s));
        std::this_thread::yield();
      }
    });
    threads.emplace_back([&, s] {
      auto consumer = client.consumer({.stream = s}).wait(patience).value();
      const auto deadline = std::chrono::steady_clock::now() + patience;
      std::vector<std::byte> buffer(256);
      while (consumer.statistics().delivered < 200 && std::chrono::steady_clock::now() < deadline) {
        (void)consumer.poll_copy(buffer, [&](const CopiedFrame& f) {
          for (const std::byte b : f.bytes) {
            if (b != static_cast<std::byte>(s)) wrong.fetch_add(1);
          }
        });
      }
      EXPECT_GE(consumer.statistics().delivered, 200U);
      EXPECT_TRUE(consumer.statistics().balanced());
      done.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0U);
  ASSERT_TRUE(client.close());
  EXPECT_EQ(deployment.files.region_files(), 0);
}

// The client ends while its ports are being used in other threads.
TEST(Threads, AClientMayCloseUnderItsPorts) {
  for (int round = 0; round < 3; ++round) {
    Deployment deployment;
    deployment.start();
    std::optional<Client> client(deployment.connect());
    Pair pair(deployment, *client);
    (void)deliver(*client, pair.producer, pair.consumer, 1).finish();
    std::thread sending([&] {
      while (send(pair.producer, 1)) {
      }
    });
    std::thread reading([&] {
      while (pair.consumer.poll([](const Frame&) {}).state != PortState::closed) {
      }
    });
    client.reset();
    sending.join();
    reading.join();
    EXPECT_EQ(pair.producer.state(), PortState::closed);
  }
}

}  // namespace
}  // namespace tensorpool::client_test
