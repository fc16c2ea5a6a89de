// Whole configurations: precedence, structure, what holds between keys, printing, and bad input.
#include <chrono>
#include <functional>
#include <random>

#include "base/limits.hpp"
#include "config/document.hpp"
#include "support.hpp"

namespace tensorpool::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Lines for [driver], in front of the smallest file.
std::string driver(const std::string& lines) { return "[driver]\n" + lines + "\n" + smallest; }

// Proves: CFG-20, CFG-21, CFG-22
TEST(ConfigLoad, precedence) {
  const std::string path = "driver.control_stream_id";
  const std::string file = driver("control_stream_id = 1");
  Environment environment;
  Overrides overrides;
  EXPECT_EQ(value_of(loaded_of(smallest), path), "1000");
  EXPECT_EQ(value_of(loaded_of(file), path), "1");
  environment["TP_CONTROL_STREAM_ID"] = "2";
  EXPECT_EQ(value_of(loaded_of(file, environment), path), "2");
  EXPECT_EQ(loaded_of(file, environment).origins.at(path).words(),
            "environment variable TP_CONTROL_STREAM_ID");
  environment["DRIVER_CONTROL_STREAM_ID"] = "3";
  EXPECT_EQ(value_of(loaded_of(file, environment), path), "3");
  overrides.emplace_back(path, "4");
  EXPECT_EQ(value_of(loaded_of(file, environment, overrides), path), "4");
  EXPECT_THAT(error_of(file, {}, {{"driver.none", "4"}}), HasSubstr("override: driver.none"));

  EXPECT_EQ(value_of(loaded_of(smallest, {{"AERON_DIR", "/a"}}), "driver.aeron_dir"), "\"/a\"");
  EXPECT_EQ(value_of(loaded_of(smallest, {{"AERON_DIR", "/a"}, {"DRIVER_AERON_DIR", ""}}),
                     "driver.aeron_dir"),
            "\"\"");
  EXPECT_EQ(
      value_of(loaded_of(smallest, {{"TP_CONTROL_CHANNEL", "aeron:x"}}), "driver.control_channel"),
      "\"aeron:x\"");
}

