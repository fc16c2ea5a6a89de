// THE recipe by which a thread that waits for frames sleeps in the kernel and loses no wake-up, and the only
// one in this project (docs/internals/concurrency.md, section 7; the counters are those of "Extension: wake-up"
// in docs/protocol/03-streams.md). P1 … P3 are the producer's steps, K0 … K3 those of who has news for a port (its
// conductor, and whoever interrupts it), C1 … C6 those of who waits.
//
//   producer, behind its descriptors   who has news                        consumer
//   P1  bell = n                       K0  mail = W, or news |= n          C1  asleep = 1, armed = 1
//   P2  armed of anyone?               K1  asleep?                         C2  v = bell
//   P3  yes: futex wake on the bell    K2  ++kick                          C3  k = kick
//                                      K3  futex wake on the kick          C4  anything there? then C6
//                                                                          C5  sleep while bell == v, kick == k
//                                                                          C6  armed = 0, asleep = 0
//
// Invariants
// 1. Each word has one writer: its producer the bell, its consumer armed and asleep. The kick has several, each of
//    which adds to it in one step. Bell and kick change at every ring and kick; they may wrap around after 2^32,
//    which takes longer than a sleep.
// 2. Bell against armed. P1, P2, C1 and C2 are seq_cst: in their one order either C1 comes before P2, then P2
//    sees the waiter, or it is disarmed again and awake; or P1 comes before C2, then C2 sees the new bell.
// 3. A bell that C2 sees (acquire, part of its seq_cst) pairs with P1 (release, part of its seq_cst): C4 finds
//    the descriptors that were sent before it.
// 4. A bell that C2 does not see ends the sleep: P3 follows by 2, and the kernel compares and queues at C5 under
//    the lock that P3 takes, so that either C5 sees the new value or P3 finds the sleeper.
// 5. Kick against asleep. K0 (a read-modify-write), K1, C1 and the look at mail and news in C4 are seq_cst: either
//    C1 comes before K1, then K2 and K3 follow; or K0 comes before C4, then C4 finds what it wrote.
// 6. A kick that C3 sees (acquire) pairs with K2 (release), also with those that others added to since: C4 finds
//    what is behind each of them. One that C3 does not see ends the sleep, as in 4.
// 7. No ring to an armed waiter is left out because it was rung before: it may have taken that ring's work and
//    be on its way to sleep again.
// 8. A producer that knows of no waiter pays for a plain store (P1, release). Whoever it does not know wakes by
//    the end of its slice. So does who lies behind more sleepers than P3 wakes.
// tests/model proves that no wake-up is lost on this very text under the C++11 memory model, and that each of
// these orders and steps is needed.
//
// These are C++'s seq_cst operations on the counters' words, not Aeron's macros, which promise less. One
// process runs each side, so both sides of 2 have to agree on how the machine makes seq_cst: compilers of one
// machine do.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace tensorpool::protocol {

struct WakeOrders {
  static constexpr std::memory_order p1_unwatched = std::memory_order_release;
  static constexpr std::memory_order p1_bell = std::memory_order_seq_cst;
  static constexpr std::memory_order p2_armed = std::memory_order_seq_cst;
  static constexpr std::memory_order k0_mail = std::memory_order_seq_cst;
  static constexpr std::memory_order k1_asleep = std::memory_order_seq_cst;
  static constexpr std::memory_order k2_kick = std::memory_order_release;
  static constexpr std::memory_order c1_asleep = std::memory_order_seq_cst;
  static constexpr std::memory_order c1_armed = std::memory_order_seq_cst;
  static constexpr std::memory_order c2_bell = std::memory_order_seq_cst;
  static constexpr std::memory_order c3_kick = std::memory_order_acquire;
  static constexpr std::memory_order c4_mail = std::memory_order_seq_cst;
  static constexpr std::memory_order c6_awake = std::memory_order_relaxed;
};

// The steps, over a Memory that performs single accesses: the host's (HostWakeMemory below), or a model of the
// C++ memory model (tests/model). A Word is the value of a shared counter, a Flag a 32-bit word of a Cell.
template <class Memory, class Orders = WakeOrders>
struct WakeRecipe {
  using Word = typename Memory::Word;
  using Flag = typename Memory::Flag;

