// Channel text: parameters that a channel lacks are added, those that it names are kept.
#pragma once

#include <string>

namespace tensorpool::transport {

// For publications of control, announce, QoS and metadata messages, and of descriptors: a term length
// of 1 and 16 MiB where the channel names none (docs/protocol/11-configuration.md section 14), and
// short untethered timeouts for IPC, so that a standing subscriber does not hold up its publisher.
std::string control_channel(const std::string& channel);
std::string descriptor_channel(const std::string& channel);

}  // namespace tensorpool::transport
