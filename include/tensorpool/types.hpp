// Values that the whole library speaks in: element types, shapes, ids. No resources, no behaviour
// beyond arithmetic on themselves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "tensorpool/export.hpp"

namespace tensorpool {

// Most dimensions of a tensor (SHM-47).
inline constexpr std::size_t max_dims = 8;

// Element type; the numbers are those of the tensor header (registry of SHM-50).
enum class DType : std::int16_t {
  unknown = 0,
  u8 = 1,
  i8 = 2,
  u16 = 3,
  i16 = 4,
  u32 = 5,
  i32 = 6,
  u64 = 7,
  i64 = 8,
  f32 = 9,
  f64 = 10,
  boolean = 11,
  bytes = 13,
  bit = 14,
};

// Which dimension lies closest in memory: row = the last, column = the first.
enum class MajorOrder : std::int16_t { unknown = 0, row = 1, column = 2 };

// What FrameProgress counts in. rows is always dimension 0, columns dimension 1.
enum class ProgressUnit : std::uint8_t { none = 0, rows = 1, columns = 2 };

enum class ClockDomain : std::uint8_t { monotonic = 1, realtime_synced = 2 };

// Why a port of a client in driver mode lost its lease.
enum class LeaseEnd : std::uint8_t {
  none = 0,
  detached = 1,  // the driver says that this client gave it back
  expired = 2,   // the driver heard no keepalive in time
  revoked = 3,   // the driver decided so, or does not know the lease
  deadline = 4,  // its time was over before a keepalive went out; this process may have stood still
  keepalive_failed = 5,  // the driver is not connected any more
  driver_lost = 6,       // no announce of the stream for five periods
  superseded = 7,        // of a producer: a higher epoch of its stream was announced
  unmappable = 8,        // the regions that came with it cannot be mapped
  no_new_epoch = 9,      // of a consumer: its producer is gone and no new epoch came in time
  shutdown = 10,         // the driver announced its end
};

// As written above.
TENSORPOOL_EXPORT std::string_view name(LeaseEnd why) noexcept;

// Bytes of one element; 0 for a value that is not in the registry.
constexpr std::size_t element_size(DType dtype) noexcept {
  switch (dtype) {
    case DType::u8:
    case DType::i8:
    case DType::boolean:
    case DType::bytes:
    case DType::bit:
      return 1;
    case DType::u16:
    case DType::i16:
      return 2;
    case DType::u32:
    case DType::i32:
    case DType::f32:
      return 4;
    case DType::u64:
    case DType::i64:
    case DType::f64:
      return 8;
    case DType::unknown:
      break;
  }
  return 0;
}

// "u16", "f32", …; "unknown" for a value that is not in the registry.
TENSORPOOL_EXPORT std::string_view name(DType dtype) noexcept;
// The inverse of name(); DType::unknown for any other text. Accepts numpy's names too ("uint16").
TENSORPOOL_EXPORT DType dtype_from_name(std::string_view text) noexcept;

// The DType of a C++ element type, for typed views and spans.
template <class T>
struct dtype_of;
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<std::int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct dtype_of<std::uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct dtype_of<std::int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct dtype_of<std::uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::boolean;
};
template <>
struct dtype_of<std::byte> {
  static constexpr DType value = DType::bytes;
};

// A short list of dimensions, in elements (shape) or bytes (strides). Index 0 is the slowest in row
// major order. A value without allocation.
struct Dims {
  std::array<std::int32_t, max_dims> values{};
  std::uint8_t count = 0;

  constexpr Dims() = default;
  // More than max_dims values leave count at max_dims + 1, which every user of a Dims refuses.
  constexpr Dims(std::initializer_list<std::int64_t> list) noexcept {
    assign(list.begin(), list.size());
  }
  constexpr explicit Dims(std::span<const std::int32_t> list) noexcept {
    assign(list.data(), list.size());
  }

  constexpr std::size_t size() const noexcept { return count; }
  constexpr std::int32_t operator[](std::size_t index) const noexcept { return values[index]; }
  constexpr std::span<const std::int32_t> span() const noexcept {
    return {values.data(), count <= max_dims ? count : max_dims};
  }
  friend constexpr bool operator==(const Dims& left, const Dims& right) noexcept {
    return left.count == right.count && left.values == right.values;
  }

 private:
  template <class T>
  constexpr void assign(const T* list, std::size_t size) noexcept {
    if (size > max_dims) {
      count = max_dims + 1;
      return;
    }
    for (std::size_t i = 0; i < size; ++i) {
      // A dimension that does not fit is kept as -1, which every user of a Dims refuses.
      const auto wide = static_cast<std::int64_t>(list[i]);
      values[i] = (wide < 0 || wide > INT32_MAX) ? -1 : static_cast<std::int32_t>(wide);
    }
    count = static_cast<std::uint8_t>(size);
  }
};

// What a frame holds. Shape in elements, strides in bytes; an empty `strides` (or a stride of 0)
// means contiguous in `order`.
struct TensorSpec {
  DType dtype = DType::unknown;
  Dims shape{};
  Dims strides{};
  MajorOrder order = MajorOrder::row;
  ProgressUnit progress_unit = ProgressUnit::none;

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

}  // namespace tensorpool
