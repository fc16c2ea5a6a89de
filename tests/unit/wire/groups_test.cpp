// Groups: none, one, many, the most; entries that do not fit; nested and tag groups.
#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

constexpr std::size_t most = 65534;

// Where the first group header of an M stands.
template <class M>
constexpr std::size_t group_at = message_header_bytes + M::block_length;

template <class M, class Entries>
void expect_limits(Entries M::* group, std::size_t smallest_entry) {
  SCOPED_TRACE(M::name);
  const std::size_t at = group_at<M>;
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{3}, most}) {
    auto message = cleared<M>(1);
    (message.*group).resize(count);
    // Required enums have no value 0 in two of the groups; a listed one is set by the fill.
    if (count > 0 && count < most) message = filled<M>(2, count);
    const Buffer bytes = encoded(message);
    EXPECT_EQ(get<std::uint16_t>(bytes, at + 2), count);
    const auto back = decode<M>(bytes);
    ASSERT_TRUE(back.has_value()) << back.error().message();
    EXPECT_EQ(*back, message);
  }

  auto message = cleared<M>(3);
  (message.*group).resize(most + 1);
  Buffer room(encoded_size(message));
  const auto refused = try_encode(message, room);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().problem, Problem::too_many_entries);
  EXPECT_EQ(refused.error().code(), Code::invalid_argument);

  // 65535 entries on the wire, with more than enough bytes behind the header.
  Buffer bytes = encoded(cleared<M>(4));
  bytes.resize(bytes.size() + 65536 * smallest_entry);
  put<std::uint16_t>(bytes, at + 2, 65535);
  auto read = try_decode<M>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().problem, Problem::too_many_entries);
  EXPECT_EQ(read.error().offset, at);

  // As many entries as fit by their smallest size, less one byte.
  bytes.resize(at + group_header_bytes + 100 * smallest_entry - 1);
  put<std::uint16_t>(bytes, at + 2, 100);
  read = try_decode<M>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().problem, Problem::entries_beyond_end);
  EXPECT_EQ(read.error().found, 100 * smallest_entry - 1);
  EXPECT_EQ(read.error().expected, 100 * smallest_entry);
}

// Proves: MSG-47, MSG-48, MSG-49
TEST(Groups, HoldFromNoneToTheMostEntries) {
  expect_limits(&ShmPoolAnnounce::payload_pools, 14);
  expect_limits(&DataSourceMeta::attributes, 12);
  expect_limits(&driver::ShmAttachResponse::payload_pools, 14);
  expect_limits(&merge::SequenceMergeMapAnnounce::rules, 13);
  expect_limits(&merge::TimestampMergeMapAnnounce::rules, 22);
  expect_limits(&tracelink::TraceLinkSet::parents, 8);
  expect_limits(&discovery::DiscoveryRequest::tags, 4);
  expect_limits(&discovery::DiscoveryResponse::results, 63);
}

template <class M>
void expect_block_length_checked(std::uint16_t block_length) {
  SCOPED_TRACE(M::name);
  for (const std::size_t entries : {0U, 2U}) {
    Buffer bytes = encoded(filled<M>(5, entries));
    ASSERT_EQ(get<std::uint16_t>(bytes, group_at<M>), block_length);
    for (const int difference : {-1, 1, 4, 300}) {
      put(bytes, group_at<M>, static_cast<std::uint16_t>(block_length + difference));
      const auto read = try_decode<M>(bytes);
      ASSERT_FALSE(read.has_value());
      EXPECT_EQ(read.error().problem, Problem::other_group_block_length);
      EXPECT_EQ(read.error().expected, block_length);
    }
  }
}

// Proves: MSG-46, MSG-51, MSG-53
TEST(Groups, AreRefusedWithAnotherBlockLength) {
  expect_block_length_checked<ShmPoolAnnounce>(10);
  expect_block_length_checked<DataSourceMeta>(0);
  expect_block_length_checked<driver::ShmAttachResponse>(10);
  expect_block_length_checked<merge::SequenceMergeMapAnnounce>(13);
  expect_block_length_checked<merge::TimestampMergeMapAnnounce>(22);
  expect_block_length_checked<tracelink::TraceLinkSet>(8);
  expect_block_length_checked<discovery::DiscoveryRequest>(0);
  expect_block_length_checked<discovery::DiscoveryResponse>(39);
}

