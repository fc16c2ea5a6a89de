// The wake-up recipe on the memory that clients of a media driver share.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "agents/wiring.hpp"

namespace tensorpool::agents {

struct Wake {
  using Word = std::int64_t;
  static bool ring(Word& bell, std::uint64_t value, std::span<Word* const> armed) noexcept {
    const std::atomic_ref<std::int64_t> own(bell);
    if (armed.empty()) [[likely]] {
      own.store(static_cast<std::int64_t>(value), std::memory_order_release);
      return false;
    }
    own.store(static_cast<std::int64_t>(value), std::memory_order_seq_cst);
    for (Word* const waiter : armed) {
      if (look(*waiter) != 0) return true;
    }
    return false;
  }
  static void arm(Word& own) noexcept {
    std::atomic_ref<std::int64_t>(own).store(1, std::memory_order_seq_cst);
  }
  static std::uint64_t look(const Word& bell) noexcept {
    return static_cast<std::uint64_t>(
        std::atomic_ref<std::int64_t>(const_cast<Word&>(bell)).load(std::memory_order_seq_cst));
  }
  static void disarm(Word& own) noexcept {
    std::atomic_ref<std::int64_t>(own).store(0, std::memory_order_relaxed);
  }
};

}  // namespace tensorpool::agents
