// What holds between keys. A key without a valid value of its own is left out: it has been reported.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "config/loader.hpp"
#include "config/value.hpp"
#include "shm/geometry.hpp"

namespace tensorpool::config {
namespace {

std::string quote(const std::string& text) { return fmt::format("\"{}\"", shown(text)); }

bool defined(const DriverConfig& config, const std::string& profile) {
  return std::any_of(config.profiles.begin(), config.profiles.end(),
                     [&](const ProfileTable& table) { return table.name == profile; });
}

std::string profile_names(const DriverConfig& config) {
  std::string names;
  for (const ProfileTable& profile : config.profiles)
    names += (names.empty() ? "" : ", ") + profile.name;
  return names.empty() ? "no profile is defined" : "defined: " + shown(names);
}

// CFG-47, CFG-54, CFG-65.
void check_profile_names(Loading& loading) {
  const DriverConfig& config = loading.loaded.config;
  if (config.profiles.empty() && loading.problems.empty()) {
    loading.problems.add(fmt::format("{}: profiles: at least one [profiles.<name>] must be defined",
                                     shown(loading.file)));
  }
  const auto check = [&](const std::string& path, const std::string& profile) {
    if (!loading.good(path) || profile.empty() || defined(config, profile)) return;
    loading.problems.add(fmt::format("{}: must name a defined profile; {}",
                                     loading.place(path, quote(profile)), profile_names(config)));
  };
  check("policies.default_profile", config.policies.default_profile);
  for (const StreamTable& stream : config.streams)
    check("streams." + key_text(stream.name) + ".profile", stream.profile);
}

// CFG-48 to CFG-50.
void check_dynamic(Loading& loading) {
  const DriverConfig& config = loading.loaded.config;
  const std::string allow = "policies.allow_dynamic_streams";
  const std::string range = "driver.stream_id_range";
  if (!loading.good(allow) || !loading.good(range)) return;
  const bool dynamic = config.policies.allow_dynamic_streams;
  if (dynamic && !config.driver.stream_id_range.empty()) return;
  if (!config.streams.empty()) {
    if (dynamic)
      loading.warnings.add(fmt::format("{}: without {} no stream is created on demand",
                                       loading.place(allow, "true"), range));
    return;
  }
  if (dynamic) {
    loading.problems.add(fmt::format("{}: needs {}, or at least one [streams.<name>]",
                                     loading.place(allow, "true"), range));
  } else {
    loading.problems.add(fmt::format("{}: at least one [streams.<name>] must be defined",
                                     loading.place(allow, "false")));
  }
}

// CFG-58, CFG-60, CFG-62.
void check_pools(Loading& loading) {
  for (const ProfileTable& profile : loading.loaded.config.profiles) {
    const std::string path = "profiles." + key_text(profile.name);
    shm::StreamLayout layout{1, 1, profile.header_nslots, {}};
    for (std::size_t i = 0; i < profile.payload_pools.size(); ++i) {
      const auto [pool_id, stride] = profile.payload_pools[i];
      const auto key = [&](std::size_t index, std::string_view name) {
        return fmt::format("{}.payload_pools[{}].{}", path, index, name);
      };
      layout.pools.push_back({static_cast<std::uint16_t>(pool_id), stride});
      if (stride != 0 && (stride & (stride - 1)) != 0) {
        loading.warnings.add(
            fmt::format("{}: no power of two, which some peers insist on",
                        loading.place(key(i, "stride_bytes"), fmt::format("{}", stride))));
      }
      for (std::size_t j = 0; j < i && pool_id != 0; ++j) {
        if (profile.payload_pools[j].pool_id != pool_id) continue;
        loading.problems.add(
            fmt::format("{}: must be unique in the profile; {} has it too",
                        loading.place(key(i, "pool_id"), fmt::format("{}", pool_id)),
                        loading.place(key(j, "pool_id"), "")));
        break;
      }
    }
    if (loading.problems.empty()) {
      if (const auto fault = shm::check(layout); fault != shm::LayoutFault::none)
        loading.problems.add(fmt::format("{}: {}", loading.place(path, ""), name(fault)));
    }
  }
}

// Ids that a key claims.
struct Claim {
  IdRange ids;
  std::string path;
};

std::string ids_text(const IdRange& ids) {
  return ids.first == ids.last ? fmt::format("{}", ids.first)
                               : fmt::format("{}-{}", ids.first, ids.last);
}

// CFG-64.
void check_stream_ids(Loading& loading, const std::vector<Claim>& streams) {
  std::map<std::uint32_t, const Claim*> owners;
  for (const Claim& stream : streams) {
    const auto [owner, fresh] = owners.try_emplace(stream.ids.first, &stream);
    if (!fresh) {
      loading.problems.add(fmt::format("{}: must be unique; {} has it too",
                                       loading.place(stream.path, ids_text(stream.ids)),
                                       loading.place(owner->second->path, "")));
    }
  }
}

// CFG-34 and CFG-64.
void check_ids(Loading& loading) {
  const DriverConfig& config = loading.loaded.config;
  const DriverTable& driver = config.driver;
  std::vector<Claim> ranges;
  const auto add_ranges = [&](const std::vector<IdRange>& all, const char* path) {
    for (const IdRange& range : all) ranges.push_back({range, path});
  };
  add_ranges(driver.stream_id_range, "driver.stream_id_range");
  add_ranges(driver.descriptor_stream_id_range, "driver.descriptor_stream_id_range");
  add_ranges(driver.control_stream_id_range, "driver.control_stream_id_range");
  std::vector<Claim> streams;
  for (const StreamTable& stream : config.streams) {
    if (stream.stream_id != 0)
      streams.push_back({{stream.stream_id, stream.stream_id},
                         "streams." + key_text(stream.name) + ".stream_id"});
  }
  check_stream_ids(loading, streams);

  std::vector<Claim> others = ranges;
  const auto add_single = [&](std::uint32_t id, const char* path) {
    if (loading.good(path)) others.push_back({{id, id}, path});
  };
  add_single(driver.control_stream_id, "driver.control_stream_id");
  // One that is the control endpoint's anyway is reported once.
  if (driver.announce_stream_id != driver.control_stream_id)
    add_single(driver.announce_stream_id, "driver.announce_stream_id");
  add_single(driver.qos_stream_id, "driver.qos_stream_id");
  others.insert(others.end(), streams.begin(), streams.end());
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    for (std::size_t j = i + 1; j < others.size(); ++j) {
      const Claim& one = ranges[i];
      const Claim& other = others[j];
      if (one.ids.first > other.ids.last || other.ids.first > one.ids.last) continue;
      loading.problems.add(fmt::format("{}: must not share ids with {}",
                                       loading.place(one.path, ids_text(one.ids)),
                                       loading.place(other.path, ids_text(other.ids))));
    }
  }
}

}  // namespace

void check_together(Loading& loading) {
  check_profile_names(loading);
  check_dynamic(loading);
  check_pools(loading);
  check_ids(loading);
}

}  // namespace tensorpool::config
