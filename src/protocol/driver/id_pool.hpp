// Ids of one or several ranges, given out round robin, so that a freed id rests for as long as there are
// others (DRV-160). Bounded by the number of ids in use, not by the size of the ranges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "protocol/driver/settings.hpp"

namespace tensorpool::protocol::driver {

class IdPool {
 public:
  // REQUIRES ranges that check() accepts: ordered ends, no overlap.
  explicit IdPool(std::vector<IdRange> ranges) : ranges_(std::move(ranges)) {
    for (const IdRange& range : ranges_) total_ += std::uint64_t{range.last} - range.first + 1;
  }

  bool configured() const noexcept { return total_ != 0; }
  bool exhausted() const noexcept { return used_.size() >= total_; }
  bool contains(std::uint32_t id) const noexcept {
    for (const IdRange& range : ranges_) {
      if (id >= range.first && id <= range.last) return true;
    }
    return false;
  }
  std::size_t used() const noexcept { return used_.size(); }

  // The next free id; nothing when all are in use.
  std::optional<std::uint32_t> take() {
    if (exhausted()) return std::nullopt;
    while (used_.contains(at(cursor_))) cursor_ = (cursor_ + 1) % total_;
    const std::uint32_t id = at(cursor_);
    cursor_ = (cursor_ + 1) % total_;
    used_.insert(id);
    return id;
  }
  // This very id. REQUIRES that it is contained and free.
  void take(std::uint32_t id) { used_.insert(id); }
  void release(std::uint32_t id) { used_.erase(id); }

 private:
  std::uint32_t at(std::uint64_t index) const noexcept {
    for (const IdRange& range : ranges_) {
      const std::uint64_t size = std::uint64_t{range.last} - range.first + 1;
      if (index < size) return range.first + static_cast<std::uint32_t>(index);
      index -= size;
    }
    return 0;
  }

  std::vector<IdRange> ranges_;
  std::uint64_t total_ = 0;
  std::uint64_t cursor_ = 0;
  std::unordered_set<std::uint32_t> used_;
};

}  // namespace tensorpool::protocol::driver