// Proves: MSG-46, MSG-49, MSG-53, MSG-152
TEST(Groups, NestedOnesAreCheckedToo) {
  discovery::DiscoveryResponse message;
  message.results.resize(2);
  const std::size_t pools = group_at<discovery::DiscoveryResponse> + group_header_bytes + 39;
  const std::size_t tags = pools + group_header_bytes;
  Buffer bytes = encoded(message);
  ASSERT_EQ(get<std::uint16_t>(bytes, pools), 10);
  ASSERT_EQ(get<std::uint16_t>(bytes, tags), 0);
  ASSERT_TRUE(decode<discovery::DiscoveryResponse>(bytes).has_value());

  put<std::uint16_t>(bytes, pools, 11);
  auto read = try_decode<discovery::DiscoveryResponse>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_STREQ(read.error().field, "payloadPools");
  EXPECT_EQ(read.error().offset, pools);

  put<std::uint16_t>(bytes, pools, 10);
  put<std::uint16_t>(bytes, tags, 4);
  read = try_decode<discovery::DiscoveryResponse>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_STREQ(read.error().field, "tags");
  EXPECT_EQ(read.error().problem, Problem::other_group_block_length);

  put<std::uint16_t>(bytes, tags, 0);
  put<std::uint16_t>(bytes, tags + 2, 65534);
  read = try_decode<discovery::DiscoveryResponse>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().problem, Problem::entries_beyond_end);

  put<std::uint16_t>(bytes, tags + 2, 0);
  EXPECT_EQ(*decode<discovery::DiscoveryResponse>(bytes), message);
}

// An entry whose neighbour's var data took the bytes that its own block needed.
// Proves: MSG-17, MSG-49
TEST(Groups, EntriesAreCheckedOneByOne) {
  ShmPoolAnnounce message;
  message.payload_pools.resize(2);
  Buffer bytes = encoded(message);
  const std::size_t first_uri = group_at<ShmPoolAnnounce> + group_header_bytes + 10;
  put<std::uint32_t>(bytes, first_uri, 13);
  for (std::size_t i = 0; i < 13; ++i) bytes[first_uri + 4 + i] = std::byte{'a'};
  const auto read = try_decode<ShmPoolAnnounce>(bytes);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().problem, Problem::short_block);
  EXPECT_EQ(read.error().entry, 1U);
  EXPECT_EQ(read.error().found, 5U);
}

// Only a var-data field of the message itself may be left out, never one of an entry.
// Proves: MSG-38
TEST(Groups, EntriesNeverLeaveTheirVarDataOut) {
  DataSourceMeta message;
  message.attributes.resize(1);
  message.attributes[0].key = "gain";
  const Buffer bytes = encoded(message);
  ASSERT_TRUE(decode<DataSourceMeta>(bytes).has_value());
  const auto read = try_decode<DataSourceMeta>(std::span(bytes).first(bytes.size() - 4));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().problem, Problem::short_length_prefix);
  EXPECT_STREQ(read.error().field, "value");
}

// Proves: MSG-50
TEST(Groups, EntriesFollowEachOtherDirectly) {
  ShmPoolAnnounce message;
  message.payload_pools = {{.pool_id = 1, .region_uri = "one"},
                           {.pool_id = 2, .region_uri = "second"}};
  message.header_region_uri = "header";
  const Buffer bytes = encoded(message);
  std::string text;
  for (const std::byte byte : bytes) {
    const auto c = std::to_integer<char>(byte);
    text += c >= 'a' && c <= 'z' ? c : '.';
  }
  const std::size_t one = text.find("one");
  const std::size_t second = text.find("second");
  const std::size_t header = text.find("header");
  EXPECT_EQ(one, group_at<ShmPoolAnnounce> + group_header_bytes + 10 + 4);
  EXPECT_EQ(second, one + 3 + 10 + 4);
  EXPECT_EQ(header, second + 6 + 4);
}

// Proves: MSG-51, MSG-52, MSG-53
TEST(Groups, TagsAdvanceByTheirLength) {
  discovery::DiscoveryRequest message;
  message.tags = {"a", "", "a longer tag", "x"};
  message.response_channel = "aeron:ipc";
  const Buffer bytes = encoded(message);
  const std::size_t at = group_at<discovery::DiscoveryRequest>;
  EXPECT_EQ(std::vector(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                        bytes.begin() + static_cast<std::ptrdiff_t>(at) + 17),
            from_hex("00 00 04 00  01 00 00 00 61  00 00 00 00  0c 00 00 00"));
  EXPECT_EQ(*decode<discovery::DiscoveryRequest>(bytes), message);
}

