// Consumers that sleep in the kernel and producers that wake them, in one process.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "integration/wake_watch.hpp"

namespace tensorpool::integration {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t stream = 990;
constexpr std::uint32_t slots = 64;

bool publish(Producer& producer) {
  auto slot = producer.claim(DType::u8, {8});
  return slot && slot->commit().has_value();
}

// Pulls every frame in a thread of its own, sleeping in between.
class Sleeper {
 public:
  explicit Sleeper(Consumer consumer)
      : consumer_(std::move(consumer)), thread_([this] { run(); }) {}
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() { end(); }

  void end() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::uint64_t delivered() const { return consumer_.statistics().delivered; }
  // Why the last wait failed, or ok.
  Code code() const { return code_; }
  // Ends by itself when its client closes.
  void join() { thread_.join(); }
  ConsumerStatistics statistics() const { return consumer_.statistics(); }

 private:
  void run() {
    while (!over_) {
      // Soon enough for end(), and far longer than any slice of sleep.
      auto view = consumer_.next(Clock::now() + 2s);
      code_ = view ? Code::ok : view.error().code();
      if (view) (void)view->finish();
      if (code_ == Code::closed) return;
    }
  }

  Consumer consumer_;
  std::atomic<bool> over_{false};
  std::atomic<Code> code_{Code::ok};
  std::thread thread_;
};

class WakeUp : public ::testing::Test {
 protected:
  Producer produce(Client& client, bool wakes = true) {
    ProducerOptions options = producer_options(world_.folder(), stream, slots, {64});
    options.wake_waiters = wakes;
    return make_producer(client, options);
  }
  // With little patience before it sleeps.
  Consumer consume(Client& client, std::uint32_t id = 0) {
    ConsumerOptions options = consumer_options(stream);
    options.consumer_id = id;
    options.wait.spin_ns = 0;
    options.wait.yields = 0;
    Consumer consumer = make_consumer(client, options);
    EXPECT_TRUE(until_active(consumer));
    return consumer;
  }
  Client client() { return connect(client_options(world_.folder())); }
  std::int64_t consumers(const char* name) {
    return counted(world_.folder(), "consumer", name, stream);
  }
  std::int64_t producers(const char* name) {
    return counted(world_.folder(), "producer", name, stream);
  }
  bool somebody_sleeps() { return waiters(world_.folder(), stream, true) > 0; }

  World world_;
};

// The counters tell that a producer ended a sleep: the kernel says so, not a clock.
TEST_F(WakeUp, a_commit_ends_the_sleep_of_a_consumer) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Sleeper sleeper(consume(receiver));
  ASSERT_TRUE(until_linked(world_.folder()));
  std::uint64_t sent = 0;
  EXPECT_TRUE(eventually([&] {
    if (somebody_sleeps()) sent += publish(producer) ? 1U : 0U;
    return consumers("woken") > 10 && producers("wakes") > 10;
  }));
  EXPECT_TRUE(eventually([&] { return sleeper.delivered() == sent; }));
}

TEST_F(WakeUp, thousands_of_frames_through_two_sleepers_lose_nothing_and_hang_nobody) {
  Client sender = client();
  Client receiver = client();
  Client other = client();
  Producer producer = produce(sender);
  Sleeper one(consume(receiver));
  Sleeper two(consume(other));
  ASSERT_TRUE(until_linked(world_.folder()));
  for (std::uint64_t sent = 1; sent <= 3000; ++sent) {
    ASSERT_TRUE(publish(producer));
    // In turn waiting for one, the other, both and none, but never farther ahead than the ring.
    const std::uint64_t behind = sent % 4 == 3 ? slots / 2 : 0;
    ASSERT_TRUE(eventually([&] {
      return (sent % 4 == 1 || one.delivered() + behind >= sent) &&
             (sent % 4 == 2 || two.delivered() + behind >= sent);
    })) << sent;
    if (sent % 16 == 0) {
      ASSERT_TRUE(eventually([&] { return one.delivered() == sent && two.delivered() == sent; }));
    }
  }
  EXPECT_TRUE(eventually([&] { return one.delivered() == 3000 && two.delivered() == 3000; }));
  EXPECT_EQ(one.statistics().lost + one.statistics().overwritten, 0U);
  EXPECT_EQ(two.statistics().lost + two.statistics().overwritten, 0U);
}

