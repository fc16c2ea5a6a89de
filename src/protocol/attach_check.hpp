// What a client checks on an OK attach response before it believes any of it: A4.4 of
// docs/protocol/04-driver.md. Whether the URIs lead to files that may be mapped is found out by mapping them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "wire/messages.hpp"

namespace tensorpool::protocol {

// The first check that fails, as text; nothing when all hold. `wanted_stream` 0: any stream will do.
std::optional<std::string> fault_of(const wire::driver::ShmAttachResponse& response,
                                    std::uint32_t wanted_stream);

// The regions of a response without a fault, as an announce of them would have it, without producer and time.
wire::ShmPoolAnnounce regions_of(const wire::driver::ShmAttachResponse& response);

}  // namespace tensorpool::protocol
