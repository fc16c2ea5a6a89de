// The header of frames that repeat one shape, made and checked once: what a claim with the same spec needs
// of it, and the words that are stored for each frame.
//
// Any thread; plain values.
#pragma once

#include <cstdint>
#include <cstring>

#include "shm/geometry.hpp"
#include "shm/seqlock.hpp"
#include "shm/slot_image.hpp"
#include "shm/tensor_rules.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool::shm {

// What differs from frame to frame lies in bytes 12 … 15 and 22 … 33: in words 1 to 4, and of these only in
// payload_slot, which belongs to the slot, timestamp_ns and meta_version.
static_assert(slot_at::payload_slot.offset == 12 && slot_at::payload_slot.size == 4);
static_assert(slot_at::timestamp_ns.offset == 22 && slot_at::timestamp_ns.size == 8);
static_assert(slot_at::meta_version.offset == 30 && slot_at::meta_version.size == 4);
static_assert(slot_at::pad.offset == 34);

// The changing words of one frame, in place of the template's.
struct FrameWords {
  std::uint64_t slot_and_length;  // word 1
  std::uint64_t pool_and_time;    // word 2
  std::uint64_t time_and_meta;    // word 3
  std::uint64_t meta_and_pad;     // word 4
};

// REQUIRES words of a header in which the fields that change are 0.
constexpr FrameWords frame_words(std::uint64_t word1, std::uint64_t word2, std::uint32_t slot,
                                 std::uint64_t timestamp_ns, std::uint32_t meta_version) noexcept {
  return {word1 | std::uint64_t{slot} << 32U, word2 | timestamp_ns << 48U,
          timestamp_ns >> 16U | std::uint64_t{meta_version} << 48U,
          std::uint64_t{meta_version} >> 16U};
}
// The inverse, for readers.
constexpr std::uint64_t timestamp_of(std::uint64_t word2, std::uint64_t word3) noexcept {
  return word2 >> 48U | word3 << 16U;
}
constexpr std::uint32_t meta_version_of(std::uint64_t word3, std::uint64_t word4) noexcept {
  return static_cast<std::uint32_t>(word3 >> 48U | (word4 & 0xFFFFU) << 16U);
}

struct HeaderTemplate {
  TensorSpec spec;
  PoolGeometry pool;
  std::uint64_t size_bytes = 0;  // of the payload
  HeaderImage image;             // payload_slot, timestamp_ns and meta_version are 0

  // Whether `other` describes the same bytes: then nothing of it needs to be checked again. May say no to
  // specs that differ only behind their counts.
  bool serves(const TensorSpec& other) const noexcept {
    if (spec.dtype != other.dtype || spec.shape.count != other.shape.count ||
        spec.strides.count != other.strides.count || spec.order != other.order ||
        spec.progress_unit != other.progress_unit)
      return false;
    if (std::memcmp(&spec.shape.values, &other.shape.values, sizeof(spec.shape.values)) != 0)
      return false;
    return spec.strides.count == 0 || std::memcmp(&spec.strides.values, &other.strides.values,
                                                  sizeof(spec.strides.values)) == 0;
  }
};

// Checks `spec` by the rules of readers (SHM-208) and makes the template, but for the pool: of the smallest
// pool only size_bytes is known. Strides are written out where they fit the field, for readers that do not
// infer them, else left 0 (contiguous).
inline SlotFault make_template(const TensorSpec& spec, HeaderTemplate& out) noexcept {
  ResolvedStrides strides;
  if (const SlotFault fault = resolve(spec, strides); fault != SlotFault::none) return fault;
  const std::size_t ndims = spec.shape.size();
  const auto progress = progress_stride(spec.progress_unit, ndims, strides);
  if (!progress) return SlotFault::progress_stride;
  SlotFields fields;
  fields.dtype = spec.dtype;
  fields.order = spec.order;
  fields.ndims = static_cast<std::uint8_t>(ndims);
  fields.progress_unit = spec.progress_unit;
  fields.progress_stride_bytes = *progress;
  for (std::size_t i = 0; i < ndims; ++i) {
    const std::uint64_t stride = strides.bytes[i];
    fields.dims[i] = spec.shape.values[i];
    fields.strides[i] = stride > INT32_MAX ? 0 : static_cast<std::int32_t>(stride);
  }
  fields.values_len_bytes = static_cast<std::uint32_t>(strides.extent_bytes);
  out.spec = spec;
  out.size_bytes = strides.extent_bytes;
  build(out.image, fields);
  return SlotFault::none;
}

// The rest of make_template(). REQUIRES that `pool` holds size_bytes.
inline void use_pool(HeaderTemplate& shape, const PoolGeometry& pool) noexcept {
  shape.pool = pool;
  detail::put(shape.image.bytes(), slot_at::pool_id, pool.pool_id);
}

// Whole words of padding, always 0 (SHM-46): 5 and 6, and 19 to the end. Stored as constants, without a load each.
inline constexpr std::size_t pad_words_first = 5;
inline constexpr std::size_t pad_words_end = 7;
inline constexpr std::size_t tensor_pad_words_first = 19;
static_assert(slot_at::pad.offset <= pad_words_first * 8 &&
              pad_words_end * 8 <= slot_at::pad.end());
static_assert(slot_at::tensor_pad.offset <= tensor_pad_words_first * 8 &&
              slot_at::tensor_pad.end() == header_words * 8);

// W4 from a template: words 1 to 31, every one for every frame (SHM-37, SHM-227). `index` is the slot's.
[[gnu::always_inline]] inline void store_header(SlotRef slot, const HeaderTemplate& shape,
                                                std::uint32_t index, std::uint64_t timestamp_ns,
                                                std::uint32_t meta_version) noexcept {
  const FrameWords words =
      frame_words(shape.image.words[1], shape.image.words[2], index, timestamp_ns, meta_version);
  HostRecipe::store_body(slot.words[1], words.slot_and_length);
  HostRecipe::store_body(slot.words[2], words.pool_and_time);
  HostRecipe::store_body(slot.words[3], words.time_and_meta);
  HostRecipe::store_body(slot.words[4], words.meta_and_pad);
  HostRecipe::store_zeros<pad_words_first, pad_words_end>(slot.words);
  HostRecipe::store_words<pad_words_end, tensor_pad_words_first>(slot.words,
                                                                 shape.image.words.data());
  HostRecipe::store_zeros<tensor_pad_words_first, header_words>(slot.words);
}

}  // namespace tensorpool::shm
