// Frames that prove themselves: dtype, shape, pool and every byte follow from the sequence number.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "tensorpool/frame.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool::integration {

// Strides of the pools that the frames below need; pool ids are 1, 2, 3.
inline const std::vector<std::uint32_t> frame_strides{64, 1024, 8192};

struct Kind {
  DType dtype;
  Dims shape;
  std::uint16_t pool_id;  // the smallest that fits
};

// Exactly a stride and one byte more, no byte at all, and as many dimensions as there are.
inline const std::array<Kind, 8> kinds{{{DType::u8, {64}, 1},
                                        {DType::u8, {65}, 2},
                                        {DType::f32, {0, 5}, 1},
                                        {DType::u16, {1, 2, 1, 3, 2, 1, 2, 4}, 2},
                                        {DType::f64, {16, 8}, 2},
                                        {DType::i32, {257}, 3},
                                        {DType::u8, {8191}, 3},
                                        {DType::boolean, {3, 0}, 1}}};

inline const Kind& kind_of(std::uint64_t seq) { return kinds[seq % kinds.size()]; }

inline TensorSpec spec_of(std::uint64_t seq) {
  TensorSpec spec;
  spec.dtype = kind_of(seq).dtype;
  spec.shape = kind_of(seq).shape;
  return spec;
}

inline std::uint64_t word_of(std::uint64_t seq, std::size_t index) {
  std::uint64_t x = (seq + 1) * 0x9E3779B97F4A7C15U + index;
  x = (x ^ (x >> 29U)) * 0xBF58476D1CE4E5B9U;
  return x ^ (x >> 32U);
}

inline void fill(std::span<std::byte> payload, std::uint64_t seq) {
  for (std::size_t at = 0; at < payload.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = word_of(seq, at);
    std::memcpy(payload.data() + at, &word, std::min(sizeof word, payload.size() - at));
  }
}

inline bool bytes_match(std::span<const std::byte> payload, std::uint64_t seq) {
  for (std::size_t at = 0; at < payload.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = word_of(seq, at);
    if (std::memcmp(payload.data() + at, &word, std::min(sizeof word, payload.size() - at)) != 0)
      return false;
  }
  return true;
}

// Whether a frame is the one that was sent under its sequence number.
inline bool is_right(const FrameInfo& info, std::span<const std::byte> payload) {
  const Kind& kind = kind_of(info.seq);
  if (info.dtype != kind.dtype || info.pool_id != kind.pool_id || Dims(info.shape()) != kind.shape)
    return false;
  std::uint64_t size = element_size(kind.dtype);
  for (const std::int32_t dim : kind.shape.span()) size *= static_cast<std::uint64_t>(dim);
  return payload.size() == size && bytes_match(payload, info.seq);
}

}  // namespace tensorpool::integration
