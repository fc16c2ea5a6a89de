// Mapping regions that somebody else created, for reading or, as the producer of a lease, for writing: every
// check of "Path containment and safe opening", "Hugepage verification" and "Mapping and superblock
// validation", in trusted deployments too. All or nothing: a failing check of one region leaves nothing mapped
// (SHM-123, SHM-137).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.hpp"
#include "shm/layout.hpp"
#include "shm/mapping.hpp"
#include "shm/uri.hpp"

namespace tensorpool::shm {

// Which files a process is willing to map. A value; the default one refuses everything (SHM-124).
class MapPolicy {
 public:
  struct Settings {
    std::vector<std::string> allowed_base_dirs = {"/dev/shm"};
    std::uint32_t forbidden_mode_bits = 0007;
    std::optional<std::uint32_t> owner = std::nullopt;  // any
    std::optional<std::uint32_t> group = std::nullopt;  // any
    bool mlock = false;
  };

  MapPolicy() = default;
  // Resolves the directories once (SHM-116). Code::invalid_argument for an empty list, or one with
  // a path that is not absolute or not an existing directory.
  static Result<MapPolicy> make(base::FileSystem& file_system, const Settings& settings);

  // Whether a canonical path lies inside an allowed directory, compared by components (SHM-117).
  bool allows(std::string_view canonical_path) const noexcept;

  std::uint32_t forbidden_mode_bits() const noexcept { return forbidden_mode_bits_; }
  std::optional<std::uint32_t> owner() const noexcept { return owner_; }
  std::optional<std::uint32_t> group() const noexcept { return group_; }
  bool mlock() const noexcept { return mlock_; }

 private:
  std::vector<std::string> canonical_base_dirs_;
  std::uint32_t forbidden_mode_bits_ = 0007;
  std::optional<std::uint32_t> owner_;
  std::optional<std::uint32_t> group_;
  bool mlock_ = false;
};

// Why a superblock does not belong to its description.
enum class SuperblockFault : std::uint8_t {
  none,
  magic,           // SHM-20
  layout_version,  // SHM-138
  epoch,
  stream_id,    // SHM-139
  region_type,  // SHM-55
  pool_id,      // SHM-22, SHM-23
  nslots,
  slot_bytes,    // SHM-25, SHM-26
  stride_bytes,  // SHM-29
};
std::string_view name(SuperblockFault fault) noexcept;

// SHM-133, for the header ring (`pool` null) or for one pool of `layout`.
SuperblockFault check(const Superblock& block, const StreamLayout& layout,
                      const PoolSpec* pool) noexcept;

// The superblock of a mapped region, word by word into private memory. The region is at least 64
// bytes long.
Superblock load_superblock(const std::byte* region) noexcept;

// Maps a stream from its description. Only a producer that the driver gave a lease of the stream asks for
// read_write. Errors: invalid_uri, path_rejected (containment,
// links, kind, identity), permission_rejected, hugepages_required, region_invalid (size,
// superblock, layout), unsupported (a layout version other than 1), limit_exceeded, system_error.
//
// Freshness of activity and announce is the caller's question (fresh(), activity_ns()), since an
// attach response is not subject to it. With policy.mlock() this call also reads in all pages.
Result<MappedStream> map_stream(base::FileSystem& file_system, const MapPolicy& policy,
                                const StreamRegions& description,
                                base::Access access = base::Access::read_only);

// The safe opening alone, for tools: containment, no link in any component, a regular file, the
// same file as the canonical path, permissions.
Result<base::File> open_region(base::FileSystem& file_system, const MapPolicy& policy,
                               const RegionUri& uri, base::Access access = base::Access::read_only);

}  // namespace tensorpool::shm
