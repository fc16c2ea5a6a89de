// Consumers in loops of the application's own: a file descriptor that becomes readable when it is worth polling.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <map>
#include <optional>
#include <thread>

#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 2610;
constexpr std::uint32_t slots = 64;
constexpr int patience_ms = static_cast<int>(std::chrono::milliseconds(patience).count());

bool publish(Producer& producer) {
  auto slot = producer.claim(DType::u8, {8});
  return slot && slot->commit().has_value();
}

bool readable(int fd, int timeout_ms = 0) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, timeout_ms) == 1;
}

// Takes what there is; says in which state the consumer is.
PortState poll_all(Consumer& consumer) {
  Polled polled;
  do {
    polled = consumer.poll([](const Frame&) {});
  } while (polled.work() > 0);
  return polled.state;
}

// Until the descriptor will become readable: news of the conductor make arm() say true now and then.
bool arm(Consumer& consumer) {
  return eventually([&] {
    (void)poll_all(consumer);
    const auto ready = consumer.arm();
    return ready && !*ready;
  });
}

// The loop that the documentation describes, for consumers and a pipe.
class Loop {
 public:
  // `events`: those of consumers.
  explicit Loop(std::uint32_t events = EPOLLIN)
      : events_(events), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0 || ::pipe(pipe_.data()) != 0) throw std::runtime_error("no descriptors");
    watch(pipe_[0], EPOLLIN);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    for (const int fd : {epoll_, pipe_[0], pipe_[1]}) ::close(fd);
  }

  void add(Consumer& consumer) {
    const int fd = consumer.event_fd().value();
    consumers_[fd] = &consumer;
    watch(fd, events_);
  }
  // From any thread.
  void nudge() { EXPECT_EQ(::write(pipe_[1], "n", 1), 1); }
  // Waits once, and serves who is ready. False when nobody was for as long as tests are patient.
  bool turn(int timeout_ms = patience_ms) {
    std::array<epoll_event, 8> events{};
    const int count =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
    ++turns;
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == pipe_[0]) {
        char byte = 0;
        nudges += ::read(fd, &byte, 1) == 1 ? 1 : 0;
      } else {
        serve(*consumers_.at(fd));
      }
    }
    return count > 0;
  }
  void serve(Consumer& consumer) {
    for (;;) {
      Polled polled;
      do {
        polled = consumer.poll([&](const Frame&) { ++frames; });
        interrupted |= polled.state == PortState::reattaching;
      } while (polled.work() > 0);
      const auto ready = consumer.arm();
      if (!ready) {
        code = ready.error().code();
        EXPECT_EQ(::epoll_ctl(epoll_, EPOLL_CTL_DEL, consumer.event_fd().value_or(-1), nullptr), 0);
        return;
      }
      if (!*ready) return;
    }
  }

  std::uint64_t frames = 0;
  std::uint64_t turns = 0;
  int nudges = 0;
  bool interrupted = false;
  Code code = Code::ok;

 private:
  void watch(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) throw std::runtime_error("epoll_ctl");
  }
  const std::uint32_t events_;
  int epoll_;
  std::array<int, 2> pipe_{-1, -1};
  std::map<int, Consumer*> consumers_;
};

class EventFd : public ::testing::Test {
 protected:
  Producer produce(Client& client, std::uint32_t of = stream, bool wakes = true) {
    ProducerOptions options = producer_options(world_.folder(), of, slots, {64});
    options.wake_waiters = wakes;
    return make_producer(client, options);
  }
  Consumer consume(Client& client, std::uint32_t of = stream) {
    Consumer consumer = make_consumer(client, consumer_options(of));
    EXPECT_TRUE(until_active(consumer));
    return consumer;
  }
  Client client() { return connect(client_options(world_.folder())); }

  // System calls of producers for those that sleep; mirrored every 100 ms.
  std::int64_t wakes() {
    std::int64_t sum = 0;
    const auto counters = transport::aeron::list_counters(world_.folder().aeron());
    if (!counters) return 0;
    for (const auto& c : *counters)
      if (c.label.starts_with("tensorpool producer wakes ")) sum += c.value;
    return sum;
  }

