#include "agents/doorbell.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace tensorpool::agents {

void Doorbell::wait(std::uint32_t seen, std::chrono::nanoseconds longest) noexcept {
  std::uint32_t expected = seen;
  // Relaxed: what is seen after a ring is seen through rings(), before the next look.
  if (!word_.compare_exchange_strong(expected, seen | sleeping, std::memory_order_relaxed)) return;
  constexpr std::int64_t second = 1'000'000'000;
  const std::int64_t ns = longest.count() < 0 ? 0 : longest.count();
  const timespec time{static_cast<time_t>(ns / second), static_cast<long>(ns % second)};
  // However it ends (a ring, the time, a signal), the caller looks again.
  (void)::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, seen | sleeping, &time, nullptr, 0);
  word_.fetch_and(~sleeping, std::memory_order_relaxed);
}

void Doorbell::wake() noexcept {
  (void)::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace tensorpool::agents
