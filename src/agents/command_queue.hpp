// How application threads hand requests to the conductor (CON-12 to CON-18): a bounded queue of
// many producers and one consumer without locks. A full queue refuses at once and changes nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace tensorpool::agents {

// Each cell carries the turn it is ready for: a producer may fill it when turn == its ticket, the
// consumer may empty it when turn == ticket + 1. T is default-constructible and movable.
template <class T>
class CommandQueue {
 public:
  // REQUIRES a power of two.
  explicit CommandQueue(std::size_t capacity) : mask_(capacity - 1), cells_(capacity) {
    TP_ASSERT(capacity != 0 && (capacity & mask_) == 0);
    for (std::size_t i = 0; i < capacity; ++i) cells_[i].turn.store(i, std::memory_order_relaxed);
  }

  // Any thread. False when full; `value` is untouched then (CON-14).
  bool push(T&& value) {
    std::uint64_t ticket = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[ticket & mask_];
      // Acquire pairs with the release in pop(): the cell's old value is gone before it is
      // refilled.
      const std::uint64_t turn = cell.turn.load(std::memory_order_acquire);
      if (turn == ticket) {
        if (!tail_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_relaxed)) continue;
        cell.value = std::move(value);
        cell.turn.store(ticket + 1, std::memory_order_release);  // pairs with the acquire in pop()
        return true;
      }
      if (turn < ticket) return false;
      ticket = tail_.load(std::memory_order_relaxed);
    }
  }

  // The conductor only. False when empty, or when the next command is still being written.
  bool pop(T& value) {
    Cell& cell = cells_[head_ & mask_];
    if (cell.turn.load(std::memory_order_acquire) != head_ + 1) return false;
    value = std::exchange(cell.value, T{});
    cell.turn.store(head_ + mask_ + 1, std::memory_order_release);
    ++head_;
    return true;
  }

 private:
  struct Cell {
    std::atomic<std::uint64_t> turn{0};
    T value{};
  };

  std::size_t mask_;
  std::vector<Cell> cells_;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  alignas(64) std::uint64_t head_ = 0;
};

}  // namespace tensorpool::agents
