// What holds for every message of every schema.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

constexpr std::uint64_t seeds = 20;

template <class M>
class EveryMessage : public ::testing::Test {};

struct Names {
  template <class M>
  static std::string GetName(int) {
    return M::name;
  }
};
TYPED_TEST_SUITE(EveryMessage, AllMessages, Names);

// Proves: MSG-1, MSG-2, MSG-3, MSG-4, MSG-6, MSG-8
TYPED_TEST(EveryMessage, IsEncodedByItsTable) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto message = filled<TypeParam>(seed, 1);
    EXPECT_EQ(encoded(message), TableEncoder::encode(message));
  }
}

// Proves: MSG-25, MSG-31, MSG-33, MSG-44, MSG-45, MSG-50
TYPED_TEST(EveryMessage, WithAbsentPartsAndAnyNumberOfEntriesIsEncodedByItsTable) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    for (const std::size_t entries : {0U, 3U}) {
      const auto message = filled<TypeParam>(seed, entries);
      EXPECT_EQ(encoded(message), TableEncoder::encode(message));
    }
    const auto sparse = cleared<TypeParam>(seed);
    EXPECT_EQ(encoded(sparse), TableEncoder::encode(sparse));
  }
}

// Proves: MSG-5, MSG-26, MSG-32, MSG-41, MSG-48, MSG-53
TYPED_TEST(EveryMessage, ComesBackAsItWas) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    for (const auto& message :
         {filled<TypeParam>(seed), filled<TypeParam>(seed, 7), cleared<TypeParam>(seed)}) {
      // At every alignment.
      for (std::size_t shift = 0; shift < 8; ++shift) {
        Buffer bytes = encoded(message);
        bytes.insert(bytes.begin(), shift, std::byte{0});
        std::size_t consumed = 0;
        const auto back = decode<TypeParam>(std::span(bytes).subspan(shift), &consumed);
        ASSERT_TRUE(back.has_value()) << back.error().message();
        EXPECT_TRUE(*back == message);
        EXPECT_EQ(consumed + shift, bytes.size());
      }
    }
  }
}

TYPED_TEST(EveryMessage, HasItsSmallestSizeWhenEmpty) {
  EXPECT_EQ(encoded_size(cleared<TypeParam>(1)), TypeParam::smallest_size);
}

// A message cut off anywhere is refused, except where one of its own var-data fields would begin:
// there it is read with that field and all later ones empty.
// Proves: MSG-9, MSG-17, MSG-35, MSG-38, MSG-49
TYPED_TEST(EveryMessage, IsRefusedWhenCutOff) {
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const Buffer bytes = encoded(filled<TypeParam>(seed));
    std::size_t accepted = 0;
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      // A copy of its own, so that a sanitizer sees every read behind the end.
      const auto cut = std::make_unique<std::byte[]>(length);
      std::copy_n(bytes.begin(), length, cut.get());
      std::size_t consumed = 0;
      const auto message = decode<TypeParam>(std::span(cut.get(), length), &consumed);
      if (message.has_value()) {
        ++accepted;
        EXPECT_EQ(consumed, length);
        const Buffer again = encoded(*message);
        ASSERT_GT(again.size(), length);
        EXPECT_TRUE(std::equal(cut.get(), cut.get() + length, again.begin()));
        EXPECT_TRUE(std::all_of(again.begin() + static_cast<std::ptrdiff_t>(length), again.end(),
                                [](std::byte byte) { return byte == std::byte{0}; }));
      } else {
        EXPECT_EQ(message.error().code(), Code::malformed_message);
      }
    }
    EXPECT_EQ(accepted, VarFields::of<TypeParam>());
  }
}

// Proves: MSG-39
TYPED_TEST(EveryMessage, IgnoresTrailingBytesAndCountsThem) {
  const auto message = filled<TypeParam>(5);
  Buffer bytes = encoded(message);
  const std::size_t size = bytes.size();
  for (const std::size_t extra : {1U, 4U, 100U}) {
    bytes.resize(size + extra, std::byte{0xFF});
    std::size_t consumed = 0;
    const auto back = decode<TypeParam>(bytes, &consumed);
    ASSERT_TRUE(back.has_value());
    EXPECT_TRUE(*back == message);
    EXPECT_EQ(consumed, size);
  }
}

