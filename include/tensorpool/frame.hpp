// Frames as a consumer sees them.
//
// The payload contract (SHM-235 to SHM-239), for every function here that exposes payload memory:
// the bytes lie in memory that another process may overwrite at any time. Until intact() (or the
// outcome of poll) says that the frame is whole, they are arbitrary: do not use them as a size,
// index, pointer, loop bound or format string, and do nothing irreversible with them. Two reads of
// the same byte may differ. After the last intact() do not touch them again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "tensorpool/error.hpp"
#include "tensorpool/export.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool {

// What a descriptor and the private copy of a slot header say about one frame. A value.
struct FrameInfo {
  std::uint64_t seq = 0;
  std::uint64_t epoch = 0;
  std::uint64_t publish_time_ns = UINT64_MAX;  // FrameDescriptor.timestampNs; UINT64_MAX: not given
  std::uint64_t capture_time_ns = UINT64_MAX;  // SlotHeader.timestampNs; 0 or UINT64_MAX: not given
  std::uint64_t trace_id = 0;                  // 0: none
  std::uint64_t size_bytes = 0;                // payload
  std::uint32_t meta_version = 0;              // 0 or UINT32_MAX: none
  std::uint32_t slot = 0;
  std::uint16_t pool_id = 0;
  DType dtype = DType::unknown;
  MajorOrder order = MajorOrder::unknown;
  std::uint8_t ndims = 0;
  ProgressUnit progress_unit = ProgressUnit::none;
  std::array<std::int32_t, max_dims> dims{};     // elements; 0 behind ndims
  std::array<std::int64_t, max_dims> strides{};  // bytes, resolved: never 0 below ndims

  std::span<const std::int32_t> shape() const noexcept { return {dims.data(), ndims}; }
  // dims, strides and element size reach this many bytes; 0 for an empty tensor.
  TENSORPOOL_EXPORT std::uint64_t extent_bytes() const noexcept;
};

// A strided view of a payload as elements of T. Indexing is unchecked beyond debug asserts; shape
// in elements, strides in bytes. Lives as long as the payload it views.
template <class T, std::size_t Rank>
class TensorView {
 public:
  TensorView(const std::byte* data, std::array<std::int64_t, Rank> shape,
             std::array<std::int64_t, Rank> strides) noexcept
      : data_(data), shape_(shape), strides_(strides) {}

  std::int64_t extent(std::size_t dimension) const noexcept { return shape_[dimension]; }
  std::int64_t stride_bytes(std::size_t dimension) const noexcept { return strides_[dimension]; }
  const std::byte* data() const noexcept { return data_; }

  // The element at an index per dimension. Strides need not be multiples of the element size, so
  // the element is copied out.
  template <class... Index>
    requires(sizeof...(Index) == Rank)
  T operator()(Index... index) const noexcept {
    const std::array<std::int64_t, Rank> at{static_cast<std::int64_t>(index)...};
    std::int64_t offset = 0;
    for (std::size_t d = 0; d < Rank; ++d) offset += at[d] * strides_[d];
    T element;
    __builtin_memcpy(&element, data_ + offset, sizeof(T));
    return element;
  }

 private:
  const std::byte* data_;
  std::array<std::int64_t, Rank> shape_;
  std::array<std::int64_t, Rank> strides_;
};

namespace detail {
struct FrameAccess;
// Refuses a view that does not fit the frame; out of line so that views stay small.
TENSORPOOL_EXPORT Result<void> check_view(const FrameInfo& info, DType dtype,
                                          std::size_t rank) noexcept;

template <class T, std::size_t Rank>
Result<TensorView<T, Rank>> make_view(const FrameInfo& info, const std::byte* payload) noexcept {
  if (auto fits = check_view(info, dtype_of<T>::value, Rank); !fits)
    return fail(std::move(fits.error()));
  std::array<std::int64_t, Rank> shape{};
  std::array<std::int64_t, Rank> strides{};
  for (std::size_t d = 0; d < Rank; ++d) {
    shape[d] = info.dims[d];
    strides[d] = info.strides[d];
  }
  return TensorView<T, Rank>(payload, shape, strides);
}
}  // namespace detail

// One frame, in place, inside a handler of Consumer::poll. Cannot be copied, moved or kept: it ends
// with the handler call.
class TENSORPOOL_EXPORT Frame {
 public:
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  const FrameInfo& info() const noexcept { return *info_; }
  std::uint64_t seq() const noexcept { return info_->seq; }
  std::uint64_t epoch() const noexcept { return info_->epoch; }
  DType dtype() const noexcept { return info_->dtype; }
  std::span<const std::int32_t> shape() const noexcept { return info_->shape(); }

  // The payload in shared memory: read the payload contract at the top of this file.
  std::span<const std::byte> bytes() const noexcept { return {payload_, info_->size_bytes}; }

  // The payload as elements, in place; element type, rank and extent are checked (SHM-209). Errors:
  // dtype_mismatch, rank_mismatch, extent_mismatch.
  template <class T, std::size_t Rank>
  Result<TensorView<T, Rank>> view() const noexcept {
    return detail::make_view<T, Rank>(*info_, payload_);
  }

  // True when nobody has overwritten the frame up to now (SHM-237). The last answer decides what
  // the frame counts as; the payload must not be touched after it.
  [[nodiscard]] bool intact() const noexcept;

 private:
  friend struct detail::FrameAccess;
  Frame(const FrameInfo& info, const std::byte* payload, const std::byte* slot,
        std::uint64_t committed) noexcept
      : info_(&info), payload_(payload), slot_(slot), committed_(committed) {}

  enum class Proof : std::uint8_t { unasked, intact, overwritten };

  const FrameInfo* info_;
  const std::byte* payload_;
  const std::byte* slot_;
  std::uint64_t committed_;
  mutable Proof proof_ = Proof::unasked;
};

// A frame that was copied and proved before anybody saw it (Consumer::poll_copy). Lives during the
// handler call; the bytes are the caller's own buffer.
struct CopiedFrame {
  const FrameInfo& info;
  std::span<const std::byte> bytes;

  template <class T, std::size_t Rank>
  Result<TensorView<T, Rank>> view() const noexcept {
    return detail::make_view<T, Rank>(info, bytes.data());
  }
};

}  // namespace tensorpool
