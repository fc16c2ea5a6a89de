// The wake-up recipe of src/protocol/frame/wake.hpp under the C++11 memory model, reorderings included: Relacy
// runs the very template that ports and conductors use, and every load may return any value that the model
// allows. A consumer that sleeps for ever with work waiting is a deadlock, which Relacy finds.
//
// What stands for the rest. Descriptors are a counter that the producer raises with release before it rings; the
// mail is one word that the conductor exchanges, news another one that somebody else sets a bit of. The kernel's
// futex compares and queues one word after the other, each under the one lock that a wake takes too, with a relaxed
// load and nothing else that orders what user space does: neither the return from a sleep nor a call that wakes
// nobody is taken for a barrier. A sleep may end for no reason.
//
// What is searched. One frame, one mail or one interruption, and one consumer: every schedule, and for every load
// the newest and the next older value. More are too many for that: every schedule with a few interruptions of threads
// that could go on (most controls lose a wake-up by one or two), and random ones, with loads up to two stores behind.
//
// Relacy takes the order in which it runs seq_cst operations for their one order, which is stronger than C++ in
// one place: it never lets C4 look into the mail as of before a kick that a relaxed C3 saw. So it cannot show
// that K2 and C3 need their orders; wake_axioms_test.cpp does.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <type_traits>

#include "protocol/frame/wake.hpp"

// Last, because of its macros.
#include "model/search.hpp"

namespace tensorpool::protocol {
namespace {

using model::model_order;
using model::search;
using model::Verdict;

struct ModelMemory {
  using Word = rl::atomic<std::uint64_t>;
  using Flag = rl::atomic<std::uint32_t>;

  template <class T>
  static void store(rl::atomic<T>& word, std::type_identity_t<T> value,
                    std::memory_order order) noexcept {
    word.store(value, model_order(order), RL_INFO);
  }
  template <class T>
  static T load(const rl::atomic<T>& word, std::memory_order order) noexcept {
    return word.load(model_order(order), RL_INFO);
  }
  static void add(Flag& flag, std::uint32_t value, std::memory_order order) noexcept {
    flag.fetch_add(value, model_order(order), RL_INFO);
  }
};

// How a test departs from the recipe in what is not an order; nothing by default.
struct AsWritten {
  static constexpr bool verbatim = true;
  static constexpr bool look_late = false;     // C2 behind C4
  static constexpr bool kick_late = false;     // C3 behind C4
  static constexpr bool check = true;          // C4
  static constexpr bool arm_late = false;      // C1 behind C2 and C3
  static constexpr bool ring_once = false;     // P3 not again until the waiter was seen awake
  static constexpr bool ring_for_one = false;  // P3 wakes one of those that sleep
  static constexpr bool kick_apart = false;    // K2 in two steps
};

// Over all executions of a test; written outside of the model, read by nobody inside.
struct Fates {
  std::uint64_t slept = 0;
  std::uint64_t changed = 0;  // the kernel let none begin
  std::uint64_t woken = 0;
  std::uint64_t found = 0;  // C4 found something
};
Fates fates;

// The kernel's futexes: at most two words a sleeper.
template <int threads>
class ModelFutex {
 public:
  struct Wait {
    const void* word;
    bool (*still)(const void* word, std::uint64_t expected);
    std::uint64_t expected;
  };

  template <class Word>
  static Wait on(const Word& word, std::uint64_t expected) {
    return {&word,
            [](const void* at, std::uint64_t value) {
              return static_cast<const Word*>(at)->load(rl::mo_relaxed, RL_INFO) == value;
            },
            expected};
  }

  void wait(std::span<const Wait> waits) {
    rl::context& context = rl::ctx();
    Sleeper& own = sleepers_[static_cast<std::size_t>(context.current_thread())];
    own = Sleeper{};
    for (const Wait& wait : waits) {
      context.sched();
      if (own.woken) return count(fates.woken);
      if (!compare_and_queue(wait, own)) {
        own = Sleeper{};
        return count(fates.changed);
      }
    }
    own.parked = true;
    context.park_current_thread(false, false, false, RL_INFO);
    count(fates.slept);
  }