TEST_F(WakeUp, without_a_bell_a_consumer_looks_again_after_pauses) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender, false);
  Sleeper sleeper(consume(receiver));
  ASSERT_TRUE(until_linked(world_.folder()));
  for (std::uint64_t sent = 1; sent <= 100; ++sent) {
    ASSERT_TRUE(publish(producer));
    ASSERT_TRUE(eventually([&] { return sleeper.delivered() == sent; }));
  }
  ASSERT_TRUE(eventually([&] { return consumers("sleeps") > 10; }));
  EXPECT_EQ(consumers("woken"), 0);
  EXPECT_EQ(producers("wakes"), 0);
}

TEST_F(WakeUp, a_consumer_that_never_sleeps_takes_no_part) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(publish(producer));
    ASSERT_TRUE(eventually([&] { return consumer.poll([](const Frame&) {}).delivered == 1; }));
  }
  EXPECT_EQ(waiters(world_.folder(), stream, false), 0U);
  EXPECT_EQ(producers("wakes"), 0);
}

// Counters that are never armed take most of the places, for a consumer takes a second to make.
TEST_F(WakeUp, more_waiters_than_a_producer_serves_get_every_frame) {
  constexpr std::size_t served = 2;
  constexpr std::size_t real = 5;
  constexpr std::size_t others = base::limits::waiters_per_producer - served;
  CounterMaker maker(world_.folder());
  std::vector<std::unique_ptr<transport::Counter>> first;
  for (std::size_t i = 0; i < others; ++i)
    first.push_back(maker.make(agents::armed_type_id, stream));
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  std::vector<std::unique_ptr<Sleeper>> sleepers;
  for (std::size_t i = 0; i < real; ++i)
    sleepers.push_back(std::make_unique<Sleeper>(consume(receiver)));
  ASSERT_TRUE(until_linked(world_.folder()));
  ASSERT_TRUE(eventually([&] { return waiters(world_.folder(), stream, false) == others + real; }));
  std::uint64_t sent = 0;
  for (;;) {
    ASSERT_TRUE(publish(producer));
    ++sent;
    for (const auto& sleeper : sleepers)
      ASSERT_TRUE(eventually([&] { return sleeper->delivered() == sent; })) << sent;
    if (sent >= 50 && producers("wakes") > 0) break;
  }
}

TEST_F(WakeUp, closing_the_client_in_another_thread_ends_a_wait) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Sleeper sleeper(consume(receiver));
  ASSERT_TRUE(eventually([&] { return somebody_sleeps(); }));
  ASSERT_TRUE(receiver.close());
  sleeper.join();
  EXPECT_EQ(sleeper.code(), Code::closed);
}

TEST_F(WakeUp, sleepers_survive_their_media_driver) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Sleeper sleeper(consume(receiver));
  for (int life = 0; life < 2; ++life) {
    const std::uint64_t before = sleeper.delivered();
    const std::int64_t woken = life == 0 ? 0 : consumers("woken");
    // Where the media driver changed, what is sent first may reach nobody.
    ASSERT_TRUE(eventually([&] {
      if (somebody_sleeps()) (void)publish(producer);
      return sleeper.delivered() > before && consumers("woken") > woken;
    }));
    ASSERT_TRUE(eventually([&] { return somebody_sleeps(); }));
    world_.end_media_driver();
    world_.start_media_driver();
  }
}