  std::int64_t armed() {
    std::int64_t sum = 0;
    const auto counters = transport::aeron::list_counters(world_.folder().aeron());
    if (!counters) return -1;
    for (const auto& c : *counters)
      if (c.label.starts_with("tensorpool consumer armed ")) sum += c.value;
    return sum;
  }

  World world_;
};

// Sends `count` frames, in bursts that fit the ring, each after the one before has been read.
class Sender {
 public:
  Sender(Producer& producer, Consumer& consumer, std::uint64_t count, std::uint64_t burst)
      : thread_([&producer, &consumer, count, burst, this] {
          for (std::uint64_t sent = 0; sent < count; ++sent) {
            if (sent % burst == 0 &&
                !eventually([&] { return consumer.statistics().seen >= sent; }))
              return;
            sent_ += publish(producer) ? 1U : 0U;
          }
        }) {}
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  ~Sender() { thread_.join(); }
  std::uint64_t sent() const { return sent_; }

 private:
  std::atomic<std::uint64_t> sent_{0};
  std::thread thread_;
};

// Also where readability is told once for each time that it comes.
TEST_F(EventFd, one_loop_over_two_consumers_and_a_pipe_gets_every_frame) {
  for (const std::uint32_t events : {0U + EPOLLIN, EPOLLIN | EPOLLET}) {
    Client sender = client();
    Client receiver = client();
    Producer one = produce(sender);
    Producer two = produce(sender, stream + 1);
    Consumer first = consume(receiver);
    Consumer second = consume(receiver, stream + 1);
    Loop loop(events);
    loop.add(first);
    loop.add(second);
    ASSERT_TRUE(until_linked(world_.folder()));
    constexpr std::uint64_t frames = 2000;
    {
      const Sender slow(one, first, frames, 1);
      const Sender fast(two, second, frames, slots / 2);
      while (loop.frames < 2 * frames) {
        if (loop.turns % 64 == 0) loop.nudge();
        ASSERT_TRUE(loop.turn()) << loop.frames;
      }
    }
    EXPECT_TRUE(eventually([&] { return loop.turn() && loop.nudges > 0; }));
    EXPECT_EQ(first.statistics().delivered, frames);
    EXPECT_EQ(second.statistics().delivered, frames);
    EXPECT_EQ(loop.code, Code::ok);
  }
}

// Slices of time would heal a bell that nobody hears, but not so often.
TEST_F(EventFd, a_bell_ends_the_wait) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  Loop loop;
  loop.add(consumer);
  ASSERT_TRUE(until_linked(world_.folder()));
  // Each frame is sent while the loop waits, and ends that wait.
  std::uint64_t in_one_turn = 0;
  EXPECT_TRUE(eventually([&] {
    if (loop.turn(0)) return false;
    const std::uint64_t before = loop.frames;
    if (publish(producer) && loop.turn() && loop.frames == before + 1) ++in_one_turn;
    // Until the bell is known, pauses end the wait.
    return in_one_turn > 100 && wakes() > 50;
  }));
}

TEST_F(EventFd, a_producer_that_rings_no_bell_is_heard_all_the_same) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender, stream, false);
  Consumer consumer = consume(receiver);
  Loop loop;
  loop.add(consumer);
  ASSERT_TRUE(until_linked(world_.folder()));
  constexpr std::uint64_t frames = 200;
  const Sender slow(producer, consumer, frames, 3);
  while (loop.frames < frames) ASSERT_TRUE(loop.turn()) << loop.frames;
}

// The end of a view may give back what the descriptor was armed for.
TEST_F(EventFd, the_end_of_a_view_takes_the_wait_back) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  const int fd = consumer.event_fd().value();
  for (const bool finish : {true, false}) {
    std::optional<FrameView> view;
    ASSERT_TRUE(eventually([&] {
      (void)publish(producer);
      auto next = consumer.next(1ms);
      if (next) view.emplace(std::move(*next));
      return view.has_value();
    }));
    ASSERT_TRUE(arm(consumer));
    if (finish) {
      (void)view->finish();
    } else {
      view.reset();
    }
    EXPECT_TRUE(readable(fd));
    (void)poll_all(consumer);
  }
}

