// Reads the position counters of a media driver.
#pragma once

#include <aeronc.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensorpool/error.hpp"
#include "transport/flow.hpp"

namespace tensorpool::transport::aeron {

// The publication `session_id` of `stream_id` in the media driver of `directory`; nothing when there is none. Looks
// at all counters: tens of microseconds.
std::optional<Flow> flow_of(aeron_counters_reader_t* counters, const std::string& directory,
                            std::int32_t session_id, std::int32_t stream_id);

// All publications of the media driver in `directory`, from outside, by stream and session; at most
// limits::flows_listed. no_media_driver when there are no files of any.
Result<std::vector<Flow>> list_flows(const std::string& directory);

}  // namespace tensorpool::transport::aeron
