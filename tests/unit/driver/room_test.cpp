// Room for streams: how much, what is said, and when it is an error.
#include "driver/room.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config/load.hpp"

namespace tensorpool::driver {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t mebibyte = 1U << 20U;
// 32 slots: a ring with its superblock, and three pools with theirs.
constexpr std::uint64_t trial_bytes =
    (64 + 32 * 256) + 3 * 64 + 32ULL * (65536 + 1048576 + 8388608);

config::LoadedConfig loaded_of(const std::string& text,
                               const config::Environment& environment = {}) {
  auto loaded = config::load(text, "t.toml", environment);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message();
  return loaded ? *loaded : config::LoadedConfig{};
}

const std::string two_streams = R"([profiles.p]
header_nslots = 4
payload_pools = [ { pool_id = 1, stride_bytes = 64 } ]
[streams.a]
stream_id = 1
profile = "p"
[streams.b]
stream_id = 2
profile = "p"
)";

TEST(DriverRoom, in_words) {
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(304'000'000), "289.9 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16777216.0 TiB");
}

TEST(DriverRoom, of_the_built_in_defaults) {
  const config::LoadedConfig loaded = loaded_of(std::string(config::trial_config()));
  EXPECT_EQ(least_bytes(loaded.config), trial_bytes);
  EXPECT_EQ(trial_bytes / mebibyte, 290U);

  // Two are kept, and the next one is made beside them.
  const auto fits = check_room(loaded, {871 * mebibyte, trial_bytes, 1});
  ASSERT_TRUE(fits.has_value());
  EXPECT_FALSE(fits->has_value());
  const auto tight = check_room(loaded, {trial_bytes, trial_bytes, 1});
  ASSERT_TRUE(tight.has_value());
  ASSERT_TRUE(tight->has_value());
  EXPECT_THAT(**tight, AllOf(HasSubstr("too little for the 2 epochs that are kept"),
                             HasSubstr("Make it 999 MiB")));

  const auto small = check_room(loaded, {64 * mebibyte, 64 * mebibyte, 1});
  ASSERT_FALSE(small.has_value());
  EXPECT_EQ(small.error().code(), Code::no_space);
  EXPECT_THAT(small.error().message(),
              AllOf(HasSubstr("default: shm.base_dir = \"/dev/shm\""), HasSubstr("64.0 MiB in all"),
                    HasSubstr("(profile default, 290.0 MiB)"), HasSubstr("--shm-size=999m"),
                    HasSubstr("sizeLimit 999Mi")));
  EXPECT_FALSE(check_room(loaded, {trial_bytes - 1, trial_bytes - 1, 1}).has_value());
  // No limit of its own: only what is free counts.
  EXPECT_TRUE(check_room(loaded, {0, 0, 1}).has_value());
}

TEST(DriverRoom, that_others_use_is_a_warning) {
  const config::LoadedConfig loaded =
      loaded_of("shm.base_dir = \"/b\"\n" + std::string(config::trial_config()));
  const auto used = check_room(loaded, {1024 * mebibyte, 100 * mebibyte, 1});
  ASSERT_TRUE(used.has_value());
  ASSERT_TRUE(used->has_value());
  EXPECT_THAT(**used, AllOf(HasSubstr("t.toml:1: shm.base_dir = \"/b\""),
                            HasSubstr("only 100.0 MiB are free now")));
}

TEST(DriverRoom, of_configured_streams) {
  const config::LoadedConfig loaded = loaded_of(two_streams);
  const std::uint64_t one = (64 + 4 * 256) + (64 + 4 * 64);
  EXPECT_EQ(epoch_bytes(loaded.config.profiles[0]), one);
  EXPECT_EQ(least_bytes(loaded.config), 2 * one);
  const auto small = check_room(loaded, {2 * one - 1, 2 * one - 1, 1});
  ASSERT_FALSE(small.has_value());
  EXPECT_THAT(small.error().message(),
              AllOf(HasSubstr("one epoch of each of the 2 configured streams"),
                    Not(HasSubstr("on demand"))));
  // Both kinds.
  EXPECT_EQ(least_bytes(loaded_of(two_streams, {{"POLICIES_ALLOW_DYNAMIC_STREAMS", "true"},
                                                {"DRIVER_STREAM_ID_RANGE", "20-29"}})
                            .config),
            3 * one);
  // Without a range, none is created on demand.
  EXPECT_EQ(
      least_bytes(loaded_of(two_streams, {{"POLICIES_ALLOW_DYNAMIC_STREAMS", "true"}}).config),
      2 * one);
}

// As the kernel counts, and hugepages are counted in: a ring of 2 MiB, and a pool whose superblock takes one more.
TEST(DriverRoom, in_whole_pages) {
  const config::LoadedConfig loaded = loaded_of(R"([profiles.p]
header_nslots = 8
payload_pools = [ { pool_id = 1, stride_bytes = 1048576 } ]
[streams.a]
stream_id = 1
profile = "p"
)");
  EXPECT_EQ(least_bytes(loaded.config, 2 * mebibyte), 12 * mebibyte);
  const auto small = check_room(loaded, {11 * mebibyte, 11 * mebibyte, 2 * mebibyte});
  ASSERT_FALSE(small.has_value());
  EXPECT_THAT(small.error().message(), HasSubstr("need 12.0 MiB"));
  EXPECT_TRUE(check_room(loaded, {11 * mebibyte, 11 * mebibyte, 4096}).has_value());
}

TEST(DriverRoom, never_wraps) {
  std::string pools;
  for (int i = 1; i <= 16; ++i)
    pools += "{ pool_id = " + std::to_string(i) + ", stride_bytes = 4294967232 },";
  std::string text = "[profiles.p]\nheader_nslots = 16777216\npayload_pools = [" + pools + "]\n";
  for (int i = 1; i <= 32; ++i)
    text += "[streams.s" + std::to_string(i) +
            "]\nprofile = \"p\"\nstream_id = " + std::to_string(i) + "\n";
  const config::LoadedConfig loaded = loaded_of(text);
  EXPECT_EQ(least_bytes(loaded.config), UINT64_MAX);
  EXPECT_FALSE(check_room(loaded, {1ULL << 60U, 1ULL << 60U}).has_value());
}

TEST(DriverRoom, of_this_machine) {
  const auto room = room_of("/");
  ASSERT_TRUE(room.has_value());
  EXPECT_LE(room->available_bytes, room->total_bytes);
  const auto none = room_of("/nonexistent");
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message(), HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace tensorpool::driver
