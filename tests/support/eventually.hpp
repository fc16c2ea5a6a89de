// Waiting for a condition. No test waits in any other way: a crowded machine is slow, not wrong.
#pragma once

#include <poll.h>

#include <chrono>
#include <thread>

namespace tensorpool::test {

// Of every wait: a failure, never a pace.
inline constexpr std::chrono::seconds patience{60};

// True once `condition` holds; false when patience ends first. `condition` may do work of its own. What
// takes longer leaves the processor to those that are waited for.
template <class Condition>
bool eventually(Condition&& condition, std::chrono::nanoseconds wait = patience) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  for (int round = 0; !condition(); ++round) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (round < 100) {
      std::this_thread::yield();
    } else {
      (void)::poll(nullptr, 0, 1);
    }
  }
  return true;
}

}  // namespace tensorpool::test
