#include "base/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

#include "base/assert.hpp"
#include "base/limits.hpp"

namespace tensorpool::base {
namespace {

// Older headers do not know the call; its number is the same on every machine, and so is its layout.
constexpr long waitv_number = 449;
struct Waitv {
  std::uint64_t expected;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
static_assert(sizeof(Waitv) == 24);
constexpr std::uint32_t futex_32 = 2;
constexpr std::uint32_t futex_private = 128;

// The kernel's seconds may not be negative.
timespec at(Nanos until_ns) noexcept {
  constexpr Nanos second = 1'000'000'000;
  const Nanos time = std::max<Nanos>(0, until_ns);
  return {static_cast<time_t>(time / second), static_cast<long>(time % second)};
}

// For callers that look again and again.
constexpr Nanos pause_ns = 1'000'000;

FutexEnd failed(int error, Nanos until_ns) noexcept {
  switch (error) {
    case EAGAIN:
      return FutexEnd::changed;
    case ETIMEDOUT:
      return FutexEnd::time;
    case EINTR:
      return FutexEnd::interrupted;
    case ENOSYS:
    case EPERM:
      return FutexEnd::unsupported;
    default: {  // ENOMEM, or a word that is mapped no more: of this sleep, not of the next
      const timespec pause = at(std::min(until_ns, SystemClock::monotonic() + pause_ns));
      (void)::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &pause, nullptr);
      return FutexEnd::time;
    }
  }
}

}  // namespace

int futex_wake(const void* word, FutexScope scope, int most) noexcept {
  const int flag = scope == FutexScope::process ? FUTEX_PRIVATE_FLAG : 0;
  const long woken = ::syscall(SYS_futex, word, FUTEX_WAKE | flag, most, nullptr, nullptr, 0);
  return woken < 0 ? 0 : static_cast<int>(woken);
}

int futex_wake_all(const void* word, FutexScope scope) noexcept {
  return futex_wake(word, scope, INT_MAX);
}

FutexEnd futex_wait(const FutexWord& word, Nanos until_ns) noexcept {
  const int flag = word.scope == FutexScope::process ? FUTEX_PRIVATE_FLAG : 0;
  const timespec until = at(until_ns);
  // The form whose time is absolute and CLOCK_MONOTONIC's.
  if (::syscall(SYS_futex, word.word, FUTEX_WAIT_BITSET | flag, word.expected, &until, nullptr,
                FUTEX_BITSET_MATCH_ANY) == 0) {
    return FutexEnd::woken;
  }
  return failed(errno, until_ns);
}

FutexOutcome futex_wait_any(std::span<const FutexWord> words, Nanos until_ns) noexcept {
  TP_ASSERT(!words.empty() && words.size() <= limits::futexes_per_wait);
  std::array<Waitv, limits::futexes_per_wait> waiters;
  for (std::size_t i = 0; i < words.size(); ++i) {
    waiters[i].expected = words[i].expected;
    waiters[i].address = reinterpret_cast<std::uintptr_t>(words[i].word);
    waiters[i].flags = futex_32 | (words[i].scope == FutexScope::process ? futex_private : 0);
    waiters[i].reserved = 0;
  }
  const timespec until = at(until_ns);
  const long index =
      ::syscall(waitv_number, waiters.data(), words.size(), 0, &until, CLOCK_MONOTONIC);
  if (index >= 0) return {FutexEnd::woken, static_cast<std::uint32_t>(index)};
  return {failed(errno, until_ns), 0};
}

}  // namespace tensorpool::base
