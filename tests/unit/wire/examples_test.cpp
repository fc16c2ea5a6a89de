// The worked examples of docs/protocol/02-messages.md, in both directions.
#include "unit/wire/support.hpp"
#include "wire/descriptor.hpp"

namespace tensorpool::wire::test {
namespace {

template <class M>
void expect_both_ways(const M& message, std::string_view dump) {
  const Buffer bytes = from_hex(dump);
  EXPECT_EQ(encoded(message), bytes);
  std::size_t consumed = 0;
  const auto back = decode<M>(bytes, &consumed);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(*back, message);
  EXPECT_EQ(consumed, bytes.size());
}

// Proves: MSG-1, MSG-3, MSG-25, MSG-29, MSG-79
TEST(Examples, FrameDescriptor) {
  const FrameDescriptor message{.stream_id = 10000, .epoch = 1, .seq = 42, .meta_version = 3};
  const char* dump =
      "28 00 04 00 84 03 01 00 10 27 00 00 01 00 00 00"
      "00 00 00 00 2a 00 00 00 00 00 00 00 ff ff ff ff"
      "ff ff ff ff 03 00 00 00 00 00 00 00 00 00 00 00";
  expect_both_ways(message, dump);

  const Buffer bytes = from_hex(dump);
  Buffer hot(descriptor_bytes);
  encode_descriptor(hot.data(), message);
  EXPECT_EQ(hot, bytes);
  FrameDescriptor back;
  ASSERT_TRUE(decode_descriptor(bytes.data(), bytes.size(), back));
  EXPECT_EQ(back, message);
}

// Proves: MSG-6, MSG-44, MSG-50
TEST(Examples, ShmPoolAnnounceWithOnePool) {
  ShmPoolAnnounce message;
  message.stream_id = 10000;
  message.producer_id = 7;
  message.epoch = 1;
  message.announce_timestamp_ns = 1'000'000'000;
  message.announce_clock_domain = ClockDomain::monotonic;
  message.layout_version = 1;
  message.header_nslots = 64;
  message.header_slot_bytes = 256;
  message.payload_pools = {
      {.pool_id = 1,
       .pool_nslots = 64,
       .stride_bytes = 1048576,
       .region_uri = "shm:file?path=/dev/shm/tensorpool-alice/default/10000/1/1.pool"}};
  message.header_region_uri = "shm:file?path=/dev/shm/tensorpool-alice/default/10000/1/header.ring";
  expect_both_ways(message,
                   "23 00 01 00 84 03 01 00 10 27 00 00 07 00 00 00"
                   "01 00 00 00 00 00 00 00 00 ca 9a 3b 00 00 00 00"
                   "01 01 00 00 00 40 00 00 00 00 01 0a 00 01 00 01"
                   "00 40 00 00 00 00 00 10 00 3e 00 00 00 73 68 6d"
                   "3a 66 69 6c 65 3f 70 61 74 68 3d 2f 64 65 76 2f"
                   "73 68 6d 2f 74 65 6e 73 6f 72 70 6f 6f 6c 2d 61"
                   "6c 69 63 65 2f 64 65 66 61 75 6c 74 2f 31 30 30"
                   "30 30 2f 31 2f 31 2e 70 6f 6f 6c 43 00 00 00 73"
                   "68 6d 3a 66 69 6c 65 3f 70 61 74 68 3d 2f 64 65"
                   "76 2f 73 68 6d 2f 74 65 6e 73 6f 72 70 6f 6f 6c"
                   "2d 61 6c 69 63 65 2f 64 65 66 61 75 6c 74 2f 31"
                   "30 30 30 30 2f 31 2f 68 65 61 64 65 72 2e 72 69"
                   "6e 67");
}

constexpr std::uint64_t example_request_id = 0x0000000700000001;

// Proves: MSG-8, MSG-31, MSG-51, MSG-52
TEST(Examples, DiscoveryRequestWithOneTag) {
  discovery::DiscoveryRequest message;
  message.request_id = example_request_id;
  message.client_id = 7;
  message.response_stream_id = 7004;
  message.tags = {"camera"};
  message.response_channel = "aeron:ipc";
  const char* dump =
      "20 00 01 00 8e 03 01 00 01 00 00 00 07 00 00 00"
      "07 00 00 00 5c 1b 00 00 ff ff ff ff ff ff ff ff"
      "ff ff ff ff ff ff ff ff 00 00 01 00 06 00 00 00"
      "63 61 6d 65 72 61 09 00 00 00 61 65 72 6f 6e 3a"
      "69 70 63 00 00 00 00";
  expect_both_ways(message, dump);
}

// A deployed client leaves the last, empty field out: 67 bytes instead of 71.
// Proves: MSG-38
TEST(Examples, DiscoveryRequestWithoutItsLastField) {
  Buffer bytes = from_hex(
      "20 00 01 00 8e 03 01 00 01 00 00 00 07 00 00 00"
      "07 00 00 00 5c 1b 00 00 ff ff ff ff ff ff ff ff"
      "ff ff ff ff ff ff ff ff 00 00 01 00 06 00 00 00"
      "63 61 6d 65 72 61 09 00 00 00 61 65 72 6f 6e 3a"
      "69 70 63");
  ASSERT_EQ(bytes.size(), 67U);
  const auto message = decode<discovery::DiscoveryRequest>(bytes);
  ASSERT_TRUE(message.has_value()) << message.error().message();
  EXPECT_EQ(message->response_channel, "aeron:ipc");
  EXPECT_EQ(message->data_source_name, "");
  for (std::size_t partial = 1; partial <= 3; ++partial) {
    bytes.push_back(std::byte{0});
    const auto refused = try_decode<discovery::DiscoveryRequest>(bytes);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().problem, Problem::short_length_prefix);
    EXPECT_EQ(refused.error().offset, 67U);
    EXPECT_EQ(refused.error().found, partial);
  }
}

// Proves: MSG-44, MSG-45
TEST(Examples, DiscoveryResponseNotFound) {
  discovery::DiscoveryResponse message;
  message.request_id = example_request_id;
  message.status = discovery::Status::not_found;
  expect_both_ways(message,
                   "09 00 02 00 8e 03 01 00 01 00 00 00 07 00 00 00"
                   "02 27 00 00 00 00 00 00 00");
}

}  // namespace
}  // namespace tensorpool::wire::test
