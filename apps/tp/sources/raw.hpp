// Raw frames from a pipe or a file without a header.
#pragma once

#include <string>

#include "tp/sources/source.hpp"

namespace tensorpool::sources {

// "-" is standard input. Code::invalid_argument without element type and shape.
Result<std::unique_ptr<Source>> open_raw(const std::string& name, const RawFormat& format);

}  // namespace tensorpool::sources
