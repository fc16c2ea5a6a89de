// Where Aeron keeps a counter, and which counters there are.
#pragma once

#include <aeronc.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

// The registration id lies behind the value (aeron_counter_value_descriptor_t). The media driver sets it to
// another before it gives the place to somebody else, and before it sets the value anew.
inline CounterPlace counter_place(std::int64_t* value, std::int64_t registration_id) noexcept {
  static_assert(offsetof(aeron_counter_value_descriptor_t, counter_value) == 0);
  static_assert(offsetof(aeron_counter_value_descriptor_t, registration_id) == sizeof *value);
  return {value, registration_id};
}

// A label as Aeron's callbacks pass it. Its length comes unchecked out of a file that every client may write, as a
// signed number of 32 bits made a size: more than there is room for is cut, and a negative one is none.
inline std::string_view label_text(const char* label, std::size_t length) noexcept {
  if (length > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) return {};
  constexpr std::size_t room = AERON_COUNTER_MAX_LABEL_LENGTH;
  return {label, length < room ? length : room};
}

// transport::Connection::find_counters. `client` outlives what is found.
void find_counters(aeron_t* client, std::int32_t type_id,
                   FunctionRef<void(const FoundCounter&)> sink);

}  // namespace tensorpool::transport::aeron
