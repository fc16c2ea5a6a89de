// Var data and text: lengths, kinds, characters, what is written and what is read.
#include "unit/wire/support.hpp"
#include "wire/text.hpp"

namespace tensorpool::wire::test {
namespace {

constexpr std::size_t length_at = message_header_bytes + ControlResponse::block_length;

Buffer response_with_length(std::uint32_t length, std::size_t bytes_behind) {
  Buffer bytes = encoded(ControlResponse{});
  bytes.resize(length_at + 4 + bytes_behind, std::byte{'x'});
  put(bytes, length_at, length);
  return bytes;
}

// Proves: MSG-35, MSG-36, MSG-41
TEST(VarData, LengthIsCheckedAgainstWhatIsLeft) {
  for (const std::uint32_t length : {0U, 1U, 99U, 100U}) {
    std::size_t consumed = 0;
    const auto message = decode<ControlResponse>(response_with_length(length, 100), &consumed);
    ASSERT_TRUE(message.has_value()) << message.error().message();
    EXPECT_EQ(message->error_message, std::string(length, 'x'));
    EXPECT_EQ(consumed, length_at + 4 + length);
  }
  for (const std::uint32_t length : {101U, 104U, 65536U, 0x3FFFFFFFU, 0x40000000U}) {
    const auto message = try_decode<ControlResponse>(response_with_length(length, 100));
    ASSERT_FALSE(message.has_value());
    EXPECT_EQ(message.error().problem, Problem::data_beyond_end);
    EXPECT_EQ(message.error().expected, length);
    EXPECT_EQ(message.error().found, 100U);
    EXPECT_EQ(message.error().offset, length_at);
  }
  // Lengths that would wrap around in 32 bits.
  for (const std::uint32_t length :
       {0x40000001U, 0x80000000U, 0xFFFFFFE8U, 0xFFFFFFFBU, 0xFFFFFFFFU}) {
    const auto message = try_decode<ControlResponse>(response_with_length(length, 100));
    ASSERT_FALSE(message.has_value());
    EXPECT_EQ(message.error().problem, Problem::data_too_long);
    EXPECT_EQ(message.error().expected, 1073741824U);
  }
}

// Proves: MSG-36
TEST(VarData, HeaderBytesOfAChunkAreAtMost256) {
  bridge::BridgeFrameChunk chunk;
  for (const std::size_t size : {0U, 1U, 255U, 256U}) {
    chunk.header_bytes.assign(size, std::byte{7});
    EXPECT_EQ(*decode<bridge::BridgeFrameChunk>(encoded(chunk)), chunk);
  }
  chunk.header_bytes.assign(257, std::byte{7});
  Buffer bytes(encoded_size(chunk));
  const auto refused = try_encode(chunk, bytes);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().problem, Problem::data_too_long);
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);

  // The same bytes from a peer.
  chunk.header_bytes.resize(256);
  bytes = encoded(chunk);
  bytes.insert(bytes.end(), 1, std::byte{0});
  put<std::uint32_t>(bytes, 61, 257);
  const auto read = try_decode<bridge::BridgeFrameChunk>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().problem, Problem::data_too_long);
  EXPECT_EQ(read.error().expected, 256U);
}

// An empty var-data field and a missing one are the same.
// Proves: MSG-31, MSG-32, MSG-34, MSG-38
TEST(VarData, TrailingFieldsMayBeMissing) {
  driver::ShmDriverShutdownRequest message;
  message.token = "secret";
  const Buffer bytes = encoded(message);
  EXPECT_EQ(*decode<driver::ShmDriverShutdownRequest>(std::span(bytes).first(bytes.size() - 4)),
            message);
  message.token.clear();
  const auto block_only = decode<driver::ShmDriverShutdownRequest>(std::span(bytes).first(17));
  ASSERT_TRUE(block_only.has_value());
  EXPECT_EQ(*block_only, message);
}

