// The bytes of a region: constants, offsets, sizes, the superblock. Nothing here maps or orders
// anything; it is arithmetic on values, without code to link.
//
// Everything in a region is little-endian plain data (SHM-1, SHM-3). The offsets are those of
// docs/protocol/01-shared-memory.md and are never derived from message schemas (SHM-5);
// tests/unit/shm/layout_test.cpp proves them equal to the SBE codecs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>

#include "tensorpool/types.hpp"

namespace tensorpool::shm {

// SHM-2: a big-endian host must reject every region; this library does not even build there.
static_assert(std::endian::native == std::endian::little, "tensorpool needs a little-endian host");

inline constexpr std::size_t superblock_bytes = 64;                 // SHM-4
inline constexpr std::size_t header_slot_bytes = 256;               // SHM-34
inline constexpr std::size_t header_words = header_slot_bytes / 8;  // commit word included
inline constexpr std::uint32_t embedded_header_bytes = 192;         // SHM-38
inline constexpr std::uint32_t stride_granularity_bytes = 64;       // SHM-11
inline constexpr std::uint32_t supported_layout_version = 1;
inline constexpr std::uint64_t region_magic = 0x544F504C53484D31U;   // SHM-19
inline constexpr std::uint32_t pool_slot_bytes_unset = 0xFFFFFFFFU;  // SHM-25
inline constexpr std::uint64_t epoch_none = 0;                       // never announced
inline constexpr std::uint64_t epoch_null = 0xFFFFFFFFFFFFFFFFU;     // never announced
inline constexpr std::uint64_t seq_limit = std::uint64_t{1} << 63U;  // SHM-167
inline constexpr std::uint32_t meta_version_none = 0;  // readers take 0xFFFFFFFF for none as well
inline constexpr std::uint64_t timestamp_none = 0;     // readers take 0xFFFFFFFFFFFFFFFF as well

// What the embedded message header of every slot says (SHM-40 … SHM-43).
inline constexpr std::uint16_t tensor_block_length = 184;
inline constexpr std::uint16_t tensor_template_id = 52;
inline constexpr std::uint16_t tensor_schema_id = 900;
inline constexpr std::uint16_t tensor_version = 1;

enum class RegionType : std::int16_t { header_ring = 1, payload_pool = 2 };

// A stream timestamp that means "not available".
constexpr bool timestamp_absent(std::uint64_t ns) noexcept {
  return ns == 0 || ns == std::numeric_limits<std::uint64_t>::max();
}
// A meta version that means "none".
constexpr bool meta_version_absent(std::uint32_t version) noexcept {
  return version == 0 || version == 0xFFFFFFFFU;
}

// An epoch that may be announced (SHM "Epoch lifecycle", DRV-132).
constexpr bool epoch_usable(std::uint64_t epoch) noexcept {
  return epoch != epoch_none && epoch != epoch_null;
}

// Where a field lies: offset and size in bytes.
struct FieldAt {
  std::size_t offset;
  std::size_t size;
  constexpr std::size_t end() const noexcept { return offset + size; }
};

// Offsets in the superblock.
namespace superblock_at {
inline constexpr FieldAt magic{0, 8};
inline constexpr FieldAt layout_version{8, 4};
inline constexpr FieldAt epoch{12, 8};  // not 8-byte aligned
inline constexpr FieldAt stream_id{20, 4};
inline constexpr FieldAt region_type{24, 2};
inline constexpr FieldAt pool_id{26, 2};
inline constexpr FieldAt nslots{28, 4};
inline constexpr FieldAt slot_bytes{32, 4};
inline constexpr FieldAt stride_bytes{36, 4};
inline constexpr FieldAt pid{40, 8};
inline constexpr FieldAt start_timestamp_ns{48, 8};
inline constexpr FieldAt activity_timestamp_ns{56, 8};

static_assert(magic.end() == layout_version.offset);
static_assert(layout_version.end() == epoch.offset);
static_assert(epoch.end() == stream_id.offset);
static_assert(stream_id.end() == region_type.offset);
static_assert(region_type.end() == pool_id.offset);
static_assert(pool_id.end() == nslots.offset);
static_assert(nslots.end() == slot_bytes.offset);
static_assert(slot_bytes.end() == stride_bytes.offset);
static_assert(stride_bytes.end() == pid.offset);
static_assert(pid.end() == start_timestamp_ns.offset);
static_assert(start_timestamp_ns.end() == activity_timestamp_ns.offset);
static_assert(activity_timestamp_ns.end() == superblock_bytes);
static_assert(pid.offset % 8 == 0 && activity_timestamp_ns.offset % 8 == 0);  // SHM-228
}  // namespace superblock_at

// Offsets in a header slot, those of the embedded tensor header included.
namespace slot_at {
inline constexpr FieldAt seq_commit{0, 8};
inline constexpr FieldAt values_len_bytes{8, 4};
inline constexpr FieldAt payload_slot{12, 4};
inline constexpr FieldAt pool_id{16, 2};
inline constexpr FieldAt payload_offset{18, 4};  // not aligned
inline constexpr FieldAt timestamp_ns{22, 8};    // not aligned
inline constexpr FieldAt meta_version{30, 4};    // not aligned
inline constexpr FieldAt pad{34, 26};
inline constexpr FieldAt header_length{60, 4};
inline constexpr FieldAt block_length{64, 2};
inline constexpr FieldAt template_id{66, 2};
inline constexpr FieldAt schema_id{68, 2};
inline constexpr FieldAt version{70, 2};
inline constexpr FieldAt dtype{72, 2};
inline constexpr FieldAt major_order{74, 2};
inline constexpr FieldAt ndims{76, 1};  // maxDims is a constant and takes no bytes
inline constexpr FieldAt pad_align{77, 1};
inline constexpr FieldAt progress_unit{78, 1};
inline constexpr FieldAt progress_stride_bytes{79, 4};  // not aligned
inline constexpr FieldAt dims{83, 32};                  // not aligned
inline constexpr FieldAt strides{115, 32};              // not aligned
inline constexpr FieldAt tensor_pad{147, 109};

static_assert(seq_commit.end() == values_len_bytes.offset);
static_assert(values_len_bytes.end() == payload_slot.offset);
static_assert(payload_slot.end() == pool_id.offset);
static_assert(pool_id.end() == payload_offset.offset);
static_assert(payload_offset.end() == timestamp_ns.offset);
static_assert(timestamp_ns.end() == meta_version.offset);
static_assert(meta_version.end() == pad.offset);
static_assert(pad.end() == header_length.offset);
static_assert(header_length.end() == block_length.offset);
static_assert(block_length.end() == template_id.offset);
static_assert(template_id.end() == schema_id.offset);
static_assert(schema_id.end() == version.offset);
static_assert(version.end() == dtype.offset);
static_assert(dtype.end() == major_order.offset);
static_assert(major_order.end() == ndims.offset);
static_assert(ndims.end() == pad_align.offset);
static_assert(pad_align.end() == progress_unit.offset);
static_assert(progress_unit.end() == progress_stride_bytes.offset);
static_assert(progress_stride_bytes.end() == dims.offset);
static_assert(dims.size == max_dims * 4 && dims.end() == strides.offset);
static_assert(strides.size == max_dims * 4 && strides.end() == tensor_pad.offset);
static_assert(tensor_pad.end() == header_slot_bytes);
static_assert(header_length.end() + embedded_header_bytes == header_slot_bytes);
static_assert(dtype.offset + tensor_block_length == header_slot_bytes);
static_assert(seq_commit.offset == 0);  // SHM-35, SHM-36: the first word of a 64-byte aligned slot
}  // namespace slot_at

// The commit word of a slot (SHM-164).
constexpr std::uint64_t in_progress_word(std::uint64_t seq) noexcept { return seq << 1U; }
constexpr std::uint64_t committed_word(std::uint64_t seq) noexcept { return (seq << 1U) | 1U; }
constexpr bool is_committed(std::uint64_t commit_word) noexcept { return (commit_word & 1U) != 0; }
constexpr std::uint64_t seq_of(std::uint64_t commit_word) noexcept { return commit_word >> 1U; }

// SHM-8.
constexpr bool valid_nslots(std::uint32_t nslots) noexcept { return std::has_single_bit(nslots); }
// SHM-11.
constexpr bool valid_stride(std::uint32_t stride_bytes) noexcept {
  return stride_bytes >= stride_granularity_bytes && stride_bytes % stride_granularity_bytes == 0;
}

// Whether a size or offset can be used on this host: it fits size_t and a signed 64-bit file offset
// (SHM-17).
constexpr bool fits_host(std::uint64_t bytes) noexcept {
  return bytes <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) &&
         bytes <= std::numeric_limits<std::size_t>::max();
}

