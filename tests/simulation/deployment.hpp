// How the driver of a world of driver mode is configured, and its clients with it; drawn from the seed, the same for
// all processes of the world.
#pragma once

#include <cstdint>
#include <optional>

#include "simulation/process.hpp"

namespace tensorpool::simulation {

inline constexpr std::uint32_t control_stream = 1000;
inline constexpr std::uint32_t announce_stream = 1001;
inline constexpr std::uint32_t first_dynamic_stream = 20'000;
inline constexpr std::uint32_t last_dynamic_stream = 20'002;
inline constexpr std::uint32_t first_descriptor_stream = 31'000;  // of single consumers
inline constexpr std::uint32_t last_descriptor_stream = 31'001;
inline constexpr std::uint32_t first_control_stream = 32'000;
inline constexpr std::uint32_t last_control_stream = 32'001;
inline constexpr const char* shutdown_token = "please";
inline constexpr const char* namespace_directory = "/dev/shm/tensorpool-sim/default";

struct Deployment {
  base::Nanos keepalive_interval_ns = announce_period_ns;
  std::uint32_t grace = 3;
  base::Nanos node_cooldown_ns = 3 * announce_period_ns;
  std::uint32_t slots = most_slots;
  std::uint32_t max_leases = 4096;
  std::uint32_t gc_keep = 2;
  bool gc_on_startup = false;
  bool cleanup_on_exit = false;
  bool prefault = true;
  bool lock_memory = false;
  bool dynamic_streams = false;
  bool consumer_streams = false;   // ranges for them
  bool desired_node_ids = false;   // clients ask for one each
  bool random_client_ids = false;  // clients leave the choice of theirs to the library
  int fragment_limit = 10;
  base::Nanos shutdown_timeout_ns = announce_period_ns;
};

}  // namespace tensorpool::simulation
