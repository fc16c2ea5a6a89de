// Which slot contents are a frame and which are dropped: the rules of "Header slot layout",
// "Payload pools and slot mapping" and "Tensor header rules". Pure functions on private copies:
// nothing here allocates, throws or touches shared memory, whatever the bytes are. Writers check
// what they are about to publish with the same functions (SHM-208).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shm/geometry.hpp"
#include "shm/layout.hpp"
#include "shm/slot_image.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool::shm {

// Why a slot is not a frame. The numbers are for counters and tests, not for the wire.
enum class SlotFault : std::uint8_t {
  none = 0,
  not_committed,    // SHM-183; also another sequence than the expected one
  header_length,    // SHM-39
  template_id,      // SHM-40
  schema_id,        // SHM-41
  version,          // SHM-42
  block_length,     // SHM-43
  payload_slot,     // SHM-58, SHM-59
  payload_offset,   // SHM-61
  unknown_pool,     // SHM-62
  too_long,         // SHM-63
  dtype,            // SHM-51, SHM-52
  major_order,      // SHM-51, SHM-52
  progress_unit,    // SHM-51
  ndims,            // SHM-197
  negative_dim,     // SHM-200
  negative_stride,  // SHM-201
  overlap,          // SHM-204: a stride below what the dimension inside it needs
  overflow,         // SHM-207
  progress_stride,  // SHM-212
};

constexpr std::string_view name(SlotFault fault) noexcept {
  switch (fault) {
    case SlotFault::none:
      return "none";
    case SlotFault::not_committed:
      return "not committed";
    case SlotFault::header_length:
      return "length of the embedded header is not 192";
    case SlotFault::template_id:
      return "embedded template id is not 52";
    case SlotFault::schema_id:
      return "embedded schema id is not 900";
    case SlotFault::version:
      return "embedded version is not 1";
    case SlotFault::block_length:
      return "embedded block length is not 184";
    case SlotFault::payload_slot:
      return "payload_slot is not the header index";
    case SlotFault::payload_offset:
      return "payload_offset is not 0";
    case SlotFault::unknown_pool:
      return "pool_id names no pool of the stream";
    case SlotFault::too_long:
      return "values_len_bytes is above the stride of the pool";
    case SlotFault::dtype:
      return "dtype is unknown";
    case SlotFault::major_order:
      return "major_order is unknown";
    case SlotFault::progress_unit:
      return "progress_unit is unknown";
    case SlotFault::ndims:
      return "ndims is not 1 to 8";
    case SlotFault::negative_dim:
      return "a dimension is negative";
    case SlotFault::negative_stride:
      return "a stride is negative";
    case SlotFault::overlap:
      return "strides overlap or contradict major_order";
    case SlotFault::overflow:
      return "dims and strides overflow 64 bits";
    case SlotFault::progress_stride:
      return "progress_stride_bytes is not the row or column stride";
  }
  return "unknown";
}

// Strides in bytes with the contiguous ones filled in, and how far the tensor reaches. Entries from
// the number of dimensions on are 0.
struct ResolvedStrides {
  std::array<std::uint64_t, max_dims> bytes{};
  std::uint64_t extent_bytes = 0;  // 0 when any dimension is 0

  friend bool operator==(const ResolvedStrides&, const ResolvedStrides&) = default;
};

// The largest resolved stride: the largest signed 64-bit number.
inline constexpr std::uint64_t stride_limit_bytes = 0x7FFFFFFFFFFFFFFFU;

namespace detail {

// Σ (dims[i] − 1) × stride[i] + esize, 0 for an empty tensor; nullopt on overflow. Dims are not
// negative.
inline std::optional<std::uint64_t> extent(
    std::uint64_t element_bytes, std::size_t ndims, const std::int32_t* dims,
    const std::array<std::uint64_t, max_dims>& strides) noexcept {
  std::uint64_t sum = element_bytes;
  for (std::size_t i = 0; i < ndims; ++i) {
    if (dims[i] == 0) return 0;
  }
  for (std::size_t i = 0; i < ndims; ++i) {
    std::uint64_t part = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(dims[i]) - 1U, strides[i], &part))
      return std::nullopt;
    if (__builtin_add_overflow(sum, part, &sum)) return std::nullopt;
  }
  return sum;
}

}  // namespace detail

// The table of "Stride resolution" (SHM-206). `dims` and `strides` have at least `ndims` entries,
// when that is 1 to 8; entries behind them are not looked at (SHM-199).
inline SlotFault resolve(DType dtype, MajorOrder order, std::size_t ndims, const std::int32_t* dims,
                         const std::int32_t* strides, ResolvedStrides& out) noexcept {
  const std::uint64_t element_bytes = element_size(dtype);
  if (element_bytes == 0) return SlotFault::dtype;
  if (order != MajorOrder::row && order != MajorOrder::column) return SlotFault::major_order;
  if (ndims == 0 || ndims > max_dims) return SlotFault::ndims;
  for (std::size_t i = 0; i < ndims; ++i) {
    if (dims[i] < 0) return SlotFault::negative_dim;
    if (strides[i] < 0) return SlotFault::negative_stride;
  }
  out = ResolvedStrides{};
  // From the fastest dimension outwards; `need` is what the dimensions inside take.
  std::uint64_t need = element_bytes;
  for (std::size_t step = 0; step < ndims; ++step) {
    const std::size_t i = order == MajorOrder::row ? ndims - 1 - step : step;
    if (step != 0) {
      const std::size_t inner = order == MajorOrder::row ? i + 1 : i - 1;
      const std::uint64_t count = dims[inner] == 0 ? 1 : static_cast<std::uint64_t>(dims[inner]);
      if (__builtin_mul_overflow(out.bytes[inner], count, &need)) return SlotFault::overflow;
      // Strides are signed wherever they are handed out, so that 63 bits are all there are.
      if (need > stride_limit_bytes) return SlotFault::overflow;
    }
    const auto given = static_cast<std::uint64_t>(strides[i]);
    if (given != 0 && given < need) return SlotFault::overlap;
    out.bytes[i] = given == 0 ? need : given;
  }
  const std::optional<std::uint64_t> extent = detail::extent(element_bytes, ndims, dims, out.bytes);
  if (!extent) return SlotFault::overflow;
  out.extent_bytes = *extent;
  return SlotFault::none;
}

