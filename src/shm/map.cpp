#include "shm/map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "shm/path.hpp"

namespace tensorpool::shm {
namespace {

using base::Access;
using base::File;
using base::FileKind;
using base::FileStatus;
using base::FileSystem;

tl::unexpected<Error> rejected(const std::string& path, std::string_view why) {
  return fail(Code::path_rejected, "map_stream", fmt::format("'{}': {}", path, why));
}

// A failure to look at a path is a rejection of that path, with the system's reason.
tl::unexpected<Error> rejected(const std::string& path, const Error& error) {
  if (error.code() != Code::system_error) return fail(error);
  return rejected(path, error.message());
}

// The checks on the open descriptor (SHM-120, SHM-121, SHM-125).
Result<void> check_descriptor(const MapPolicy& policy, const std::string& path,
                              const FileStatus& open_file, const FileStatus& canonical_file) {
  if (open_file.kind != FileKind::regular) return rejected(path, "not a regular file");
  if (open_file.device != canonical_file.device || open_file.inode != canonical_file.inode) {
    return rejected(path, "the open file is not the one at the canonical path");
  }
  if ((open_file.mode & policy.forbidden_mode_bits()) != 0) {
    return fail(Code::permission_rejected, "map_stream",
                fmt::format("'{}': mode {:o} has forbidden bits of {:o}", path, open_file.mode,
                            policy.forbidden_mode_bits()));
  }
  if (policy.owner() && *policy.owner() != open_file.user_id) {
    return fail(Code::permission_rejected, "map_stream",
                fmt::format("'{}': owner {} is not the required {}", path, open_file.user_id,
                            *policy.owner()));
  }
  if (policy.group() && *policy.group() != open_file.group_id) {
    return fail(Code::permission_rejected, "map_stream",
                fmt::format("'{}': group {} is not the required {}", path, open_file.group_id,
                            *policy.group()));
  }
  return {};
}

Error layout_error(LayoutFault fault, const StreamLayout& layout) {
  Code code = Code::region_invalid;
  if (fault == LayoutFault::layout_version) code = Code::unsupported;
  if (fault == LayoutFault::too_many_slots || fault == LayoutFault::too_many_pools)
    code = Code::limit_exceeded;
  return Error(code, "map_stream",
               fmt::format("description of stream {} epoch {}: {}", layout.stream_id, layout.epoch,
                           name(fault)));
}

// Which region of the stream a step is about: the header ring (`pool` null) or a pool.
struct Wanted {
  const StreamLayout* layout;
  const PoolSpec* pool;
  std::uint64_t bytes;  // of the formula
  Access access;
};

// Opens, measures and maps one region, and reads its superblock.
Result<Mapping> map_region(FileSystem& file_system, const MapPolicy& policy,
                           const std::string& uri_text, const Wanted& wanted, Superblock& block,
                           bool& backed) {
  auto uri = parse_uri(uri_text);
  if (!uri) return fail(uri.error());
  auto file = open_region(file_system, policy, *uri, wanted.access);
  if (!file) return fail(file.error());
  auto info = file_system.file_system_info(*file);
  if (!info) return fail(info.error());
  const bool hugepages = info->type == base::hugetlbfs_type;
  if (uri->require_hugepages && !hugepages) {
    return fail(
        Code::hugepages_required, "map_stream",
        fmt::format("'{}' is not on hugetlbfs (file system type {:#x})", uri->path, info->type));
  }
  auto status = file_system.status(*file);
  if (!status) return fail(status.error());
  if (status->size_bytes < wanted.bytes) {
    return fail(Code::region_invalid, "map_stream",
                fmt::format("'{}' has {} bytes, its description needs {}", uri->path,
                            status->size_bytes, wanted.bytes));
  }
  backed = backed && status->allocated_bytes >= wanted.bytes;
  // A longer file is accepted (SHM-16); of it, only what the formula says is mapped.
  const std::uint64_t granule = hugepages ? info->block_bytes : Mapping::default_granule_bytes;
  const std::uint64_t bytes =
      hugepages ? (wanted.bytes + granule - 1) / granule * granule : wanted.bytes;
  if (bytes > status->size_bytes) {
    return fail(Code::region_invalid, "map_stream",
                fmt::format("'{}' ends inside a hugepage of {} bytes", uri->path, granule));
  }
  auto address = file_system.map(*file, bytes, wanted.access);
  if (!address) return fail(address.error());
  Mapping mapping(file_system, *address, bytes, wanted.access, granule);
  block = load_superblock(mapping.base());
  if (const SuperblockFault fault = check(block, *wanted.layout, wanted.pool);
      fault != SuperblockFault::none) {
    return fail(
        Code::region_invalid, "map_stream",
        fmt::format(
            "'{}': {} in the superblock does not match the description of stream {} epoch {}",
            uri->path, name(fault), wanted.layout->stream_id, wanted.layout->epoch));
  }
  if (policy.mlock()) {
    if (auto locked = mapping.prefault(0, bytes, true); !locked) return fail(locked.error());
  }
  return mapping;
}

}  // namespace

Result<MapPolicy> MapPolicy::make(FileSystem& file_system, const Settings& settings) {
  MapPolicy policy;
  if (settings.allowed_base_dirs.empty()) {
    return fail(Code::invalid_argument, "MapPolicy",
                "no allowed base directory is configured; name at least one");
  }
  if (settings.forbidden_mode_bits > 0777) {
    return fail(
        Code::invalid_argument, "MapPolicy",
        fmt::format("forbidden mode bits {:o} are above 777", settings.forbidden_mode_bits));
  }
  for (const std::string& directory : settings.allowed_base_dirs) {
    if (directory.empty() || directory.front() != '/') {
      return fail(Code::invalid_argument, "MapPolicy",
                  fmt::format("allowed base directory '{}' is not absolute", directory));
    }
    auto canonical = file_system.canonical(directory);
    if (!canonical) {
      return fail(
          Code::invalid_argument, "MapPolicy",
          fmt::format("allowed base directory '{}': {}", directory, canonical.error().message()));
    }
    if (auto opened = open_directory(file_system, *canonical); !opened) {
      return fail(
          Code::invalid_argument, "MapPolicy",
          fmt::format("allowed base directory '{}': {}", directory, opened.error().message()));
    }
    policy.canonical_base_dirs_.push_back(std::move(*canonical));
  }
  policy.forbidden_mode_bits_ = settings.forbidden_mode_bits;
  policy.owner_ = settings.owner;
  policy.group_ = settings.group;
  policy.mlock_ = settings.mlock;
  return policy;
}

bool MapPolicy::allows(std::string_view canonical_path) const noexcept {
  return std::any_of(canonical_base_dirs_.begin(), canonical_base_dirs_.end(),
                     [&](const std::string& base) { return path_inside(base, canonical_path); });
}

std::string_view name(SuperblockFault fault) noexcept {
  switch (fault) {
    case SuperblockFault::none:
      return "nothing";
    case SuperblockFault::magic:
      return "magic";
    case SuperblockFault::layout_version:
      return "layout_version";
    case SuperblockFault::epoch:
      return "epoch";
    case SuperblockFault::stream_id:
      return "stream_id";
    case SuperblockFault::region_type:
      return "region_type";
    case SuperblockFault::pool_id:
      return "pool_id";
    case SuperblockFault::nslots:
      return "nslots";
    case SuperblockFault::slot_bytes:
      return "slot_bytes";
    case SuperblockFault::stride_bytes:
      return "stride_bytes";
  }
  return "unknown";
}

SuperblockFault check(const Superblock& block, const StreamLayout& layout,
                      const PoolSpec* pool) noexcept {
  if (block.magic != region_magic) return SuperblockFault::magic;
  if (block.layout_version != layout.layout_version ||
      block.layout_version != supported_layout_version) {
    return SuperblockFault::layout_version;
  }
  if (block.epoch != layout.epoch) return SuperblockFault::epoch;
  if (block.stream_id != layout.stream_id) return SuperblockFault::stream_id;
  const RegionType type = pool == nullptr ? RegionType::header_ring : RegionType::payload_pool;
  if (block.region_type != type) return SuperblockFault::region_type;
  if (block.pool_id != (pool == nullptr ? 0 : pool->pool_id)) return SuperblockFault::pool_id;
  if (block.nslots != layout.nslots || !valid_nslots(block.nslots)) return SuperblockFault::nslots;
  if (pool == nullptr) {
    return block.slot_bytes == header_slot_bytes ? SuperblockFault::none
                                                 : SuperblockFault::slot_bytes;
  }
  if (block.slot_bytes != pool->stride_bytes && block.slot_bytes != pool_slot_bytes_unset) {
    return SuperblockFault::slot_bytes;
  }
  if (block.stride_bytes == 0 || block.stride_bytes != pool->stride_bytes)
    return SuperblockFault::stride_bytes;
  return SuperblockFault::none;
}

Superblock load_superblock(const std::byte* region) noexcept {
  std::array<std::byte, superblock_bytes> copy;
  for (std::size_t at = 0; at < superblock_bytes; at += 8) {
    const std::uint64_t word = load_superblock_word(region, FieldAt{at, 8});
    std::memcpy(copy.data() + at, &word, 8);
  }
  return decode_superblock(copy);
}

Result<File> open_region(FileSystem& file_system, const MapPolicy& policy, const RegionUri& uri,
                         Access access) {
  const std::string& path = uri.path;
  if (path.empty() || path.front() != '/') return rejected(path, "the path is not absolute");
  auto canonical = file_system.canonical(path);
  if (!canonical) return rejected(path, canonical.error());
  if (!policy.allows(*canonical)) return rejected(path, "outside every allowed base directory");

  auto canonical_parent = open_parent(file_system, *canonical);
  if (!canonical_parent) return rejected(path, canonical_parent.error());
  auto expected = file_system.status_at(canonical_parent->directory, canonical_parent->leaf);
  if (!expected) return rejected(path, expected.error());
  if (!*expected) return rejected(path, "the file is gone");
  if ((*expected)->kind != FileKind::regular) return rejected(path, "not a regular file");

  // The announced path, which is the canonical one unless a link is in it (SHM-119).
  auto parent = open_parent(file_system, path);
  if (!parent) return rejected(path, parent.error());
  const auto mode =
      access == Access::read_write ? base::OpenMode::read_write : base::OpenMode::read;
  auto file = file_system.open(parent->directory, parent->leaf, mode);
  if (!file) return rejected(path, file.error());
  auto status = file_system.status(*file);
  if (!status) return fail(status.error());
  if (auto good = check_descriptor(policy, path, *status, **expected); !good)
    return fail(good.error());
  return file;
}

Result<MappedStream> map_stream(FileSystem& file_system, const MapPolicy& policy,
                                const StreamRegions& description, Access access) {
  const StreamLayout& layout = description.layout;
  if (const LayoutFault fault = check(layout); fault != LayoutFault::none)
    return fail(layout_error(fault, layout));
  if (description.pool_uris.size() != layout.pools.size()) {
    return fail(Code::region_invalid, "map_stream",
                fmt::format("description of stream {}: {} pools but {} pool URIs", layout.stream_id,
                            layout.pools.size(), description.pool_uris.size()));
  }
  MappedStream stream;
  Superblock block;
  auto header = map_region(file_system, policy, description.header_uri,
                           {&layout, nullptr, *header_ring_bytes(layout.nslots), access}, block,
                           stream.backed);
  if (!header) return fail(header.error());
  stream.header = std::move(*header);
  stream.pid = block.pid;
  stream.start_timestamp_ns = block.start_timestamp_ns;
  for (std::size_t i = 0; i < layout.pools.size(); ++i) {
    const PoolSpec& pool = layout.pools[i];
    auto mapped =
        map_region(file_system, policy, description.pool_uris[i],
                   {&layout, &pool, *pool_bytes(layout.nslots, pool.stride_bytes), access}, block,
                   stream.backed);
    if (!mapped) return fail(mapped.error());
    stream.pools.push_back(std::move(*mapped));
    stream.pool_pids.push_back(block.pid);
  }
  stream.layout = layout;
  stream.geometry = RingGeometry(layout.nslots, layout.pools);
  return stream;
}

}  // namespace tensorpool::shm