  // At most `most`; in the order of the threads.
  void wake(const void* word, int most) {
    rl::context& context = rl::ctx();
    context.sched();
    lock_.acq_rel(context.threadx_);
    for (int thread = 0; thread < threads && most > 0; ++thread) {
      Sleeper& sleeper = sleepers_[static_cast<std::size_t>(thread)];
      if (sleeper.words[0] != word && sleeper.words[1] != word) continue;
      const bool parked = sleeper.parked;
      sleeper = Sleeper{};
      sleeper.woken = true;
      if (parked) context.unpark_thread(thread, false, RL_INFO);
      --most;
    }
  }

 private:
  struct Sleeper {
    std::array<const void*, 2> words{};
    bool woken = false;
    bool parked = false;
  };
  static void count(std::uint64_t& fate) { ++fate; }

  bool compare_and_queue(const Wait& wait, Sleeper& own) {
    rl::context& context = rl::ctx();
    rl::preemption_disabler whole(context);
    lock_.acquire(context.threadx_);
    const bool still = wait.still(wait.word, wait.expected);
    if (still) own.words[own.words[0] == nullptr ? 0 : 1] = wait.word;
    lock_.release(context.threadx_);
    return still;
  }

  rl::sync_var<threads> lock_;
  std::array<Sleeper, static_cast<std::size_t>(threads)> sleepers_{};
};

constexpr int threads_of(unsigned consumers, unsigned frames, unsigned mails, bool interrupt) {
  return static_cast<int>(consumers + (frames > 0 ? 1U : 0U) + (mails > 0 ? 1U : 0U) +
                          (interrupt ? 1U : 0U));
}

// One stream with `consumers`; a producer that sends `frames` and, where there are any, a conductor that
// publishes `mails` to the first consumer, and somebody who interrupts it once. A sleep may end for no reason
// `spurious` times.
template <class Orders, class Habit, unsigned consumers, unsigned frames, unsigned mails,
          unsigned spurious = 0, bool interrupts = false>
struct Stream
    : rl::test_suite<Stream<Orders, Habit, consumers, frames, mails, spurious, interrupts>,
                     threads_of(consumers, frames, mails, interrupts)> {
  static constexpr int threads = threads_of(consumers, frames, mails, interrupts);
  static constexpr bool kicks = mails > 0 || interrupts;
  using Steps = WakeRecipe<ModelMemory, Orders>;
  using Word = ModelMemory::Word;
  using Flag = ModelMemory::Flag;
  using Futex = ModelFutex<threads>;

  struct Consumer {
    Word armed;
    Flag asleep;
    Flag kick;
    Word mail;
    Flag news;
    // Its own.
    bool interrupted = false;
    std::uint64_t taken = 0;
    std::uint64_t adopted = 0;
    std::uint64_t bell_seen = 0;
    std::uint32_t kick_seen = 0;
    unsigned spurious_left = spurious;
  };
  std::array<Consumer, consumers> all;
  Word bell;
  Word sent;
  Futex futex;

  void before() {
    bell.store(0, rl::mo_relaxed, RL_INFO);
    sent.store(0, rl::mo_relaxed, RL_INFO);
    for (Consumer& consumer : all) {
      consumer.armed.store(0, rl::mo_relaxed, RL_INFO);
      consumer.asleep.store(0, rl::mo_relaxed, RL_INFO);
      consumer.kick.store(0, rl::mo_relaxed, RL_INFO);
      consumer.mail.store(0, rl::mo_relaxed, RL_INFO);
      consumer.news.store(0, rl::mo_relaxed, RL_INFO);
    }
  }

  void thread(unsigned index) {
    if (index < consumers) return consume(all[index], index == 0);
    if (index == consumers && frames > 0) return produce();
    if (interrupts && index + 1 == threads) return interrupt();
    conduct();
  }

  void produce() {
    std::array<Word*, consumers> armed;
    for (unsigned i = 0; i < consumers; ++i) armed[i] = &all[i].armed;
    bool rung = false;
    for (std::uint64_t frame = 1; frame <= frames; ++frame) {
      sent.store(frame, rl::mo_release, RL_INFO);
      const bool awaited = Steps::ring(bell, frame, armed);
      if (awaited && !(Habit::ring_once && rung))
        futex.wake(&bell, Habit::ring_for_one ? 1 : threads);
      rung = awaited;
    }
  }

  void conduct() {
    Consumer& to = all[0];
    for (std::uint64_t mail = 1; mail <= mails; ++mail) {
      to.mail.exchange(mail, model_order(Orders::k0_mail), RL_INFO);
      if (kick(to)) futex.wake(&to.kick, threads);
    }
  }

  void interrupt() {
    all[0].news.fetch_or(1, model_order(Orders::k0_mail), RL_INFO);
    if (kick(all[0])) futex.wake(&all[0].kick, threads);
  }

  static bool kick(Consumer& to) {
    if (!Habit::kick_apart) return Steps::kick(to.asleep, to.kick);
    if (ModelMemory::load(to.asleep, Orders::k1_asleep) == 0) return false;
    const std::uint32_t before = ModelMemory::load(to.kick, std::memory_order::relaxed);
    ModelMemory::store(to.kick, before + 1, Orders::k2_kick);
    return true;
  }

  // C4: takes the descriptors that it finds, as a poll into the inbox does.
  bool work(Consumer& own) {
    const std::uint64_t mail = own.mail.load(model_order(Orders::c4_mail), RL_INFO);
    const std::uint64_t frame = sent.load(rl::mo_acquire, RL_INFO);
    const bool news = interrupts && own.news.load(model_order(Orders::c4_mail), RL_INFO) != 0;
    const bool some = frame > own.taken || mail != 0 || news;
    own.interrupted |= news && own.news.exchange(0, rl::mo_acquire, RL_INFO) != 0;
    if (mail != 0) own.adopted = own.mail.exchange(0, rl::mo_acq_rel, RL_INFO);
    if (frame > own.taken) own.taken = frame;
    if (some) ++fates.found;
    return some;
  }

  // `first`: to whom mails and the interruption go.
  void consume(Consumer& own, bool first) {
    const auto done = [&] {
      return own.taken == frames && (!first || own.adopted == mails) &&
             (!first || !interrupts || own.interrupted);
    };
    const auto arm = [&] {
      if (kicks) Steps::fall_asleep(own.asleep);
      if (frames > 0) Steps::arm(own.armed);
    };
    const auto look_at_bell = [&] {
      if (frames > 0) own.bell_seen = Steps::look(bell);
    };
    const auto look_at_kick = [&] {
      if (kicks) own.kick_seen = Steps::look_at_kick(own.kick);
    };
    const auto look = [&] {
      look_at_kick();
      look_at_bell();
    };
    const auto check = [&] { return work(own); };
    const auto rest = [&] { sleep_on(own); };
    const auto disarm = [&] {
      if (frames > 0) Steps::disarm(own.armed);
      if (kicks) Steps::stay_awake(own.asleep);
    };
    while (!done()) {
      if (Habit::verbatim) {
        Steps::sleep_once(arm, look, check, rest, disarm);
        continue;
      }
      if (!Habit::check) {
        (void)check();
        if (done()) return;
      }
      if (!Habit::arm_late) arm();
      if (!Habit::kick_late) look_at_kick();
      if (!Habit::look_late) look_at_bell();
      if (Habit::arm_late) arm();
      const bool found = Habit::check && check();
      if (Habit::kick_late) look_at_kick();
      if (Habit::look_late) look_at_bell();
      if (!found) rest();
      disarm();
    }
  }

  void sleep_on(Consumer& own) {
    if (own.spurious_left > 0 && rl::rand(2) == 0) {
      --own.spurious_left;
      return;
    }
    std::array<typename Futex::Wait, 2> waits;
    std::size_t count = 0;
    if (kicks) waits[count++] = Futex::on(own.kick, own.kick_seen);
    if (frames > 0) waits[count++] = Futex::on(bell, own.bell_seen);
    futex.wait(std::span(waits).first(count));
  }
};

template <class Suite>
Verdict look(rl::scheduler_type_e kind, std::uint64_t executions, unsigned switches = 0) {
  fates = Fates{};
  return search<Suite>(kind, executions, switches);
}
template <class Suite>
Verdict all() {
  return look<Suite>(rl::sched_full, 0);
}

// Nobody sleeps for ever, and somebody slept, was woken and was kept awake, so that the search was not idle.
void expect_proved(const Verdict& verdict, std::uint64_t at_least) {
  EXPECT_EQ(verdict.result, rl::test_result_success) << verdict.report;
  EXPECT_GE(verdict.executions, at_least);
  EXPECT_GT(fates.slept, 0U);
  EXPECT_GT(fates.changed, 0U);
  EXPECT_GT(fates.found, 0U);
  testing::Test::RecordProperty("executions", std::to_string(verdict.executions));
}

// A sleep without end was found, not something else that Relacy complains about.
void expect_lost(const Verdict& verdict) {
  EXPECT_EQ(verdict.result, rl::test_result_deadlock) << verdict.report;
  EXPECT_GT(fates.slept + fates.found + fates.changed, 0U);
}

template <unsigned consumers, unsigned frames, unsigned mails, unsigned spurious = 0>
using Written = Stream<WakeOrders, AsWritten, consumers, frames, mails, spurious>;
// With somebody who interrupts the first consumer.
template <unsigned consumers, unsigned frames, unsigned mails, unsigned spurious = 0>
using Interrupted = Stream<WakeOrders, AsWritten, consumers, frames, mails, spurious, true>;

TEST(WakeModel, every_execution_of_a_producer_and_a_consumer) {
  expect_proved(all<Written<1, 1, 0>>(), 100);
  expect_proved(all<Written<1, 1, 0, 1>>(), 100);
  expect_proved(look<Written<1, 2, 0>>(rl::sched_bound, 0, 5), 10'000);
  expect_proved(look<Written<1, 3, 0>>(rl::sched_bound, 0, 4), 10'000);
}

TEST(WakeModel, every_execution_of_a_conductor_and_a_consumer) {
  expect_proved(all<Written<1, 0, 1>>(), 100);
  expect_proved(look<Written<1, 0, 2>>(rl::sched_bound, 0, 5), 10'000);
}

TEST(WakeModel, producer_conductor_and_consumer_with_few_interruptions) {
  expect_proved(look<Written<1, 1, 1>>(rl::sched_bound, 0, 4), 20'000);
}

TEST(WakeModel, every_execution_of_an_interruption) {
  expect_proved(all<Interrupted<1, 0, 0>>(), 100);
  expect_proved(all<Interrupted<1, 0, 0, 1>>(), 100);
}

TEST(WakeModel, two_who_kick_and_a_consumer_with_few_interruptions) {
  expect_proved(look<Interrupted<1, 0, 1>>(rl::sched_bound, 0, 4), 20'000);
}

TEST(WakeModel, producer_and_two_consumers_with_few_interruptions) {
  expect_proved(look<Written<2, 1, 0>>(rl::sched_bound, 0, 4), 20'000);
}

TEST(WakeModel, many_random_executions) {
  expect_proved(look<Written<1, 3, 2, 2>>(rl::sched_random, 100'000), 100'000);
  expect_proved(look<Written<2, 3, 0, 2>>(rl::sched_random, 100'000), 100'000);
  expect_proved(look<Written<2, 2, 2, 1>>(rl::sched_random, 100'000), 100'000);
  expect_proved(look<Interrupted<1, 2, 2, 1>>(rl::sched_random, 100'000), 100'000);
}

// Negative controls, one for each order and step: without it the search must find somebody who sleeps for ever.
// They are also what shows that the searches above could have found one.

struct WeakBell : WakeOrders {
  static constexpr std::memory_order p1_bell = std::memory_order::release;
};
TEST(WakeControl, with_a_bell_that_is_only_released) {
  expect_lost(all<Stream<WeakBell, AsWritten, 1, 1, 0>>());
}

struct WeakLookAtArmed : WakeOrders {
  static constexpr std::memory_order p2_armed = std::memory_order::relaxed;
};
TEST(WakeControl, with_a_relaxed_look_at_armed) {
  expect_lost(all<Stream<WeakLookAtArmed, AsWritten, 1, 1, 0>>());
}
struct AcquiredLookAtArmed : WakeOrders {
  static constexpr std::memory_order p2_armed = std::memory_order::acquire;
};
TEST(WakeControl, with_a_look_at_armed_that_only_acquires) {
  expect_lost(all<Stream<AcquiredLookAtArmed, AsWritten, 1, 1, 0>>());
}

struct WeakArm : WakeOrders {
  static constexpr std::memory_order c1_armed = std::memory_order::relaxed;
};
TEST(WakeControl, with_a_relaxed_arm) { expect_lost(all<Stream<WeakArm, AsWritten, 1, 1, 0>>()); }
struct ReleasedArm : WakeOrders {
  static constexpr std::memory_order c1_armed = std::memory_order::release;
};
TEST(WakeControl, with_an_arm_that_is_only_released) {
  expect_lost(all<Stream<ReleasedArm, AsWritten, 1, 1, 0>>());
}

struct WeakLookAtBell : WakeOrders {
  static constexpr std::memory_order c2_bell = std::memory_order::acquire;
};
TEST(WakeControl, with_a_look_at_the_bell_that_only_acquires) {
  expect_lost(all<Stream<WeakLookAtBell, AsWritten, 1, 1, 0>>());
}

struct WeakMail : WakeOrders {
  static constexpr std::memory_order k0_mail = std::memory_order::acq_rel;
};
TEST(WakeControl, with_mail_that_is_only_released) {
  expect_lost(all<Stream<WeakMail, AsWritten, 1, 0, 1>>());
}
TEST(WakeControl, with_news_that_are_only_released) {
  expect_lost(all<Stream<WeakMail, AsWritten, 1, 0, 0, 0, true>>());
}
struct WeakLookAtAsleep : WakeOrders {
  static constexpr std::memory_order k1_asleep = std::memory_order::acquire;
};
TEST(WakeControl, with_a_look_at_asleep_that_only_acquires) {
  expect_lost(all<Stream<WeakLookAtAsleep, AsWritten, 1, 0, 1>>());
}
struct WeakAsleep : WakeOrders {
  static constexpr std::memory_order c1_asleep = std::memory_order::release;
};
TEST(WakeControl, with_asleep_that_is_only_released) {
  expect_lost(all<Stream<WeakAsleep, AsWritten, 1, 0, 1>>());
}
struct WeakLookAtMail : WakeOrders {
  static constexpr std::memory_order c4_mail = std::memory_order::acquire;
};
TEST(WakeControl, with_a_look_at_the_mail_that_only_acquires) {
  expect_lost(all<Stream<WeakLookAtMail, AsWritten, 1, 0, 1>>());
}
TEST(WakeControl, with_a_look_at_the_news_that_only_acquires) {
  expect_lost(all<Stream<WeakLookAtMail, AsWritten, 1, 0, 0, 0, true>>());
}

// Controls of the steps that are no orders.

struct Departs : AsWritten {
  static constexpr bool verbatim = false;
};
TEST(WakeControl, the_same_steps_written_out_lose_nothing) {
  expect_proved(all<Stream<WakeOrders, Departs, 1, 1, 0>>(), 100);
}
struct LooksLate : Departs {
  static constexpr bool look_late = true;
};
TEST(WakeControl, with_the_look_at_the_bell_behind_the_check) {
  expect_lost(all<Stream<WakeOrders, LooksLate, 1, 1, 0>>());
}
struct KicksLate : Departs {
  static constexpr bool kick_late = true;
};
TEST(WakeControl, with_the_look_at_the_kick_behind_the_check) {
  expect_lost(all<Stream<WakeOrders, KicksLate, 1, 0, 1>>());
}
struct NeverChecks : Departs {
  static constexpr bool check = false;
};
TEST(WakeControl, without_the_check) {
  expect_lost(all<Stream<WakeOrders, NeverChecks, 1, 1, 0>>());
  expect_lost(all<Stream<WakeOrders, NeverChecks, 1, 0, 1>>());
}
struct ArmsLate : Departs {
  static constexpr bool arm_late = true;
};
TEST(WakeControl, with_the_looks_before_the_arming) {
  expect_lost(all<Stream<WakeOrders, ArmsLate, 1, 1, 0>>());
}
struct KicksApart : AsWritten {
  static constexpr bool kick_apart = true;
};
TEST(WakeControl, with_kicks_of_two_that_overwrite_each_other) {
  expect_lost(look<Stream<WakeOrders, KicksApart, 1, 0, 1, 0, true>>(rl::sched_bound, 0, 4));
}
struct RingsOnce : AsWritten {
  static constexpr bool ring_once = true;
};
TEST(WakeControl, with_a_ring_left_out_because_it_was_rung_before) {
  expect_lost(all<Stream<WakeOrders, RingsOnce, 1, 2, 0>>());
}
struct RingsForOne : AsWritten {
  static constexpr bool ring_for_one = true;
};
TEST(WakeControl, with_a_wake_for_one_of_two) {
  expect_lost(look<Stream<WakeOrders, RingsForOne, 2, 1, 0>>(rl::sched_bound, 0, 3));
}

}  // namespace
}  // namespace tensorpool::protocol
