// Named, normally dormant places where a process of tests/fault stops or dies. One plan per process;
// the place that it names counts its visits once the plan is armed.
#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <string_view>

#include "agents/env.hpp"

namespace tensorpool::fault {

// The steps of the frame path, in their order, and three more.
enum class Point : int {
  filling = 100,  // half of the payload is written
  reading,        // half of it is read
  mapping,        // before a file is mapped
  none,
};
constexpr Point point_of(agents::Step step) noexcept { return static_cast<Point>(step); }

struct NamedPoint {
  std::string_view name;
  Point point;
};
inline constexpr std::array<NamedPoint, 13> points{{
    {"claimed", point_of(agents::Step::claimed)},
    {"filling", Point::filling},
    {"before_commit_word", point_of(agents::Step::before_commit_word)},
    {"after_commit_word", point_of(agents::Step::after_commit_word)},
    {"before_descriptor", point_of(agents::Step::before_descriptor)},
    {"after_descriptor", point_of(agents::Step::after_descriptor)},
    {"commit_word_loaded", point_of(agents::Step::commit_word_loaded)},
    {"header_copied", point_of(agents::Step::header_copied)},
    {"in_handler", point_of(agents::Step::in_handler)},
    {"reading", Point::reading},
    {"before_proof", point_of(agents::Step::before_proof)},
    {"adopted", point_of(agents::Step::adopted)},
    {"mapping", Point::mapping},
}};

struct Plan {
  Point point = Point::none;
  std::uint64_t visit = 0;  // the first is 1
  int signal = 0;
};

inline Plan plan;  // set before any thread starts
inline std::atomic<bool> armed{false};
inline std::atomic<std::uint64_t> visits{0};

// Where the plan says so, the process stands still, or ends, inside this call.
inline void visit(Point point) noexcept {
  if (point != plan.point || !armed.load(std::memory_order_relaxed)) return;
  if (visits.fetch_add(1, std::memory_order_relaxed) + 1 == plan.visit)
    (void)std::raise(plan.signal);
}

}  // namespace tensorpool::fault
