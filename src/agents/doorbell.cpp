#include "agents/doorbell.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/futex.hpp"

namespace tensorpool::agents {

void Doorbell::wait(std::uint32_t seen, std::chrono::nanoseconds longest) noexcept {
  std::uint32_t expected = seen;
  // Relaxed: what is seen after a ring is seen through rings(), before the next look.
  if (!word_.compare_exchange_strong(expected, seen | sleeping, std::memory_order_relaxed)) return;
  // However it ends (a ring, the time, a signal), the caller looks again.
  (void)base::futex_wait(
      {&word_, seen | sleeping, base::FutexScope::process},
      base::SystemClock::monotonic() + std::max<base::Nanos>(0, longest.count()));
  word_.fetch_and(~sleeping, std::memory_order_relaxed);
}

void Doorbell::wake() noexcept {
  (void)base::futex_wake_all(&word_, base::FutexScope::process);  // one sleeps at most
}

}  // namespace tensorpool::agents