inline SlotFault resolve(const SlotFields& fields, ResolvedStrides& out) noexcept {
  return resolve(fields.dtype, fields.order, fields.ndims, fields.dims.data(),
                 fields.strides.data(), out);
}

// For writers: an empty list of strides means contiguous; one of another length than the shape is
// SlotFault::ndims.
inline SlotFault resolve(const TensorSpec& spec, ResolvedStrides& out) noexcept {
  if (spec.strides.size() != 0 && spec.strides.size() != spec.shape.size()) return SlotFault::ndims;
  // What lies behind the count is nothing.
  static constexpr std::array<std::int32_t, max_dims> contiguous{};
  return resolve(spec.dtype, spec.order, spec.shape.size(), spec.shape.values.data(),
                 spec.strides.size() == 0 ? contiguous.data() : spec.strides.values.data(), out);
}

// SHM-210 … SHM-216.
inline SlotFault check_progress(ProgressUnit unit, std::uint64_t progress_stride_bytes,
                                std::size_t ndims, const ResolvedStrides& strides) noexcept {
  switch (unit) {
    case ProgressUnit::none:
      return SlotFault::none;
    case ProgressUnit::rows:
      return progress_stride_bytes != 0 && progress_stride_bytes == strides.bytes[0]
                 ? SlotFault::none
                 : SlotFault::progress_stride;
    case ProgressUnit::columns:
      return ndims >= 2 && progress_stride_bytes != 0 && progress_stride_bytes == strides.bytes[1]
                 ? SlotFault::none
                 : SlotFault::progress_stride;
  }
  return SlotFault::progress_unit;
}

// The value that a writer puts into progress_stride_bytes: 0 without progress; nullopt when the
// unit does not apply to the tensor or the stride does not fit the field.
inline std::optional<std::uint32_t> progress_stride(ProgressUnit unit, std::size_t ndims,
                                                    const ResolvedStrides& strides) noexcept {
  if (unit == ProgressUnit::none) return 0;
  const std::uint64_t stride = strides.bytes[unit == ProgressUnit::rows ? 0 : 1];
  if (stride > 0xFFFFFFFFU || check_progress(unit, stride, ndims, strides) != SlotFault::none)
    return std::nullopt;
  return static_cast<std::uint32_t>(stride);
}

// What a valid slot resolves to.
struct ValidSlot {
  const PoolGeometry* pool = nullptr;  // points into the RingGeometry
  ResolvedStrides strides;
};

// Step 7 of "Reading a frame", on the private copy (SHM-186). `header_index` is that of the
// expected sequence. `out` is complete only when the result is none.
inline SlotFault validate(const SlotFields& fields, const RingGeometry& ring,
                          std::uint32_t header_index, ValidSlot& out) noexcept {
  if (fields.header_length != embedded_header_bytes) return SlotFault::header_length;
  if (fields.template_id != tensor_template_id) return SlotFault::template_id;
  if (fields.schema_id != tensor_schema_id) return SlotFault::schema_id;
  if (fields.version != tensor_version) return SlotFault::version;
  if (fields.block_length != tensor_block_length) return SlotFault::block_length;
  if (fields.payload_slot != header_index || fields.payload_slot >= ring.nslots)
    return SlotFault::payload_slot;
  if (fields.payload_offset != 0) return SlotFault::payload_offset;
  out.pool = ring.find(fields.pool_id);
  if (out.pool == nullptr) return SlotFault::unknown_pool;
  if (fields.values_len_bytes > out.pool->stride_bytes) return SlotFault::too_long;
  if (const SlotFault fault = resolve(fields, out.strides); fault != SlotFault::none) return fault;
  return check_progress(fields.progress_unit, fields.progress_stride_bytes, fields.ndims,
                        out.strides);
}

inline SlotFault validate(const SlotFields& fields, const RingGeometry& ring,
                          std::uint32_t header_index) noexcept {
  ValidSlot ignored;
  return validate(fields, ring, header_index, ignored);
}

// Whether a typed view of the whole tensor stays inside the payload (SHM-209). Raw access to the
// first values_len_bytes bytes needs no such check.
constexpr bool extent_fits(const ResolvedStrides& strides,
                           std::uint64_t values_len_bytes) noexcept {
  return strides.extent_bytes <= values_len_bytes;
}

}  // namespace tensorpool::shm