// Proves: MSG-40
TEST(VarData, WritersPutPrintableAsciiOnly) {
  for (int c = 0; c < 256; ++c) {
    ControlResponse response;
    response.error_message = std::string("ab") + static_cast<char>(c);
    Buffer bytes(encoded_size(response));
    const auto text = try_encode(response, bytes);
    EXPECT_EQ(text.has_value(), c >= 0x20 && c <= 0x7E) << c;
    if (!text) {
      EXPECT_EQ(text.error().problem, Problem::forbidden_byte);
      EXPECT_EQ(text.error().found, static_cast<std::uint64_t>(c));
      EXPECT_EQ(text.error().code(), Code::invalid_argument);
    }
    ConsumerConfig config;
    config.descriptor_channel = response.error_message;
    bytes.resize(encoded_size(config));
    EXPECT_EQ(try_encode(config, bytes).has_value(), c >= 0x21 && c <= 0x7E) << c;
    discovery::DiscoveryRequest request;
    request.tags = {"good", response.error_message};
    bytes.resize(encoded_size(request));
    EXPECT_EQ(try_encode(request, bytes).has_value(), c >= 0x20 && c <= 0x7E) << c;
  }
}

// Puts `byte` into the place of the marker '\x01'-free character '~' of an encoded message.
Buffer with_byte(Buffer bytes, std::byte byte) {
  for (std::byte& b : bytes) {
    if (b == std::byte{'~'}) b = byte;
  }
  return bytes;
}

template <class M>
void expect_uri(std::string M::* field, const char* name) {
  SCOPED_TRACE(name);
  M message;
  message.*field = "aeron:~x";
  const Buffer bytes = encoded(message);
  for (int c = 0; c < 256; ++c) {
    const auto read = try_decode<M>(with_byte(bytes, static_cast<std::byte>(c)));
    ASSERT_EQ(read.has_value(), c >= 0x21 && c <= 0x7E) << c;
    if (read) continue;
    EXPECT_EQ(read.error().problem, Problem::forbidden_byte);
    EXPECT_STREQ(read.error().field, name);
    EXPECT_EQ(read.error().found, static_cast<std::uint64_t>(c));
    EXPECT_EQ(bytes[read.error().offset], std::byte{'~'});
  }
}

// Proves: MSG-42
TEST(VarData, ReadersRefuseUrisAndChannelsWithOtherBytes) {
  expect_uri(&ShmPoolAnnounce::header_region_uri, "headerRegionUri");
  expect_uri(&ConsumerHello::descriptor_channel, "descriptorChannel");
  expect_uri(&ConsumerHello::control_channel, "controlChannel");
  expect_uri(&ConsumerConfig::payload_fallback_uri, "payloadFallbackUri");
  expect_uri(&ConsumerConfig::descriptor_channel, "descriptorChannel");
  expect_uri(&ConsumerConfig::control_channel, "controlChannel");
  expect_uri(&driver::ShmAttachResponse::header_region_uri, "headerRegionUri");
  expect_uri(&discovery::DiscoveryRequest::response_channel, "responseChannel");

  ShmPoolAnnounce announce;
  announce.payload_pools.resize(3);
  announce.payload_pools[2].region_uri = "shm:file?path=/a~b";
  const auto in_group = try_decode<ShmPoolAnnounce>(with_byte(encoded(announce), std::byte{' '}));
  ASSERT_FALSE(in_group.has_value());
  EXPECT_STREQ(in_group.error().field, "regionUri");
  EXPECT_EQ(in_group.error().entry, 2U);

  discovery::DiscoveryResponse response;
  response.results.resize(1);
  response.results[0].driver_control_channel = "aeron:~";
  const auto in_result =
      try_decode<discovery::DiscoveryResponse>(with_byte(encoded(response), std::byte{0}));
  ASSERT_FALSE(in_result.has_value());
  EXPECT_STREQ(in_result.error().field, "driverControlChannel");
}