// Proves: CFG-2, CFG-61
TEST(ConfigLoad, spellings_of_one_path) {
  const auto config = [](const std::string& text) { return loaded_of(text).config; };
  const DriverConfig dotted = config("driver.control_stream_id = 7\n" + smallest);
  EXPECT_EQ(dotted, config(driver("control_stream_id = 7")));
  EXPECT_EQ(dotted, config("driver = { control_stream_id = 7 }\n" + smallest));
  EXPECT_EQ(loaded_of(smallest).config, config(R"(streams.s = { stream_id = 10000, profile = "p" }
[[profiles.p.payload_pools]]
pool_id = 1
stride_bytes = 4096
)"));
}

// Proves: CFG-33, CFG-52
TEST(ConfigLoad, derived_defaults_follow_what_is_effective) {
  const Environment environment = {{"DRIVER_CONTROL_STREAM_ID", "5"},
                                   {"DRIVER_CONTROL_CHANNEL", "aeron:x"},
                                   {"POLICIES_ANNOUNCE_PERIOD_MS", "4294967295"},
                                   {"SHM_BASE_DIR", "/b"}};
  for (const std::string& text :
       {smallest, "policies.epoch_gc_min_age_ns = 0\n" +
                      driver("announce_stream_id = 0\nannounce_channel = \"\"")}) {
    const LoadedConfig loaded = loaded_of(text, environment);
    EXPECT_EQ(loaded.config.driver.announce_stream_id, 5U);
    EXPECT_EQ(loaded.config.driver.announce_channel, "aeron:x");
    EXPECT_EQ(loaded.config.policies.epoch_gc_min_age_ns, 12884901885000000U);
    EXPECT_THAT(loaded.config.shm.allowed_base_dirs, ElementsAre("/b"));
  }
  const LoadedConfig each = loaded_of(driver("announce_stream_id = 9"), environment);
  EXPECT_EQ(each.config.driver.announce_stream_id, 9U);
  EXPECT_EQ(each.config.driver.announce_channel, "aeron:x");
}

TEST(ConfigLoad, the_first_profile_of_the_file_is_the_default) {
  const LoadedConfig loaded = loaded_of(R"(
[profiles.z]
payload_pools = [ { pool_id = 1, stride_bytes = 64 } ]
[profiles.a]
payload_pools = [ { pool_id = 1, stride_bytes = 64 } ]
[streams.s]
stream_id = 1
profile = "a"
)");
  EXPECT_EQ(loaded.config.policies.default_profile, "z");
  EXPECT_EQ(loaded.config.profiles.front().name, "z");
}

// Proves: CFG-6, CFG-7
TEST(ConfigLoad, unknown_keys_warn_and_other_applications_are_ignored) {
  const LoadedConfig loaded = loaded_of(R"(drivr = 1
[policies]
shutdwn_token = "hush"
[supervisor]
anything = true
[[mappings]]
source_stream_id = "wrong"
[bridge]
[recorder]
[profiles.p]
colour = "red"
payload_pools = [ { pool_id = 1, stride_bytes = 4096, strid = 1 } ]
[streams.s]
stream_id = 10000
profile = "p"
)");
  EXPECT_THAT(
      loaded.warnings,
      ElementsAre(
          "t.toml:1: drivr: unknown key, ignored; did you mean driver?",
          "t.toml:3: policies.shutdwn_token: unknown key, ignored; did you mean shutdown_token?",
          "t.toml:11: profiles.p.colour: unknown key, ignored",
          "t.toml:12: profiles.p.payload_pools[0].strid: unknown key, ignored"));
  EXPECT_THAT(loaded.other_tables, ElementsAre("supervisor", "mappings", "bridge", "recorder"));
  EXPECT_EQ(loaded.config, loaded_of(smallest).config);
}

// Proves: CFG-8
TEST(ConfigLoad, mappings_of_two_applications) {
  EXPECT_THAT(error_of("[bridge]\n[rate_limiter]\n[[mappings]]\n" + smallest),
              HasSubstr("t.toml:3: mappings"));
  EXPECT_EQ(error_of("[bridge]\n[rate_limiter]\n" + smallest), "");
}

// Proves: CFG-9, CFG-18, CFG-19
TEST(ConfigLoad, variables_of_names) {
  const std::string text = smallest +
                           "[streams.cam-1]\nstream_id = 2\nprofile = \"p\"\n[streams.\"cäm "
                           "2\"]\nstream_id = 3\nprofile = \"p\"\n";
  const LoadedConfig loaded =
      loaded_of(text, {{"STREAMS_CAM_1_STREAM_ID", "11"}, {"STREAMS_C_M_2_STREAM_ID", "12"}});
  EXPECT_EQ(loaded.config.streams[1].stream_id, 11U);
  EXPECT_EQ(loaded.config.streams[2].stream_id, 12U);

  const std::string alike = text + "[streams.cam_1]\nstream_id = 4\nprofile = \"p\"\n";
  EXPECT_EQ(error_of(alike), "");
  EXPECT_THAT(
      error_of(alike, {{"STREAMS_CAM_1_STREAM_ID", "11"}}),
      HasSubstr(
          "environment variable STREAMS_CAM_1_STREAM_ID: means both streams.cam-1.stream_id and "
          "streams.cam_1.stream_id"));
}

// Proves: CFG-17
TEST(ConfigLoad, the_environment_adds_nothing) {
  const Environment environment = {{"STREAMS_T_STREAM_ID", "5"},
                                   {"STREAMS_T_PROFILE", "p"},
                                   {"PROFILES_Q_HEADER_NSLOTS", "8"},
                                   {"PROFILES_P_PAYLOAD_POOLS", "x"}};
  EXPECT_EQ(loaded_of(smallest, environment).config, loaded_of(smallest).config);
}

std::string listed(std::size_t count, const std::function<std::string(std::size_t)>& entry) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ", ") + entry(i);
  return "[" + all + "]";
}

