// Consumer::interrupt(): ends the wait of one consumer, whoever else waits and whatever there is to read.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "integration/wake_watch.hpp"

namespace tensorpool::integration {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t stream = 995;

bool publish(Producer& producer) {
  auto slot = producer.claim(DType::u8, {8});
  return slot && slot->commit().has_value();
}

// The ways to wait. All for as long as tests are patient: an interruption that gets lost fails them.
struct Way {
  const char* name;
  Code (*wait)(Consumer&, std::chrono::nanoseconds);
};
Code code_of(const Result<FrameView>& view) { return view ? Code::ok : view.error().code(); }
const Way ways[] = {
    {"next", [](Consumer& c, std::chrono::nanoseconds t) { return code_of(c.next(t)); }},
    {"latest", [](Consumer& c, std::chrono::nanoseconds t) { return code_of(c.latest(t)); }},
    {"wait",
     [](Consumer& c, std::chrono::nanoseconds t) {
       const auto found = c.wait(t);
       return found ? (*found ? Code::ok : Code::no_frame) : found.error().code();
     }},
};

class Interrupt : public ::testing::Test {
 protected:
  Client client(Threading threading = Threading::threaded) {
    ClientOptions options = client_options(world_.folder());
    options.threading = threading;
    return connect(std::move(options));
  }
  Producer produce(Client& client) {
    ProducerOptions options = producer_options(world_.folder(), stream, 64, {64});
    options.wake_waiters = true;
    return make_producer(client, options);
  }
  // Sleeps at once, and has seen its state: wait() is about frames from here on.
  Consumer consume(Client& client) {
    ConsumerOptions options = consumer_options(stream);
    options.wait.spin_ns = 0;
    options.wait.yields = 0;
    Consumer consumer = make_consumer(client, options);
    EXPECT_TRUE(eventually([&] {
      (void)client.do_work();
      return consumer.poll([](const Frame&) {}).state == PortState::active;
    }));
    return consumer;
  }
  bool somebody_sleeps() { return waiters(world_.folder(), stream, true) > 0; }

  World world_;
};

TEST_F(Interrupt, ends_a_wait_that_is_under_way) {
  Client sender = client();
  Producer producer = produce(sender);
  for (const Threading threading : {Threading::threaded, Threading::invoked}) {
    Client receiver = client(threading);
    Consumer consumer = consume(receiver);
    for (const Way& way : ways) {
      Code code = Code::ok;
      std::thread waits([&] { code = way.wait(consumer, patience); });
      // Between its sleeps an invoked client is awake for long.
      EXPECT_TRUE(eventually([&] { return somebody_sleeps(); }));
      const auto before = Clock::now();
      consumer.interrupt();
      waits.join();
      EXPECT_EQ(code, Code::interrupted) << way.name;
      EXPECT_LT(Clock::now() - before, patience / 2) << way.name;
      EXPECT_EQ(way.wait(consumer, 0ns), Code::no_frame) << "once: " << way.name;
    }
  }
}

TEST_F(Interrupt, ends_a_wait_that_is_about_to_begin_and_that_one_only) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer consumer = consume(receiver);
  for (const Way& way : ways) {
    for (const auto timeout : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(patience)}) {
      consumer.interrupt();
      consumer.interrupt();
      EXPECT_EQ(consumer.poll([](const Frame&) {}).work(), 0);  // waits for nothing
      EXPECT_EQ(way.wait(consumer, timeout), Code::interrupted) << way.name;
      EXPECT_EQ(way.wait(consumer, 1ms), Code::no_frame) << way.name;
    }
  }
}

TEST_F(Interrupt, comes_before_what_there_is_to_read_and_takes_nothing_of_it) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  for (const Way& way : ways) {
    ASSERT_TRUE(publish(producer));
    ASSERT_TRUE(consumer.wait(patience).value());
    consumer.interrupt();
    EXPECT_EQ(way.wait(consumer, patience), Code::interrupted) << way.name;
    auto view = consumer.next(patience);
    ASSERT_TRUE(view) << view.error().message();
    EXPECT_EQ(view->finish(), Outcome::delivered);
  }
  EXPECT_EQ(consumer.statistics().delivered, std::size(ways));
  EXPECT_EQ(consumer.statistics().skipped + consumer.statistics().lost, 0U);
}