// One kind of message, for what is to be said only of how it is refused: that is compiled once, not for every kind.
struct Kind {
  std::uint16_t schema_id;
  std::uint16_t template_id;
  std::uint16_t block_length;
  std::vector<BlockField> block_fields;
  // Nothing for bytes that are such a message.
  std::optional<Fault> (*fault)(std::span<const std::byte> bytes);
};

template <class M>
Kind kind() {
  return {M::schema_id, M::template_id, static_cast<std::uint16_t>(M::block_length),
          BlockFields::of<M>(), [](std::span<const std::byte> bytes) -> std::optional<Fault> {
            const auto message = try_decode<M>(bytes);
            if (message) return std::nullopt;
            return message.error();
          }};
}

void is_refused_under_another_schema_or_template(const Kind& kind, const Buffer& bytes) {
  for (std::uint16_t schema = 899; schema < 912; ++schema) {
    if (schema == kind.schema_id) continue;
    Buffer changed = bytes;
    put<std::uint16_t>(changed, 4, schema);
    const auto fault = kind.fault(changed);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->problem, Problem::other_schema);
    EXPECT_EQ(fault->code(), Code::unsupported);
    EXPECT_EQ(fault->found, schema);
    // The schema decides before the template: a broken template changes nothing.
    put<std::uint16_t>(changed, 2, 0x7777);
    const auto both = kind.fault(changed);
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both->problem, Problem::other_schema);
  }
  for (std::uint16_t other = 0; other < 60; ++other) {
    if (other == kind.template_id) continue;
    Buffer changed = bytes;
    put<std::uint16_t>(changed, 2, other);
    const auto fault = kind.fault(changed);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->problem, Problem::other_template);
    EXPECT_EQ(fault->code(), Code::unsupported);
  }
}

// Proves: MSG-10, MSG-11, MSG-12, MSG-13
TYPED_TEST(EveryMessage, IsRefusedUnderAnotherSchemaOrTemplate) {
  is_refused_under_another_schema_or_template(kind<TypeParam>(), encoded(filled<TypeParam>(6)));
}

void is_refused_with_another_version_or_block_length(const Kind& kind, const Buffer& bytes) {
  for (const int version : {0, 2, 3, 255, 256, 65535}) {
    Buffer changed = bytes;
    put(changed, 6, static_cast<std::uint16_t>(version));
    const auto fault = kind.fault(changed);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->problem, Problem::other_version);
    EXPECT_EQ(fault->code(), Code::unsupported);
    EXPECT_EQ(try_decode_any(changed).error().problem, Problem::other_version);
  }
  for (const int difference : {-8, -1, 1, 8, 1000}) {
    Buffer changed = bytes;
    put(changed, 0, static_cast<std::uint16_t>(kind.block_length + difference));
    changed.resize(changed.size() + 2000);
    const auto fault = kind.fault(changed);
    ASSERT_TRUE(fault.has_value());
    EXPECT_EQ(fault->problem, Problem::other_block_length);
    EXPECT_EQ(fault->code(), Code::malformed_message);
    EXPECT_EQ(fault->offset, 0U);
  }
}

// Proves: MSG-14, MSG-15, MSG-16
TYPED_TEST(EveryMessage, IsRefusedWithAnotherVersionOrBlockLength) {
  is_refused_with_another_version_or_block_length(kind<TypeParam>(), encoded(filled<TypeParam>(7)));
}

// Every optional field on its own, absent and present, with the bytes of its null sentinel.
// Proves: MSG-25, MSG-26, MSG-27, MSG-29
TYPED_TEST(EveryMessage, ReadsAndWritesEveryNull) {
  const auto message = filled<TypeParam>(8);
  const Buffer bytes = encoded(message);
  const Buffer nulls = encoded(cleared<TypeParam>(8));
  for (const BlockField& field : BlockFields::of<TypeParam>()) {
    if (!field.optional) continue;
    SCOPED_TRACE(field.name);
    const auto* null = nulls.data() + field.offset;
    const std::byte expected = field.name == "traceId" ? std::byte{0} : std::byte{0xFF};
    EXPECT_TRUE(
        std::all_of(null, null + field.size, [&](std::byte byte) { return byte == expected; }));
    EXPECT_FALSE(std::equal(null, null + field.size, bytes.data() + field.offset));

    Buffer changed = bytes;
    std::copy_n(null, field.size, changed.begin() + static_cast<std::ptrdiff_t>(field.offset));
    const auto without = decode<TypeParam>(changed);
    ASSERT_TRUE(without.has_value());
    EXPECT_FALSE(*without == message);
    EXPECT_EQ(encoded(*without), changed);
  }
}