// Proves: CFG-97, CFG-98
TEST(ConfigLoad, lists_and_ranges_have_a_limit) {
  const auto directories = [](std::size_t count) {
    return "shm.allowed_base_dirs = " +
           listed(count, [](std::size_t i) { return "\"/d" + std::to_string(i) + "\""; }) + "\n";
  };
  const std::size_t most = base::limits::config_base_dirs;
  EXPECT_EQ(loaded_of(directories(most) + smallest).config.shm.allowed_base_dirs.size(), most);
  EXPECT_THAT(error_of(directories(most + 1) + smallest),
              AllOf(HasSubstr("t.toml:1: shm.allowed_base_dirs = [\"/d0\", "),
                    HasSubstr("must be absolute paths, 1 to 64 entries")));
  std::string text = "/d";
  for (std::size_t i = 1; i < most; ++i) text += ",/d";
  EXPECT_EQ(
      loaded_of(smallest, {{"SHM_ALLOWED_BASE_DIRS", text}}).config.shm.allowed_base_dirs.size(),
      most);
  EXPECT_THAT(
      error_of(smallest, {{"SHM_ALLOWED_BASE_DIRS", text + ",/d"}}),
      AllOf(HasSubstr("environment variable SHM_ALLOWED_BASE_DIRS"), HasSubstr("1 to 64 entries")));

  const auto ranges = [](std::size_t count) {
    return driver("stream_id_range = " + listed(count, [](std::size_t i) {
                    return "\"" + std::to_string(20000 + 2 * i) + "\"";
                  }));
  };
  const std::size_t most_ranges = base::limits::driver_ranges;
  EXPECT_EQ(loaded_of(ranges(most_ranges)).config.driver.stream_id_range.size(), most_ranges);
  EXPECT_THAT(error_of(ranges(most_ranges + 1)),
              AllOf(HasSubstr("t.toml:2: driver.stream_id_range = [\"20000\", "),
                    HasSubstr("must have at most 64 ranges")));
}

// As many profiles and streams as the limits say, and one more.
TEST(ConfigLoad, profiles_and_streams_have_a_limit) {
  const auto profiles = [](std::size_t count) {
    std::string text = smallest;
    for (std::size_t i = 1; i < count; ++i)
      text += "[profiles.q" + std::to_string(i) +
              "]\npayload_pools = [ { pool_id = 1, stride_bytes = 64 } ]\n";
    return text;
  };
  const std::size_t most = base::limits::config_profiles;
  EXPECT_EQ(loaded_of(profiles(most)).config.profiles.size(), most);
  EXPECT_THAT(error_of(profiles(most + 1)), HasSubstr("profiles: 1025 are defined, at most 1024"));

  const auto streams = [](std::size_t count) {
    std::string text = smallest;
    for (std::size_t i = 1; i < count; ++i)
      text += "[streams.t" + std::to_string(i) + "]\nstream_id = " + std::to_string(20000 + i) +
              "\nprofile = \"p\"\n";
    return text;
  };
  EXPECT_THAT(error_of(streams(base::limits::driver_streams + 1)),
              HasSubstr("streams: 16385 are defined, at most 16384"));
}

struct Together {
  const char* what;
  std::string text;
  std::vector<std::string> parts;  // of the message; none: it loads
};

std::string pools(const std::string& list) {
  return "[profiles.p]\npayload_pools = " + list +
         "\n[streams.s]\nstream_id = 1\nprofile = \"p\"\n";
}

