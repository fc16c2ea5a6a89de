#include "tp/sources/generated.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>

namespace tensorpool::sources {

namespace {

constexpr std::size_t tag_bytes = 8;
constexpr std::size_t checker_cell = 32;
constexpr std::size_t checker_step = 4;

// A bijective mix of 64 bits (the finaliser of SplitMix64).
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

// Byte `at` of frame `index`; the first eight bytes hold the index itself.
std::byte pattern_byte(std::uint64_t index, std::size_t at, std::size_t row_bytes,
                       std::uint64_t word) noexcept {
  const std::size_t x = at % row_bytes;
  const std::size_t y = at / row_bytes;
  const bool bright = ((x + index * checker_step) / checker_cell + y / checker_cell) % 2 != 0;
  const auto low = static_cast<unsigned>((word >> (at % 8 * 8)) & 0x7FU);
  return static_cast<std::byte>(low | (bright ? 0x80U : 0U));
}

std::uint64_t pattern_word(std::uint64_t index, std::size_t at) noexcept {
  return mix((index + 1) * 0x9E3779B97F4A7C15U + at / 8);
}

void draw_pattern(std::uint64_t index, std::size_t row_bytes, std::span<std::byte> out) {
  std::uint64_t word = 0;
  for (std::size_t at = 0; at < out.size(); ++at) {
    if (at % 8 == 0 || at == 0) word = pattern_word(index, at);
    out[at] = pattern_byte(index, at, row_bytes, word);
  }
  std::memcpy(out.data(), &index, std::min(out.size(), tag_bytes));
}

constexpr std::int32_t stars_rows = 512;
constexpr std::int32_t stars_columns = 640;

// Adds a Gaussian spot of peak `peak` at (x, y) to a u16 picture.
void add_spot(std::vector<std::uint16_t>& pixels, double x, double y, double peak) {
  constexpr int radius = 8;
  constexpr double two_sigma_squared = 2.0 * 2.2 * 2.2;
  const int middle_x = static_cast<int>(x);
  const int middle_y = static_cast<int>(y);
  for (int row = std::max(0, middle_y - radius); row <= std::min(stars_rows - 1, middle_y + radius);
       ++row) {
    for (int column = std::max(0, middle_x - radius);
         column <= std::min(stars_columns - 1, middle_x + radius); ++column) {
      const double dx = column - x;
      const double dy = row - y;
      const double light = peak * std::exp(-(dx * dx + dy * dy) / two_sigma_squared);
      auto& pixel =
          pixels[static_cast<std::size_t>(row) * stars_columns + static_cast<std::size_t>(column)];
      pixel = static_cast<std::uint16_t>(std::min(65535.0, pixel + light));
    }
  }
}

}  // namespace

Result<std::unique_ptr<Source>> make_stars(std::uint32_t frames) {
  constexpr std::size_t stars = 48;
  struct Star {
    double x, y, peak, swing, phase;
  };
  std::uint64_t state = 1;
  const auto draw = [&state](double low, double high) {
    const auto bits = static_cast<double>(mix(state += 0x9E3779B97F4A7C15U) >> 11U);
    return low + (high - low) * bits * 0x1p-53;
  };
  std::array<Star, stars> sky{};
  for (Star& star : sky) {
    star = {draw(20, stars_columns - 20), draw(20, stars_rows - 20), draw(3000, 50000), draw(2, 12),
            draw(0, 2 * std::numbers::pi)};
  }
  std::vector<Picture> pictures(frames);
  std::vector<std::uint16_t> pixels(static_cast<std::size_t>(stars_rows) * stars_columns);
  for (std::uint32_t k = 0; k < frames; ++k) {
    std::uint64_t noise = mix(k + 1);
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      if (i % 8 == 0) noise = mix(noise + i);
      pixels[i] = static_cast<std::uint16_t>(400 + ((noise >> (i % 8 * 8)) & 0xFFU));
    }
    const double turn = 2 * std::numbers::pi * k / frames;
    for (const Star& star : sky) {
      add_spot(pixels, star.x + star.swing * std::cos(turn + star.phase),
               star.y + star.swing * std::sin(turn + star.phase), star.peak);
    }
    Picture& picture = pictures[k];
    picture.spec.dtype = DType::u16;
    picture.spec.shape = {stars_rows, stars_columns};
    picture.bytes.resize(pixels.size() * sizeof(std::uint16_t));
    std::memcpy(picture.bytes.data(), pixels.data(), picture.bytes.size());
  }
  return std::make_unique<MemorySource>(std::move(pictures), true);
}

Result<std::unique_ptr<Source>> make_pattern(const PatternOptions& options) {
  TensorSpec spec;
  spec.dtype = options.dtype;
  spec.shape = {options.height, options.width};
  const auto bytes = payload_bytes(spec);
  if (!bytes) return fail(bytes.error());
  const std::uint64_t fit = memory_limit_bytes / 16 / *bytes;
  const std::uint64_t frames = std::clamp<std::uint64_t>(fit, 2, options.frames);
  if (*bytes < tag_bytes || *bytes * frames > memory_limit_bytes) {
    return fail(Code::invalid_argument, "pattern",
                fmt::format("a frame of {} bytes is outside the pattern's range of {} to {}",
                            *bytes, tag_bytes, memory_limit_bytes / 2));
  }
  const std::size_t row_bytes =
      static_cast<std::size_t>(options.width) * element_size(options.dtype);
  std::vector<Picture> pictures(frames);
  for (std::uint64_t k = 0; k < frames; ++k) {
    pictures[k].spec = spec;
    pictures[k].bytes.resize(*bytes);
    draw_pattern(k, row_bytes, pictures[k].bytes);
  }
  return std::make_unique<MemorySource>(std::move(pictures), true);
}

std::optional<std::uint64_t> verify_pattern(std::span<const std::byte> bytes,
                                            std::size_t row_bytes) {
  if (bytes.size() < tag_bytes || row_bytes == 0) return std::nullopt;
  std::uint64_t index = 0;
  std::memcpy(&index, bytes.data(), tag_bytes);
  std::uint64_t word = 0;
  for (std::size_t at = tag_bytes; at < bytes.size(); ++at) {
    if (at % 8 == 0) word = pattern_word(index, at);
    if (bytes[at] != pattern_byte(index, at, row_bytes, word)) return std::nullopt;
  }
  return index;
}

}  // namespace tensorpool::sources
