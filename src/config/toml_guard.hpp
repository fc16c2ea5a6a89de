// A bound on how deep a TOML document goes, found before it is parsed. toml++ 3.3 bounds nested values but not
// the parts of a dotted key: one line of a megabyte of "a.a.a" ends the process by its stack.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tensorpool::config {

// The line of the first bracket or key that is deeper than `depth`; nullopt when there is none. Knows
// strings and comments; on text that is no TOML it may find a line that a parser does not reach.
std::optional<std::uint32_t> too_deep(std::string_view text, std::size_t depth) noexcept;

}  // namespace tensorpool::config