void expect_all(const std::vector<Together>& all) {
  for (const Together& one : all) {
    const std::string error = error_of(one.text);
    if (one.parts.empty()) {
      EXPECT_EQ(error, "") << one.what;
    }
    for (const std::string& part : one.parts) EXPECT_THAT(error, HasSubstr(part)) << one.what;
  }
}

// Proves: CFG-54, CFG-57, CFG-58, CFG-59, CFG-62, CFG-60
TEST(ConfigLoad, profiles_and_pools) {
  std::string seventeen = "[";
  std::string sixteen;
  for (int i = 1; i <= 17; ++i) {
    if (i == 17) sixteen = seventeen + "]";
    seventeen += "{ pool_id = " + std::to_string(i) + ", stride_bytes = 64 }, ";
  }
  expect_all({
      {"no profile",
       "policies.allow_dynamic_streams = true\ndriver.stream_id_range = \"1-2\"",
       {"profiles: at least one"}},
      {"profiles is no table", "profiles = 5", {"t.toml:1: profiles = 5: must be a table"}},
      {"a profile is no table", "profiles.p = 5", {"t.toml:1: profiles.p = 5: must be a table"}},
      {"no pools",
       "[profiles.p]\n" + smallest.substr(smallest.find("[streams")),
       {"t.toml:1: profiles.p.payload_pools: required"}},
      {"empty pools", pools("[]"), {"t.toml:2: profiles.p.payload_pools", "1 to 16 pools"}},
      {"pools are no array",
       pools("5"),
       {"t.toml:2: profiles.p.payload_pools = 5: must be an array"}},
      {"a pool is no table", pools("[5]"), {"profiles.p.payload_pools[0] = 5: must be a table"}},
      {"a pool without id",
       pools("[{ stride_bytes = 64 }]"),
       {"t.toml:2: profiles.p.payload_pools[0].pool_id: required"}},
      {"a pool without stride",
       pools("[{ pool_id = 1 }]"),
       {"profiles.p.payload_pools[0].stride_bytes: required"}},
      {"id 0",
       pools("[{ pool_id = 0, stride_bytes = 64 }]"),
       {"t.toml:2: profiles.p.payload_pools[0].pool_id = 0: must be 1 to 65535"}},
      {"id too large",
       pools("[{ pool_id = 65536, stride_bytes = 64 }]"),
       {"pool_id = 65536: must be 1 to 65535"}},
      {"id of another type",
       pools("[{ pool_id = \"1\", stride_bytes = 64 }]"),
       {"pool_id = \"1\": must be an integer"}},
      {"stride 0",
       pools("[{ pool_id = 1, stride_bytes = 0 }]"),
       {"stride_bytes = 0: must be a multiple of 64"}},
      {"stride 63", pools("[{ pool_id = 1, stride_bytes = 63 }]"), {"stride_bytes = 63"}},
      {"stride too large",
       pools("[{ pool_id = 1, stride_bytes = 4294967296 }]"),
       {"stride_bytes = 4294967296"}},
      {"largest stride and id", pools("[{ pool_id = 65535, stride_bytes = 4294967232 }]"), {}},
      {"same id twice",
       pools("[{ pool_id = 7, stride_bytes = 64 }, { pool_id = 7, stride_bytes = 128 }]"),
       {"profiles.p.payload_pools[1].pool_id = 7: must be unique",
        "profiles.p.payload_pools[0].pool_id has it too"}},
      {"sixteen pools", pools(sixteen), {}},
      {"seventeen pools", pools(seventeen + "]"), {"17 entries"}},
      {"largest regions",
       "[profiles.p]\nheader_nslots = 16777216\npayload_pools = [{ pool_id = 1, stride_bytes = "
       "4294967232 }]\n" +
           smallest.substr(smallest.find("[streams")),
       {}},
  });
  EXPECT_THAT(
      loaded_of(pools("[{ pool_id = 1, stride_bytes = 192 }]")).warnings,
      ElementsAre(HasSubstr("profiles.p.payload_pools[0].stride_bytes = 192: no power of two")));
}