// `slots` slots of `slot_bytes` behind a superblock; nullopt when the host cannot hold that
// (SHM-17). The product of two 32-bit numbers and 64 more always fit 64 bits.
constexpr std::optional<std::uint64_t> region_bytes(std::uint32_t slots,
                                                    std::uint32_t slot_bytes) noexcept {
  const std::uint64_t bytes = superblock_bytes + std::uint64_t{slots} * slot_bytes;
  if (!fits_host(bytes)) return std::nullopt;
  return bytes;
}
constexpr std::optional<std::uint64_t> header_ring_bytes(std::uint32_t nslots) noexcept {
  return region_bytes(nslots, header_slot_bytes);
}
constexpr std::optional<std::uint64_t> pool_bytes(std::uint32_t nslots,
                                                  std::uint32_t stride_bytes) noexcept {
  return region_bytes(nslots, stride_bytes);
}
// Offset of header slot `index` in the ring; 64-bit, whatever the index.
constexpr std::uint64_t header_slot_offset(std::uint32_t index) noexcept {
  return superblock_bytes + std::uint64_t{index} * header_slot_bytes;
}
// Offset of payload slot `index` in a pool. 64-bit: pools of 4 GiB and more are ordinary.
constexpr std::uint64_t payload_slot_offset(std::uint32_t index,
                                            std::uint32_t stride_bytes) noexcept {
  return superblock_bytes + std::uint64_t{index} * stride_bytes;
}

