// The configuration matrix, in-process half: what the table of keys says, and what each key reaches. Both tests walk
// the table itself, so that a key without its part here fails. What the keys do to a running driver:
// tests/integration/driver_matrix_test.cpp.
#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "support.hpp"

namespace tensorpool::config {
namespace {

using ::testing::HasSubstr;

// A value of a key, in a file and in its variable.
struct Probe {
  std::string toml;
  std::string text;
  bool good = false;
};

Probe number(std::uint64_t value, bool good) {
  return {std::to_string(value), std::to_string(value), good};
}
Probe string(const std::string& value, bool good) { return {config::quoted(value), value, good}; }

void add_numbers(const Key& key, std::vector<Probe>& probes) {
  const auto [lowest, highest] = bounds(key);
  for (const std::uint64_t value : {lowest, highest})
    if (value != 0 || key.zero.empty()) probes.push_back(number(value, true));
  if (lowest > 1 || (lowest == 1 && key.zero.empty())) probes.push_back(number(lowest - 1, false));
  probes.push_back(number(highest + 1, false));
  if (key.rule == Rule::power_of_two) probes.push_back(number(12288, false));
  if (key.rule == Rule::multiple_of_64) probes.push_back(number(highest - 1, false));
  for (const char* other : {"-1", "1.0", "true"}) probes.push_back({other, other, false});
  probes.push_back({"\"x\"", "x", false});
  probes.push_back({"\"5\"", "", false});
  probes.push_back({"[5]", " 5", false});
}

// Lengths: the shortest and the longest, one byte less and one more.
void add_lengths(const Key& key, const std::string& begin, std::vector<Probe>& probes) {
  const auto [lowest, highest] = bounds(key);
  const auto of = [&](std::size_t bytes) {
    return begin.substr(0, bytes) + std::string(bytes - std::min(bytes, begin.size()), 'x');
  };
  probes.push_back(string(of(std::max<std::size_t>(lowest, begin.size())), true));
  probes.push_back(string(of(highest), true));
  probes.push_back(string(of(highest + 1), false));
  if (lowest > 0 && key.empty.empty()) probes.push_back(string("", false));
  if (!begin.empty()) probes.push_back(string("x", false));
}

void add_strings(const Key& key, std::vector<Probe>& probes) {
  probes.push_back({"5", "\xFF", false});
  if (key.name == "default_profile" || key.name == "profile") {  // a name that is defined
    for (const auto& [name, good] :
         {std::pair{"p", true}, {"pp", false}, {"P", false}, {"", false}})
      probes.push_back(string(name, good));
  } else if (key.rule == Rule::choice) {
    for (std::size_t at = 0; at <= key.choices.size();) {
      const std::size_t end = std::min(key.choices.find('|', at), key.choices.size());
      const std::string choice(key.choices.substr(at, end - at));
      probes.push_back(string(choice, true));
      probes.push_back(string(choice + " ", false));
      at = end + 1;
    }
    probes.push_back(string("", false));
  } else {
    add_lengths(key, key.rule == Rule::absolute_path ? "/" : "", probes);
  }
}

void add_lists(const Key& key, std::vector<Probe>& probes) {
  const auto of = [](std::uint64_t entries) {
    Probe list{"[", "", true};
    for (std::uint64_t i = 0; i < entries; ++i) {
      list.toml += fmt::format("{}\"/{}\"", i == 0 ? "" : ", ", i);
      list.text += fmt::format("{}/{}", i == 0 ? "" : ",", i);
    }
    list.toml += "]";
    return list;
  };
  const auto [lowest, highest] = bounds(key);
  probes.push_back(of(lowest));
  probes.push_back(of(highest));
  for (const std::uint64_t entries : {lowest - 1, highest + 1}) {
    probes.push_back(of(entries));
    probes.back().good = false;
  }
  probes.push_back({"\"/a\"", "a", false});
}

std::vector<Probe> probes_of(const Key& key) {
  std::vector<Probe> probes;
  const auto [lowest, highest] = bounds(key);
  switch (key.type) {
    case Type::boolean:
      for (const char* value : {"true", "false"}) probes.push_back({value, value, true});
      for (const char* value : {"1", "0"}) probes.push_back({value, value, false});
      probes.push_back({"\"true\"", "", false});
      break;
    case Type::mode:
      for (const char* value : {"600", "660", "770"}) probes.push_back(string(value, true));
      for (const char* value : {"577", "661", "1000", "", "x"})
        probes.push_back(string(value, false));
      probes.push_back({"660", "0x1b0", false});
      break;
    case Type::channel:
      add_lengths(key, "aeron:", probes);
      probes.push_back({"5", "ipc", false});
      break;
    case Type::strings:
      add_lists(key, probes);
      break;
    case Type::aeron_ranges:
    case Type::pool_ranges:
      probes.push_back({fmt::format("\"{0}-{0}\"", lowest), std::to_string(lowest), true});
      probes.push_back({fmt::format("\"{0}-{1}\"", highest - 1, highest),
                        fmt::format("{}-{}", highest - 1, highest), true});
      for (const std::uint64_t beyond : {lowest - 1, highest + 1})
        probes.push_back(string(std::to_string(beyond), false));
      probes.push_back({"5", "6-5", false});
      break;
    case Type::string:
      add_strings(key, probes);
      break;
    default:
      add_numbers(key, probes);
  }
  return probes;
}

// The smallest file, every key of it written out, with one of them changed or added.
std::string file_with(const Section& section, const Key& key, const std::string& value) {
  std::map<std::string, std::string> keys = {{"streams.s.stream_id", "10000"},
                                             {"streams.s.profile", "\"p\""}};
  std::map<std::string, std::string> pool = {{"pool_id", "1"}, {"stride_bytes", "4096"}};
  if (section.kind->variables) {
    keys[section.path + "." + std::string(key.name)] = value;
  } else {
    pool[std::string(key.name)] = value;
  }
  std::string text = "profiles.p.payload_pools = [ { ";
  for (const auto& [name, its] : pool)
    text += (name == pool.begin()->first ? "" : ", ") + name + " = " + its;
  text += " } ]\n";
  for (const auto& [path, its] : keys) text += path + " = " + its + "\n";
  return text;
}

template <class Visit>
void for_each_key(Visit&& visit) {
  LoadedConfig loaded = loaded_of(smallest);
  std::size_t kinds = 0;
  for (const Section& section : sections(loaded.config)) {
    ++kinds;
    for (const Key& key : section.kind->keys) {
      const std::string path = section.path + "." + std::string(key.name);
      SCOPED_TRACE(path);
      visit(section, key, path);
    }
  }
  EXPECT_EQ(kinds, table_kinds().size()) << "a kind of table is not in the smallest file";
}

// Proves: CFG-24, CFG-25, CFG-104, CFG-105, CFG-117
TEST(ConfigMatrix, every_key_takes_what_its_table_says_and_nothing_else_is_replaced_by_anything) {
  for_each_key([](const Section& section, const Key& key, const std::string& path) {
    int good = 0;
    int bad = 0;
    for (const Probe& probe : probes_of(key)) {
      (probe.good ? good : bad) += 1;
      const std::string text = file_with(section, key, probe.toml);
      if (probe.good) {
        EXPECT_EQ(value_of(loaded_of(text), path), probe.toml);
        continue;
      }
      const std::string error = error_of(text);
      EXPECT_THAT(error, HasSubstr("t.toml:")) << probe.toml;
      // What is no integer for TOML either is not said of a key.
      if (key.type != Type::u64 || probe.toml.size() < 19) {
        EXPECT_THAT(error, HasSubstr(path)) << probe.toml;
      }
    }
    EXPECT_GT(good, 0);
    EXPECT_GT(bad, 0);
  });
}

// Proves: CFG-9, CFG-12, CFG-13, CFG-105
TEST(ConfigMatrix, every_key_takes_the_same_from_its_variable) {
  for_each_key([](const Section& section, const Key& key, const std::string& path) {
    if (!section.kind->variables) return;  // pools have none (CFG-17)
    const std::string variable = section.variable + "_" + variable_name(key.name);
    for (const Probe& probe : probes_of(key)) {
      const Environment environment = {{variable, probe.text}};
      if (probe.good) {
        EXPECT_EQ(value_of(loaded_of(smallest, environment), path), probe.toml);
        continue;
      }
      if (probe.text.find('\0') != std::string::npos) continue;
      const std::string error = error_of(smallest, environment);
      EXPECT_THAT(error, HasSubstr("environment variable " + variable + ": " + path))
          << probe.text.substr(0, 100);
      EXPECT_THAT(error, HasSubstr("must ")) << probe.text.substr(0, 100);
    }
  });
}

// Every field of the core's settings as text. A new one does not compile until it is here.
std::map<std::string, std::string> fields(const protocol::driver::Settings& settings) {
  const auto& [keepalive_interval_ns, expiry_grace_intervals, max_leases, first_lease_id,
               node_id_reuse_cooldown_ns, announce_period_ns, announce_clock_domain, profiles,
               streams, allow_dynamic_streams, default_profile, stream_id_range,
               descriptor_stream_id_range, control_stream_id_range, control_stream_id,
               announce_stream_id, qos_stream_id, answer_hellos, hugetlbfs, require_hugepages,
               cleanup_shm_on_exit, epoch_gc_enabled, epoch_gc_keep, epoch_gc_min_age_ns,
               epoch_gc_on_startup, shutdown_timeout_ns, shutdown_token] = settings;
  const auto ranges = [](const std::vector<IdRange>& all) {
    std::string text;
    for (const IdRange& range : all) text += fmt::format("{}-{} ", range.first, range.last);
    return text;
  };
  std::map<std::string, std::string> all = {
      {"keepalive_interval_ns", std::to_string(keepalive_interval_ns)},
      {"expiry_grace_intervals", std::to_string(expiry_grace_intervals)},
      {"max_leases", std::to_string(max_leases)},
      {"first_lease_id", std::to_string(first_lease_id)},
      {"node_id_reuse_cooldown_ns", std::to_string(node_id_reuse_cooldown_ns)},
      {"announce_period_ns", std::to_string(announce_period_ns)},
      {"announce_clock_domain", std::to_string(static_cast<int>(announce_clock_domain))},
      {"allow_dynamic_streams", fmt::format("{}", allow_dynamic_streams)},
      {"default_profile", default_profile},
      {"stream_id_range", ranges(stream_id_range)},
      {"descriptor_stream_id_range", ranges(descriptor_stream_id_range)},
      {"control_stream_id_range", ranges(control_stream_id_range)},
      {"control_stream_id", std::to_string(control_stream_id)},
      {"announce_stream_id", std::to_string(announce_stream_id)},
      {"qos_stream_id", std::to_string(qos_stream_id)},
      {"answer_hellos", fmt::format("{}", answer_hellos)},
      {"hugetlbfs", fmt::format("{}", hugetlbfs)},
      {"require_hugepages", fmt::format("{}", require_hugepages)},
      {"cleanup_shm_on_exit", fmt::format("{}", cleanup_shm_on_exit)},
      {"epoch_gc_enabled", fmt::format("{}", epoch_gc_enabled)},
      {"epoch_gc_keep", std::to_string(epoch_gc_keep)},
      {"epoch_gc_min_age_ns", std::to_string(epoch_gc_min_age_ns)},
      {"epoch_gc_on_startup", fmt::format("{}", epoch_gc_on_startup)},
      {"shutdown_timeout_ns", std::to_string(shutdown_timeout_ns)},
      {"shutdown_token", shutdown_token}};
  for (const auto& profile : profiles) {
    std::string& text = all["profile " + profile.name];
    text = std::to_string(profile.header_nslots);
    for (const auto& pool : profile.pools)
      text += fmt::format(" {}:{}", pool.pool_id, pool.stride_bytes);
  }
  for (const auto& stream : streams)
    all[fmt::format("stream {}", stream.stream_id)] =
        fmt::format("{} {}", stream.profile, stream.highest_epoch_on_disk);
  return all;
}

using Fields = std::map<std::string, std::string>;

// Where the value of a key goes. None: into no field of the core; the whole program shows it.
struct Landing {
  std::string value;  // another than the default
  Fields changed = {};
};

std::map<std::string, Landing> landings() {
  return {{"driver.instance_id", {"\"x\""}},
          {"driver.aeron_dir", {"\"/x\""}},
          {"driver.embedded_media_driver", {"\"never\""}},
          {"driver.control_channel", {"\"aeron:ipc\""}},
          // The announce stream follows it (CFG-33).
          {"driver.control_stream_id",
           {"7", {{"control_stream_id", "7"}, {"announce_stream_id", "7"}}}},
          {"driver.announce_channel", {"\"aeron:ipc\""}},
          {"driver.announce_stream_id", {"7", {{"announce_stream_id", "7"}}}},
          {"driver.qos_channel", {"\"aeron:ipc\""}},
          {"driver.qos_stream_id", {"7", {{"qos_stream_id", "7"}}}},
          {"driver.stream_id_range", {"\"3-4\"", {{"stream_id_range", "3-4 "}}}},
          {"driver.descriptor_stream_id_range",
           {"[\"3-4\", \"7-8\"]", {{"descriptor_stream_id_range", "3-4 7-8 "}}}},
          {"driver.control_stream_id_range", {"\"5\"", {{"control_stream_id_range", "5-5 "}}}},
          {"shm.base_dir", {"\"/x\""}},
          {"shm.namespace", {"\"x\""}},
          {"shm.require_hugepages", {"true", {{"require_hugepages", "true"}}}},
          {"shm.page_size_bytes", {"8192"}},
          {"shm.permissions_mode", {"\"600\""}},
          {"shm.allowed_base_dirs", {"[\"/dev\"]"}},
          {"policies.allow_dynamic_streams", {"true", {{"allow_dynamic_streams", "true"}}}},
          {"policies.default_profile", {"\"q\"", {{"default_profile", "q"}}}},
          // The least age of what is collected follows it (CFG-52).
          {"policies.announce_period_ms",
           {"7", {{"announce_period_ns", "7000000"}, {"epoch_gc_min_age_ns", "21000000"}}}},
          {"policies.announce_clock_domain",
           {"\"realtime_synced\"",
            {{"announce_clock_domain",
              std::to_string(static_cast<int>(ClockDomain::realtime_synced))}}}},
          {"policies.lease_keepalive_interval_ms", {"7", {{"keepalive_interval_ns", "7000000"}}}},
          {"policies.lease_expiry_grace_intervals", {"7", {{"expiry_grace_intervals", "7"}}}},
          {"policies.max_leases", {"7", {{"max_leases", "7"}}}},
          {"policies.node_id_reuse_cooldown_ms", {"7", {{"node_id_reuse_cooldown_ns", "7000000"}}}},
          {"policies.prefault_shm", {"false"}},
          {"policies.reuse_existing_shm", {"true"}},
          {"policies.mlock_shm", {"true"}},
          {"policies.cleanup_shm_on_exit", {"true", {{"cleanup_shm_on_exit", "true"}}}},
          {"policies.epoch_gc_enabled", {"false", {{"epoch_gc_enabled", "false"}}}},
          {"policies.epoch_gc_keep", {"7", {{"epoch_gc_keep", "7"}}}},
          {"policies.epoch_gc_min_age_ns", {"7", {{"epoch_gc_min_age_ns", "7"}}}},
          {"policies.epoch_gc_on_startup", {"true", {{"epoch_gc_on_startup", "true"}}}},
          {"policies.shutdown_timeout_ms", {"7", {{"shutdown_timeout_ns", "7000000"}}}},
          {"policies.shutdown_token", {"\"x\"", {{"shutdown_token", "x"}}}},
          {"profiles.p.header_nslots", {"8", {{"profile p", "8 1:4096"}}}},
          {"profiles.p.header_slot_bytes", {"256"}},
          {"profiles.p.payload_pools[0].pool_id", {"7", {{"profile p", "1024 7:4096"}}}},
          {"profiles.p.payload_pools[0].stride_bytes", {"64", {{"profile p", "1024 1:64"}}}},
          {"streams.s.stream_id", {"7", {{"stream 7", "p 0"}, {"stream 10000", ""}}}},
          {"streams.s.profile", {"\"q\"", {{"stream 10000", "q 0"}}}}};
}

Fields difference(const Fields& before, const Fields& after) {
  Fields changed;
  for (const auto& [name, value] : after)
    if (!before.contains(name) || before.at(name) != value) changed[name] = value;
  for (const auto& [name, value] : before)
    if (!after.contains(name)) changed[name] = "";
  return changed;
}

TEST(ConfigMatrix, every_key_lands_in_its_field_and_in_no_other) {
  std::map<std::string, Landing> rows = landings();
  const std::string other = "[[profiles.q.payload_pools]]\npool_id = 1\nstride_bytes = 64\n";
  const auto settings_of = [&](const std::string& text) {
    auto settings = to_settings(loaded_of(text + other).config);
    EXPECT_TRUE(settings.has_value()) << settings.error().message();
    return settings ? fields(*settings) : Fields{};
  };
  const Fields before = settings_of(smallest);
  for_each_key([&](const Section& section, const Key& key, const std::string& path) {
    const auto row = rows.find(path);
    ASSERT_NE(row, rows.end()) << path << " has no row";
    EXPECT_EQ(difference(before, settings_of(file_with(section, key, row->second.value))),
              row->second.changed);
    rows.erase(row);
  });
  for (const auto& row : rows) ADD_FAILURE() << row.first << " is no key";
}

}  // namespace
}  // namespace tensorpool::config