void refuses_unlisted_enum_values(const Kind& kind, const Buffer& bytes) {
  for (const BlockField& field : kind.block_fields) {
    if (!field.is_enum && !field.is_bool) continue;
    SCOPED_TRACE(field.name);
    std::size_t listed_values = 0;
    for (std::int64_t value = -1; value < 256; ++value) {
      Buffer changed = bytes;
      if (value < 0 && field.size == 1) continue;
      if (field.size == 1) put(changed, field.offset, static_cast<std::uint8_t>(value));
      if (field.size == 4)
        put(changed, field.offset,
            value < 0 ? std::numeric_limits<std::int32_t>::min()
                      : static_cast<std::int32_t>(value));
      const auto fault = kind.fault(changed);
      if (!fault) {
        ++listed_values;
        continue;
      }
      EXPECT_EQ(fault->problem, Problem::unlisted_value);
      EXPECT_EQ(fault->field, field.name);
      EXPECT_EQ(fault->offset, field.offset);
    }
    if (field.degrading) {
      EXPECT_EQ(listed_values, 256U);
    } else {
      EXPECT_GE(listed_values, 2U);
      EXPECT_LE(listed_values, 5U);
    }
  }
}

// Every value of every one-byte enum, and the implicit nulls of the wider ones.
// Proves: MSG-18, MSG-19, MSG-28
TYPED_TEST(EveryMessage, RefusesUnlistedEnumValues) {
  refuses_unlisted_enum_values(kind<TypeParam>(), encoded(filled<TypeParam>(9)));
}

// Random bytes after a good header, and good messages with a few bytes changed: never a crash, and
// what is accepted survives another round.
// Proves: MSG-20
TYPED_TEST(EveryMessage, SurvivesRandomBytes) {
  base::Prng prng(TypeParam::schema_id * 100U + TypeParam::template_id);
  for (int round = 0; round < 3000; ++round) {
    Buffer bytes = encoded(filled<TypeParam>(prng.next(), prng.below(4)));
    if (round % 3 == 0) {
      for (std::size_t i = message_header_bytes; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(prng.next());
    } else {
      for (std::uint64_t i = prng.below(4); i < 4; ++i)
        bytes[prng.below(bytes.size())] = static_cast<std::byte>(prng.next());
    }
    if (round % 5 == 0) bytes.resize(prng.below(bytes.size() + 1));
    const auto message = try_decode<TypeParam>(bytes);
    if (!message) {
      EXPECT_FALSE(message.error().text().empty());
      continue;
    }
    Buffer again(encoded_size(*message));
    if (!try_encode(*message, again)) continue;  // free text that may be read, but not written
    const auto twice = try_decode<TypeParam>(again);
    ASSERT_TRUE(twice.has_value());
    EXPECT_TRUE(*twice == *message);
  }
}

TYPED_TEST(EveryMessage, NeedsRoomForAllOfIt) {
  const auto message = filled<TypeParam>(10);
  const std::size_t size = encoded_size(message);
  Buffer bytes(size, std::byte{0xEE});
  for (std::size_t room = 0; room < size; ++room) {
    const auto written = try_encode(message, std::span(bytes).first(room));
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code(), Code::buffer_too_small);
    EXPECT_EQ(written.error().expected, size);
  }
  EXPECT_EQ(bytes, Buffer(size, std::byte{0xEE}));
}

TYPED_TEST(EveryMessage, IsFoundByItsHeader) {
  const auto message = filled<TypeParam>(11);
  const Buffer bytes = encoded(message);
  std::size_t consumed = 0;
  const auto any = decode_any(bytes, &consumed);
  ASSERT_TRUE(any.has_value()) << any.error().message();
  ASSERT_TRUE(std::holds_alternative<TypeParam>(*any));
  EXPECT_TRUE(std::get<TypeParam>(*any) == message);
  EXPECT_EQ(consumed, bytes.size());
  EXPECT_EQ(message_name(TypeParam::schema_id, TypeParam::template_id), TypeParam::name);
}

}  // namespace
}  // namespace tensorpool::wire::test