  // P1, P2. Behind the last descriptor of a commit; `value` is another one each time, `armed` the waiters that
  // are known. True when one of them is armed: P3 is the caller's, who knows whom it wakes.
  static bool ring(Word& bell, std::uint64_t value, std::span<Word* const> armed) noexcept {
    if (armed.empty()) [[likely]] {
      Memory::store(bell, value, Orders::p1_unwatched);  // P1, pairs with C2
      return false;
    }
    Memory::store(bell, value, Orders::p1_bell);  // P1, pairs with C2 (2, 3)
    for (Word* const waiter : armed) {
      if (is_armed(*waiter)) return true;
    }
    return false;
  }
  // P2 for one waiter, behind a ring.
  static bool is_armed(const Word& armed) noexcept {
    return Memory::load(armed, Orders::p2_armed) != 0;  // P2, pairs with C1 (2)
  }

  // K1, K2, behind K0. True when somebody is or will be asleep: then K3.
  static bool kick(const Flag& asleep, Flag& word) noexcept {
    if (Memory::load(asleep, Orders::k1_asleep) == 0) return false;  // K1, pairs with C1 (5)
    Memory::add(word, 1, Orders::k2_kick);                           // K2, pairs with C3 (6)
    return true;
  }

  // C1, for the conductor and for the producers.
  static void fall_asleep(Flag& asleep) noexcept {
    Memory::store(asleep, 1, Orders::c1_asleep);  // C1, pairs with K1 (5)
  }
  static void arm(Word& armed) noexcept {
    Memory::store(armed, 1, Orders::c1_armed);  // C1, pairs with P2 (2)
  }

  // C2, C3: what to sleep on. Linux compares 32 bits: those of the low half.
  static std::uint64_t look(const Word& bell) noexcept {
    return Memory::load(bell, Orders::c2_bell);  // C2, pairs with P1 (2, 3)
  }
  static std::uint32_t look_at_kick(const Flag& kick) noexcept {
    return static_cast<std::uint32_t>(
        Memory::load(kick, Orders::c3_kick));  // C3, pairs with K2 (6)
  }

  // C6. Relaxed: whoever still sees the waiter armed makes a system call too many.
  static void disarm(Word& armed) noexcept { Memory::store(armed, 0, Orders::c6_awake); }
  static void stay_awake(Flag& asleep) noexcept { Memory::store(asleep, 0, Orders::c6_awake); }

  // The order of the consumer's steps, in two halves for those that sleep elsewhere (in epoll_wait).
  //
  // C1 … C4: `arm` does C1, `look` C2 and C3, `work` C4: whether there is anything that a bell or a kick may
  // announce, mail and news loaded with Orders::c4_mail. True: sleep on what `look` saw, then disarm. False: there
  // was something, and `disarm` has been called.
  template <class Arm, class Look, class Work, class Disarm>
  static bool get_ready(Arm&& arm, Look&& look, Work&& work, Disarm&& disarm) {
    arm();   // C1
    look();  // C2, C3: behind C1 (2), before C4 (3, 6)
    if (!work()) return true;
    disarm();  // C6
    return false;
  }
  // C1 … C6. False: there was something, so that nobody slept. True says nothing: `sleep` (C5) may end for no
  // reason.
  template <class Arm, class Look, class Work, class Sleep, class Disarm>
  static bool sleep_once(Arm&& arm, Look&& look, Work&& work, Sleep&& sleep, Disarm&& disarm) {
    if (!get_ready(arm, look, work, disarm)) return false;
    sleep();   // C5
    disarm();  // C6
    return true;
  }
};

// The memory that the clients of a media driver share, and words of a Cell. Linux sleeps on the low half of a
// Word, which is the first on a little-endian machine, the only kind there is here.
struct HostWakeMemory {
  using Word = std::int64_t;
  using Flag = std::atomic<std::uint32_t>;
  static_assert(std::atomic_ref<Word>::is_always_lock_free);
  static_assert(std::atomic_ref<Word>::required_alignment <= 8);
  static_assert(Flag::is_always_lock_free && sizeof(Flag) == 4);

  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    std::atomic_ref<Word>(word).store(static_cast<std::int64_t>(value), order);
  }
  static std::uint64_t load(const Word& word, std::memory_order order) noexcept {
    // C++20 has no atomic_ref of a const object; only load() is called on it.
    return static_cast<std::uint64_t>(std::atomic_ref<Word>(const_cast<Word&>(word)).load(order));
  }
  static void store(Flag& flag, std::uint32_t value, std::memory_order order) noexcept {
    flag.store(value, order);
  }
  static std::uint32_t load(const Flag& flag, std::memory_order order) noexcept {
    return flag.load(order);
  }
  static void add(Flag& flag, std::uint32_t value, std::memory_order order) noexcept {
    flag.fetch_add(value, order);
  }
};

using HostWake = WakeRecipe<HostWakeMemory>;

}  // namespace tensorpool::protocol
