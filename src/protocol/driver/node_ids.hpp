// Node ids of trace ids: who holds which, which rest, and whose they were (docs/protocol/04-driver.md A3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"
#include "protocol/driver/schedule.hpp"

namespace tensorpool::protocol::driver {

class NodeIds {
 public:
  static constexpr std::uint32_t lowest = 1;
  static constexpr std::uint32_t highest = 1023;  // of those given out without being asked for

  explicit NodeIds(base::Nanos cooldown_ns) noexcept : cooldown_ns_(cooldown_ns) {}

  // Whether `client_id` may have exactly this id: nobody holds it, and it does not rest for the sake
  // of another client (DRV-42, DRV-43).
  bool available(base::Nanos now, std::uint32_t client_id, std::uint32_t node_id);
  // Hands out `desired`, or the id that this client had before, or the next one upward; nothing when
  // all of 1..1023 are in use or rest. REQUIRES available() of a desired id.
  std::optional<std::uint32_t> take(base::Nanos now, std::uint32_t client_id,
                                    std::optional<std::uint32_t> desired);
  // The lease ended: the id rests for the cooldown, then anybody may get it.
  void release(base::Nanos now, std::uint32_t node_id);
  // The attach failed: all is as if the id had not been taken (DRV-60).
  void give_back(std::uint32_t node_id);

  std::size_t in_use() const noexcept { return in_use_; }
  // Ids that are remembered, in use or not.
  std::size_t remembered() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    bool in_use = false;
    bool released = false;  // at all; false: never held by anybody whose lease ended
    base::Nanos released_at = 0;
    std::uint32_t client_id = 0;  // who holds it or had it last
    std::uint32_t before = 0;     // who had it before that
  };
  bool resting(base::Nanos now, const Entry& entry) const noexcept {
    return entry.released && now - entry.released_at < cooldown_ns_;
  }
  // Ids above 1023 are forgotten after their rest, since anybody may name any number of them.
  void forget_large(base::Nanos now);
  void rest(std::uint32_t node_id, const Entry& entry);
  void forget_client_of(std::uint32_t node_id, std::uint32_t client_id);

  base::Nanos cooldown_ns_;
  std::unordered_map<std::uint32_t, Entry> entries_;
  std::unordered_map<std::uint32_t, std::uint32_t> former_;  // client id → the node id it had last
  Schedule<std::uint32_t> large_;                            // when a free id above 1023 has rested
  std::uint32_t next_ = lowest;
  std::size_t in_use_ = 0;
};

}  // namespace tensorpool::protocol::driver
