// The rules between the values of one message: a good message passes, and each rule broken on its
// own is named.
#include "wire/check.hpp"

#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

// Applies `change` to a copy of `good` and expects the rule on `field` to refuse it.
template <class M, class Change>
void expect_refused(const M& good, const char* field, Change change) {
  SCOPED_TRACE(field);
  ASSERT_TRUE(try_check(good).has_value());
  M bad = good;
  change(bad);
  const auto checked = try_check(bad);
  ASSERT_FALSE(checked.has_value());
  EXPECT_STREQ(checked.error().field, field);
  EXPECT_EQ(checked.error().problem, Problem::rule);
  const auto error = check(bad);
  EXPECT_EQ(error.error().code(), Code::malformed_message);
  EXPECT_NE(error.error().message().find(field), std::string::npos);
}

ShmPoolAnnounce good_announce() {
  ShmPoolAnnounce message;
  message.header_nslots = 64;
  message.header_slot_bytes = 256;
  message.payload_pools = {
      {.pool_id = 1, .pool_nslots = 64, .stride_bytes = 64, .region_uri = "a"},
      {.pool_id = 2, .pool_nslots = 64, .stride_bytes = 128, .region_uri = "b"}};
  message.header_region_uri = "c";
  return message;
}

// Proves: MSG-54, MSG-55, MSG-56, MSG-57
TEST(Check, ShmPoolAnnounce) {
  const auto good = good_announce();
  expect_refused(good, "headerSlotBytes", [](auto& m) { m.header_slot_bytes = 255; });
  expect_refused(good, "headerSlotBytes", [](auto& m) { m.header_slot_bytes = 512; });
  expect_refused(good, "payloadPools", [](auto& m) { m.payload_pools.clear(); });
  expect_refused(good, "poolNslots", [](auto& m) { m.payload_pools[1].pool_nslots = 32; });
  expect_refused(good, "regionUri", [](auto& m) { m.payload_pools[0].region_uri.clear(); });
  expect_refused(good, "headerRegionUri", [](auto& m) { m.header_region_uri.clear(); });
  auto bad = good;
  bad.payload_pools[1].pool_nslots = 32;
  EXPECT_EQ(try_check(bad).error().entry, 1U);
  EXPECT_EQ(try_check(bad).error().found, 32U);
  EXPECT_EQ(try_check(bad).error().expected, 64U);
}

// Proves: MSG-63, MSG-64, MSG-65, MSG-69, MSG-70, MSG-71
TEST(Check, HalfRequestsAndHalfAssignments) {
  ConsumerHello hello;
  EXPECT_TRUE(check(hello).has_value());
  hello.descriptor_channel = "aeron:ipc";
  hello.descriptor_stream_id = 5;
  hello.control_channel = "aeron:ipc";
  hello.control_stream_id = 6;
  expect_refused(hello, "descriptorChannel", [](auto& m) { m.descriptor_channel.clear(); });
  expect_refused(hello, "descriptorChannel", [](auto& m) { m.descriptor_stream_id = 0; });
  expect_refused(hello, "controlChannel", [](auto& m) { m.control_channel.clear(); });
  expect_refused(hello, "controlChannel", [](auto& m) { m.control_stream_id = 0; });

  ConsumerConfig config;
  EXPECT_TRUE(check(config).has_value());
  expect_refused(config, "descriptorChannel", [](auto& m) { m.descriptor_channel = "aeron:ipc"; });
  expect_refused(config, "descriptorChannel", [](auto& m) { m.descriptor_stream_id = 9; });
  expect_refused(config, "controlChannel", [](auto& m) { m.control_channel = "aeron:ipc"; });
  expect_refused(config, "controlChannel", [](auto& m) { m.control_stream_id = 9; });
}

// Proves: MSG-72, MSG-73
TEST(Check, FallbackSchemes) {
  EXPECT_TRUE(supported_fallback("aeron:udp?endpoint=h:1"));
  EXPECT_TRUE(supported_fallback("bridge://left"));
  for (const char* uri :
       {"", "bridge://", "bridge:/x", "http://x", "AERON:ipc", " aeron:ipc", "shm:file?path=/a"})
    EXPECT_FALSE(supported_fallback(uri)) << uri;
}

