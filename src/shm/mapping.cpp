#include "shm/mapping.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "shm/map.hpp"

namespace tensorpool::shm {

Mapping::Mapping(base::FileSystem& file_system, std::byte* base, std::uint64_t bytes,
                 base::Access access, std::uint64_t granule_bytes) noexcept
    : file_system_(&file_system),
      base_(base),
      bytes_(bytes),
      granule_bytes_(granule_bytes),
      process_id_(file_system.process_id()),
      access_(access) {}

Mapping::Mapping(Mapping&& other) noexcept { *this = std::move(other); }

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  file_system_ = std::exchange(other.file_system_, nullptr);
  base_ = std::exchange(other.base_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  granule_bytes_ = other.granule_bytes_;
  process_id_ = other.process_id_;
  access_ = other.access_;
  return *this;
}

void Mapping::unmap() noexcept { static_cast<void>(unmap_step(bytes_)); }

bool Mapping::unmap_step(std::uint64_t bytes) noexcept {
  if (base_ == nullptr) return true;
  // Keep a whole number of granules in front, so that the cut lies on a page boundary.
  std::uint64_t kept = bytes >= bytes_ ? 0 : bytes_ - std::max<std::uint64_t>(bytes, 1);
  kept -= kept % granule_bytes_;
  // In a forked child the range is not mapped, or is something else by now (MADV_DONTFORK).
  if (file_system_->process_id() == process_id_) file_system_->unmap(base_ + kept, bytes_ - kept);
  bytes_ = kept;
  if (kept != 0) return false;
  base_ = nullptr;
  return true;
}

bool Mapping::trim_step(std::uint64_t bytes) noexcept {
  if (!trimmed()) static_cast<void>(unmap_step(std::min(bytes, bytes_ - granule_bytes_)));
  return trimmed();
}

Result<void> Mapping::prefault(std::uint64_t offset, std::uint64_t bytes, bool lock) {
  TP_ASSERT(offset <= bytes_ && bytes <= bytes_ - offset);
  if (auto present = file_system_->prefault(base_ + offset, bytes, access_); !present)
    return present;
  if (!lock) return {};
  return file_system_->lock_in_memory(base_ + offset, bytes);
}

namespace {

// The three fields of one region that say which epoch it belongs to.
Result<void> recheck_region(const Mapping& region, std::uint64_t epoch, std::string_view which) {
  const Superblock block = load_superblock(region.base());
  if (block.magic == region_magic && block.layout_version == supported_layout_version &&
      block.epoch == epoch) {
    return {};
  }
  return fail(
      Code::region_invalid, "recheck",
      fmt::format("{}: magic {:#x}, layout version {}, epoch {}; expected {:#x}, {}, {}; the "
                  "stream was created anew and must be mapped again",
                  which, block.magic, block.layout_version, block.epoch, region_magic,
                  supported_layout_version, epoch));
}

}  // namespace

Result<void> MappedStream::recheck(std::uint64_t epoch) const {
  if (auto same = recheck_region(header, epoch, "header ring"); !same) return same;
  for (const Mapping& pool : pools) {
    if (auto same = recheck_region(pool, epoch, "payload pool"); !same) return same;
  }
  return {};
}

bool MappedStream::pid_changed() const noexcept {
  if (load_superblock_word(header.base(), superblock_at::pid) != pid) return true;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    if (load_superblock_word(pools[i].base(), superblock_at::pid) != pool_pids[i]) return true;
  }
  return false;
}

std::uint64_t MappedStream::activity_ns() const noexcept {
  constexpr FieldAt activity = superblock_at::activity_timestamp_ns;
  std::uint64_t oldest = load_superblock_word(header.base(), activity);
  for (const Mapping& pool : pools) {
    oldest = std::min(oldest, load_superblock_word(pool.base(), activity));
  }
  return oldest;
}

void MappedStream::refresh_activity(std::uint64_t now_ns) noexcept {
  TP_ASSERT(header.writable());
  constexpr FieldAt activity = superblock_at::activity_timestamp_ns;
  store_superblock_word(header.base(), activity, now_ns);
  for (Mapping& pool : pools) store_superblock_word(pool.base(), activity, now_ns);
}

bool MappedStream::trim_step(std::uint64_t bytes) noexcept {
  for (Mapping& pool : pools) {
    if (pool.trimmed()) continue;
    static_cast<void>(pool.trim_step(bytes));
    return false;
  }
  return header.trim_step(bytes);
}

Result<bool> Prefault::step(std::uint64_t bytes) {
  const std::size_t regions = 1 + stream_->pools.size();
  if (region_ == regions) return true;
  Mapping& region = region_ == 0 ? stream_->header : stream_->pools[region_ - 1];
  // Whole pages: a step that began inside one would be refused.
  constexpr std::uint64_t page = Mapping::default_granule_bytes;
  const std::uint64_t wanted = bytes < page ? page : bytes - bytes % page;
  const std::uint64_t now = std::min(wanted, region.bytes() - offset_);
  huge_ = huge_ && region.want_huge_pages(offset_, now);
  if (auto present = region.prefault(offset_, now, lock_); !present) return fail(present.error());
  offset_ += now;
  if (offset_ == region.bytes()) {
    ++region_;
    offset_ = 0;
    huge_ = use_ == Use::created;
  }
  return region_ == regions;
}

bool Unmap::step(std::uint64_t bytes) noexcept {
  if (stream_.pools.empty()) return stream_.header.unmap_step(bytes);
  if (stream_.pools.back().unmap_step(bytes)) stream_.pools.pop_back();
  return stream_.pools.empty() && !stream_.is_mapped();
}

}  // namespace tensorpool::shm
