// Drivers as their Aeron counters show them: nothing is asked of anybody, and nobody is held up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tp/output.hpp"
#include "transport/aeron/aeron_transport.hpp"

namespace tensorpool::cli {

// One driver. Labels are anybody's to write, so texts are only kept as printable ASCII.
struct DriverSeen {
  std::string instance;
  std::uint32_t control_stream = 0;
  std::uint32_t process_id = 0;
  std::int64_t owner_id = 0;  // the Aeron client: tells drivers of several PID namespaces apart
  std::map<std::string, std::uint64_t, std::less<>> counters;  // by name

  std::optional<std::uint64_t> value(std::string_view name) const;
};

// Every driver that has counters here, in the order of instance and process.
std::vector<DriverSeen> drivers_in(std::span<const transport::aeron::CounterView> counters);

// A process of this id is there. False as well for one in another PID namespace (container).
bool process_alive(std::uint32_t process_id) noexcept;

// What a person on call asks; fields whose counter is missing (an older driver) are null.
Json status_of(const DriverSeen& driver, bool alive);
// The same as lines of text.
std::vector<std::string> status_lines(const Json& status);

}  // namespace tensorpool::cli
