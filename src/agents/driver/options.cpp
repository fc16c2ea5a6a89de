#include <fmt/format.h>

#include "agents/driver/driver_agent.hpp"
#include "shm/create.hpp"

namespace tensorpool::agents::driver {
namespace {

tl::unexpected<Error> invalid(std::string detail) {
  return fail(Code::invalid_argument, "driver", std::move(detail));
}

Result<void> check_endpoint(const char* key, const Endpoint& endpoint) {
  if (!endpoint.channel.starts_with("aeron:") ||
      endpoint.channel.size() > base::limits::channel_bytes) {
    return invalid(fmt::format("{}_channel '{}': begins with aeron: and has at most {} bytes", key,
                               endpoint.channel.substr(0, 100), base::limits::channel_bytes));
  }
  if (endpoint.stream_id < 1)
    return invalid(fmt::format("{}_stream_id {}: 1 to 2147483647", key, endpoint.stream_id));
  return {};
}

}  // namespace

Result<void> check(const DriverOptions& options) {
  if (options.instance_id.empty() || options.instance_id.size() > base::limits::instance_id_bytes) {
    return invalid(fmt::format("instance_id of {} bytes: 1 to {}", options.instance_id.size(),
                               base::limits::instance_id_bytes));
  }
  if (auto good = check_endpoint("control", options.control); !good) return good;
  if (auto good = check_endpoint("announce", options.announce); !good) return good;
  if (options.fragment_limit < 1 ||
      options.fragment_limit > static_cast<int>(base::limits::inbox_entries)) {
    return invalid(fmt::format("fragment_limit {}: 1 to {}", options.fragment_limit,
                               base::limits::inbox_entries));
  }
  if (options.media_driver_timeout_ns < 1)
    return invalid(
        fmt::format("media_driver_timeout_ns {}: at least 1", options.media_driver_timeout_ns));
  if (auto good = shm::check_namespace(options.regions.namespace_name); !good) return good;
  if (auto good = shm::check_file_mode(options.regions.file_mode); !good) return good;
  protocol::driver::Settings settings = options.core;
  settings.control_stream_id = static_cast<std::uint32_t>(options.control.stream_id);
  settings.announce_stream_id = static_cast<std::uint32_t>(options.announce.stream_id);
  return protocol::driver::check(settings);
}

}  // namespace tensorpool::agents::driver
