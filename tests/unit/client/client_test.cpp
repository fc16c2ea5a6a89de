// The client and its pending handles, mostly without a media driver.
#include "tensorpool/client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "unit/client/support.hpp"

namespace tensorpool::client_test {
namespace {

TEST(Client, ConnectsAtOnceWithoutAMediaDriver) {
  const Deployment deployment;
  for (const Threading threading : {Threading::threaded, Threading::invoked}) {
    auto client = Client::connect(deployment.client_options(threading));
    ASSERT_TRUE(client) << client.error().message();
    (void)client->do_work();
    EXPECT_EQ(client->state(), ClientState::connecting);
    EXPECT_EQ(client->aeron_dir(), deployment.aeron_dir());
    ASSERT_TRUE(client->close());
    EXPECT_EQ(client->state(), ClientState::closed);
    ASSERT_TRUE(client->close());
  }
}

TEST(Client, SaysClosedAfterItsEnd) {
  const Deployment deployment;
  auto client = deployment.connect();
  ASSERT_TRUE(client.close());
  EXPECT_EQ(client.do_work(), 0);
  EXPECT_EQ(client.producer(deployment.producer_options()).wait(patience).error().code(),
            Code::closed);
  EXPECT_EQ(client.consumer({.stream = stream}).wait(patience).error().code(), Code::closed);
}

TEST(Client, IsEmptyAfterItMoved) {
  const Deployment deployment;
  auto client = deployment.connect();
  Client other(std::move(client));
  EXPECT_EQ(other.state(), ClientState::connecting);
  EXPECT_EQ(client.state(), ClientState::closed);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(client.do_work(), 0);
  EXPECT_EQ(client.aeron_dir(), "");
  EXPECT_EQ(client.longest_cycle().count(), 0);
  EXPECT_TRUE(client.close());
  EXPECT_EQ(client.producer(deployment.producer_options()).poll().value().error().code(),
            Code::closed);
  other = deployment.connect();  // ends the first
  EXPECT_EQ(other.state(), ClientState::connecting);
}

TEST(Pending, SaysWhichDirectoryHasNoMediaDriver) {
  const Deployment deployment;
  for (const Threading threading : {Threading::threaded, Threading::invoked}) {
    auto client = deployment.connect(threading);
    auto pending = client.producer(deployment.producer_options());
    const auto outcome = pending.wait(1ms);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Code::no_media_driver);
    EXPECT_NE(outcome.error().message().find(deployment.aeron_dir()), std::string::npos)
        << outcome.error().message();
    EXPECT_FALSE(pending.poll());  // goes on
  }
}

TEST(Pending, WaitsOnAfterATimeout) {
  Deployment deployment;
  deployment.start();
  auto client = deployment.connect();
  ASSERT_TRUE(until(client, [&] { return client.state() == ClientState::connected; }));
  auto options = deployment.producer_options();
  options.slots = 1U << 14U;
  options.pools = {{.pool_id = 1, .stride_bytes = 4096}};
  auto pending = client.producer(options);
  const auto early = pending.wait(0ns);
  if (!early) {
    EXPECT_EQ(early.error().code(), Code::timeout);
    EXPECT_NE(early.error().message().find("wait again"), std::string::npos);
    const auto later = pending.wait(std::chrono::nanoseconds::max());  // for ever
    ASSERT_TRUE(later) << later.error().message();
  }
}

TEST(Pending, GivesItsOutcomeOnce) {
  Deployment deployment;
  deployment.start();
  auto client = deployment.connect(Threading::invoked);
  auto pending = client.consumer({.stream = stream});
  EXPECT_FALSE(pending.poll());
  auto consumer = pending.wait(patience);  // exists before its stream
  ASSERT_TRUE(consumer) << consumer.error().message();
  EXPECT_EQ(consumer->state(), PortState::connecting);
  EXPECT_EQ(consumer->stream(), stream);
  EXPECT_NE(consumer->consumer_id(), 0U);  // a random one
  const auto again = pending.poll();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->error().code(), Code::consumed);
  EXPECT_EQ(pending.wait(1ms).error().code(), Code::consumed);

  auto moved = client.consumer({.stream = stream});
  auto to = std::move(moved);
  EXPECT_EQ(moved.wait(1ms).error().code(), Code::consumed);  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(to.wait(patience));
}

TEST(Pending, BecomesClosedWithItsClient) {
  const Deployment deployment;
  std::optional<Pending<Producer>> pending;
  {
    auto client = deployment.connect();
    pending.emplace(client.producer(deployment.producer_options()));
    EXPECT_FALSE(pending->poll());
  }
  const auto outcome = pending->poll();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code(), Code::closed);
}

// Requests that are queued while the client closes end as well, whichever comes first.
TEST(Pending, IsNeverForgottenByAClientThatCloses) {
  const Deployment deployment;
  for (int round = 0; round < 50; ++round) {
    auto client = deployment.connect(Threading::invoked);
    std::vector<Pending<Consumer>> pending;
    std::atomic<bool> closed{false};
    std::thread other([&] {
      // Fewer than the queue holds: nobody empties it, and this thread may run for long before the
      // other one comes to close.
      while (!closed.load() && pending.size() < 1000)
        pending.push_back(client.consumer({.stream = stream}));
    });
    ASSERT_TRUE(client.close());
    closed.store(true);
    other.join();
    for (auto& each : pending) {
      const auto outcome = each.poll();
      ASSERT_TRUE(outcome);
      ASSERT_FALSE(*outcome);
      EXPECT_EQ(outcome->error().code(), Code::closed);
    }
  }
}