// Proves: MSG-90, MSG-91, MSG-92
TEST(Check, MetaBlob) {
  const MetaBlobAnnounce announce{
      .stream_id = 1, .meta_version = 2, .total_len = 10, .checksum = 5};
  MetaBlobChunk chunk{.stream_id = 1, .meta_version = 2, .chunk_offset = 6, .bytes = Bytes(4)};
  EXPECT_TRUE(check(chunk).has_value());
  EXPECT_TRUE(check(chunk, announce).has_value());
  chunk.bytes.resize(5);
  EXPECT_STREQ(try_check(chunk, announce).error().field, "chunkOffset");
  chunk.chunk_offset = 11;
  chunk.bytes.resize(1);
  EXPECT_STREQ(try_check(chunk, announce).error().field, "chunkOffset");
  chunk.chunk_offset = null_u64;
  EXPECT_STREQ(try_check(chunk, announce).error().field, "chunkOffset");
  chunk.chunk_offset = 0;
  chunk.bytes.clear();
  EXPECT_STREQ(try_check(chunk).error().field, "bytes");
  EXPECT_STREQ(try_check(chunk, announce).error().field, "bytes");
  chunk.stream_id = 2;
  EXPECT_STREQ(try_check(chunk, announce).error().field, "streamId");
  chunk.stream_id = 1;
  chunk.meta_version = 3;
  EXPECT_STREQ(try_check(chunk, announce).error().field, "metaVersion");

  MetaBlobComplete complete{.stream_id = 1, .meta_version = 2, .checksum = 5};
  EXPECT_TRUE(check(complete, announce).has_value());
  complete.checksum = 0;
  EXPECT_STREQ(try_check(complete, announce).error().field, "checksum");
  complete.meta_version = 1;
  EXPECT_STREQ(try_check(complete, announce).error().field, "metaVersion");
  complete.stream_id = 7;
  EXPECT_STREQ(try_check(complete, announce).error().field, "streamId");
}

driver::ShmAttachResponse good_attach() {
  driver::ShmAttachResponse message;
  message.code = ResponseCode::ok;
  message.lease_id = 1;
  message.stream_id = 2;
  message.epoch = 3;
  message.layout_version = 1;
  message.header_nslots = 64;
  message.header_slot_bytes = std::uint16_t{256};
  message.payload_pools = {
      {.pool_id = 1, .pool_nslots = 64, .stride_bytes = 64, .region_uri = "a"}};
  message.header_region_uri = "b";
  return message;
}

// Proves: MSG-99, MSG-102, MSG-104
TEST(Check, AttachResponseNeedsItsFields) {
  const auto good = good_attach();
  expect_refused(good, "leaseId", [](auto& m) { m.lease_id.reset(); });
  expect_refused(good, "streamId", [](auto& m) { m.stream_id.reset(); });
  expect_refused(good, "epoch", [](auto& m) { m.epoch.reset(); });
  expect_refused(good, "layoutVersion", [](auto& m) { m.layout_version.reset(); });
  expect_refused(good, "headerNslots", [](auto& m) { m.header_nslots.reset(); });
  expect_refused(good, "headerSlotBytes", [](auto& m) { m.header_slot_bytes.reset(); });
  expect_refused(good, "headerSlotBytes",
                 [](auto& m) { m.header_slot_bytes = std::uint16_t{512}; });
  auto optional = good;
  optional.node_id.reset();
  optional.lease_expiry_timestamp_ns.reset();
  EXPECT_TRUE(check(optional).has_value());
}

// Proves: MSG-100, MSG-101, MSG-103, MSG-105, MSG-106
TEST(Check, AttachResponseNeedsItsRegions) {
  const auto good = good_attach();
  expect_refused(good, "headerRegionUri", [](auto& m) { m.header_region_uri.clear(); });
  expect_refused(good, "payloadPools", [](auto& m) { m.payload_pools.clear(); });
  expect_refused(good, "regionUri", [](auto& m) { m.payload_pools[0].region_uri.clear(); });
  expect_refused(good, "poolNslots", [](auto& m) { m.payload_pools[0].pool_nslots = 63; });
  // A blank URI does not even decode.
  Buffer bytes = encoded(good);
  bytes[bytes.size() - 5] = std::byte{' '};
  EXPECT_EQ(try_decode<driver::ShmAttachResponse>(bytes).error().problem, Problem::forbidden_byte);
}

// Proves: MSG-107
TEST(Check, AttachRefusalNeedsNothing) {
  driver::ShmAttachResponse refusal;
  refusal.code = ResponseCode::rejected;
  EXPECT_TRUE(check(refusal).has_value());
  EXPECT_TRUE(check(*decode<driver::ShmAttachResponse>(encoded(refusal))).has_value());
}

