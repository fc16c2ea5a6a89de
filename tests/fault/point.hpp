// Named, normally dormant places where a process of tests/fault stops, dies or waits. One plan per process at a
// time; the place that it names counts its visits once the plan is armed.
#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agents/env.hpp"

namespace tensorpool::fault {

// The steps of the frame path, in their order, and the places around them.
enum class Point : int {
  filling = 100,  // half of the payload is written
  reading,        // half of it is read
  // Files: before and after each call of a creation, a mapping or a removal.
  making_directory,
  made_directory,
  creating,
  created,
  reserving,
  reserved,
  mapping,
  mapped,
  prefaulting,
  prefaulted,  // superblocks come next
  syncing,     // all superblocks are written
  synced,
  unlinking,
  unlinked,
  removing_directory,
  removed_directory,
  // Messages: half of it is in the log, but nobody sees it yet; it was sent; it was heard, and nothing done.
  request_claim,
  request_sent,
  request_heard,
  response_claim,
  response_sent,
  response_heard,  // an answer to a request of this process
  keepalive_claim,
  notice_claim,
  announce_claim,
  announce_sent,
  none,
};
constexpr Point point_of(agents::Step step) noexcept { return static_cast<Point>(step); }

struct NamedPoint {
  std::string_view name;
  Point point;
};
inline constexpr std::array points{
    NamedPoint{"claimed", point_of(agents::Step::claimed)},
    NamedPoint{"filling", Point::filling},
    NamedPoint{"before_commit_word", point_of(agents::Step::before_commit_word)},
    NamedPoint{"after_commit_word", point_of(agents::Step::after_commit_word)},
    NamedPoint{"before_descriptor", point_of(agents::Step::before_descriptor)},
    NamedPoint{"after_descriptor", point_of(agents::Step::after_descriptor)},
    NamedPoint{"commit_word_loaded", point_of(agents::Step::commit_word_loaded)},
    NamedPoint{"header_copied", point_of(agents::Step::header_copied)},
    NamedPoint{"in_handler", point_of(agents::Step::in_handler)},
    NamedPoint{"reading", Point::reading},
    NamedPoint{"before_proof", point_of(agents::Step::before_proof)},
    NamedPoint{"adopted", point_of(agents::Step::adopted)},
    NamedPoint{"making_directory", Point::making_directory},
    NamedPoint{"made_directory", Point::made_directory},
    NamedPoint{"creating", Point::creating},
    NamedPoint{"created", Point::created},
    NamedPoint{"reserving", Point::reserving},
    NamedPoint{"reserved", Point::reserved},
    NamedPoint{"mapping", Point::mapping},
    NamedPoint{"mapped", Point::mapped},
    NamedPoint{"prefaulting", Point::prefaulting},
    NamedPoint{"prefaulted", Point::prefaulted},
    NamedPoint{"syncing", Point::syncing},
    NamedPoint{"synced", Point::synced},
    NamedPoint{"unlinking", Point::unlinking},
    NamedPoint{"unlinked", Point::unlinked},
    NamedPoint{"removing_directory", Point::removing_directory},
    NamedPoint{"removed_directory", Point::removed_directory},
    NamedPoint{"request_claim", Point::request_claim},
    NamedPoint{"request_sent", Point::request_sent},
    NamedPoint{"request_heard", Point::request_heard},
    NamedPoint{"response_claim", Point::response_claim},
    NamedPoint{"response_sent", Point::response_sent},
    NamedPoint{"response_heard", Point::response_heard},
    NamedPoint{"keepalive_claim", Point::keepalive_claim},
    NamedPoint{"notice_claim", Point::notice_claim},
    NamedPoint{"announce_claim", Point::announce_claim},
    NamedPoint{"announce_sent", Point::announce_sent},
    NamedPoint{"none", Point::none},
};
constexpr std::optional<Point> point_named(std::string_view name) noexcept {
  for (const NamedPoint& named : points) {
    if (named.name == name) return named.point;
  }
  return std::nullopt;
}

// Changed only while it is not armed.
struct Plan {
  std::atomic<Point> point{Point::none};
  std::atomic<std::uint64_t> visit{0};  // the first is 1
  std::atomic<int> signal{0};           // 0: whoever comes by waits until `armed` is false
};

inline Plan plan;
inline std::atomic<bool> armed{false};
inline std::atomic<std::uint64_t> visits{0};

// Where the plan says so, the process stands still, or ends, inside this call.
inline void visit(Point point) noexcept {
  if (!armed.load(std::memory_order_acquire)) return;
  if (point != plan.point.load(std::memory_order_relaxed)) return;
  if (visits.fetch_add(1, std::memory_order_relaxed) + 1 !=
      plan.visit.load(std::memory_order_relaxed))
    return;
  if (const int signal = plan.signal.load(std::memory_order_relaxed); signal != 0) {
    (void)std::raise(signal);
    return;
  }
  armed.wait(true, std::memory_order_acquire);
}

// Whoever waits at a point goes on.
inline void disarm() noexcept {
  armed.store(false, std::memory_order_release);
  armed.notify_all();
}

inline void make_plan(Point point, std::uint64_t visit_number, int signal) noexcept {
  disarm();
  plan.point.store(point, std::memory_order_relaxed);
  plan.visit.store(visit_number, std::memory_order_relaxed);
  plan.signal.store(signal, std::memory_order_relaxed);
  visits.store(0, std::memory_order_relaxed);
}

}  // namespace tensorpool::fault
