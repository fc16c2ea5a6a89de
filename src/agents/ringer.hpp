// A producer port's half of the wake-up extension: counts commits on its bell and wakes who sleeps on it
// (docs/internals/concurrency.md, section 7; the memory orders are those of protocol/frame/wake.hpp).
//
// 1. A waiter that sleeps is woken by every commit, however often: what was suppressed once may be what somebody
//    waits for.
// 2. Whether an armed waiter is there at all, only the kernel knows. One that no wake has found for a while, and
//    that was armed at every commit of that while, is passed over until it is seen awake, and the conductor is
//    told: a dead or a frozen waiter, and a liar that stays armed, cost a bounded number of system calls. A liar
//    that shows 0 now and then cannot be told from a waiter that works, and costs what that one would.
// 3. A ring is one system call at most, and wakes sleepers_per_ring at most: strangers, too, may sleep on the bell, and
//    waking one costs the producer microseconds. Who lies behind so many others sleeps out its slice, or is woken by
//    one of the next rings, for who was woken queues up behind.
// 4. Nothing but the bell is written, and that only while it is this producer's. It is never read: what others
//    scribble on it neither counts as commits nor makes it say again what somebody sleeps on.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "agents/cell.hpp"
#include "agents/wiring.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "protocol/frame/wake.hpp"

namespace tensorpool::agents {

// One thread: the port's.
class Ringer {
 public:
  // Behind the last descriptor of a commit that sent at least one.
  void ring(const WakeLinks& links, Cell& cell) noexcept {
    if (!links.own.live()) return;
    if (!protocol::HostWake::ring(*links.own.value, ++commits_,
                                  std::span(links.words).first(links.count))) [[likely]]
      return;
    wake(links, cell, commits_);
  }

 private:
  // What is known of an armed waiter.
  struct Waiter {
    std::uint64_t seen = 0;    // the commit at which it was last armed
    base::Nanos since_ns = 0;  // of the first of its misses
    std::uint32_t misses = 0;  // wakes that found nobody, with no commit between that saw it awake
    bool passed_over = false;
  };

  [[gnu::noinline, gnu::cold]] void wake(const WakeLinks& links, Cell& cell,
                                         std::uint64_t commit) noexcept;
  void note_misses(const WakeLinks& links, Cell& cell, std::uint32_t armed) noexcept;

  std::uint64_t commits_ = 0;                                         // on all bells there were
  std::array<Waiter, base::limits::waiters_per_producer> waiters_{};  // of the list version_
  std::uint64_t version_ = 0;
};

}  // namespace tensorpool::agents
