// How a thread that sleeps between two duty cycles is woken: by whoever has news for it.
//
// Invariants, all about one word:
// 1. Bit 0 says that the sleeper sleeps, or is about to; only the sleeper changes it. The bits above count rings.
// 2. The sleeper reads the count before it looks for news. Its acquire pairs with the release of ring(): a ring
//    that it counts is one whose news the look sees.
// 3. It goes to sleep by exchanging the count that it read, bit 0 clear, for the same with bit 0 set. All changes of
//    one word have one order. A ring before the exchange makes it fail, and nobody sleeps; a ring after it sees
//    bit 0 and wakes.
// 4. A ring between the exchange and the kernel's own look at the word makes the kernel refuse to sleep, and one
//    behind that look finds the sleeper queued: looking and queueing are one step under the kernel's lock.
// So no ring is lost, and none costs a system call unless somebody sleeps. Only 2^31 rings during one look would go
// unnoticed, and a sleep has an end of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tensorpool::agents {

class Doorbell {
 public:
  Doorbell() = default;
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  // Any thread, and inside signal handlers. What was written before it is seen by the look that follows.
  void ring() noexcept {
    if ((word_.fetch_add(one_ring, std::memory_order_release) & sleeping) != 0) wake();
  }

  // The sleeper only. Before it looks for news: what to give to wait().
  std::uint32_t rings() const noexcept { return word_.load(std::memory_order_acquire) & ~sleeping; }
  // Sleeps in the kernel until somebody rings, at most `longest`; returns at once when somebody has rung since
  // `seen` was read. May also return early for nothing.
  void wait(std::uint32_t seen, std::chrono::nanoseconds longest) noexcept;

 private:
  static constexpr std::uint32_t sleeping = 1;
  static constexpr std::uint32_t one_ring = 2;
  static_assert(std::atomic<std::uint32_t>::is_always_lock_free,
                "the kernel reads it; so do signal handlers");
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

  void wake() noexcept;

  std::atomic<std::uint32_t> word_{0};
};

}  // namespace tensorpool::agents
