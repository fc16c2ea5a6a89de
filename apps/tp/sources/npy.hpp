// NumPy's .npy arrays: read in place from the disk, first axis is time; written one frame a file.
#pragma once

#include <span>
#include <string>

#include "tp/sources/source.hpp"

namespace tensorpool::sources {

// Format versions 1.0 to 3.0, little-endian element types of the registry, C and Fortran order (whose
// frames are column-major). The file is mapped, so that its size does not matter; it must not shrink
// while it is in use. Code::invalid_file names the file and what is wrong.
Result<std::unique_ptr<Source>> open_npy(const std::string& path);

// Writes one frame as an array of the frame's own shape.
Result<void> write_npy(const std::string& path, const TensorSpec& spec,
                       std::span<const std::byte> bytes);

}  // namespace tensorpool::sources
