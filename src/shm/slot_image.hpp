// A private copy of one header slot, and what it says. The reader decodes this copy and never the
// slot itself (SHM-226); the writer builds it in private memory before any store into the slot
// (SHM-227). Unaligned fields are no concern here.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "shm/layout.hpp"

namespace tensorpool::shm {

// 256 bytes. Word 0 has the place of the commit word and is not used here.
struct HeaderImage {
  alignas(8) std::array<std::uint64_t, header_words> words;

  std::byte* bytes() noexcept { return static_cast<std::byte*>(static_cast<void*>(words.data())); }
  const std::byte* bytes() const noexcept {
    return static_cast<const std::byte*>(static_cast<const void*>(words.data()));
  }
};
static_assert(sizeof(HeaderImage) == header_slot_bytes);

// What a slot says about its frame. After parse() any field may hold anything, the enums values
// outside their registries included; tensor_rules.hpp says what is acceptable. For build() the
// prefix of the embedded header has its only valid value by default, and fields of dimensions from
// `ndims` on must be 0 (SHM-198).
struct SlotFields {
  std::uint32_t values_len_bytes = 0;
  std::uint32_t payload_slot = 0;
  std::uint16_t pool_id = 0;
  std::uint32_t payload_offset = 0;
  std::uint64_t timestamp_ns = 0;
  std::uint32_t meta_version = 0;

  std::uint32_t header_length = embedded_header_bytes;
  std::uint16_t block_length = tensor_block_length;
  std::uint16_t template_id = tensor_template_id;
  std::uint16_t schema_id = tensor_schema_id;
  std::uint16_t version = tensor_version;

  DType dtype = DType::unknown;
  MajorOrder order = MajorOrder::unknown;
  std::uint8_t ndims = 0;
  ProgressUnit progress_unit = ProgressUnit::none;
  std::uint32_t progress_stride_bytes = 0;
  std::array<std::int32_t, max_dims> dims{};
  std::array<std::int32_t, max_dims> strides{};

  friend bool operator==(const SlotFields&, const SlotFields&) = default;
};

// Reads the copy; pads and padAlign are ignored (SHM-45).
inline SlotFields parse(const HeaderImage& image) noexcept {
  namespace at = slot_at;
  const std::byte* base = image.bytes();
  SlotFields f;
  f.values_len_bytes = detail::get<std::uint32_t>(base, at::values_len_bytes);
  f.payload_slot = detail::get<std::uint32_t>(base, at::payload_slot);
  f.pool_id = detail::get<std::uint16_t>(base, at::pool_id);
  f.payload_offset = detail::get<std::uint32_t>(base, at::payload_offset);
  f.timestamp_ns = detail::get<std::uint64_t>(base, at::timestamp_ns);
  f.meta_version = detail::get<std::uint32_t>(base, at::meta_version);
  f.header_length = detail::get<std::uint32_t>(base, at::header_length);
  f.block_length = detail::get<std::uint16_t>(base, at::block_length);
  f.template_id = detail::get<std::uint16_t>(base, at::template_id);
  f.schema_id = detail::get<std::uint16_t>(base, at::schema_id);
  f.version = detail::get<std::uint16_t>(base, at::version);
  f.dtype = detail::get<DType>(base, at::dtype);
  f.order = detail::get<MajorOrder>(base, at::major_order);
  f.ndims = detail::get<std::uint8_t>(base, at::ndims);
  f.progress_unit = detail::get<ProgressUnit>(base, at::progress_unit);
  f.progress_stride_bytes = detail::get<std::uint32_t>(base, at::progress_stride_bytes);
  std::memcpy(f.dims.data(), base + at::dims.offset, at::dims.size);
  std::memcpy(f.strides.data(), base + at::strides.offset, at::strides.size);
  return f;
}

// Overwrites the whole image, pads with zeros (SHM-37, SHM-46).
inline void build(HeaderImage& image, const SlotFields& f) noexcept {
  namespace at = slot_at;
  image.words.fill(0);
  std::byte* base = image.bytes();
  detail::put(base, at::values_len_bytes, f.values_len_bytes);
  detail::put(base, at::payload_slot, f.payload_slot);
  detail::put(base, at::pool_id, f.pool_id);
  detail::put(base, at::payload_offset, f.payload_offset);
  detail::put(base, at::timestamp_ns, f.timestamp_ns);
  detail::put(base, at::meta_version, f.meta_version);
  detail::put(base, at::header_length, f.header_length);
  detail::put(base, at::block_length, f.block_length);
  detail::put(base, at::template_id, f.template_id);
  detail::put(base, at::schema_id, f.schema_id);
  detail::put(base, at::version, f.version);
  detail::put(base, at::dtype, f.dtype);
  detail::put(base, at::major_order, f.order);
  detail::put(base, at::ndims, f.ndims);
  detail::put(base, at::progress_unit, f.progress_unit);
  detail::put(base, at::progress_stride_bytes, f.progress_stride_bytes);
  std::memcpy(base + at::dims.offset, f.dims.data(), at::dims.size);
  std::memcpy(base + at::strides.offset, f.strides.data(), at::strides.size);
}

}  // namespace tensorpool::shm