// Proves: MSG-97, MSG-112
TEST(Check, DriverRequests) {
  driver::ShmAttachRequest attach;
  attach.client_id = 1;
  expect_refused(attach, "clientId", [](auto& m) { m.client_id = 0; });
  driver::ShmDriverShutdownRequest shutdown;
  shutdown.token = "t";
  expect_refused(shutdown, "token", [](auto& m) { m.token.clear(); });
}

bridge::BridgeFrameChunk first_of_two_chunks() {
  bridge::BridgeFrameChunk first;
  first.chunk_count = 2;
  first.chunk_length = 10;
  first.payload_length = 20;
  first.header_included = true;
  first.header_bytes.resize(256);
  first.payload_bytes.resize(10);
  return first;
}

// Proves: MSG-113, MSG-114, MSG-115, MSG-116, MSG-117
TEST(Check, BridgeFrameChunkCountAndHeader) {
  const auto first = first_of_two_chunks();
  expect_refused(first, "chunkCount", [](auto& m) { m.chunk_count = 0; });
  expect_refused(first, "chunkCount", [](auto& m) { m.chunk_count = 65536; });
  expect_refused(first, "chunkIndex", [](auto& m) { m.chunk_index = 2; });
  expect_refused(first, "headerIncluded", [](auto& m) { m.header_included = false; });
  expect_refused(first, "headerBytes", [](auto& m) { m.header_bytes.resize(255); });
  expect_refused(first, "headerBytes", [](auto& m) { m.header_bytes.clear(); });

  auto second = first;
  second.chunk_index = 1;
  second.chunk_offset = 10;
  second.header_included = false;
  second.header_bytes.clear();
  expect_refused(second, "headerIncluded", [](auto& m) { m.header_included = true; });
  expect_refused(second, "headerBytes", [](auto& m) { m.header_bytes.resize(256); });
}

// Proves: MSG-118, MSG-119, MSG-121, MSG-122
TEST(Check, BridgeFrameChunkLengths) {
  auto first = first_of_two_chunks();
  expect_refused(first, "payloadBytes", [](auto& m) { m.payload_bytes.resize(9); });
  expect_refused(first, "chunkOffset", [](auto& m) { m.chunk_offset = 1; });
  expect_refused(first, "chunkOffset", [](auto& m) { m.payload_length = 9; });
  expect_refused(first, "chunkLength", [](auto& m) {
    m.chunk_length = 65536;
    m.payload_length = 65536;
    m.payload_bytes.resize(65536);
  });
  expect_refused(first, "payloadLength", [](auto& m) { m.payload_length = (1U << 30U) + 1; });

  auto second = first;
  second.chunk_index = 1;
  second.chunk_offset = 10;
  second.header_included = false;
  second.header_bytes.clear();
  expect_refused(second, "chunkOffset", [](auto& m) { m.chunk_offset = 11; });
  expect_refused(second, "chunkOffset", [](auto& m) { m.chunk_offset = 0xFFFFFFFF; });

  // The limits themselves are fine.
  first.chunk_count = 65535;
  first.chunk_length = 65535;
  first.payload_length = 1U << 30U;
  first.payload_bytes.resize(65535);
  EXPECT_TRUE(check(first).has_value());
}

// Proves: MSG-126, MSG-127, MSG-128
TEST(Check, SequenceRules) {
  merge::SequenceMergeMapAnnounce map;
  map.rules = {{.input_stream_id = 1, .rule_type = merge::RuleType::offset, .offset = 0},
               {.input_stream_id = 2, .rule_type = merge::RuleType::window, .window_size = 1}};
  expect_refused(map, "offset", [](auto& m) { m.rules[0].offset.reset(); });
  expect_refused(map, "windowSize", [](auto& m) { m.rules[0].window_size = 1; });
  expect_refused(map, "offset", [](auto& m) { m.rules[1].offset = 1; });
  expect_refused(map, "windowSize", [](auto& m) { m.rules[1].window_size.reset(); });
  expect_refused(map, "windowSize", [](auto& m) { m.rules[1].window_size = 0; });
  expect_refused(map, "ruleType",
                 [](auto& m) { m.rules[0].rule_type = static_cast<merge::RuleType>(7); });
}

