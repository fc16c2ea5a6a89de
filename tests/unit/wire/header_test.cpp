// What a reader decides on the header alone.
#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

Buffer header(std::uint16_t block_length, std::uint16_t template_id, std::uint16_t schema_id,
              std::uint16_t version) {
  Buffer bytes(400);
  put(bytes, 0, block_length);
  put(bytes, 2, template_id);
  put(bytes, 4, schema_id);
  put(bytes, 6, version);
  return bytes;
}

// Proves: MSG-2, MSG-9
TEST(Header, IsPeekedFromEightBytesOrNotAtAll) {
  const Buffer bytes = header(40, 4, 900, 1);
  for (std::size_t length = 0; length < message_header_bytes; ++length) {
    EXPECT_FALSE(peek(std::span(bytes).first(length)).has_value());
    const auto any = try_decode_any(std::span(bytes).first(length));
    ASSERT_FALSE(any.has_value());
    EXPECT_EQ(any.error().problem, Problem::short_header);
  }
  const auto peeked = peek(std::span(bytes).first(message_header_bytes));
  ASSERT_TRUE(peeked.has_value());
  EXPECT_EQ(*peeked, (MessageHeader{40, 4, 900, 1}));
}

// Only the ids of the registry have a message; 50 to 52 of schema 900 say why they do not.
// Proves: MSG-7, MSG-11, MSG-12, MSG-13, MSG-153, MSG-154
TEST(Header, NamesAMessageOnlyForAssignedIds) {
  std::size_t known = 0;
  for (std::uint16_t schema = 895; schema < 915; ++schema) {
    for (std::uint16_t id = 0; id < 70; ++id) {
      const auto any = try_decode_any(header(1, id, schema, 1));
      ASSERT_FALSE(any.has_value());
      if (!message_name(schema, id).empty()) {
        ++known;
        EXPECT_EQ(any.error().problem, Problem::other_block_length);
        continue;
      }
      EXPECT_EQ(any.error().code(), Code::unsupported);
      const bool known_schema = (schema >= 900 && schema <= 904) || schema == 910;
      const bool memory = schema == 900 && id >= 50 && id <= 52;
      EXPECT_EQ(any.error().problem, !known_schema ? Problem::other_schema
                                     : memory      ? Problem::memory_only
                                                   : Problem::other_template);
    }
  }
  EXPECT_EQ(known, 13U + 8U + 1U + 4U + 1U + 2U);
}

// A refused message is over where it is refused: the next one of the same stream is read as ever.
// Proves: MSG-13, MSG-20
TEST(Header, OfARefusedMessageDisturbsNothing) {
  const auto good = filled<ConsumerHello>(1);
  const Buffer bytes = encoded(good);
  Buffer unknown = bytes;
  put<std::uint16_t>(unknown, 2, 14);
  EXPECT_FALSE(decode_any(unknown).has_value());
  const auto next = decode_any(bytes);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(std::get<ConsumerHello>(*next), good);
}

// Proves: MSG-21
TEST(Header, LeavesTheCorrelationIdOfARejectedRequestReadable) {
  auto request = filled<driver::ShmAttachRequest>(2);
  request.correlation_id = -5;
  Buffer bytes = encoded(request);
  bytes[message_header_bytes + 16] = std::byte{9};  // no such role
  EXPECT_FALSE(decode<driver::ShmAttachRequest>(bytes).has_value());
  EXPECT_EQ(peek_correlation_id(bytes), -5);

  EXPECT_EQ(peek_correlation_id(encoded(filled<driver::ShmDetachRequest>(3))),
            filled<driver::ShmDetachRequest>(3).correlation_id);
  EXPECT_EQ(peek_correlation_id(encoded(filled<driver::ShmDriverShutdownRequest>(4))),
            filled<driver::ShmDriverShutdownRequest>(4).correlation_id);

  // Not from a response, another version, another block length, or too few bytes.
  EXPECT_FALSE(peek_correlation_id(encoded(filled<driver::ShmAttachResponse>(5))).has_value());
  EXPECT_FALSE(peek_correlation_id(std::span(bytes).first(34)).has_value());
  Buffer changed = bytes;
  put<std::uint16_t>(changed, 6, 2);
  EXPECT_FALSE(peek_correlation_id(changed).has_value());
  changed = bytes;
  put<std::uint16_t>(changed, 0, 28);
  EXPECT_FALSE(peek_correlation_id(changed).has_value());
}

