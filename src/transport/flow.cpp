#include "transport/flow.hpp"

#include <algorithm>
#include <limits>

namespace tensorpool::transport {

std::int64_t distance(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return a < b ? std::numeric_limits<std::int64_t>::min()
               : std::numeric_limits<std::int64_t>::max();
}

void find_holders(Flow& flow) noexcept {
  const std::int64_t counted_from = flow.window_bytes > 0
                                        ? distance(flow.limit, flow.window_bytes)
                                        : std::numeric_limits<std::int64_t>::min();
  std::int64_t slowest = std::numeric_limits<std::int64_t>::max();
  for (const FlowSubscriber& subscriber : flow.subscribers) {
    if (subscriber.position >= counted_from) slowest = std::min(slowest, subscriber.position);
  }
  for (FlowSubscriber& subscriber : flow.subscribers) {
    subscriber.holds = flow.held_up() && subscriber.position >= counted_from &&
                       distance(subscriber.position, slowest) <= flow.window_bytes / 8;
  }
}

}  // namespace tensorpool::transport