// Proves: MSG-129, MSG-130, MSG-131, MSG-132
TEST(Check, TimestampRules) {
  merge::TimestampMergeMapAnnounce map;
  map.rules = {{.input_stream_id = 1, .rule_type = merge::TimeRuleType::offset_ns, .offset_ns = -3},
               {.input_stream_id = 2, .rule_type = merge::TimeRuleType::window_ns, .window_ns = 1}};
  expect_refused(map, "offsetNs", [](auto& m) { m.rules[0].offset_ns.reset(); });
  expect_refused(map, "windowNs", [](auto& m) { m.rules[0].window_ns = 1; });
  expect_refused(map, "offsetNs", [](auto& m) { m.rules[1].offset_ns = 1; });
  expect_refused(map, "windowNs", [](auto& m) { m.rules[1].window_ns.reset(); });
  expect_refused(map, "windowNs", [](auto& m) { m.rules[1].window_ns = 0; });
  expect_refused(map, "ruleType",
                 [](auto& m) { m.rules[0].rule_type = static_cast<merge::TimeRuleType>(2); });
  expect_refused(map, "timestampSource", [](auto& m) {
    m.rules[0].timestamp_source = static_cast<merge::TimestampSource>(0);
  });
  // An absent lateness is one of 0, and both are read.
  EXPECT_EQ(decode<merge::TimestampMergeMapAnnounce>(encoded(map))->lateness_ns.value_or(0), 0U);
}

// Proves: MSG-133, MSG-134, MSG-135, MSG-136
TEST(Check, TraceLinkSet) {
  tracelink::TraceLinkSet set;
  set.trace_id = 9;
  set.parents = {{.trace_id = 1}, {.trace_id = 2}, {.trace_id = 3}};
  expect_refused(set, "traceId", [](auto& m) { m.trace_id = 0; });
  expect_refused(set, "parents", [](auto& m) { m.parents.clear(); });
  expect_refused(set, "traceId", [](auto& m) { m.parents[1].trace_id = 0; });
  expect_refused(set, "parents", [](auto& m) { m.parents[2].trace_id = 1; });
  set.parents.resize(65534);
  for (std::size_t i = 0; i < set.parents.size(); ++i) set.parents[i].trace_id = 65534 - i;
  EXPECT_TRUE(check(set).has_value());
  set.parents.back().trace_id = 40000;
  EXPECT_EQ(try_check(set).error().found, 40000U);
}

// Proves: MSG-138, MSG-139, MSG-144
TEST(Check, DiscoveryRequestAndResponse) {
  discovery::DiscoveryRequest request;
  request.response_channel = "aeron:ipc";
  request.response_stream_id = 1;
  expect_refused(request, "responseChannel", [](auto& m) { m.response_channel.clear(); });
  expect_refused(request, "responseStreamId", [](auto& m) { m.response_stream_id = 0; });

  discovery::DiscoveryResponse response;
  response.results.resize(1);
  expect_refused(response, "results", [](auto& m) { m.status = discovery::Status::not_found; });
  expect_refused(response, "results", [](auto& m) { m.status = discovery::Status::error; });
}

// Proves: MSG-146, MSG-147, MSG-148, MSG-149, MSG-150
TEST(Check, DiscoveryResultsOneByOne) {
  discovery::DiscoveryResult result;
  result.header_nslots = 8;
  result.header_slot_bytes = 256;
  result.max_dims = 8;
  result.driver_control_stream_id = 1000;
  result.driver_control_channel = "aeron:ipc";
  result.payload_pools = {{.pool_id = 1, .pool_nslots = 8, .stride_bytes = 64, .region_uri = "a"}};
  expect_refused(result, "headerSlotBytes", [](auto& m) { m.header_slot_bytes = 128; });
  expect_refused(result, "maxDims", [](auto& m) { m.max_dims = 7; });
  expect_refused(result, "driverControlStreamId", [](auto& m) { m.driver_control_stream_id = 0; });
  expect_refused(result, "driverControlChannel", [](auto& m) { m.driver_control_channel.clear(); });
  expect_refused(result, "poolNslots", [](auto& m) { m.payload_pools[0].pool_nslots = 9; });

  // One bad result leaves the response readable and the other results usable.
  discovery::DiscoveryResponse response;
  response.results = {result, result, result};
  response.results[1].max_dims = 9;
  const auto back = decode<discovery::DiscoveryResponse>(encoded(response));
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(check(back->results[0]).has_value());
  EXPECT_FALSE(check(back->results[1]).has_value());
  EXPECT_TRUE(check(back->results[2]).has_value());
}

}  // namespace
}  // namespace tensorpool::wire::test
