// Sleeping in the kernel until a 32-bit word changes, and waking who sleeps so. Linux only, like the rest.
// Every wait is a hint: it may end for no reason, so callers look at what they wait for themselves.
#pragma once

#include <cstdint>
#include <span>

#include "base/clock.hpp"

namespace tensorpool::base {

// Who may sleep on the word: threads of this process, or of any that maps the same file.
enum class FutexScope : std::uint8_t { process, shared };

// Wakes those that sleep on the word, at most `most`, who has slept longest first; returns how many. One system call.
int futex_wake(const void* word, FutexScope scope, int most) noexcept;
// All of them.
int futex_wake_all(const void* word, FutexScope scope) noexcept;

struct FutexWord {
  const void* word = nullptr;  // 4-byte aligned
  std::uint32_t expected = 0;
  FutexScope scope = FutexScope::process;
};

enum class FutexEnd : std::uint8_t {
  woken,        // by a wake
  changed,      // a word was not what was expected: nobody slept
  time,         // `until_ns` passed, or the kernel could not this time: then not at once
  interrupted,  // a signal
  unsupported,  // the call: by this kernel (before 5.16), or forbidden by a sandbox: nobody slept
};
struct FutexOutcome {
  FutexEnd end = FutexEnd::time;
  std::uint32_t index = 0;  // of the word that was woken
};

// Sleeps until the word is woken, unless it differs already. `until_ns` is CLOCK_MONOTONIC's.
FutexEnd futex_wait(const FutexWord& word, Nanos until_ns) noexcept;
// The same on several words at once, at most limits::futexes_per_wait.
FutexOutcome futex_wait_any(std::span<const FutexWord> words, Nanos until_ns) noexcept;

}  // namespace tensorpool::base