TEST_F(EventFd, armed_twice_it_waits_as_if_it_were_once) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  const int fd = consumer.event_fd().value();
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(arm(consumer));
    ASSERT_TRUE(eventually([&] {
      const auto again = consumer.arm();
      return again && !*again;
    }));
    ASSERT_TRUE(publish(producer));
    ASSERT_TRUE(readable(fd, patience_ms));
  }
  (void)poll_all(consumer);
  EXPECT_EQ(consumer.statistics().delivered, 50U);
}

TEST_F(EventFd, with_frames_waiting_arm_says_so_and_nobody_is_called) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  // It has a counter by then.
  ASSERT_TRUE(eventually([&] { return arm(consumer) && armed() == 1; }));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(publish(producer));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(consumer.arm().value());
    ASSERT_EQ(armed(), 0);
  }
  (void)poll_all(consumer);
  EXPECT_EQ(consumer.statistics().delivered, 5U);
}

TEST_F(EventFd, every_call_that_looks_for_frames_takes_the_wait_back) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(eventually([&] { return arm(consumer) && armed() == 1; }));
  const auto look = [&](auto&& call) {
    ASSERT_TRUE(arm(consumer));
    call();
    EXPECT_EQ(armed(), 0);
  };
  look([&] { (void)consumer.poll([](const Frame&) {}); });
  look([&] { (void)consumer.poll_copy(std::span<std::byte>(), [](const CopiedFrame&) {}); });
  look([&] { (void)consumer.next(); });
  look([&] { (void)consumer.latest(); });
  look([&] { (void)consumer.wait(0ms); });
}

TEST_F(EventFd, closed_under_an_epoll_set_it_is_heard_of_no_more) {
  Client receiver = client();
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  ASSERT_GE(epoll, 0);
  for (const bool copied : {false, true}) {
    Consumer consumer = make_consumer(receiver, consumer_options(stream));
    epoll_event event{};
    event.events = EPOLLIN;
    ASSERT_EQ(::epoll_ctl(epoll, EPOLL_CTL_ADD, consumer.event_fd().value(), &event), 0);
    ASSERT_EQ(::epoll_wait(epoll, &event, 1, 0), 1);  // as every new one is
    // A copy, as a forked child has one, keeps the kernel's interest in it.
    const int copy = copied ? ::dup(consumer.event_fd().value()) : -1;
    consumer.close();
    EXPECT_EQ(::epoll_wait(epoll, &event, 1, 0), 0);
    if (copied) ::close(copy);
  }
  ::close(epoll);
}

TEST_F(EventFd, a_fork_while_it_is_armed_changes_nothing_for_the_parent) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  ASSERT_TRUE(until_linked(world_.folder()));
  const int fd = consumer.event_fd().value();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(arm(consumer));
    const pid_t child = ::fork();
    if (child == 0) {
      (void)consumer.poll([](const Frame&) {});
      consumer.interrupt();
      consumer.close();
      ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    ASSERT_TRUE(publish(producer));
    ASSERT_TRUE(readable(fd, patience_ms));
    EXPECT_EQ(poll_all(consumer), PortState::active);
  }
  EXPECT_EQ(consumer.statistics().delivered, 3U);
}

TEST_F(EventFd, the_end_of_the_client_ends_the_wait) {
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  Loop loop;
  loop.add(consumer);
  std::atomic<bool> waiting{false};
  std::thread closer([&] {
    EXPECT_TRUE(eventually([&] { return waiting.load(); }));
    EXPECT_TRUE(receiver.close());
  });
  while (loop.code == Code::ok) {
    waiting = true;
    if (!loop.turn()) break;
  }
  closer.join();
  EXPECT_EQ(loop.code, Code::closed);
  EXPECT_EQ(consumer.poll([](const Frame&) {}).state, PortState::closed);
}