template <class M>
void expect_free(M message, std::string M::* field) {
  message.*field = "a~b";
  const Buffer bytes = encoded(message);
  for (int c = 0; c < 256; ++c) {
    const auto read = decode<M>(with_byte(bytes, static_cast<std::byte>(c)));
    ASSERT_TRUE(read.has_value()) << c;
    // A NUL ends nothing: the length says what belongs to the text.
    EXPECT_EQ((*read).*field, std::string("a") + static_cast<char>(c) + "b");
  }
}

// Proves: MSG-41, MSG-43
TEST(VarData, ReadersTakeAnyBytesInFreeText) {
  expect_free(ControlResponse{}, &ControlResponse::error_message);
  expect_free(DataSourceAnnounce{}, &DataSourceAnnounce::data_source_name);
  expect_free(DataSourceAnnounce{}, &DataSourceAnnounce::summary);
  expect_free(driver::ShmDriverShutdown{}, &driver::ShmDriverShutdown::error_message);
  expect_free(discovery::DiscoveryRequest{}, &discovery::DiscoveryRequest::data_source_name);
  expect_free(discovery::DiscoveryResponse{}, &discovery::DiscoveryResponse::error_message);

  DataSourceMeta meta;
  meta.attributes.push_back({.key = "k~", .format = "f~", .value = {}});
  const auto read = decode<DataSourceMeta>(with_byte(encoded(meta), std::byte{0x80}));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->attributes[0].key, "k\x80");
  discovery::DiscoveryRequest request;
  request.tags = {"t~"};
  EXPECT_EQ(decode<discovery::DiscoveryRequest>(with_byte(encoded(request), std::byte{0}))->tags[0],
            std::string("t\0", 2));
}

// Proves: MSG-40, MSG-43, MSG-109
TEST(VarData, PrintableTextIsSafeToWriteAndToShow) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  ControlResponse response;
  response.error_message = printable(all, 1000);
  EXPECT_EQ(response.error_message.size(), 256U);
  Buffer bytes(encoded_size(response));
  EXPECT_TRUE(encode(response, bytes).has_value());
  EXPECT_EQ(printable("caf\xC3\xA9\x1B[2J", 100), "caf???[2J");
  EXPECT_EQ(printable(std::string(2000, 'x'), 1024), std::string(1024, 'x'));
  EXPECT_EQ(printable("", 10), "");
}

// Proves: DRV-20, DRV-21
TEST(VarData, WhatAMessageOfTheDriverLacksIsNullOrOfLengthZero) {
  constexpr std::byte null{0xFF};
  const auto all_null = [](std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == null; });
  };
  driver::ShmAttachRequest request = filled<driver::ShmAttachRequest>(4);
  request.publish_mode.reset();
  request.desired_node_id.reset();
  const Buffer asked = encoded(request);
  const auto block = std::span(asked).subspan(message_header_bytes);
  EXPECT_EQ(block[21], null);                   // publishMode, an enum
  EXPECT_TRUE(all_null(block.subspan(23, 4)));  // desiredNodeId

  driver::ShmAttachResponse refusal;
  refusal.correlation_id = 5;
  refusal.code = ResponseCode::rejected;
  const Buffer answered = encoded(refusal);
  const auto fields = std::span(answered).subspan(message_header_bytes);
  EXPECT_TRUE(all_null(fields.subspan(12, 42)));  // from leaseId to nodeId
  // No pools, no URI, no text.
  ASSERT_EQ(fields.size(), 54U + group_header_bytes + 2 * var_data_prefix_bytes);
  EXPECT_EQ(fields[54 + 2], std::byte{0});
  EXPECT_EQ(fields[54 + 3], std::byte{0});
  for (std::size_t i = 54 + group_header_bytes; i < fields.size(); ++i)
    EXPECT_EQ(fields[i], std::byte{0}) << i;
}

