// What all processes of hostile_control_test agree on.
#pragma once

#include <cstdint>

#include "agents/driver/driver_agent.hpp"
#include "integration/frames.hpp"
#include "integration/support.hpp"

namespace tensorpool::integration::hostile {

inline constexpr std::uint32_t stream = 4'000'117;  // no message of the corpus names it
inline constexpr std::uint32_t range_first = 4'000'200;
inline constexpr std::uint32_t range_last = 4'000'203;
inline constexpr std::uint32_t leases_most = 48;
inline constexpr std::uint32_t slots = 1024;
// A process may stand still for a while here, and neither its lease nor its driver is lost for it.
inline constexpr std::int64_t keepalive_ns = 250'000'000;
inline constexpr std::uint32_t grace = 12;  // a lease lives for less than an attack lasts
inline constexpr std::int64_t announce_ns = 2'000'000'000;
inline constexpr std::int64_t frame_ns = 2'000'000;
inline constexpr std::int64_t message_ns = 500'000;  // 2,000 a second from each attacker
inline constexpr std::int64_t duty_ns = 50'000;      // of each of them, whatever it does

inline const Endpoint control{"aeron:ipc?term-length=1m", 5000};
inline const Endpoint announce{"aeron:ipc?term-length=1m", 5001};

inline agents::driver::DriverOptions driver_options(const std::string& aeron_dir,
                                                    const std::string& base_dir) {
  agents::driver::DriverOptions options;
  shm::StreamLayout shape;
  protocol::driver::Profile profile{"frames", slots, {}};
  for (const std::uint32_t stride : frame_strides)
    profile.pools.push_back({static_cast<std::uint16_t>(profile.pools.size() + 1), stride, {}});
  options.core.profiles = {profile, {"tiny", 8, {{1, 64, {}}}}};
  options.core.streams = {{stream, "frames"}};
  options.core.allow_dynamic_streams = true;
  options.core.default_profile = "tiny";
  options.core.stream_id_range = {{range_first, range_last}};
  options.core.descriptor_stream_id_range = {{4'000'300, 4'000'303}};
  options.core.max_leases = leases_most;
  options.core.keepalive_interval_ns = keepalive_ns;
  options.core.expiry_grace_intervals = grace;
  options.core.announce_period_ns = announce_ns;
  options.core.shutdown_token = "secret";
  options.core.cleanup_shm_on_exit = true;
  options.regions.base_dir = base_dir;
  options.aeron_dir = aeron_dir;
  options.control = control;
  options.announce = announce;
  options.media_driver_timeout_ns = driver_timeout_ns;
  return options;
}

inline ClientOptions leased_client(const std::string& aeron_dir, const std::string& base_dir) {
  ClientOptions options = client_options(aeron_dir, base_dir);
  options.mode = Mode::driver;
  options.control = control;
  options.announce = announce;
  options.keepalive_interval_ns = keepalive_ns;
  options.keepalive_grace = grace;
  options.announce_period_ns = announce_ns;
  return options;
}

}  // namespace tensorpool::integration::hostile
