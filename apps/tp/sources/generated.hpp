// Frames that are made up: a star field as a wavefront camera would see it, and a test pattern whose
// every byte follows from the number of its frame.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tp/sources/source.hpp"

namespace tensorpool::sources {

// u16, 512 rows of 640; `frames` distinct frames of spots that move in circles over seeded noise.
Result<std::unique_ptr<Source>> make_stars(std::uint32_t frames = 32);

struct PatternOptions {
  std::int32_t width = 640;
  std::int32_t height = 480;
  DType dtype = DType::u8;
  std::uint32_t frames = 64;
};
// A checker board that moves to the right. Every byte carries 7 bits derived from the frame's number
// and its own place, so that a torn or mixed frame shows without the source at hand.
Result<std::unique_ptr<Source>> make_pattern(const PatternOptions& options);

// The number of the frame when `bytes` are one whole frame of a pattern whose rows have `row_bytes`
// bytes; nullopt when any byte is not that frame's.
std::optional<std::uint64_t> verify_pattern(std::span<const std::byte> bytes,
                                            std::size_t row_bytes);

}  // namespace tensorpool::sources
