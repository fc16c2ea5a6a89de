// The shape of a stream's regions: slots, pools, strides. Values and arithmetic only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/limits.hpp"
#include "shm/layout.hpp"

namespace tensorpool::shm {

// One payload pool of a stream.
struct PoolSpec {
  std::uint16_t pool_id = 0;
  std::uint32_t stride_bytes = 0;
  // The number of slots as a message described it; absent means that of the header ring.
  std::optional<std::uint32_t> nslots = std::nullopt;

  friend bool operator==(const PoolSpec&, const PoolSpec&) = default;
};

// The layout of one stream in one epoch, as created or as described by a message.
struct StreamLayout {
  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  std::uint32_t nslots = 0;
  std::vector<PoolSpec> pools;  // in the order in which they are announced
  std::uint32_t layout_version = supported_layout_version;
  std::uint32_t header_slot_bytes = static_cast<std::uint32_t>(shm::header_slot_bytes);

  friend bool operator==(const StreamLayout&, const StreamLayout&) = default;
};

// What can be wrong with a layout before any file is looked at.
enum class LayoutFault : std::uint8_t {
  none,
  layout_version,    // SHM-138
  epoch,             // 0 or null
  nslots,            // SHM-8
  too_many_slots,    // limits::header_slots_max
  header_slot_size,  // SHM-140
  no_pools,          // SHM-7
  too_many_pools,    // limits::pools_per_stream
  pool_nslots,       // SHM-9
  repeated_pool_id,  // SHM-10
  stride,            // SHM-11
  size,              // SHM-17
};

constexpr std::string_view name(LayoutFault fault) noexcept {
  switch (fault) {
    case LayoutFault::none:
      return "none";
    case LayoutFault::layout_version:
      return "layout version is not 1";
    case LayoutFault::epoch:
      return "epoch is 0 or null";
    case LayoutFault::nslots:
      return "header_nslots is not a power of two";
    case LayoutFault::too_many_slots:
      return "header_nslots is above the limit of the library";
    case LayoutFault::header_slot_size:
      return "header_slot_bytes is not 256";
    case LayoutFault::no_pools:
      return "no payload pool";
    case LayoutFault::too_many_pools:
      return "more pools than the limit of the library";
    case LayoutFault::pool_nslots:
      return "a pool has another number of slots than the header ring";
    case LayoutFault::repeated_pool_id:
      return "a pool id is repeated";
    case LayoutFault::stride:
      return "a stride is not a positive multiple of 64";
    case LayoutFault::size:
      return "a region is too large for this host";
  }
  return "unknown";
}

// All rules that a description must meet whatever its files look like. Allocates nothing.
inline LayoutFault check(const StreamLayout& layout) noexcept {
  if (layout.layout_version != supported_layout_version) return LayoutFault::layout_version;
  if (!epoch_usable(layout.epoch)) return LayoutFault::epoch;
  if (!valid_nslots(layout.nslots)) return LayoutFault::nslots;
  if (layout.nslots > base::limits::header_slots_max) return LayoutFault::too_many_slots;
  if (layout.header_slot_bytes != header_slot_bytes) return LayoutFault::header_slot_size;
  if (layout.pools.empty()) return LayoutFault::no_pools;
  if (layout.pools.size() > base::limits::pools_per_stream) return LayoutFault::too_many_pools;
  if (!header_ring_bytes(layout.nslots)) return LayoutFault::size;
  for (std::size_t i = 0; i < layout.pools.size(); ++i) {
    const PoolSpec& pool = layout.pools[i];
    if (pool.nslots.value_or(layout.nslots) != layout.nslots) return LayoutFault::pool_nslots;
    if (!valid_stride(pool.stride_bytes)) return LayoutFault::stride;
    if (!pool_bytes(layout.nslots, pool.stride_bytes)) return LayoutFault::size;
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      if (layout.pools[earlier].pool_id == pool.pool_id) return LayoutFault::repeated_pool_id;
    }
  }
  return LayoutFault::none;
}

// One pool as the frame path sees it.
struct PoolGeometry {
  std::uint32_t stride_bytes = 0;
  std::uint16_t pool_id = 0;
  std::uint16_t index = 0;  // place in StreamLayout::pools and MappedStream::pools

  friend bool operator==(const PoolGeometry&, const PoolGeometry&) = default;
};

// Ring size and pools in the form that the frame path asks for: fixed size, no allocation. A value.
class RingGeometry {
 public:
  RingGeometry() noexcept = default;
  // REQUIRES: check() of the layout these come from says none.
  RingGeometry(std::uint32_t slots, std::span<const PoolSpec> specs) noexcept
      : nslots(slots), mask(std::uint64_t{slots} - 1) {
    for (const PoolSpec& spec : specs.first(std::min(specs.size(), pools_.size()))) {
      pools_[pool_count_] = {spec.stride_bytes, spec.pool_id, pool_count_};
      ++pool_count_;
    }
    // Insertion sort by stride: stable, so of two equal strides the first listed is used (SHM-65).
    for (std::size_t i = 1; i < pool_count_; ++i) {
      const PoolGeometry pool = pools_[i];
      std::size_t at = i;
      for (; at > 0 && pools_[at - 1].stride_bytes > pool.stride_bytes; --at)
        pools_[at] = pools_[at - 1];
      pools_[at] = pool;
    }
  }

  // SHM-56.
  std::uint32_t header_index(std::uint64_t seq) const noexcept {
    return static_cast<std::uint32_t>(seq & mask);
  }

  // The pool for a payload of `bytes`: smallest stride that holds it; null when none does (SHM-65,
  // SHM-66). `bytes` may be any 64-bit number.
  const PoolGeometry* smallest_fitting(std::uint64_t bytes) const noexcept {
    for (std::size_t i = 0; i < pool_count_; ++i) {
      if (pools_[i].stride_bytes >= bytes) return &pools_[i];
    }
    return nullptr;
  }

  // The pool with this id; null when there is none (SHM-62).
  const PoolGeometry* find(std::uint16_t pool_id) const noexcept {
    for (std::size_t i = 0; i < pool_count_; ++i) {
      if (pools_[i].pool_id == pool_id) return &pools_[i];
    }
    return nullptr;
  }

  // By stride, smallest first.
  std::span<const PoolGeometry> pools() const noexcept { return {pools_.data(), pool_count_}; }
  // 0 without pools.
  std::uint32_t largest_stride_bytes() const noexcept {
    return pool_count_ == 0 ? 0 : pools_[pool_count_ - 1U].stride_bytes;
  }

  std::uint32_t nslots = 0;
  std::uint64_t mask = 0;

 private:
  std::uint16_t pool_count_ = 0;
  std::array<PoolGeometry, base::limits::pools_per_stream> pools_{};
};

}  // namespace tensorpool::shm
