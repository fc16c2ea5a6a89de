// What a driver core is told once: the values of docs/protocol/11-configuration.md sections 4 to 8 that its
// decisions need, in nanoseconds. Whoever reads the configuration checks it before (CFG-94); check()
// repeats what the core relies on, so that no core exists with settings it cannot keep (DRV-192).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/limits.hpp"
#include "shm/geometry.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool::protocol::driver {

// Ids from first to last, both included.
struct IdRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  friend bool operator==(const IdRange&, const IdRange&) = default;
};

// The shape of the streams that name it.
struct Profile {
  std::string name;
  std::uint32_t header_nslots = 1024;
  std::vector<shm::PoolSpec> pools;
};

// A stream that is there from the start.
struct StreamSetting {
  std::uint32_t stream_id = 0;
  std::string profile;
  // What a scan of the stream's directory found; 0: nothing. Term c of the epoch rule (A6).
  std::uint64_t highest_epoch_on_disk = 0;
};

struct Settings {
  // Leases.
  base::Nanos keepalive_interval_ns = 1'000'000'000;
  std::uint32_t expiry_grace_intervals = 3;
  std::uint32_t max_leases = 4096;
  std::uint64_t first_lease_id = 0;  // random for each driver process (DRV-31)
  base::Nanos node_id_reuse_cooldown_ns = 1'000'000'000;

  // Streams.
  base::Nanos announce_period_ns = 1'000'000'000;
  ClockDomain announce_clock_domain = ClockDomain::monotonic;
  std::vector<Profile> profiles;
  std::vector<StreamSetting> streams;
  bool allow_dynamic_streams = false;
  std::string default_profile;  // empty: the first
  std::vector<IdRange> stream_id_range;
  std::vector<IdRange> descriptor_stream_id_range;
  std::vector<IdRange> control_stream_id_range;
  // Aeron stream ids that no range may contain.
  std::uint32_t control_stream_id = 1000;
  std::uint32_t announce_stream_id = 1000;
  std::uint32_t qos_stream_id = 1200;
  bool answer_hellos = true;  // false: a supervisor does (Part C)

  // Memory.
  bool hugetlbfs = false;          // whether shm.base_dir lies on hugetlbfs
  bool require_hugepages = false;  // for requests that leave it open
  bool cleanup_shm_on_exit = false;
  bool epoch_gc_enabled = true;
  std::uint32_t epoch_gc_keep = 2;        // 0: nothing is collected
  std::uint64_t epoch_gc_min_age_ns = 0;  // 0: three announce periods
  bool epoch_gc_on_startup = false;

  // End.
  base::Nanos shutdown_timeout_ns = 2'000'000'000;
  std::string shutdown_token;  // empty: nobody may ask for a shutdown (DRV-203)
};

// Code::invalid_argument names the key and the value: periods and counts of 0, limits of the library,
// ids of 0 or null, repeated ids, ranges that are reversed or overlap anything (DRV-174, DRV-175).
// A profile that is missing or has no pools is no fault here: it is answered by rows 13 and 15.
Result<void> check(const Settings& settings);

// The profile of that name; null when there is none.
const Profile* find_profile(const Settings& settings, std::string_view name) noexcept;

// A + b and a × b that stop at the end of time instead of wrapping. REQUIRES b >= 0.
constexpr base::Nanos later(base::Nanos a, base::Nanos b) noexcept {
  base::Nanos sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}
constexpr base::Nanos times(base::Nanos a, std::uint32_t b) noexcept {
  base::Nanos product = 0;
  return __builtin_mul_overflow(a, base::Nanos{b}, &product) ? INT64_MAX : product;
}

}  // namespace tensorpool::protocol::driver
