// Who drives the conductor, seen from a world that watches.
#include "client/client_core.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/posix_file_system.hpp"

namespace tensorpool::client {
namespace {

// What the duty cycles of one client look like from inside.
struct Watch {
  std::atomic<bool> inside{false};
  std::atomic<bool> overlapped{false};
  std::atomic<int> cycles{0};
  std::mutex mutex;
  std::set<std::thread::id> threads;
};

// Never finds a media driver; every duty cycle asks.
class WatchedTransport final : public transport::Transport {
 public:
  explicit WatchedTransport(Watch& watch) : watch_(watch) {}
  transport::MediaDriverState probe(const transport::ConnectOptions&) override {
    if (watch_.inside.exchange(true)) watch_.overlapped.store(true);
    {
      const std::lock_guard lock(watch_.mutex);
      watch_.threads.insert(std::this_thread::get_id());
    }
    for (int i = 0; i < 10; ++i) std::this_thread::yield();
    watch_.cycles.fetch_add(1);
    watch_.inside.store(false);
    return {};
  }
  std::string directory(const transport::ConnectOptions&) const override { return "/none"; }
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions&) override {
    return fail(Code::no_media_driver, "connect", "none");
  }

 private:
  Watch& watch_;
};

// Every look at it is a second later.
class HastyClock final : public base::Clock {
 public:
  base::Nanos monotonic_ns() const noexcept override { return now_.fetch_add(1'000'000'000); }
  base::Nanos realtime_ns() const noexcept override { return now_.load(); }

 private:
  mutable std::atomic<base::Nanos> now_{1'000'000'000};
};

std::shared_ptr<ClientCore> make(Watch& watch, Threading threading, std::uint32_t capacity = 1024) {
  ClientOptions options;
  options.mode = Mode::direct;
  options.threading = threading;
  options.idle = Idle::yielding;
  options.command_queue_capacity = capacity;
  return ClientCore::make(std::move(options), OwnedWorld{std::make_unique<WatchedTransport>(watch),
                                                         std::make_unique<base::PosixFileSystem>(),
                                                         std::make_unique<HastyClock>()})
      .value();
}

std::shared_ptr<agents::Request> consumer_request() {
  return std::make_shared<agents::Request>(ConsumerOptions{.stream = 5});
}

// Proves: CON-2
TEST(ClientCore, LetsOneThreadAtATimeIntoTheDutyCycle) {
  Watch watch;
  const auto core = make(watch, Threading::invoked);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (watch.cycles.load() < 300) (void)core->do_work();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(watch.overlapped.load());
  EXPECT_FALSE(watch.inside.load());
}

// Proves: CON-28
TEST(ClientCore, RunsTheDutyCycleInItsOwnThreadOnlyWhereItHasOne) {
  Watch watch;
  const auto core = make(watch, Threading::threaded);
  while (watch.cycles.load() < 50) EXPECT_EQ(core->do_work(), 0);
  ASSERT_TRUE(core->close());
  EXPECT_EQ(watch.threads.size(), 1U);
  EXPECT_FALSE(watch.threads.contains(std::this_thread::get_id()));
  const int cycles = watch.cycles.load();
  EXPECT_EQ(core->do_work(), 0);
  EXPECT_EQ(watch.cycles.load(), cycles);
}

TEST(ClientCore, RefusesCommandsOnceItsQueueIsFullAndTakesThemAgain) {
  Watch watch;
  const auto core = make(watch, Threading::invoked, 4);
  std::vector<std::shared_ptr<agents::Request>> requests;
  for (int i = 0; i < 4; ++i) {
    requests.push_back(consumer_request());
    EXPECT_TRUE(core->submit(requests.back()));
  }
  const auto fifth = consumer_request();
  const auto refused = core->submit(fifth);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::back_pressured);
  EXPECT_GT(core->do_work(), 0);
  EXPECT_EQ(fifth->state(), agents::Request::State::pending);
  EXPECT_TRUE(core->submit(fifth));
  for (std::size_t i = 1; i < requests.size(); ++i) EXPECT_TRUE(core->submit(consumer_request()));
}

TEST(ClientCore, ClosesOnceWhoeverAsks) {
  for (const Threading threading : {Threading::threaded, Threading::invoked}) {
    Watch watch;
    const auto core = make(watch, threading);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) threads.emplace_back([&] { EXPECT_TRUE(core->close()); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(core->close());
    EXPECT_EQ(core->state(), ClientState::closed);
    const auto refused = core->submit(consumer_request());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::closed);
  }
}

TEST(ClientCore, KnowsWhenATimeoutIsOver) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point at_once = deadline_after(std::chrono::nanoseconds{0});
  EXPECT_LE(at_once, Clock::now());
  const Clock::time_point before = deadline_after(std::chrono::seconds{-1});
  EXPECT_LT(before, Clock::now());
  EXPECT_GT(deadline_after(std::chrono::hours{1}), Clock::now());
  EXPECT_EQ(deadline_after(std::chrono::nanoseconds::max()), Clock::time_point::max());
}

}  // namespace
}  // namespace tensorpool::client
