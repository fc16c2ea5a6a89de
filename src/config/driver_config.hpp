// The configuration of the driver: the values of docs/protocol/11-configuration.md sections 4 to 8, as
// they are in effect. No member has a default here: keys.cpp has the one table of keys, from which
// defaults, checks, printing and the reference page are made; load.hpp fills this from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/driver/settings.hpp"

namespace tensorpool::config {

using protocol::driver::IdRange;

// [driver]
struct DriverTable {
  std::string instance_id;
  std::string aeron_dir;
  std::string embedded_media_driver;
  std::string control_channel;
  std::uint32_t control_stream_id = 0;
  std::string announce_channel;
  std::uint32_t announce_stream_id = 0;
  std::string qos_channel;
  std::uint32_t qos_stream_id = 0;
  std::vector<IdRange> stream_id_range;
  std::vector<IdRange> descriptor_stream_id_range;
  std::vector<IdRange> control_stream_id_range;
  friend bool operator==(const DriverTable&, const DriverTable&) = default;
};

// [shm]
struct ShmTable {
  std::string base_dir;
  std::string namespace_;
  bool require_hugepages = false;
  std::uint32_t page_size_bytes = 0;
  std::uint32_t permissions_mode = 0;  // the bits, not the digits
  std::vector<std::string> allowed_base_dirs;
  friend bool operator==(const ShmTable&, const ShmTable&) = default;
};

// [policies]
struct PoliciesTable {
  bool allow_dynamic_streams = false;
  std::string default_profile;
  std::uint32_t announce_period_ms = 0;
  std::string announce_clock_domain;
  std::uint32_t lease_keepalive_interval_ms = 0;
  std::uint32_t lease_expiry_grace_intervals = 0;
  std::uint32_t max_leases = 0;
  std::uint32_t node_id_reuse_cooldown_ms = 0;
  bool prefault_shm = false;
  bool reuse_existing_shm = false;
  bool mlock_shm = false;
  bool cleanup_shm_on_exit = false;
  bool epoch_gc_enabled = false;
  std::uint32_t epoch_gc_keep = 0;
  std::uint64_t epoch_gc_min_age_ns = 0;
  bool epoch_gc_on_startup = false;
  std::uint32_t shutdown_timeout_ms = 0;
  std::string shutdown_token;
  friend bool operator==(const PoliciesTable&, const PoliciesTable&) = default;
};

// An entry of profiles.<name>.payload_pools
struct PoolTable {
  std::uint32_t pool_id = 0;
  std::uint32_t stride_bytes = 0;
  friend bool operator==(const PoolTable&, const PoolTable&) = default;
};

// [profiles.<name>]
struct ProfileTable {
  std::string name;
  std::uint32_t header_nslots = 0;
  std::uint32_t header_slot_bytes = 0;
  std::vector<PoolTable> payload_pools;
  friend bool operator==(const ProfileTable&, const ProfileTable&) = default;
};

// [streams.<name>]
struct StreamTable {
  std::string name;
  std::uint32_t stream_id = 0;
  std::string profile;
  friend bool operator==(const StreamTable&, const StreamTable&) = default;
};

// A value. Profiles and streams are in the order of the file.
struct DriverConfig {
  DriverTable driver;
  ShmTable shm;
  PoliciesTable policies;
  std::vector<ProfileTable> profiles;
  std::vector<StreamTable> streams;
  friend bool operator==(const DriverConfig&, const DriverConfig&) = default;
};

// What the core of the driver needs of it, after the core's own check(). What no configuration knows is
// left as it is: first_lease_id, hugetlbfs, and the epochs found on disk.
Result<protocol::driver::Settings> to_settings(const DriverConfig& config);

}  // namespace tensorpool::config