TEST_F(EventFd, frames_come_again_after_the_media_driver_was_restarted) {
  Client sender = client();
  Client receiver = client();
  Producer producer = produce(sender);
  Consumer consumer = consume(receiver);
  Loop loop;
  loop.add(consumer);
  const auto flows = [&] {
    const std::uint64_t before = loop.frames;
    return eventually([&] {
      (void)publish(producer);
      return loop.turn() && loop.frames > before;
    });
  };
  ASSERT_TRUE(flows());
  world_.end_media_driver();
  world_.start_media_driver();
  // The loop alone notices: nobody asks the consumer for its state.
  EXPECT_TRUE(eventually([&] {
    (void)publish(producer);
    return loop.turn() && loop.interrupted;
  }));
  EXPECT_TRUE(flows());
}

TEST_F(EventFd, an_invoked_client_needs_its_duty_cycles_too) {
  Client sender = client();
  Producer producer = produce(sender);
  ClientOptions options = client_options(world_.folder());
  options.threading = Threading::invoked;
  Client receiver = connect(options);
  auto pending = receiver.consumer(consumer_options(stream));
  Consumer consumer = pending.wait(patience).value();
  Loop loop;
  loop.add(consumer);
  EXPECT_TRUE(eventually([&] {
    (void)receiver.do_work();
    (void)publish(producer);
    (void)loop.turn(5);
    return loop.frames > 200;
  }));
}

TEST_F(EventFd, a_forked_child_is_told_so_and_takes_nothing_from_its_parent) {
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  const int fd = consumer.event_fd().value();
  ASSERT_TRUE(readable(fd));  // as every new one is
  const pid_t child = ::fork();
  if (child == 0) {
    const bool forked = consumer.arm().error().code() == Code::forked &&
                        consumer.event_fd().error().code() == Code::forked;
    consumer.close();
    ::_exit(forked ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(readable(fd));
}

TEST_F(EventFd, without_a_descriptor_left_the_error_says_what_to_do) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers need descriptors of their own to look at memory";
#endif
#endif
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto fd = consumer.event_fd();
  const auto ready = consumer.arm();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code(), Code::system_error);
  EXPECT_NE(fd.error().message().find("ulimit -n"), std::string::npos) << fd.error().message();
  EXPECT_FALSE(ready);
  EXPECT_TRUE(consumer.event_fd());
}

TEST_F(EventFd, is_closed_with_the_consumer) {
  Client receiver = client();
  int fd = -1;
  {
    Consumer consumer = make_consumer(receiver, consumer_options(stream));
    fd = consumer.event_fd().value();
    EXPECT_EQ(consumer.event_fd().value(), fd);
    EXPECT_NE(::fcntl(fd, F_GETFD), -1);
    (void)consumer.poll([](const Frame&) {});
    (void)consumer.arm();
  }
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
}

// Whoever asks for the state after arm() still hears of what comes.
TEST_F(EventFd, a_look_at_the_state_makes_it_readable) {
  Client receiver = client();
  Consumer consumer = make_consumer(receiver, consumer_options(stream));
  const int fd = consumer.event_fd().value();
  ASSERT_TRUE(eventually([&] { return arm(consumer) && !readable(fd); }));
  (void)consumer.state();
  EXPECT_TRUE(readable(fd));
}

// What Linux before 5.16 says to futex_waitv, for this thread and those that it starts.
bool forbid_waitv() {
  const std::array<sock_filter, 4> steps{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  sock_fprog program{4, const_cast<sock_filter*>(steps.data())};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(EventFd, a_kernel_that_cannot_wait_for_several_words_only_makes_it_later) {
  Client sender = client();
  Producer producer = produce(sender);
  bool forbidden = false;
  std::thread old_kernel([&] {
    forbidden = forbid_waitv();
    if (!forbidden) return;
    Client receiver = client();
    Consumer consumer = consume(receiver);
    Loop loop;
    loop.add(consumer);
    EXPECT_TRUE(until_linked(world_.folder()));
    constexpr std::uint64_t frames = 300;
    const Sender slow(producer, consumer, frames, 3);
    while (loop.frames < frames) ASSERT_TRUE(loop.turn()) << loop.frames;
    // Producers make no calls for who does not hear them.
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(loop.turn());
      ASSERT_EQ(armed(), 0);
    }
  });
  old_kernel.join();
  if (!forbidden) GTEST_SKIP() << "no seccomp here";
}

}  // namespace
}  // namespace tensorpool::integration
