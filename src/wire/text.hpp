// Text on its way out: onto the wire, or in front of somebody's eyes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tensorpool::wire {

// `text` as a varAscii field may carry it: every byte outside 0x20 to 0x7E becomes '?' (MSG-40),
// and what is longer than `max_bytes` is cut off (MSG-109). Also makes a peer's free text safe to
// show on a terminal (MSG-43).
std::string printable(std::string_view text, std::size_t max_bytes);

}  // namespace tensorpool::wire
