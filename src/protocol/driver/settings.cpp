#include "protocol/driver/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tensorpool::protocol::driver {
namespace {

constexpr std::uint32_t highest_aeron_id = 2147483647;  // STR-20
constexpr std::uint32_t highest_pool_id = 4294967294;   // CFG-28

// A range or a single id, with the key it came from.
struct Claimed {
  IdRange ids;
  std::string_view key;
  bool range = false;
};

Result<void> refuse(std::string detail) {
  return fail(Code::invalid_argument, "check_driver_settings", std::move(detail));
}

Result<void> add_ranges(const std::vector<IdRange>& ranges, std::string_view key,
                        std::uint32_t highest, std::vector<Claimed>& claimed) {
  if (ranges.size() > base::limits::driver_ranges) {
    return refuse(fmt::format("{}: {} ranges, at most {}; name fewer, larger ranges", key,
                              ranges.size(), base::limits::driver_ranges));
  }
  for (const IdRange& range : ranges) {
    if (range.first == 0 || range.first > range.last || range.last > highest) {
      return refuse(fmt::format(
          "{}: {}-{}: a range starts at 1 or above, ends where it starts or above and at "
          "{} at most",
          key, range.first, range.last, highest));
    }
    claimed.push_back({range, key, true});
  }
  return {};
}

// Sorted by start, only neighbours can overlap. Two single ids may be equal: control and announce.
Result<void> check_overlaps(std::vector<Claimed> claimed) {
  std::sort(claimed.begin(), claimed.end(),
            [](const Claimed& a, const Claimed& b) { return a.ids.first < b.ids.first; });
  const Claimed* furthest = nullptr;        // of all so far
  const Claimed* furthest_range = nullptr;  // of the ranges so far
  for (const Claimed& next : claimed) {
    const Claimed* other = next.range ? furthest : furthest_range;
    if (other != nullptr && other->ids.last >= next.ids.first) {
      return refuse(fmt::format("{}: {}-{} and {}: {}-{} share ids; move one of them", other->key,
                                other->ids.first, other->ids.last, next.key, next.ids.first,
                                next.ids.last));
    }
    if (furthest == nullptr || next.ids.last > furthest->ids.last) furthest = &next;
    if (next.range && (furthest_range == nullptr || next.ids.last > furthest_range->ids.last)) {
      furthest_range = &next;
    }
  }
  return {};
}

Result<void> check_ids(const Settings& settings) {
  std::vector<Claimed> claimed;
  std::vector<std::uint32_t> static_ids;
  for (const StreamSetting& stream : settings.streams) {
    if (stream.stream_id == 0 || stream.stream_id > highest_pool_id) {
      return refuse(fmt::format("streams.*.stream_id: {}: an id is 1 to {}", stream.stream_id,
                                highest_pool_id));
    }
    static_ids.push_back(stream.stream_id);
    claimed.push_back({{stream.stream_id, stream.stream_id}, "streams.*.stream_id"});
  }
  std::sort(static_ids.begin(), static_ids.end());
  if (const auto twice = std::adjacent_find(static_ids.begin(), static_ids.end());
      twice != static_ids.end()) {
    return refuse(fmt::format("streams.*.stream_id: {} is given to two streams", *twice));
  }
  const auto single = [&](std::uint32_t id, std::string_view key) {
    if (id != 0) claimed.push_back({{id, id}, key});
  };
  single(settings.control_stream_id, "driver.control_stream_id");
  single(settings.announce_stream_id, "driver.announce_stream_id");
  single(settings.qos_stream_id, "driver.qos_stream_id");
  if (auto good =
          add_ranges(settings.stream_id_range, "driver.stream_id_range", highest_pool_id, claimed);
      !good) {
    return good;
  }
  if (auto good = add_ranges(settings.descriptor_stream_id_range,
                             "driver.descriptor_stream_id_range", highest_aeron_id, claimed);
      !good) {
    return good;
  }
  if (auto good = add_ranges(settings.control_stream_id_range, "driver.control_stream_id_range",
                             highest_aeron_id, claimed);
      !good) {
    return good;
  }
  return check_overlaps(std::move(claimed));
}

}  // namespace

Result<void> check(const Settings& settings) {
  if (settings.keepalive_interval_ns <= 0)
    return refuse("policies.lease_keepalive_interval_ms: must be above 0");
  if (settings.expiry_grace_intervals == 0)
    return refuse("policies.lease_expiry_grace_intervals: must be above 0");
  if (settings.announce_period_ns <= 0)
    return refuse("policies.announce_period_ms: must be above 0");
  if (settings.node_id_reuse_cooldown_ns < 0)
    return refuse("policies.node_id_reuse_cooldown_ms: must not be negative");
  if (settings.shutdown_timeout_ns < 0)
    return refuse("policies.shutdown_timeout_ms: must not be negative");
  if (settings.max_leases == 0 || settings.max_leases > base::limits::driver_leases_max) {
    return refuse(fmt::format("policies.max_leases: {}: must be 1 to {}", settings.max_leases,
                              base::limits::driver_leases_max));
  }
  if (settings.streams.size() > base::limits::driver_streams) {
    return refuse(fmt::format("streams: {} are defined, at most {}; run a second driver",
                              settings.streams.size(), base::limits::driver_streams));
  }
  return check_ids(settings);
}

const Profile* find_profile(const Settings& settings, std::string_view name) noexcept {
  const auto found = std::find_if(settings.profiles.begin(), settings.profiles.end(),
                                  [&](const Profile& profile) { return profile.name == name; });
  return found == settings.profiles.end() ? nullptr : &*found;
}

}  // namespace tensorpool::protocol::driver
