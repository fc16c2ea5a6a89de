// How image events get from the transport's threads to the conductor.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/limits.hpp"
#include "transport/transport.hpp"

namespace tensorpool::transport {

// Bounded queue, one pushing thread (the transport's conductor) and one popping thread (ours).
class ImageLog {
 public:
  // Pushing side. False, and counted, when full.
  bool push(const ImageEvent& event) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == capacity) {
      lost_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    events_[tail & (capacity - 1)] = event;
    tail_.store(tail + 1, std::memory_order_release);  // pairs with the acquire in pop()
    return true;
  }

  // Popping side.
  std::optional<ImageEvent> pop() noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;
    const ImageEvent event = events_[head & (capacity - 1)];
    head_.store(head + 1, std::memory_order_release);  // pairs with the acquire in push()
    return event;
  }

  std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t capacity = base::limits::image_events;
  static_assert((capacity & (capacity - 1)) == 0);

  std::array<ImageEvent, capacity> events_{};
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace tensorpool::transport
