#include <utility>

#include "config/driver_config.hpp"

namespace tensorpool::config {
namespace {

constexpr base::Nanos ns_per_ms = 1'000'000;

base::Nanos ns(std::uint32_t ms) noexcept { return base::Nanos{ms} * ns_per_ms; }

}  // namespace

Result<protocol::driver::Settings> to_settings(const DriverConfig& config) {
  const PoliciesTable& policies = config.policies;
  const DriverTable& driver = config.driver;
  protocol::driver::Settings settings;
  settings.keepalive_interval_ns = ns(policies.lease_keepalive_interval_ms);
  settings.expiry_grace_intervals = policies.lease_expiry_grace_intervals;
  settings.max_leases = policies.max_leases;
  settings.node_id_reuse_cooldown_ns = ns(policies.node_id_reuse_cooldown_ms);

  settings.announce_period_ns = ns(policies.announce_period_ms);
  settings.announce_clock_domain = policies.announce_clock_domain == "realtime_synced"
                                       ? ClockDomain::realtime_synced
                                       : ClockDomain::monotonic;
  for (const ProfileTable& profile : config.profiles) {
    protocol::driver::Profile& added = settings.profiles.emplace_back();
    added.name = profile.name;
    added.header_nslots = profile.header_nslots;
    for (const PoolTable& pool : profile.payload_pools)
      added.pools.push_back({static_cast<std::uint16_t>(pool.pool_id), pool.stride_bytes});
  }
  for (const StreamTable& stream : config.streams)
    settings.streams.push_back({stream.stream_id, stream.profile});
  settings.allow_dynamic_streams = policies.allow_dynamic_streams;
  settings.default_profile = policies.default_profile;
  settings.stream_id_range = driver.stream_id_range;
  settings.descriptor_stream_id_range = driver.descriptor_stream_id_range;
  settings.control_stream_id_range = driver.control_stream_id_range;
  settings.control_stream_id = driver.control_stream_id;
  settings.announce_stream_id = driver.announce_stream_id;
  settings.qos_stream_id = driver.qos_stream_id;

  settings.require_hugepages = config.shm.require_hugepages;
  settings.cleanup_shm_on_exit = policies.cleanup_shm_on_exit;
  settings.epoch_gc_enabled = policies.epoch_gc_enabled;
  settings.epoch_gc_keep = policies.epoch_gc_keep;
  settings.epoch_gc_min_age_ns = policies.epoch_gc_min_age_ns;
  settings.epoch_gc_on_startup = policies.epoch_gc_on_startup;
  settings.shutdown_timeout_ns = ns(policies.shutdown_timeout_ms);
  settings.shutdown_token = policies.shutdown_token;
  if (auto good = check(settings); !good) return fail(good.error());
  return settings;
}

}  // namespace tensorpool::config
