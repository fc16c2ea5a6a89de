// Memory that belongs to a region: one mapping, all mappings of a stream, and the steps in which a
// conductor prefaults and unmaps them. Files are create.hpp's and map.hpp's affair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/file_system.hpp"
#include "shm/geometry.hpp"
#include "shm/seqlock.hpp"

namespace tensorpool::shm {

// One mapped region. Move-only; unmaps what is left of it when destroyed, all at once (Unmap does
// it in steps), but never in a forked child, where the addresses may be somebody else's by now.
class Mapping {
 public:
  Mapping() noexcept = default;
  // Parts of a mapping begin on multiples of its granule: the hugepage size on hugetlbfs, elsewhere
  // a multiple of every page size there is.
  static constexpr std::uint64_t default_granule_bytes = 65536;

  Mapping(base::FileSystem& file_system, std::byte* base, std::uint64_t bytes, base::Access access,
          std::uint64_t granule_bytes = default_granule_bytes) noexcept;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { unmap(); }

  std::byte* base() const noexcept { return base_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  base::Access access() const noexcept { return access_; }
  bool writable() const noexcept { return access_ == base::Access::read_write; }

  // All of it, now.
  void unmap() noexcept;
  // About `bytes` from the end, rounded up to whole granules; true when nothing is left.
  bool unmap_step(std::uint64_t bytes) noexcept;
  // Likewise, but the first granule stays; true when only that is left.
  bool trim_step(std::uint64_t bytes) noexcept;
  bool trimmed() const noexcept { return bytes_ <= granule_bytes_; }
  // Of FileSystem: for the creator. False: do not ask again.
  bool want_huge_pages(std::uint64_t offset, std::uint64_t bytes) noexcept {
    return file_system_->want_huge_pages(base_ + offset, bytes);
  }
  // Makes the pages of [offset, offset + bytes) present, and locks them in memory on request.
  Result<void> prefault(std::uint64_t offset, std::uint64_t bytes, bool lock);

 private:
  base::FileSystem* file_system_ = nullptr;
  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint64_t granule_bytes_ = default_granule_bytes;
  std::uint64_t process_id_ = 0;
  base::Access access_ = base::Access::read_only;
};

// A stream as it travels in an announce or attach response: its layout and where its regions are.
struct StreamRegions {
  StreamLayout layout;
  std::string header_uri;
  std::vector<std::string> pool_uris;  // as layout.pools

  friend bool operator==(const StreamRegions&, const StreamRegions&) = default;
};

// All regions of a stream in one epoch, mapped and valid; partly mapped streams do not exist
// (SHM-137). Move-only. One thread owns it; others that it was lent to may load and store slots and
// payload, nothing else.
struct MappedStream {
  StreamLayout layout;
  RingGeometry geometry;
  Mapping header;
  std::vector<Mapping> pools;  // as layout.pools
  // Of the creator, as each region said when it was mapped: header ring, then as layout.pools.
  std::uint64_t pid = 0;
  std::vector<std::uint64_t> pool_pids;
  std::uint64_t start_timestamp_ns = 0;
  // All of it had memory when it was mapped. Of files without, a prefault would take what their creator
  // left for later.
  bool backed = true;

  bool is_mapped() const noexcept { return header.base() != nullptr; }

  // REQUIRES: index < layout.nslots.
  SlotRef slot(std::uint32_t index) noexcept { return SlotRef::at(header.base(), index); }
  ConstSlotRef slot(std::uint32_t index) const noexcept {
    return ConstSlotRef::at(header.base(), index);
  }
  // Where payload slot `index` of pools[pool_index] begins, layout.pools[pool_index].stride_bytes
  // long.
  std::byte* payload(std::size_t pool_index, std::uint32_t index) const noexcept {
    return pools[pool_index].base() +
           payload_slot_offset(index, layout.pools[pool_index].stride_bytes);
  }

  // Magic, layout version and epoch of every region again, for every announce of a mapped stream
  // (SHM-134, SHM-161). Allocates only to say what is wrong.
  Result<void> recheck(std::uint64_t epoch) const;
  // SHM-77, in any region. That it says no proves nothing (SHM-78).
  bool pid_changed() const noexcept;
  // The oldest activity timestamp of all regions: a stream is as stale as its stalest region.
  std::uint64_t activity_ns() const noexcept;
  // For the party that is responsible for liveness (SHM-141); needs a writable mapping.
  void refresh_activity(std::uint64_t now_ns) noexcept;
  // For a party that only keeps the superblocks alive: unmaps about `bytes` of the slots; true when
  // nothing is mapped any more but the beginning of every region. No slot may be used after the
  // first call.
  bool trim_step(std::uint64_t bytes) noexcept;
};

// SHM-142, SHM-145, SHM-147: an activity of 0 is stale, one ahead of the clock is fresh, otherwise
// its age must not exceed the window.
constexpr bool fresh(std::uint64_t activity_ns, std::uint64_t now_ns,
                     std::uint64_t window_ns) noexcept {
  if (activity_ns == 0) return false;
  return now_ns <= activity_ns || now_ns - activity_ns <= window_ns;
}

// For a stream that is mapped already: the time of mapping counts as activity (SHM-144).
constexpr bool alive(std::uint64_t activity_ns, std::uint64_t mapped_at_ns, std::uint64_t now_ns,
                     std::uint64_t timeout_ns) noexcept {
  const std::uint64_t seen = activity_ns > mapped_at_ns ? activity_ns : mapped_at_ns;
  return now_ns <= seen || now_ns - seen <= timeout_ns;
}

// Who else may use the regions while they are prefaulted. Huge pages are wanted only where nobody does.
enum class Use : std::uint8_t { shared, created };

// Makes all pages of a stream present in steps, locking them on request. Refers to the stream,
// which stays where it is meanwhile.
class Prefault {
 public:
  explicit Prefault(MappedStream& stream, bool lock = false, Use use = Use::shared) noexcept
      : stream_(&stream), lock_(lock), use_(use), huge_(use == Use::created) {}

  // At most `bytes` more; true when everything is present. After an error the stream is not to be
  // used.
  Result<bool> step(std::uint64_t bytes);

 private:
  MappedStream* stream_;
  std::size_t region_ = 0;  // 0 the header ring, then the pools
  std::uint64_t offset_ = 0;
  bool lock_;
  Use use_;
  bool huge_;  // not refused yet for this region
};

// Takes a stream and unmaps it in steps (SHM-160: always every region of it).
class Unmap {
 public:
  explicit Unmap(MappedStream&& stream) noexcept : stream_(std::move(stream)) {}

  // About `bytes` more, rounded up to whole granules; true when nothing is mapped any more.
  bool step(std::uint64_t bytes) noexcept;

 private:
  MappedStream stream_;
};

}  // namespace tensorpool::shm
