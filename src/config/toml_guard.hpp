// What a TOML parser is not trusted with: looked for before the parser sees the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tensorpool/error.hpp"

namespace tensorpool::config {

struct Refusal {
  Code code = Code::invalid_file;  // or limit_exceeded
  std::uint32_t line = 0;
  std::string reason;
};

// The first of these that the text has, or nullopt:
// - a NUL byte, or bytes that are no UTF-8;
// - a character outside ASCII that stands neither in a string nor in a comment, or right behind a
//   backslash (and the line ends that it takes away). TOML 1.0 has no such text but the last of these,
//   which an escape replaces;
// - brackets, or parts of one dotted key, deeper than `depth`. toml++ bounds nested values, but one line of a
//   megabyte of "a.a.a" ends the process by its stack.
//
// Strings and comments are told apart as TOML 1.0 does. Where a text is no TOML, it counts as outside
// from the first character that neither a string nor a comment may have; a parser stops there.
std::optional<Refusal> refuse(std::string_view text, std::size_t depth);

}  // namespace tensorpool::config
