// Where Aeron keeps a counter, and which counters there are.
#pragma once

#include <aeronc.h>

#include <cstddef>
#include <cstdint>

#include "transport/transport.hpp"

namespace tensorpool::transport::aeron {

// The registration id lies behind the value (aeron_counter_value_descriptor_t). The media driver sets it to
// another before it gives the place to somebody else, and before it sets the value anew.
inline CounterPlace counter_place(std::int64_t* value, std::int64_t registration_id) noexcept {
  static_assert(offsetof(aeron_counter_value_descriptor_t, counter_value) == 0);
  static_assert(offsetof(aeron_counter_value_descriptor_t, registration_id) == sizeof *value);
  return {value, registration_id};
}

// transport::Connection::find_counters. `client` outlives what is found.
void find_counters(aeron_t* client, std::int32_t type_id,
                   FunctionRef<void(const FoundCounter&)> sink);

}  // namespace tensorpool::transport::aeron
