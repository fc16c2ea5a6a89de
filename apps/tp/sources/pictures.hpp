// PNG and JPEG files as frames, and frames as PNG files.
#pragma once

#include <span>
#include <string>

#include "tp/sources/source.hpp"

namespace tensorpool::sources {

// Ends in .png, .jpg or .jpeg, in any case.
bool is_picture_name(const std::string& name);

// Decodes one file: grey (h, w); grey and alpha, RGB, RGBA (h, w, channels); u8, or u16 for 16-bit
// PNGs. Palettes become RGB(A). Code::invalid_file names the file and the decoder's reason.
Result<Picture> read_picture(const std::string& path);

// Writes a row-major u8 or u16 frame of shape (h, w) or (h, w, 1…4). Code::unsupported for others.
Result<void> write_png(const std::string& path, const TensorSpec& spec,
                       std::span<const std::byte> bytes);

}  // namespace tensorpool::sources