TEST(Pending, DroppedBeforeItsEndLeavesNothingBehind) {
  Deployment deployment;
  deployment.start();
  auto client = deployment.connect(Threading::invoked);
  {
    auto pending = client.producer(deployment.producer_options());
    EXPECT_TRUE(until(client, [&] { return deployment.files.region_files() > 0; }));
  }
  EXPECT_TRUE(until(client, [&] { return deployment.files.region_files() == 0; }));
  {
    // Complete, and never taken.
    auto pending = client.producer(deployment.producer_options());
    EXPECT_TRUE(until(client, [&] { return deployment.files.region_files() == 2; }));
    for (int i = 0; i < 1000; ++i) (void)client.do_work();
  }
  EXPECT_TRUE(until(client, [&] { return deployment.files.region_files() == 0; }));
}

// A handler that does everything that it must not, and counts how deep it got.
// Proves: CON-10
TEST(Callback, RefusesWhatWouldWaitForItself) {
  Deployment deployment;
  deployment.start();
  std::optional<Client> client;
  int depth = 0;
  int called = 0;
  std::optional<Pending<Consumer>> pending;
  std::optional<Consumer> consumer;
  int waits_refused = 0;
  ClientOptions options = deployment.client_options(Threading::invoked);
  options.on_notice = [&](const Notice&) {
    EXPECT_EQ(++depth, 1);
    ++called;
    for (int i = 0; i < 10; ++i) EXPECT_EQ(client->do_work(), 0);  // dispatches nothing
    EXPECT_EQ(client->close().error().code(), Code::in_callback);
    if (!pending) pending.emplace(client->consumer({.stream = stream}));  // a command is fine
    EXPECT_EQ(pending->wait(patience).error().code(), Code::in_callback);
    if (consumer) {
      const auto latest = std::chrono::steady_clock::time_point::max();
      EXPECT_EQ(consumer->next(latest).error().code(), Code::in_callback);
      EXPECT_EQ(consumer->wait(latest).error().code(), Code::in_callback);
      ++waits_refused;
    }
    --depth;
  };
  client.emplace(Client::connect(options).value());
  EXPECT_TRUE(until(*client, [&] { return called > 0; }));
  auto made = pending->wait(patience);
  ASSERT_TRUE(made);
  consumer.emplace(std::move(*made));
  auto producer = client->producer(deployment.producer_options()).wait(patience);
  ASSERT_TRUE(producer);
  EXPECT_TRUE(until(*client, [&] { return waits_refused > 0; }));  // it was mapped
  EXPECT_EQ(client->state(), ClientState::connected);
}

// One client's handler drives another client, whose handler comes back to the first.
TEST(Callback, OfOneClientMayDriveAnother) {
  Deployment deployment;
  deployment.start();
  std::optional<Client> outer;
  std::optional<Client> inner;
  bool done = false;
  ClientOptions of_inner = deployment.client_options(Threading::invoked);
  of_inner.on_notice = [&](const Notice&) {
    EXPECT_EQ(outer->close().error().code(), Code::in_callback);
    EXPECT_EQ(outer->do_work(), 0);
    done = true;
  };
  ClientOptions of_outer = deployment.client_options(Threading::invoked);
  of_outer.on_notice = [&](const Notice&) {
    if (inner) return;
    inner.emplace(Client::connect(of_inner).value());
    EXPECT_TRUE(until(*inner, [&] { return done; }));
  };
  outer.emplace(Client::connect(of_outer).value());
  EXPECT_TRUE(until(*outer, [&] { return done; }));
}

// The client ends behind the callback that destroyed it, in either mode: its regions go, its thread
// goes, and what it held on to (the handler itself) goes with it.
TEST(Callback, MayDestroyTheClient) {
  for (const Threading threading : {Threading::threaded, Threading::invoked}) {
    Deployment deployment;
    auto held = std::make_shared<int>(0);
    const std::weak_ptr<int> watch = held;
    std::optional<Client> client;
    std::atomic<bool> gone{false};
    ClientOptions options = deployment.client_options(threading);
    options.on_notice = [&, held](const Notice& notice) {
      if (notice.kind != NoticeKind::connected) return;
      client.reset();
      gone.store(true);
    };
    client.emplace(Client::connect(std::move(options)).value());
    options.on_notice = nullptr;
    held.reset();
    auto pending = client->producer(deployment.producer_options());
    deployment.start();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!gone.load() && std::chrono::steady_clock::now() < deadline) {
      if (threading == Threading::invoked) (void)client->do_work();
      std::this_thread::yield();
    }
    ASSERT_TRUE(gone.load());
    const auto outcome = pending.wait(patience);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code(), Code::closed);
    {
      const auto last = std::move(pending);
    }
    while (!watch.expired() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    EXPECT_TRUE(watch.expired());
    EXPECT_EQ(deployment.files.region_files(), 0);
  }
}

}  // namespace
}  // namespace tensorpool::client_test