// Proves: CFG-47, CFG-63, CFG-64, CFG-65
TEST(ConfigLoad, streams) {
  const std::string other = "[streams.t]\nprofile = \"p\"\nstream_id = ";
  expect_all({
      {"same id",
       smallest + other + "10000\n",
       {"t.toml:8: streams.t.stream_id = 10000: must be unique",
        "t.toml:4: streams.s.stream_id has it too"}},
      {"id 0", smallest + other + "0\n", {"streams.t.stream_id = 0: must be 1 to 4294967294"}},
      {"null id", smallest + other + "4294967295\n", {"streams.t.stream_id = 4294967295"}},
      {"no id",
       smallest + "[streams.t]\nprofile = \"p\"\n",
       {"t.toml:6: streams.t.stream_id: required"}},
      {"no profile",
       smallest + "[streams.t]\nstream_id = 1\n",
       {"t.toml:6: streams.t.profile: required"}},
      {"undefined profile",
       smallest + "[streams.t]\nstream_id = 1\nprofile = \"q\"\n",
       {"t.toml:8: streams.t.profile = \"q\": must name a defined profile; defined: p"}},
      {"undefined default",
       "policies.default_profile = \"q\"\n" + smallest,
       {"t.toml:1: policies.default_profile = \"q\": must name a defined profile"}},
      {"no name",
       smallest + "[streams.\"\"]\nstream_id = 1\nprofile = \"p\"\n",
       {"a name must be 1 to 256 bytes"}},
  });
}

// Proves: CFG-48, CFG-49, CFG-50, CFG-66
TEST(ConfigLoad, dynamic_streams) {
  const std::string profile = smallest.substr(0, smallest.find("[streams"));
  const std::string on = "policies.allow_dynamic_streams = true\n";
  const std::string range = "driver.stream_id_range = \"20000-20009\"\n";
  expect_all({
      {"off, none defined",
       profile,
       {"policies.allow_dynamic_streams = false: at least one [streams.<name>]"}},
      {"off, none defined, a range", range + profile, {"at least one [streams.<name>]"}},
      {"on, no range, none defined",
       on + profile,
       {"t.toml:1: policies.allow_dynamic_streams = true: needs driver.stream_id_range"}},
      {"on, a range, none defined", on + range + profile, {}},
      {"on, a range, an empty table", on + range + "streams = {}\n" + profile, {}},
  });
  EXPECT_THAT(loaded_of(on + smallest).warnings,
              ElementsAre(HasSubstr("no stream is created on demand")));
  EXPECT_THAT(loaded_of(on + range + smallest).warnings, IsEmpty());
}

// Proves: CFG-34, CFG-100
TEST(ConfigLoad, ranges_share_ids_with_nothing) {
  const auto shared = [](const std::string& lines, const std::string& one,
                         const std::string& other) {
    return Together{"shared", driver(lines), {one, "must not share ids with", other}};
  };
  expect_all({
      {"apart",
       driver("stream_id_range = \"10001-10009\"\ndescriptor_stream_id_range = [\"1-999\", "
              "\"1001-1199\"]\n"
              "control_stream_id_range = \"1201-9999\""),
       {}},
      shared("stream_id_range = \"2000-2009\"\ndescriptor_stream_id_range = \"2009-2010\"",
             "t.toml:2: driver.stream_id_range = 2000-2009",
             "t.toml:3: driver.descriptor_stream_id_range = 2009-2010"),
      shared("stream_id_range = \"2000-2009\"\ncontrol_stream_id_range = \"1999-2000\"",
             "driver.stream_id_range", "driver.control_stream_id_range"),
      shared("descriptor_stream_id_range = \"2000\"\ncontrol_stream_id_range = "
             "\"1-9999\"\ncontrol_stream_id = 10000\nqos_stream_id = 10000",
             "driver.descriptor_stream_id_range = 2000", "driver.control_stream_id_range = 1-9999"),
      shared("stream_id_range = \"999-1000\"", "driver.stream_id_range = 999-1000",
             "(default): driver.control_stream_id = 1000"),
      shared("control_stream_id_range = \"1200\"", "driver.control_stream_id_range = 1200",
             "driver.qos_stream_id = 1200"),
      shared("announce_stream_id = 1001\nstream_id_range = \"1001\"",
             "driver.stream_id_range = 1001", "driver.announce_stream_id = 1001"),
      shared("descriptor_stream_id_range = \"9000-10000\"", "driver.descriptor_stream_id_range",
             "streams.s.stream_id = 10000"),
  });
}

