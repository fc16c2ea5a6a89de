// A frame as coloured text: pure functions, without a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tensorpool/error.hpp"
#include "tensorpool/frame.hpp"

namespace tensorpool::cli {

// How a terminal can show shades: half blocks in 24-bit colour or in the 216 colours and 24 greys of
// 256, or letters from dark to bright, one a cell and without any escape sequence.
enum class Shades : std::uint8_t { true_colour, colours_256, letters };

// What a terminal says about itself in its environment; null for a variable that is not set.
struct TerminalWords {
  const char* no_colour = nullptr;    // NO_COLOR: any value but "" asks for letters
  const char* colour_term = nullptr;  // COLORTERM
  const char* term = nullptr;         // TERM
  const char* locale = nullptr;       // the first of LC_ALL, LC_CTYPE and LANG that is not empty
};
Shades shades_of(const TerminalWords& words);

// Cells that a picture may take.
struct Canvas {
  int columns = 80;
  int rows = 24;
  Shades shades = Shades::letters;
};

// The frame, as large as it fits without changing its aspect (a cell counts as twice as high as
// wide), as lines that each end in "\n" with all colours reset. Shapes (h, w) and (h, w, 1) are
// grey, (h, w, 2) grey with its alpha left out, (h, w, 3) and (h, w, 4) red, green, blue with alpha
// left out, (1, h, w) grey and (3, h, w) planes of red, green and blue. u8 is shown as it is; every
// other element type is scaled so that the 0.5th percentile is black and the 99.5th white. At most
// 16 elements per point are looked at, whatever the frame's size. Code::unsupported for other shapes
// and for packed bits; extent_mismatch when `bytes` is not what `info` describes.
Result<std::string> render(const FrameInfo& info, std::span<const std::byte> bytes,
                           const Canvas& canvas);

}  // namespace tensorpool::cli