TEST_F(Interrupt, of_one_consumer_leaves_the_others_asleep) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer one = consume(receiver);
  Consumer other = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  std::atomic<Code> first{Code::ok};
  std::atomic<Code> second{Code::internal};
  std::thread waits_first([&] { first = ways[0].wait(one, patience); });
  std::thread waits_second([&] { second = ways[0].wait(other, patience); });
  EXPECT_TRUE(eventually([&] { return waiters(world_.folder(), stream, true) == 2; }));
  one.interrupt();
  waits_first.join();
  EXPECT_EQ(first, Code::interrupted);
  EXPECT_EQ(second, Code::internal) << "it waits";
  EXPECT_TRUE(publish(producer));
  waits_second.join();
  EXPECT_EQ(second, Code::ok);
}

// Each ends one wait, at whatever point of it it comes; and what was written before it is seen behind it.
TEST_F(Interrupt, is_never_lost_and_brings_what_was_written_before) {
  constexpr int rounds = 2000;
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer consumer = consume(receiver);
  int written = 0;
  std::atomic<int> ended{0};
  std::thread waits([&] {
    for (int round = 1; round <= rounds; ++round) {
      ASSERT_EQ(ways[round % 3].wait(consumer, patience), Code::interrupted) << round;
      ASSERT_EQ(written, round);
      ended = round;
    }
  });
  for (int round = 1; round <= rounds; ++round) {
    written = round;
    consumer.interrupt();
    if (!eventually([&] { return ended >= round; })) break;
  }
  waits.join();
  EXPECT_EQ(ended, rounds);
}

Consumer* interrupted_by_signal = nullptr;
void on_signal(int /*number*/) { interrupted_by_signal->interrupt(); }

// In the very thread that sleeps, as Ctrl-C comes to a program of one thread.
TEST_F(Interrupt, works_inside_a_signal_handler) {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // what ends the wait is the call, not the signal
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  for (const Threading threading : {Threading::threaded, Threading::invoked}) {
    Client receiver = client(threading);
    Consumer consumer = make_consumer(receiver, consumer_options(stream));
    (void)consumer.poll([](const Frame&) {});
    interrupted_by_signal = &consumer;
    for (const Way& way : ways) {
      std::atomic<bool> begun{false};
      Code code = Code::ok;
      std::thread waits([&] {
        begun = true;
        code = way.wait(consumer, patience);
      });
      EXPECT_TRUE(eventually([&] { return begun.load(); }));
      EXPECT_EQ(::pthread_kill(waits.native_handle(), SIGUSR1), 0);
      waits.join();
      EXPECT_EQ(code, Code::interrupted) << way.name;
    }
  }
  EXPECT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST_F(Interrupt, leaves_errno_alone) {
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  errno = ENOTTY;
  consumer.interrupt();
  EXPECT_EQ(errno, ENOTTY);
}

TEST_F(Interrupt, makes_an_armed_descriptor_readable_and_arm_says_so_once) {
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  pollfd waiting{consumer.event_fd().value(), POLLIN, 0};
  const auto arm = [&] {
    return eventually([&] {
      (void)consumer.poll([](const Frame&) {});
      const auto ready = consumer.arm();
      return ready && !*ready;
    });
  };
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(arm());
    consumer.interrupt();
    ASSERT_EQ(::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(patience).count())),
              1);
    (void)consumer.poll([](const Frame&) {});
    EXPECT_EQ(consumer.arm().error().code(), Code::interrupted);
  }
  consumer.interrupt();
  EXPECT_EQ(consumer.arm().error().code(), Code::interrupted);
  EXPECT_TRUE(arm());
}

TEST_F(Interrupt, inside_a_handler_ends_the_wait_behind_it) {
  Client sender = client();
  Producer producer = produce(sender);
  Client receiver = client();
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  ASSERT_TRUE(publish(producer));
  ASSERT_TRUE(consumer.wait(patience).value());
  (void)consumer.poll([&](const Frame&) {
    consumer.interrupt();
    EXPECT_EQ(consumer.wait(0ms).error().code(), Code::in_callback);
  });
  EXPECT_EQ(consumer.wait(patience).error().code(), Code::interrupted);
  EXPECT_FALSE(consumer.wait(0ms).value());
}

TEST_F(Interrupt, of_what_is_closed_does_nothing) {
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  ASSERT_TRUE(receiver.close());
  consumer.interrupt();
  EXPECT_EQ(consumer.wait(0ms).error().code(), Code::interrupted);
  EXPECT_EQ(consumer.wait(0ms).error().code(), Code::closed);
  consumer.close();
  consumer.interrupt();
  EXPECT_EQ(consumer.wait(0ms).error().code(), Code::closed);
}

}  // namespace
}  // namespace tensorpool::integration