// Proves: CFG-53, CFG-97
TEST(ConfigLoad, messages_show_values_but_no_secret) {
  EXPECT_THAT(error_of("shm.namespace = \"a b\"\n" + smallest),
              HasSubstr("t.toml:1: shm.namespace = \"a b\": must be ASCII"));
  const std::string hush(2000, 'h');
  EXPECT_THAT(error_of("policies.shutdown_token = \"" + hush + "\"\n" + smallest),
              AllOf(HasSubstr("policies.shutdown_token = (hidden): must be at most 1024 bytes"),
                    Not(HasSubstr("hh"))));
  EXPECT_THAT(error_of("policies.shutdown_token = 7777\n" + smallest), Not(HasSubstr("7777")));
  EXPECT_THAT(error_of(smallest, {{"POLICIES_SHUTDOWN_TOKEN", hush}}), Not(HasSubstr("hh")));

  const LoadedConfig loaded = loaded_of("policies.shutdown_token = \"hush\"\n" + smallest);
  const std::string hidden = print(loaded, Secrets::hidden);
  EXPECT_THAT(hidden, AllOf(HasSubstr("# shutdown_token is set and hidden  # t.toml:1"),
                            Not(HasSubstr("hush"))));
  EXPECT_EQ(loaded_of(hidden).config.policies.shutdown_token, "");
  EXPECT_EQ(loaded_of(print(loaded, Secrets::shown)).config, loaded.config);
}

// Proves: CFG-101, CFG-103
TEST(ConfigLoad, bad_files) {
  const auto broken = load("[driver]\ninstance_id = \n", "t.toml", {});
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().code(), Code::invalid_file);
  EXPECT_THAT(broken.error().message(), HasSubstr("t.toml:2: "));
  for (const char* text : {"[driver", "a = 1\na = 2", "\xFF", "a = \"\n", "[a]\n[a]", "= 1",
                           "a = 1 b = 2", "a = 01", "\0"})
    EXPECT_THAT(error_of(text[0] == '\0' ? std::string(1, '\0') : text), HasSubstr("t.toml:"))
        << text;

  // All of a file's problems, up to a number.
  std::string many = "[driver]\ninstance_id = 5\nqos_stream_id = 0\n" + smallest;
  EXPECT_THAT(error_of(many),
              AllOf(HasSubstr("driver.instance_id"), HasSubstr("driver.qos_stream_id")));
  for (int i = 0; i < 200; ++i)
    many += "[streams.t" + std::to_string(i) + "]\nstream_id = 0\nprofile = \"p\"\n";
  EXPECT_THAT(error_of(many),
              AllOf(HasSubstr("streams.t97.stream_id"), Not(HasSubstr("streams.t98.stream_id")),
                    HasSubstr("and 102 more of the kind")));
}