// The signed nulls stand in group entries only.
// Proves: MSG-25, MSG-26
TEST(Groups, RulesCarrySignedNulls) {
  merge::SequenceMergeMapAnnounce sequence;
  sequence.rules = {{.input_stream_id = 1, .rule_type = merge::RuleType::window, .window_size = 5},
                    {.input_stream_id = 2, .rule_type = merge::RuleType::offset, .offset = -1}};
  Buffer bytes = encoded(sequence);
  const std::size_t first = group_at<merge::SequenceMergeMapAnnounce> + group_header_bytes;
  EXPECT_EQ(get<std::uint32_t>(bytes, first + 5), 0x80000000U);
  EXPECT_EQ(get<std::uint32_t>(bytes, first + 9), 5U);
  EXPECT_EQ(get<std::uint32_t>(bytes, first + 13 + 5), 0xFFFFFFFFU);
  EXPECT_EQ(get<std::uint32_t>(bytes, first + 13 + 9), 0xFFFFFFFFU);
  EXPECT_EQ(*decode<merge::SequenceMergeMapAnnounce>(bytes), sequence);

  merge::TimestampMergeMapAnnounce time;
  time.rules = {
      {.input_stream_id = 1, .rule_type = merge::TimeRuleType::window_ns, .window_ns = 5},
      {.input_stream_id = 2, .rule_type = merge::TimeRuleType::offset_ns, .offset_ns = -1}};
  bytes = encoded(time);
  const std::size_t rule = group_at<merge::TimestampMergeMapAnnounce> + group_header_bytes;
  EXPECT_EQ(get<std::uint64_t>(bytes, rule + 6), 0x8000000000000000U);
  EXPECT_EQ(get<std::uint64_t>(bytes, rule + 14), 5U);
  EXPECT_EQ(get<std::uint64_t>(bytes, rule + 22 + 6), 0xFFFFFFFFFFFFFFFFU);
  EXPECT_EQ(get<std::uint64_t>(bytes, rule + 22 + 14), null_u64);
  EXPECT_EQ(*decode<merge::TimestampMergeMapAnnounce>(bytes), time);
}

// Proves: MSG-18, MSG-128, MSG-131
TEST(Groups, RulesWithUnlistedEnumsAreRefused) {
  Buffer bytes = encoded(filled<merge::SequenceMergeMapAnnounce>(6));
  const std::size_t first = group_at<merge::SequenceMergeMapAnnounce> + group_header_bytes;
  for (const int value : {2, 3, 127, 255}) {
    bytes[first + 13 + 4] = static_cast<std::byte>(value);
    const auto read = try_decode<merge::SequenceMergeMapAnnounce>(bytes);
    ASSERT_FALSE(read.has_value());
    EXPECT_STREQ(read.error().field, "ruleType");
    EXPECT_STREQ(read.error().group, "rules");
    EXPECT_EQ(read.error().entry, 1U);
  }
  const Buffer good = encoded(filled<merge::TimestampMergeMapAnnounce>(7));
  const std::size_t rule = group_at<merge::TimestampMergeMapAnnounce> + group_header_bytes;
  for (const int value : {2, 255}) {
    bytes = good;
    bytes[rule + 4] = static_cast<std::byte>(value);
    EXPECT_STREQ(try_decode<merge::TimestampMergeMapAnnounce>(bytes).error().field, "ruleType");
  }
  for (const int value : {0, 3, 255}) {
    bytes = good;
    bytes[rule + 5] = static_cast<std::byte>(value);
    EXPECT_STREQ(try_decode<merge::TimestampMergeMapAnnounce>(bytes).error().field,
                 "timestampSource");
  }
}

// The results of an error still stand before its text, and are skipped to reach it.
// Proves: MSG-145, MSG-152
TEST(Groups, AnErrorTextIsReadBehindItsResults) {
  auto message = filled<discovery::DiscoveryResponse>(8);
  message.status = discovery::Status::error;
  message.error_message = "index is being rebuilt";
  EXPECT_EQ(decode<discovery::DiscoveryResponse>(encoded(message))->error_message,
            "index is being rebuilt");
  message.results.clear();
  EXPECT_EQ(decode<discovery::DiscoveryResponse>(encoded(message))->error_message,
            "index is being rebuilt");
}

}  // namespace
}  // namespace tensorpool::wire::test
