// Who takes part in the wake-up extension on a media driver: the bells of producers and the armed counters of
// consumers (docs/protocol/03-streams.md, "Extension: wake-up").
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agents/generation.hpp"
#include "base/clock.hpp"
#include "transport/transport.hpp"

namespace tensorpool::agents {

inline constexpr std::int32_t bell_type_id = 10001;
inline constexpr std::int32_t armed_type_id = 10002;

// The key of those, and of all counters of this library: u32 layout (1), stream, id of producer or consumer,
// process id.
using CounterKey = std::array<std::byte, 16>;
CounterKey counter_key(std::uint32_t stream, std::uint32_t id, std::uint32_t process_id) noexcept;

struct WakeCounter {
  std::int32_t id = 0;
  std::uint32_t stream = 0;
  transport::CounterPlace place;
  friend bool operator==(const WakeCounter&, const WakeCounter&) = default;
};

// One look a second serves all ports of a client. What it shows may be gone by now: see CounterPlace::live().
// The conductor's thread.
class WakeFinder {
 public:
  // Something began that others may have an answer to: the next call looks.
  void look_soon() noexcept { next_look_ns_ = 0; }
  // Looks when it is time.
  void do_work(const std::shared_ptr<Generation>& generation, base::Nanos now);

  // Another one whenever the lists are others.
  std::uint64_t version() const noexcept { return version_; }
  // Another one for every look.
  std::uint64_t looks() const noexcept { return looks_; }
  // By rising counter id.
  std::span<const WakeCounter> bells() const noexcept { return bells_; }
  std::span<const WakeCounter> armed() const noexcept { return armed_; }

 private:
  std::vector<WakeCounter> bells_;
  std::vector<WakeCounter> armed_;
  std::vector<WakeCounter> scratch_;
  // Compared only, so that the lists of one connection never stand for another; it does not keep it.
  std::weak_ptr<Generation> generation_;
  base::Nanos next_look_ns_ = 0;
  std::uint64_t version_ = 1;
  std::uint64_t looks_ = 0;
};

}  // namespace tensorpool::agents