// Row 1 of A4.2: of another version nothing but the id is read, whatever its block looks like.
// Proves: DRV-17
TEST(Header, LeavesTheCorrelationIdOfAnAttachOfAnotherVersionReadable) {
  auto request = filled<driver::ShmAttachRequest>(2);
  request.correlation_id = -5;
  const Buffer bytes = encoded(request);
  EXPECT_FALSE(peek_attach_of_other_version(bytes).has_value());  // version 1 is decoded
  for (const std::uint16_t version : std::array<std::uint16_t, 3>{0, 2, 0xFFFF}) {
    Buffer changed = bytes;
    put<std::uint16_t>(changed, 6, version);
    EXPECT_EQ(peek_attach_of_other_version(changed), -5) << version;
    put<std::uint16_t>(changed, 0, 8);  // another block, which still begins with the id
    EXPECT_EQ(peek_attach_of_other_version(std::span(changed).first(16)), -5) << version;
    EXPECT_FALSE(peek_attach_of_other_version(std::span(changed).first(15)).has_value());
    put<std::uint16_t>(changed, 0, 7);
    EXPECT_FALSE(peek_attach_of_other_version(changed).has_value());
  }
  EXPECT_FALSE(peek_attach_of_other_version({}).has_value());
  // Of other messages of a newer version nothing is read (A2).
  Buffer detach = encoded(filled<driver::ShmDetachRequest>(3));
  put<std::uint16_t>(detach, 6, 2);
  EXPECT_FALSE(peek_attach_of_other_version(detach).has_value());
  Buffer other_schema = bytes;
  put<std::uint16_t>(other_schema, 6, 2);
  put<std::uint16_t>(other_schema, 4, 900);
  EXPECT_FALSE(peek_attach_of_other_version(other_schema).has_value());
}

// A driver answers what everybody else drops; the length rules are the same.
TEST(Header, OfARequestLetsTheDriverSeeUnlistedValues) {
  const auto request = filled<driver::ShmAttachRequest>(2);
  const Buffer bytes = encoded(request);
  EXPECT_EQ(try_decode_request<driver::ShmAttachRequest>(bytes), request);
  constexpr std::size_t role = message_header_bytes + 16, mode = role + 5, pages = role + 6;
  Buffer odd = bytes;
  odd[role] = std::byte{9};
  odd[mode] = std::byte{7};
  odd[pages] = std::byte{200};
  EXPECT_FALSE(try_decode<driver::ShmAttachRequest>(odd).has_value());
  const auto read = try_decode_request<driver::ShmAttachRequest>(odd);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(static_cast<int>(read->role), 9);
  ASSERT_TRUE(read->publish_mode.has_value());
  EXPECT_EQ(static_cast<int>(*read->publish_mode), 7);
  EXPECT_EQ(static_cast<int>(read->require_hugepages), 200);
  EXPECT_EQ(read->correlation_id, request.correlation_id);
  EXPECT_EQ(read->desired_node_id, request.desired_node_id);
  for (const int absent : {0, 255}) {  // MSG-96
    odd[mode] = static_cast<std::byte>(absent);
    EXPECT_FALSE(try_decode_request<driver::ShmAttachRequest>(odd)->publish_mode.has_value());
  }
  EXPECT_FALSE(try_decode_request<driver::ShmAttachRequest>(std::span(odd).first(odd.size() - 1)));
  put<std::uint16_t>(odd, 0, 28);
  EXPECT_FALSE(try_decode_request<driver::ShmAttachRequest>(odd));

  Buffer detach = encoded(filled<driver::ShmDetachRequest>(3));
  detach[message_header_bytes + 24] = std::byte{0};
  EXPECT_FALSE(try_decode<driver::ShmDetachRequest>(detach));
  const auto unknown_role = try_decode_request<driver::ShmDetachRequest>(detach);
  ASSERT_TRUE(unknown_role.has_value());
  EXPECT_EQ(static_cast<int>(unknown_role->role), 0);
}

TEST(Header, FaultsSayWhereAndWhy) {
  Buffer bytes = encoded(filled<ShmPoolAnnounce>(6, 2));
  const std::uint32_t first_uri = get<std::uint32_t>(bytes, 8 + 35 + 4 + 10);
  const std::size_t second_uri = 8 + 35 + 4 + 10 + 4 + first_uri + 10;
  put<std::uint32_t>(bytes, second_uri, 0x3FFFFFFF);
  const auto refused = decode<ShmPoolAnnounce>(bytes);
  ASSERT_FALSE(refused.has_value());
  const std::string text = refused.error().message();
  EXPECT_NE(text.find("ShmPoolAnnounce.payloadPools[1].regionUri"), std::string::npos) << text;
  EXPECT_NE(text.find("at byte " + std::to_string(second_uri)), std::string::npos) << text;
  EXPECT_NE(text.find("1073741823"), std::string::npos) << text;
  EXPECT_EQ(refused.error().code(), Code::malformed_message);

  // The first byte is a place as well.
  put<std::uint16_t>(bytes, 0, 36);
  EXPECT_EQ(try_decode<ShmPoolAnnounce>(bytes).error().text(),
            "ShmPoolAnnounce.blockLength at byte 0: block length 36, expected 35");
  EXPECT_EQ(try_decode_any(std::span(bytes).first(3)).error().text(),
            "message at byte 0: 3 bytes are fewer than a header of 8");
  discovery::DiscoveryRequest request;
  request.tags = {"good", "bad\n"};
  EXPECT_EQ(try_encode(request, bytes).error().text(),
            "DiscoveryRequest.tags[1].tag: byte 0x0a is not allowed here");
  EXPECT_EQ(try_decode<ShmPoolAnnounce>(std::span(bytes).first(3)).error().text(),
            "ShmPoolAnnounce at byte 0: 3 bytes are fewer than a header of 8");
}

}  // namespace
}  // namespace tensorpool::wire::test
