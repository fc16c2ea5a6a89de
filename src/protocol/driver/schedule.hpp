// At most one time per key, and the earliest of them.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/clock.hpp"

namespace tensorpool::protocol::driver {

inline constexpr base::Nanos never = std::numeric_limits<base::Nanos>::max();

template <class Key>
class Schedule {
 public:
  // Replaces the time that the key had.
  void set(Key key, base::Nanos when) {
    erase(key);
    when_[key] = when;
    order_.emplace(when, key);
  }
  void erase(Key key) {
    const auto found = when_.find(key);
    if (found == when_.end()) return;
    order_.erase({found->second, key});
    when_.erase(found);
  }
  // The key with the earliest time, when that is now or before.
  std::optional<Key> due(base::Nanos now) const {
    if (order_.empty() || order_.begin()->first > now) return std::nullopt;
    return order_.begin()->second;
  }
  base::Nanos next() const noexcept { return order_.empty() ? never : order_.begin()->first; }
  bool contains(Key key) const { return when_.contains(key); }
  bool empty() const noexcept { return order_.empty(); }
  std::size_t size() const noexcept { return order_.size(); }
  void clear() noexcept {
    order_.clear();
    when_.clear();
  }

 private:
  std::set<std::pair<base::Nanos, Key>> order_;
  std::unordered_map<Key, base::Nanos> when_;
};

}  // namespace tensorpool::protocol::driver
