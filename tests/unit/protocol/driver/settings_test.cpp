// What a driver must be told before it may start.
#include "protocol/driver/settings.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

std::string refusal(const std::function<void(Settings&)>& change) {
  Settings settings = dynamic_settings();
  settings.descriptor_stream_id_range = {{31000, 31999}};
  settings.control_stream_id_range = {{32000, 32999}};
  change(settings);
  const Result<void> checked = check(settings);
  return checked ? std::string() : checked.error().message();
}

TEST(DriverSettings, TheDefaultsWithOneStreamAreFine) {
  EXPECT_EQ(refusal([](Settings&) {}), "");
  EXPECT_TRUE(check(Settings{}));
}

// Proves: DRV-174, DRV-175, STR-17
TEST(DriverSettings, RangesOverlapNothing) {
  const auto overlap = [](const std::string& text, const std::string& key) {
    return text.find("share ids") != std::string::npos && text.find(key) != std::string::npos;
  };
  EXPECT_TRUE(overlap(refusal([](Settings& s) { s.stream_id_range = {{9000, 10000}}; }),
                      "streams.*.stream_id"));
  EXPECT_TRUE(overlap(refusal([](Settings& s) { s.stream_id_range = {{31999, 31999}}; }),
                      "driver.descriptor_stream_id_range"));
  EXPECT_TRUE(overlap(refusal([](Settings& s) { s.control_stream_id_range = {{30000, 40000}}; }),
                      "driver.descriptor_stream_id_range"));
  EXPECT_TRUE(overlap(refusal([](Settings& s) { s.stream_id_range = {{1000, 1000}}; }),
                      "driver.control_stream_id"));
  EXPECT_TRUE(overlap(refusal([](Settings& s) {
                        s.announce_stream_id = 1001;
                        s.stream_id_range = {{1001, 1100}};
                      }),
                      "driver.announce_stream_id"));
  EXPECT_TRUE(overlap(refusal([](Settings& s) { s.descriptor_stream_id_range = {{1100, 1300}}; }),
                      "driver.qos_stream_id"));
  EXPECT_TRUE(
      overlap(refusal([](Settings& s) { s.stream_id_range = {{20000, 20010}, {20010, 20020}}; }),
              "driver.stream_id_range"));
  // A short range inside a long one that began earlier.
  EXPECT_TRUE(overlap(refusal([](Settings& s) {
                        s.stream_id_range = {{20000, 29999}, {20100, 20101}};
                        s.streams.push_back({20050, "small"});
                      }),
                      "20000-29999"));
  // Neighbours are fine, and so is one id for control and announce.
  EXPECT_EQ(refusal([](Settings& s) { s.stream_id_range = {{10002, 10500}, {10501, 30999}}; }), "");
}

// Proves: DRV-175
TEST(DriverSettings, ARangeStartsAtOneAndBeforeItsEnd) {
  EXPECT_NE(refusal([](Settings& s) { s.stream_id_range = {{0, 5}}; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.stream_id_range = {{6, 5}}; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.stream_id_range = {{4294967295, 4294967295}}; }), "");
  EXPECT_EQ(refusal([](Settings& s) { s.stream_id_range = {{4294967294, 4294967294}}; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.descriptor_stream_id_range = {{31000, 2147483648}}; }), "");
  EXPECT_EQ(refusal([](Settings& s) { s.stream_id_range = {{5, 5}}; }), "");
}

TEST(DriverSettings, TimesAndNumbersAreInTheirLimits) {
  EXPECT_NE(refusal([](Settings& s) { s.keepalive_interval_ns = 0; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.expiry_grace_intervals = 0; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.announce_period_ns = 0; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.node_id_reuse_cooldown_ns = -1; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.shutdown_timeout_ns = -1; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.max_leases = 0; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.max_leases = 65537; }), "");
  EXPECT_NE(refusal([](Settings& s) { s.streams.push_back({test_stream, "small"}); }), "");
  EXPECT_NE(refusal([](Settings& s) { s.streams.push_back({0, "small"}); }), "");
  EXPECT_NE(refusal([](Settings& s) { s.streams.push_back({4294967295, "small"}); }), "");
  EXPECT_NE(refusal([](Settings& s) { s.streams.assign(base::limits::driver_streams + 1, {}); }),
            "");
  EXPECT_NE(refusal([](Settings& s) {
              s.stream_id_range.assign(base::limits::driver_ranges + 1, {5, 5});
            }),
            "");
}

TEST(DriverSettings, TimesEndInsteadOfWrapping) {
  EXPECT_EQ(later(INT64_MAX - 1, 5), INT64_MAX);
  EXPECT_EQ(later(3, 4), 7);
  EXPECT_EQ(times(INT64_MAX / 2, 3), INT64_MAX);
  EXPECT_EQ(times(5, 3), 15);
}

}  // namespace
}  // namespace tensorpool::protocol::driver