TEST(ConfigLoad, a_megabyte_of_garbage) {
  std::mt19937_64 random(20261126);  // NOLINT(cert-msc51-cpp): the same garbage each time
  std::string bytes(1U << 20U, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::vector<std::string> all = {bytes,
                                        std::string(1U << 20U, '['),
                                        std::string(1U << 20U, '"'),
                                        std::string(1U << 20U, '#') + "\n[",
                                        std::string(1U << 20U, '.'),
                                        std::string(1U << 20U, '\n') + "="};
  for (const std::string& text : all) EXPECT_FALSE(load(text, "t.toml", {}).has_value());
  const auto large = load(std::string(base::limits::config_file_bytes + 1, ' '), "t.toml", {});
  ASSERT_FALSE(large.has_value());
  EXPECT_EQ(large.error().code(), Code::limit_exceeded);
}

TEST(ConfigLoad, depth_is_bounded) {
  std::string keys = "a";
  for (int i = 0; i < 400'000; ++i) keys += ".a";
  std::string tables;
  for (int i = 0; i < 100'000; ++i) tables += "{a=";
  for (const std::string& text :
       {keys + " = 1", "[" + keys + "]", "x = \"\"\"\n\"\"\"\"\"\n" + keys + " = 1",
        "b = " + tables, "b = {" + keys + "=1}"}) {
    const auto loaded = load(text, "t.toml", {});
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code(), Code::limit_exceeded) << loaded.error().message();
  }
}

TEST(ConfigLoad, lines_are_those_of_the_file) {
  EXPECT_THAT(error_of("\n# one\n[driver]\n\ninstance_id = [\n1,\n]\n" + smallest),
              HasSubstr("t.toml:5: driver.instance_id = [1]"));
}

// Loads, prints, loads again: the same.
void round_trip(const std::string& text, const Environment& environment = {}) {
  const LoadedConfig loaded = loaded_of(text, environment);
  const std::string printed = print(loaded, Secrets::shown);
  const LoadedConfig again = loaded_of(printed);
  EXPECT_EQ(again.config, loaded.config) << printed;
  EXPECT_EQ(value_of(again, "policies.default_profile"),
            value_of(loaded, "policies.default_profile"));
}

TEST(ConfigPrint, loads_again_to_the_same) {
  round_trip(smallest);
  round_trip(std::string(trial_config()));
  round_trip(R"(policies.shutdown_token = "q\"\\\u0001\n\u007F é"
driver.stream_id_range = ["20-29", "40-49"]
driver.descriptor_stream_id_range = 'aside'
driver.instance_id = """a
b"""
[profiles."b.c"]
payload_pools = [ { pool_id = 2, stride_bytes = 64 }, { pool_id = 1, stride_bytes = 128 } ]
[profiles.a]
header_nslots = 8
payload_pools = [ { pool_id = 1, stride_bytes = 64 } ]
[streams."x y"]
stream_id = 1
profile = "b.c"
)",
             {{"DRIVER_DESCRIPTOR_STREAM_ID_RANGE", ""}, {"SHM_PERMISSIONS_MODE", "0600"}});
}

TEST(ConfigPrint, says_where_values_come_from) {
  const std::string text = print(loaded_of(driver("qos_stream_id = 7"), {{"SHM_NAMESPACE", "n"}},
                                           {{"policies.max_leases", "9"}}),
                                 Secrets::hidden);
  EXPECT_THAT(text, AllOf(HasSubstr("qos_stream_id = 7  # t.toml:2\n"),
                          HasSubstr("namespace = \"n\"  # environment variable SHM_NAMESPACE\n"),
                          HasSubstr("max_leases = 9  # override\n"),
                          HasSubstr("control_stream_id = 1000  # default\n"),
                          HasSubstr("pool_id = 1  # t.toml:4\n")));
}

TEST(ConfigLoad, without_a_file) {
  const auto loaded = load(trial_config(), trial_name, {});
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
  EXPECT_THAT(loaded->warnings, IsEmpty());
  const DriverConfig& config = loaded->config;
  EXPECT_TRUE(config.policies.allow_dynamic_streams);
  EXPECT_TRUE(config.policies.cleanup_shm_on_exit) << "what was tried out leaves nothing";
  EXPECT_THAT(config.driver.stream_id_range, ElementsAre(IdRange{10000, 19999}));
  ASSERT_EQ(config.profiles.size(), 1U);
  EXPECT_EQ(config.profiles[0].header_nslots, 32U);
  EXPECT_THAT(config.profiles[0].payload_pools,
              ElementsAre(PoolTable{1, 65536}, PoolTable{2, 1048576}, PoolTable{3, 8388608}));
  EXPECT_THAT(config.streams, IsEmpty());
}

TEST(ConfigSettings, take_over_every_value) {
  const LoadedConfig loaded =
      loaded_of(smallest +
                "[driver]\ncontrol_stream_id = 1\nannounce_stream_id = 2\nqos_stream_id = "
                "3\nstream_id_range = \"20-29\"\n"
                "descriptor_stream_id_range = \"30-39\"\ncontrol_stream_id_range = "
                "\"40-49\"\n[shm]\nrequire_hugepages = true\n[policies]\n"
                "allow_dynamic_streams = true\ndefault_profile = \"p\"\nannounce_period_ms = "
                "11\nannounce_clock_domain = \"realtime_synced\"\n"
                "lease_keepalive_interval_ms = 12\nlease_expiry_grace_intervals = 13\nmax_leases = "
                "14\nnode_id_reuse_cooldown_ms = 15\n"
                "cleanup_shm_on_exit = true\nepoch_gc_enabled = false\nepoch_gc_keep = "
                "16\nepoch_gc_min_age_ns = 17\nepoch_gc_on_startup = true\n"
                "shutdown_timeout_ms = 18\nshutdown_token = \"t\"\n");
  const auto settings = to_settings(loaded.config);
  ASSERT_TRUE(settings.has_value()) << settings.error().message();
  EXPECT_EQ(settings->control_stream_id, 1U);
  EXPECT_EQ(settings->announce_stream_id, 2U);
  EXPECT_EQ(settings->qos_stream_id, 3U);
  EXPECT_THAT(settings->stream_id_range, ElementsAre(IdRange{20, 29}));
  EXPECT_THAT(settings->descriptor_stream_id_range, ElementsAre(IdRange{30, 39}));
  EXPECT_THAT(settings->control_stream_id_range, ElementsAre(IdRange{40, 49}));
  EXPECT_TRUE(settings->require_hugepages && settings->allow_dynamic_streams &&
              settings->cleanup_shm_on_exit && settings->epoch_gc_on_startup &&
              !settings->epoch_gc_enabled);
  EXPECT_EQ(settings->default_profile, "p");
  EXPECT_EQ(settings->announce_period_ns, 11'000'000);
  EXPECT_EQ(settings->announce_clock_domain, ClockDomain::realtime_synced);
  EXPECT_EQ(settings->keepalive_interval_ns, 12'000'000);
  EXPECT_EQ(settings->expiry_grace_intervals, 13U);
  EXPECT_EQ(settings->max_leases, 14U);
  EXPECT_EQ(settings->node_id_reuse_cooldown_ns, 15'000'000);
  EXPECT_EQ(settings->epoch_gc_keep, 16U);
  EXPECT_EQ(settings->epoch_gc_min_age_ns, 17U);
  EXPECT_EQ(settings->shutdown_timeout_ns, 18'000'000);
  EXPECT_EQ(settings->shutdown_token, "t");
  ASSERT_EQ(settings->profiles.size(), 1U);
  EXPECT_EQ(settings->profiles[0].header_nslots, 1024U);
  EXPECT_THAT(settings->profiles[0].pools, ElementsAre(shm::PoolSpec{1, 4096}));
  ASSERT_EQ(settings->streams.size(), 1U);
  EXPECT_EQ(settings->streams[0].stream_id, 10000U);
  EXPECT_EQ(settings->streams[0].profile, "p");
}

}  // namespace
}  // namespace tensorpool::config
