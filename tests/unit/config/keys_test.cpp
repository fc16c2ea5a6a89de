// Every key of the driver: default, limits, types, and its variable.
#include <fmt/format.h>

#include <vector>

#include "support.hpp"

namespace tensorpool::config {
namespace {

using ::testing::HasSubstr;

constexpr const char* ipc = "\"aeron:ipc?term-length=4m\"";

// One key with what a file may and may not say. Written from the reference, apart from the table in src.
struct Case {
  std::string path;
  std::string standard;           // in the smallest file
  std::vector<std::string> good;  // as TOML, and what print() makes of it: the same
  std::vector<std::string> bad;
  std::string variable;            // "" for none
  std::string text;                // a good value in the variable
  std::string text_means;          // as TOML
  std::vector<std::string> wrong;  // bad values in the variable
  // Further lines that a good value needs.
  std::string beside = "";
};

std::string channel_of(std::size_t bytes) {
  return "\"aeron:" + std::string(bytes - 6, 'x') + "\"";
}
std::string text_of(std::size_t bytes) { return "\"" + std::string(bytes, 'x') + "\""; }

std::vector<Case> string_cases() {
  const std::string path = "\"/" + std::string(4094, 'x') + "\"";
  const std::string long_path = "\"/" + std::string(4095, 'x') + "\"";
  return {
      {"driver.instance_id",
       "\"driver-01\"",
       {"\"a\"", text_of(128)},
       {"\"\"", text_of(129), "5", "\"\\u0000\""},
       "DRIVER_INSTANCE_ID",
       "trial",
       "\"trial\"",
       {"", "\xFF"}},
      {"driver.aeron_dir",
       "\"\"",
       {"\"\"", "\"/a\"", path},
       {"\"a\"", long_path, "false"},
       "DRIVER_AERON_DIR",
       "/b",
       "\"/b\"",
       {"b"}},
      {"driver.embedded_media_driver",
       "\"auto\"",
       {"\"auto\"", "\"always\"", "\"never\""},
       {"\"\"", "\"Auto\"", "\"auto|always\"", "true"},
       "DRIVER_EMBEDDED_MEDIA_DRIVER",
       "never",
       "\"never\"",
       {"", "no"}},
      {"driver.control_channel",
       ipc,
       {"\"aeron:ipc\"", channel_of(1023)},
       {"\"\"", "\"ipc\"", channel_of(1024), "1"},
       "DRIVER_CONTROL_CHANNEL",
       "aeron:udp",
       "\"aeron:udp\"",
       {"", "udp"}},
      {"driver.announce_channel",
       ipc,
       {"\"aeron:ipc\"", channel_of(1023)},
       {"\"ipc\"", channel_of(1024), "1"},
       "DRIVER_ANNOUNCE_CHANNEL",
       "aeron:udp",
       "\"aeron:udp\"",
       {"udp"}},
      {"driver.qos_channel",
       ipc,
       {"\"aeron:ipc\"", channel_of(1023)},
       {"\"\"", "\"ipc\"", channel_of(1024), "1"},
       "DRIVER_QOS_CHANNEL",
       "aeron:udp",
       "\"aeron:udp\"",
       {"", "udp"}},
      {"shm.base_dir",
       "\"/dev/shm\"",
       {"\"/a\"", path},
       {"\"\"", "\"a\"", long_path, "1"},
       "SHM_BASE_DIR",
       "/b",
       "\"/b\"",
       {"", "b"}},
      {"shm.namespace",
       "\"default\"",
       {"\"a-B_9\"", text_of(255)},
       {"\"\"", "\"a b\"", "\"a/b\"", "\"é\"", text_of(256), "1"},
       "SHM_NAMESPACE",
       "trial",
       "\"trial\"",
       {"", "a.b"}},
      {"shm.permissions_mode",
       "\"660\"",
       {"\"600\"", "\"660\"", "\"770\"", "\"640\""},
       {"660", "\"\"", "\"666\"", "\"260\"", "\"460\"", "\"661\"", "\"1660\"", "\"68\"",
        "\"-660\""},
       "SHM_PERMISSIONS_MODE",
       "600",
       "\"600\"",
       {"", "9", "664"}},
      {"shm.allowed_base_dirs",
       "[\"/dev/shm\"]",
       {"[\"/a\"]", "[\"/a\", \"/b\"]"},
       {"[]", "\"/a\"", "[\"a\"]", "[1]", "[\"/a\", 1]", "[\"\"]"},
       "SHM_ALLOWED_BASE_DIRS",
       " /a , /b ",
       "[\"/a\", \"/b\"]",
       {"", "/a,,/b", "a"}},
      {"policies.default_profile",
       "\"p\"",
       {"\"p\""},
       {"\"\"", "\"q\"", "1", text_of(257)},
       "POLICIES_DEFAULT_PROFILE",
       "p",
       "\"p\"",
       {"", "q"}},
      {"policies.announce_clock_domain",
       "\"monotonic\"",
       {"\"monotonic\"", "\"realtime_synced\""},
       {"\"\"", "\"realtime\"", "1"},
       "POLICIES_ANNOUNCE_CLOCK_DOMAIN",
       "realtime_synced",
       "\"realtime_synced\"",
       {"", "x"}},
      {"policies.shutdown_token",
       "\"\"",
       {"\"\"", text_of(1024)},
       {text_of(1025), "1"},
       "POLICIES_SHUTDOWN_TOKEN",
       "x",
       "\"x\"",
       {std::string(1025, 'x')}},
      {"streams.s.profile",
       "\"p\"",
       {"\"p\""},
       {"\"\"", "\"q\"", "1"},
       "STREAMS_S_PROFILE",
       "p",
       "\"p\"",
       {"", "q"}},
  };
}

Case number(std::string path, std::string standard, std::string lowest, std::string highest,
            std::vector<std::string> bad, std::string variable, std::string beside = "") {
  bad.insert(bad.end(), {"1.0", "\"5\"", "true", "[5]", "-1"});
  Case one{std::move(path),
           std::move(standard),
           {lowest, highest},
           std::move(bad),
           std::move(variable),
           highest,
           highest,
           {"", "x", "-1", "1.0", "0x10", " 5", "99999999999999999999"}};
  one.beside = std::move(beside);
  return one;
}

std::vector<Case> number_cases() {
  const std::string u32 = "4294967295";
  const std::string above_u32 = "4294967296";
  return {
      number("driver.control_stream_id", "1000", "1", "2147483647", {"0", "2147483648"},
             "DRIVER_CONTROL_STREAM_ID"),
      number("driver.announce_stream_id", "1000", "1", "2147483647", {"2147483648"},
             "DRIVER_ANNOUNCE_STREAM_ID"),
      number("driver.qos_stream_id", "1200", "1", "2147483647", {"0", "2147483648"},
             "DRIVER_QOS_STREAM_ID"),
      number("shm.page_size_bytes", "4096", "1", "2147483648", {"0", "4095", above_u32},
             "SHM_PAGE_SIZE_BYTES"),
      number("policies.announce_period_ms", "1000", "1", u32, {"0", above_u32},
             "POLICIES_ANNOUNCE_PERIOD_MS"),
      number("policies.lease_keepalive_interval_ms", "1000", "1", u32, {"0", above_u32},
             "POLICIES_LEASE_KEEPALIVE_INTERVAL_MS"),
      number("policies.lease_expiry_grace_intervals", "3", "1", u32, {"0", above_u32},
             "POLICIES_LEASE_EXPIRY_GRACE_INTERVALS"),
      number("policies.max_leases", "4096", "1", "65536", {"0", "65537"}, "POLICIES_MAX_LEASES"),
      number("policies.node_id_reuse_cooldown_ms", "1000", "0", u32, {above_u32},
             "POLICIES_NODE_ID_REUSE_COOLDOWN_MS"),
      number("policies.epoch_gc_keep", "2", "0", u32, {above_u32}, "POLICIES_EPOCH_GC_KEEP"),
      number("policies.epoch_gc_min_age_ns", "3000000000", "1", "9223372036854775807", {},
             "POLICIES_EPOCH_GC_MIN_AGE_NS"),
      number("policies.shutdown_timeout_ms", "2000", "0", u32, {above_u32},
             "POLICIES_SHUTDOWN_TIMEOUT_MS"),
      number("profiles.p.header_nslots", "1024", "1", "16777216",
             {"0", "1023", "33554432", above_u32}, "PROFILES_P_HEADER_NSLOTS"),
      number("profiles.p.header_slot_bytes", "256", "256", "256", {"0", "255", "257"},
             "PROFILES_P_HEADER_SLOT_BYTES"),
      number("streams.s.stream_id", "10000", "1", "4294967294", {"0", u32}, "STREAMS_S_STREAM_ID"),
  };
}

std::vector<Case> other_cases() {
  std::vector<Case> all;
  for (const auto& [path, standard, variable] : std::vector<std::array<std::string, 3>>{
           {"shm.require_hugepages", "false", "SHM_REQUIRE_HUGEPAGES"},
           {"policies.allow_dynamic_streams", "false", "POLICIES_ALLOW_DYNAMIC_STREAMS"},
           {"policies.prefault_shm", "true", "POLICIES_PREFAULT_SHM"},
           {"policies.reuse_existing_shm", "false", "POLICIES_REUSE_EXISTING_SHM"},
           {"policies.mlock_shm", "false", "POLICIES_MLOCK_SHM"},
           {"policies.cleanup_shm_on_exit", "false", "POLICIES_CLEANUP_SHM_ON_EXIT"},
           {"policies.epoch_gc_enabled", "true", "POLICIES_EPOCH_GC_ENABLED"},
           {"policies.epoch_gc_on_startup", "false", "POLICIES_EPOCH_GC_ON_STARTUP"}}) {
    all.push_back({path,
                   standard,
                   {"true", "false"},
                   {"1", "\"true\"", "[true]"},
                   variable,
                   standard == "true" ? "FALSE" : "True",
                   standard == "true" ? "false" : "true",
                   {"", "1", "yes", "true "}});
  }
  const auto range = [&](const std::string& name, const std::string& variable,
                         const std::string& highest, const std::string& above) {
    all.push_back(
        {"driver." + name,
         "\"\"",
         {"\"\"", "\"1-999\"", fmt::format("\"20000-{}\"", highest),
          "[\"20000-20999\", \"22000-22999\"]"},
         {"5", "[5]", "[1, 2, 3]", "\"0-5\"", "\"9-8\"", fmt::format("\"20000-{}\"", above),
          "\"a-b\"", "\"1-2-3\"", "\"-5\"", "[\"1-9\", \"5-12\"]", "[\"\"]", "[1, \"2\"]", "true",
          "\"99999999999999999999-5\""},
         variable,
         " 20000 , 20999 ",
         "\"20000-20999\"",
         {"x", "5-", "0", "9-8"}});
  };
  range("stream_id_range", "DRIVER_STREAM_ID_RANGE", "4294967294", "4294967295");
  range("descriptor_stream_id_range", "DRIVER_DESCRIPTOR_STREAM_ID_RANGE", "2147483647",
        "2147483648");
  range("control_stream_id_range", "DRIVER_CONTROL_STREAM_ID_RANGE", "2147483647", "2147483648");
  return all;
}

std::vector<Case> cases() {
  std::vector<Case> all = string_cases();
  for (std::vector<Case> more : {number_cases(), other_cases()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

// The smallest file with one key set. `cut` is where the name of the key begins.
std::string with(const Case& one, const std::string& value) {
  const std::size_t cut = one.path.rfind('.');
  const std::string table = one.path.substr(0, cut);
  const std::string line = one.path.substr(cut + 1) + " = " + value + "\n";
  std::string text = smallest;
  const std::size_t header = text.find("[" + table + "]\n");
  if (header == std::string::npos) return text + "[" + table + "]\n" + line;
  const std::size_t present = text.find(one.path.substr(cut + 1) + " =", header);
  if (present != std::string::npos) text.erase(present, text.find('\n', present) + 1 - present);
  return text.insert(header + table.size() + 3, line);
}

// Proves: CFG-3, CFG-31, CFG-32, CFG-51, CFG-55, CFG-56
TEST(ConfigKeys, defaults) {
  const LoadedConfig loaded = loaded_of(smallest);
  for (const Case& one : cases()) EXPECT_EQ(value_of(loaded, one.path), one.standard) << one.path;
}

// Proves: CFG-1, CFG-27, CFG-28, CFG-37, CFG-42, CFG-46
TEST(ConfigKeys, good_values) {
  for (const Case& one : cases()) {
    for (const std::string& value : one.good) {
      const LoadedConfig loaded = loaded_of(with(one, value));
      EXPECT_EQ(value_of(loaded, one.path), value) << one.path;
      EXPECT_EQ(loaded.origins.at(one.path).kind, Origin::Kind::file) << one.path;
    }
  }
}

// Proves: CFG-24, CFG-25, CFG-29, CFG-30, CFG-41, CFG-43
TEST(ConfigKeys, bad_values_of_a_file) {
  for (const Case& one : cases()) {
    for (const std::string& value : one.bad) {
      const std::string error = error_of(with(one, value));
      EXPECT_THAT(error, HasSubstr(one.path)) << value;
      EXPECT_THAT(error, HasSubstr("t.toml:")) << one.path << " = " << value;
      EXPECT_THAT(error, HasSubstr("must ")) << one.path << " = " << value;
    }
  }
}

// Proves: CFG-10, CFG-11, CFG-12, CFG-15, CFG-16, CFG-26
TEST(ConfigKeys, variables_win_over_the_file) {
  for (const Case& one : cases()) {
    const LoadedConfig loaded = loaded_of(with(one, one.good.front()), {{one.variable, one.text}});
    EXPECT_EQ(value_of(loaded, one.path), one.text_means) << one.path;
    EXPECT_EQ(loaded.origins.at(one.path).words(), "environment variable " + one.variable);
    EXPECT_EQ(value_of(loaded_of(smallest, {{one.variable, one.text}}), one.path), one.text_means);
  }
}

// Proves: CFG-13, CFG-14, CFG-23, CFG-96, CFG-98, CFG-99
TEST(ConfigKeys, bad_values_of_a_variable) {
  for (const Case& one : cases()) {
    for (const std::string& text : one.wrong) {
      const std::string error = error_of(with(one, one.good.front()), {{one.variable, text}});
      EXPECT_THAT(error, HasSubstr(one.path)) << text;
      EXPECT_THAT(error, HasSubstr("environment variable " + one.variable))
          << one.path << " = " << text;
      EXPECT_THAT(error, HasSubstr("must ")) << one.path << " = " << text;
    }
  }
}

// No key is missing above.
TEST(ConfigKeys, every_key_of_the_table_has_a_case) {
  DriverConfig config = loaded_of(smallest).config;
  std::vector<std::string> missing;
  const std::vector<Case> all = cases();
  for (const Section& section : sections(config)) {
    if (!section.kind->variables) continue;  // pools: load_test.cpp
    for (const Key& key : section.kind->keys) {
      const std::string path = section.path + "." + std::string(key.name);
      if (std::none_of(all.begin(), all.end(), [&](const Case& one) { return one.path == path; }))
        missing.push_back(path);
    }
  }
  EXPECT_THAT(missing, ::testing::IsEmpty());
}

}  // namespace
}  // namespace tensorpool::config
