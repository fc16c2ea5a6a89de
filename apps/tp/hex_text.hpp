// Bytes that people write as hexadecimal text: typed, pasted, or dumped by a tool.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "tensorpool/error.hpp"

namespace tensorpool::cli {

// The bytes of `text`: pairs of hexadecimal digits, alone or joined, parted by spaces, line ends or
// commas, each run with or without "0x"; "#" and "//" begin a comment. Text whose first word is an
// offset of zeros (four or more, as in docs/protocol and as xxd, hexdump -C and od -A x write) is a
// dump: every line begins with its offset, which must be the number of bytes before it, and a
// column of characters at the end is skipped. An error names line and column. At most `max_bytes`.
Result<std::vector<std::byte>> bytes_of_hex(std::string_view text, std::size_t max_bytes);

}  // namespace tensorpool::cli