// The id of a waiter that went is given to a counter of another kind.
TEST_F(WakeUp, a_counter_that_is_no_waiter_any_more_is_called_by_nobody) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  CounterMaker maker(world_.folder());
  auto waiter = maker.make(agents::armed_type_id, stream);
  waiter->set(1);
  ASSERT_TRUE(eventually([&] { return publish(producer) && producers("wakes") > 0; }));
  const std::int32_t id = waiter->id();
  waiter.reset();
  std::vector<std::unique_ptr<transport::Counter>> others;
  ASSERT_TRUE(eventually([&] {
    others.push_back(maker.make(10'500, stream));
    others.back()->set(1);
    if (others.back()->id() == id) return true;
    if (others.size() > 1) others.pop_back();
    return false;
  }));
  const auto mirrored = [&] {  // now and then
    const auto until = Clock::now() + 300ms;
    EXPECT_TRUE(eventually([&] { return Clock::now() > until; }));
    return producers("wakes");
  };
  const std::int64_t wakes = mirrored();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(publish(producer));
  EXPECT_EQ(mirrored(), wakes);
}

class Waiting : public WakeUp {};

TEST_F(Waiting, ends_at_the_deadline_and_says_what_it_did_not_find) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  const auto deadline = Clock::now() + 30ms;
  EXPECT_EQ(consumer.next(deadline).error().code(), Code::no_frame);
  EXPECT_GE(Clock::now(), deadline);
  EXPECT_EQ(consumer.latest(Clock::now() + 1ms).error().code(), Code::no_frame);
  (void)consumer.poll([](const Frame&) {});
  EXPECT_FALSE(consumer.wait(Clock::now() + 1ms).value());
  EXPECT_FALSE(consumer.wait(1ms).value());
  EXPECT_FALSE(consumer.wait(0ms).value());
  ASSERT_TRUE(until_linked(world_.folder()));
  ASSERT_TRUE(publish(producer));
  EXPECT_TRUE(consumer.wait(patience).value());
  EXPECT_TRUE(consumer.wait(0ms).value());  // still there
  EXPECT_EQ(consumer
                .poll([&](const Frame&) {
                  EXPECT_EQ(consumer.wait(1ms).error().code(), Code::in_callback);
                  EXPECT_EQ(consumer.next(1ms).error().code(), Code::in_callback);
                })
                .delivered,
            1U);
  EXPECT_FALSE(consumer.wait(0ms).value());
  ASSERT_TRUE(receiver.close());
  EXPECT_EQ(consumer.wait(patience).error().code(), Code::closed);
  consumer.close();
  EXPECT_EQ(consumer.wait(patience).error().code(), Code::closed);
}

TEST_F(Waiting, ends_with_another_state) {
  Client receiver = client();
  ConsumerOptions options = consumer_options(stream);
  options.wait.spin_ns = 0;
  Consumer consumer = make_consumer(receiver, options);
  (void)consumer.poll([](const Frame&) {});
  Client sender = client();
  Producer producer = produce(sender);
  ASSERT_TRUE(eventually([&] {
    EXPECT_TRUE(consumer.wait(patience).value());
    return consumer.poll([](const Frame&) {}).state == PortState::active;
  }));
  EXPECT_FALSE(consumer.wait(0ms).value());
}

TEST_F(Waiting, drives_an_invoked_client) {
  Client sender = client();
  Producer producer = produce(sender);
  ClientOptions invoked = client_options(world_.folder());
  invoked.threading = Threading::invoked;
  Client receiver = connect(std::move(invoked));
  ConsumerOptions options = consumer_options(stream);
  options.wait.spin_ns = 0;
  Consumer consumer = make_consumer(receiver, options);
  // Nobody but the wait itself lets it map the stream, or hear of it.
  ASSERT_TRUE(eventually([&] {
    (void)publish(producer);
    auto view = consumer.next(100ms);
    return view && view->finish() == Outcome::delivered;
  }));
  ASSERT_TRUE(eventually([&] {
    (void)publish(producer);
    return consumer.wait(100ms).value() && consumer.poll([](const Frame&) {}).delivered > 0;
  }));
}

TEST_F(Waiting, never_sleeps_where_it_was_told_not_to) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  for (const std::uint32_t yields : {0U, 3U}) {
    ConsumerOptions options = consumer_options(stream);
    options.wait = {.spin_ns = 0, .yields = yields, .sleep = false};
    Consumer consumer = make_consumer(receiver, options);
    ASSERT_TRUE(until_active(consumer));
    EXPECT_EQ(consumer.next(20ms).error().code(), Code::no_frame);
    ASSERT_TRUE(eventually([&] {
      (void)publish(producer);
      return consumer.next(20ms).has_value();
    }));
  }
  EXPECT_EQ(waiters(world_.folder(), stream, false), 0U);
}

}  // namespace
}  // namespace tensorpool::integration