// Proves: MSG-30
TEST(VarData, StreamIdsOfAllOnesAreReadAsNone) {
  ConsumerHello hello = filled<ConsumerHello>(1);
  Buffer bytes = encoded(hello);
  put<std::uint32_t>(bytes, message_header_bytes + 31, 0xFFFFFFFF);
  put<std::uint32_t>(bytes, message_header_bytes + 35, 0xFFFFFFFF);
  hello.descriptor_stream_id = 0;
  hello.control_stream_id = 0;
  EXPECT_EQ(*decode<ConsumerHello>(bytes), hello);

  ConsumerConfig config = filled<ConsumerConfig>(2);
  bytes = encoded(config);
  put<std::uint32_t>(bytes, message_header_bytes + 10, 0xFFFFFFFF);
  put<std::uint32_t>(bytes, message_header_bytes + 14, 0xFFFFFFFF);
  config.descriptor_stream_id = 0;
  config.control_stream_id = 0;
  EXPECT_EQ(*decode<ConsumerConfig>(bytes), config);

  // Writers send 0.
  config.control_stream_id = null_u32;
  EXPECT_EQ(try_encode(config, bytes).error().problem, Problem::null_value);
  hello.descriptor_stream_id = null_u32;
  EXPECT_EQ(try_encode(hello, bytes).error().problem, Problem::null_value);
}

// Proves: MSG-96
TEST(VarData, APublishModeOfZeroIsNotSpecified) {
  driver::ShmAttachRequest request = filled<driver::ShmAttachRequest>(3);
  Buffer bytes = encoded(request);
  bytes[message_header_bytes + 21] = std::byte{0};
  request.publish_mode.reset();
  EXPECT_EQ(*decode<driver::ShmAttachRequest>(bytes), request);
  EXPECT_EQ(encoded(request)[message_header_bytes + 21], std::byte{0xFF});
}

// A present optional must not look absent on the wire, and enums must be listed.
// Proves: MSG-19, MSG-27, MSG-28
TEST(VarData, WritersRefuseNullsInDisguiseAndUnlistedEnums) {
  Buffer bytes(1000);
  QosProducer qos;
  qos.watermark = null_u32;
  EXPECT_EQ(try_encode(qos, bytes).error().problem, Problem::null_value);
  EXPECT_EQ(try_encode(qos, bytes).error().code(), Code::invalid_argument);
  driver::ShmAttachResponse response;
  response.header_slot_bytes = std::uint16_t{0xFFFF};
  EXPECT_STREQ(try_encode(response, bytes).error().field, "headerSlotBytes");
  merge::SequenceMergeMapAnnounce map;
  map.rules.resize(2);
  map.rules[1].offset = std::numeric_limits<std::int32_t>::min();
  EXPECT_EQ(try_encode(map, bytes).error().entry, 1U);

  QosConsumer consumer;
  for (const int mode : {0, 3, 255}) {
    consumer.mode = static_cast<Mode>(mode);
    EXPECT_EQ(try_encode(consumer, bytes).error().problem, Problem::unlisted_value);
  }
  driver::ShmAttachRequest request;
  for (const int mode : {0, 3}) {
    request.publish_mode = static_cast<driver::PublishMode>(mode);
    EXPECT_EQ(try_encode(request, bytes).error().problem, Problem::unlisted_value);
  }
  ControlResponse control;
  control.code = static_cast<ResponseCode>(std::numeric_limits<std::int32_t>::min());
  const auto refused = encode(control, bytes);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);
}

// Proves: MSG-19
TEST(VarData, TwoEnumsDegradeInsteadOfRejecting) {
  Buffer bytes = encoded(FrameProgress{.state = FrameProgressState::complete});
  bytes[36] = std::byte{77};
  EXPECT_EQ(decode<FrameProgress>(bytes)->state, FrameProgressState::unknown);
  bytes = encoded(discovery::DiscoveryResponse{});
  for (const int status : {0, 4, 255}) {
    bytes[16] = static_cast<std::byte>(status);
    EXPECT_EQ(decode<discovery::DiscoveryResponse>(bytes)->status, discovery::Status::error);
  }
}

}  // namespace
}  // namespace tensorpool::wire::test