// The superblock as a value: what the 64 bytes say, right or wrong.
struct Superblock {
  std::uint64_t magic = region_magic;
  std::uint32_t layout_version = supported_layout_version;
  std::uint64_t epoch = 0;
  std::uint32_t stream_id = 0;
  RegionType region_type = RegionType::header_ring;  // any i16 once decoded
  std::uint16_t pool_id = 0;
  std::uint32_t nslots = 0;
  std::uint32_t slot_bytes = 0;
  std::uint32_t stride_bytes = 0;
  std::uint64_t pid = 0;
  std::uint64_t start_timestamp_ns = 0;
  std::uint64_t activity_timestamp_ns = 0;

  friend bool operator==(const Superblock&, const Superblock&) = default;
};

namespace detail {
template <class T>
inline void put(std::byte* base, FieldAt at, T value) noexcept {
  std::memcpy(base + at.offset, &value, sizeof(T));
}
template <class T>
inline T get(const std::byte* base, FieldAt at) noexcept {
  T value;
  std::memcpy(&value, base + at.offset, sizeof(T));
  return value;
}
}  // namespace detail

// Both work on private memory, never on a mapped region.
inline void encode(const Superblock& block, std::span<std::byte, superblock_bytes> out) noexcept {
  namespace at = superblock_at;
  std::byte* base = out.data();
  detail::put(base, at::magic, block.magic);
  detail::put(base, at::layout_version, block.layout_version);
  detail::put(base, at::epoch, block.epoch);
  detail::put(base, at::stream_id, block.stream_id);
  detail::put(base, at::region_type, block.region_type);
  detail::put(base, at::pool_id, block.pool_id);
  detail::put(base, at::nslots, block.nslots);
  detail::put(base, at::slot_bytes, block.slot_bytes);
  detail::put(base, at::stride_bytes, block.stride_bytes);
  detail::put(base, at::pid, block.pid);
  detail::put(base, at::start_timestamp_ns, block.start_timestamp_ns);
  detail::put(base, at::activity_timestamp_ns, block.activity_timestamp_ns);
}

inline Superblock decode_superblock(std::span<const std::byte, superblock_bytes> in) noexcept {
  namespace at = superblock_at;
  const std::byte* base = in.data();
  Superblock block;
  block.magic = detail::get<std::uint64_t>(base, at::magic);
  block.layout_version = detail::get<std::uint32_t>(base, at::layout_version);
  block.epoch = detail::get<std::uint64_t>(base, at::epoch);
  block.stream_id = detail::get<std::uint32_t>(base, at::stream_id);
  block.region_type = detail::get<RegionType>(base, at::region_type);
  block.pool_id = detail::get<std::uint16_t>(base, at::pool_id);
  block.nslots = detail::get<std::uint32_t>(base, at::nslots);
  block.slot_bytes = detail::get<std::uint32_t>(base, at::slot_bytes);
  block.stride_bytes = detail::get<std::uint32_t>(base, at::stride_bytes);
  block.pid = detail::get<std::uint64_t>(base, at::pid);
  block.start_timestamp_ns = detail::get<std::uint64_t>(base, at::start_timestamp_ns);
  block.activity_timestamp_ns = detail::get<std::uint64_t>(base, at::activity_timestamp_ns);
  return block;
}

}  // namespace tensorpool::shm
