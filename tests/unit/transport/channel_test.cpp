#include "transport/channel.hpp"

#include <gtest/gtest.h>

#include "transport/transport.hpp"

namespace tensorpool::transport {
namespace {

TEST(Channel, a_missing_parameter_is_added) {
  EXPECT_EQ(with_parameter("aeron:ipc", "tether", "false"), "aeron:ipc?tether=false");
  EXPECT_EQ(with_parameter("aeron:ipc?mtu=1408", "tether", "false"),
            "aeron:ipc?mtu=1408|tether=false");
  EXPECT_EQ(with_parameter("aeron:ipc?", "tether", "false"), "aeron:ipc?tether=false");
}

TEST(Channel, a_named_parameter_is_kept) {
  for (const char* channel : {"aeron:ipc?tether=true", "aeron:ipc?mtu=1408|tether=true",
                              "aeron:ipc?tether=true|mtu=1408", "aeron:ipc?tether="}) {
    EXPECT_EQ(with_parameter(channel, "tether", "false"), channel);
  }
}

TEST(Channel, a_parameter_is_named_by_its_whole_name_only) {
  EXPECT_EQ(with_parameter("aeron:ipc?untether=1", "tether", "false"),
            "aeron:ipc?untether=1|tether=false");
  EXPECT_EQ(with_parameter("aeron:ipc?tethered=1", "tether", "false"),
            "aeron:ipc?tethered=1|tether=false");
  EXPECT_EQ(with_parameter("aeron:ipc?alias=tether=true", "tether", "false"),
            "aeron:ipc?alias=tether=true|tether=false");
  EXPECT_EQ(with_parameter("aeron:tether=true", "tether", "false"),
            "aeron:tether=true?tether=false");
}

TEST(Channel, publications_get_term_lengths_and_short_untethered_timeouts) {
  const std::string timeouts =
      "|untethered-window-limit-timeout=20ms|untethered-linger-timeout=20ms"
      "|untethered-resting-timeout=100ms";
  EXPECT_EQ(control_channel("aeron:ipc"), "aeron:ipc?term-length=1m" + timeouts);
  EXPECT_EQ(descriptor_channel("aeron:ipc"), "aeron:ipc?term-length=16m" + timeouts);
}

TEST(Channel, what_the_configuration_names_wins) {
  EXPECT_EQ(descriptor_channel("aeron:ipc?term-length=4m|untethered-window-limit-timeout=2s"),
            "aeron:ipc?term-length=4m|untethered-window-limit-timeout=2s|"
            "untethered-linger-timeout=20ms|untethered-resting-timeout=100ms");
}

// On UDP the same parameters would be the receiver's business.
TEST(Channel, udp_channels_get_a_term_length_only) {
  EXPECT_EQ(control_channel("aeron:udp?endpoint=localhost:4040"),
            "aeron:udp?endpoint=localhost:4040|term-length=1m");
}

}  // namespace
}  // namespace tensorpool::transport
