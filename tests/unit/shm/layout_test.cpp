#include "shm/layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>

#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

using test::from_hex;

constexpr std::string_view header_ring_example =
    "31 4d 48 53 4c 50 4f 54 01 00 00 00 01 00 00 00"
    "00 00 00 00 10 27 00 00 01 00 00 00 40 00 00 00"
    "00 01 00 00 00 00 00 00 92 10 00 00 00 00 00 00"
    "00 ca 9a 3b 00 00 00 00 00 94 35 77 00 00 00 00";
constexpr std::string_view pool_example =
    "31 4d 48 53 4c 50 4f 54 01 00 00 00 01 00 00 00"
    "00 00 00 00 10 27 00 00 02 00 01 00 40 00 00 00"
    "00 00 10 00 00 00 10 00 92 10 00 00 00 00 00 00"
    "00 ca 9a 3b 00 00 00 00 00 94 35 77 00 00 00 00";

Superblock header_ring_value() {
  Superblock block;
  block.epoch = 1;
  block.stream_id = 10000;
  block.region_type = RegionType::header_ring;
  block.nslots = 64;
  block.slot_bytes = 256;
  block.pid = 4242;
  block.start_timestamp_ns = 1'000'000'000;
  block.activity_timestamp_ns = 2'000'000'000;
  return block;
}

Superblock pool_value() {
  Superblock block = header_ring_value();
  block.region_type = RegionType::payload_pool;
  block.pool_id = 1;
  block.slot_bytes = 1'048'576;
  block.stride_bytes = 1'048'576;
  return block;
}

void expect_both_ways(std::string_view hex, const Superblock& value) {
  const std::vector<std::byte> bytes = from_hex(hex);
  ASSERT_EQ(bytes.size(), superblock_bytes);
  EXPECT_EQ(decode_superblock(
                std::span<const std::byte, superblock_bytes>(bytes.data(), superblock_bytes)),
            value);
  std::array<std::byte, superblock_bytes> encoded;
  encoded.fill(std::byte{0xEE});
  encode(value, encoded);
  EXPECT_TRUE(std::equal(encoded.begin(), encoded.end(), bytes.begin()));
}

// Proves: SHM-1, SHM-4, SHM-19, SHM-22, SHM-27
TEST(Superblock, header_ring_example_in_both_directions) {
  expect_both_ways(header_ring_example, header_ring_value());
}

// Proves: SHM-1, SHM-23, SHM-24
TEST(Superblock, payload_pool_example_in_both_directions) {
  expect_both_ways(pool_example, pool_value());
}

// Proves: SHM-1, SHM-3
TEST(Superblock, every_byte_belongs_to_exactly_one_field) {
  // All bits of the value are in the bytes and come back: nothing else fits in.
  std::array<std::byte, superblock_bytes> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 + 11);
  std::array<std::byte, superblock_bytes> again;
  encode(decode_superblock(bytes), again);
  EXPECT_EQ(bytes, again);
}

// Proves: SHM-19, SHM-47, SHM-5, SHM-34
TEST(Constants, have_the_values_of_the_reference) {
  EXPECT_EQ(region_magic, 0x544F504C53484D31U);
  EXPECT_EQ(superblock_bytes, 64U);
  EXPECT_EQ(header_slot_bytes, 256U);
  EXPECT_EQ(embedded_header_bytes, 192U);
  EXPECT_EQ(max_dims, 8U);
  EXPECT_EQ(supported_layout_version, 1U);
  EXPECT_EQ(tensor_block_length, 184);
  EXPECT_EQ(tensor_template_id, 52);
  EXPECT_EQ(tensor_schema_id, 900);
  EXPECT_EQ(tensor_version, 1);
  static_assert(max_dims == 8);
}

// Proves: SHM-50, SHM-54
TEST(Registries, have_the_numbers_of_the_reference) {
  struct Row {
    DType dtype;
    int number;
    std::size_t bytes;
  };
  const Row rows[] = {{DType::unknown, 0, 0}, {DType::u8, 1, 1},   {DType::i8, 2, 1},
                      {DType::u16, 3, 2},     {DType::i16, 4, 2},  {DType::u32, 5, 4},
                      {DType::i32, 6, 4},     {DType::u64, 7, 8},  {DType::i64, 8, 8},
                      {DType::f32, 9, 4},     {DType::f64, 10, 8}, {DType::boolean, 11, 1},
                      {DType::bytes, 13, 1},  {DType::bit, 14, 1}};
  for (const Row& row : rows) {
    EXPECT_EQ(static_cast<int>(row.dtype), row.number);
    EXPECT_EQ(element_size(row.dtype), row.bytes) << row.number;
  }
  EXPECT_EQ(element_size(static_cast<DType>(12)), 0U);  // unassigned stays unassigned
  EXPECT_EQ(element_size(static_cast<DType>(15)), 0U);
  EXPECT_EQ(element_size(static_cast<DType>(-1)), 0U);
  EXPECT_EQ(static_cast<int>(MajorOrder::unknown), 0);
  EXPECT_EQ(static_cast<int>(MajorOrder::row), 1);
  EXPECT_EQ(static_cast<int>(MajorOrder::column), 2);
  EXPECT_EQ(static_cast<int>(ProgressUnit::none), 0);
  EXPECT_EQ(static_cast<int>(ProgressUnit::rows), 1);
  EXPECT_EQ(static_cast<int>(ProgressUnit::columns), 2);
  EXPECT_EQ(static_cast<int>(RegionType::header_ring), 1);
  EXPECT_EQ(static_cast<int>(RegionType::payload_pool), 2);
  EXPECT_EQ(static_cast<int>(ClockDomain::monotonic), 1);
  EXPECT_EQ(static_cast<int>(ClockDomain::realtime_synced), 2);
}

// Proves: SHM-5, SHM-14, SHM-34
TEST(Sizes, follow_the_formulas) {
  EXPECT_EQ(header_ring_bytes(64), 16'448U);
  EXPECT_EQ(pool_bytes(64, 1'048'576), 67'108'928U);
  EXPECT_EQ(header_slot_offset(0), 64U);
  EXPECT_EQ(header_slot_offset(42), 10'816U);
  EXPECT_EQ(payload_slot_offset(42, 1'048'576), 44'040'256U);
}

// Proves: SHM-17
TEST(Sizes, are_computed_in_64_bits) {
  // 1024 slots of 8 MiB: past what 32 bits hold.
  EXPECT_EQ(pool_bytes(1024, 8U << 20U), (std::uint64_t{8} << 30U) + 64U);
  EXPECT_EQ(payload_slot_offset(1023, 8U << 20U), 64U + std::uint64_t{1023} * (8U << 20U));
  EXPECT_EQ(header_slot_offset((1U << 24U) - 1U), 64U + std::uint64_t{(1U << 24U) - 1U} * 256U);
}

// Proves: SHM-17
TEST(Sizes, that_do_not_fit_the_host_are_refused) {
  // The largest that 32-bit numbers give lies above the signed 64-bit file offset.
  EXPECT_EQ(region_bytes(0xFFFFFFFFU, 0xFFFFFFFFU), std::nullopt);
  EXPECT_EQ(pool_bytes(1U << 31U, 0xFFFFFFC0U),
            std::optional(64U + (std::uint64_t{1} << 31U) * std::uint64_t{0xFFFFFFC0U}));
  EXPECT_TRUE(fits_host(std::numeric_limits<std::int64_t>::max()));
  EXPECT_FALSE(fits_host(std::uint64_t{1} << 63U));
}

// Proves: SHM-8, SHM-11
TEST(Sizes, slots_are_powers_of_two_and_strides_multiples_of_64) {
  for (const std::uint32_t good : {1U, 2U, 4U, 64U, 1U << 31U})
    EXPECT_TRUE(valid_nslots(good)) << good;
  for (const std::uint32_t bad : {0U, 3U, 6U, 63U, 65U, 0xFFFFFFFFU})
    EXPECT_FALSE(valid_nslots(bad)) << bad;
  for (const std::uint32_t good : {64U, 128U, 192U, 4096U, 0xFFFFFFC0U})
    EXPECT_TRUE(valid_stride(good)) << good;
  for (const std::uint32_t bad : {0U, 1U, 32U, 63U, 65U, 100U, 4097U})
    EXPECT_FALSE(valid_stride(bad)) << bad;
}

// Proves: SHM-164, SHM-167
TEST(CommitWord, encodes_sequence_and_state) {
  EXPECT_EQ(in_progress_word(0), 0U);  // a fresh ring reads as in progress of sequence 0
  EXPECT_EQ(committed_word(0), 1U);
  EXPECT_EQ(in_progress_word(42), 0x54U);
  EXPECT_EQ(committed_word(42), 0x55U);
  EXPECT_TRUE(is_committed(0x55));
  EXPECT_FALSE(is_committed(0x54));
  EXPECT_EQ(seq_of(0x55), 42U);
  // The largest sequence keeps all its bits; the next one would not.
  EXPECT_EQ(seq_of(committed_word(seq_limit - 1)), seq_limit - 1);
  EXPECT_NE(seq_of(committed_word(seq_limit)), seq_limit);
}

TEST(Absent, values_of_both_kinds_of_peers) {
  EXPECT_TRUE(timestamp_absent(0));
  EXPECT_TRUE(timestamp_absent(0xFFFFFFFFFFFFFFFFU));
  EXPECT_FALSE(timestamp_absent(1));
  EXPECT_TRUE(meta_version_absent(0));
  EXPECT_TRUE(meta_version_absent(0xFFFFFFFFU));
  EXPECT_FALSE(meta_version_absent(3));
  EXPECT_FALSE(epoch_usable(0));
  EXPECT_FALSE(epoch_usable(0xFFFFFFFFFFFFFFFFU));
  EXPECT_TRUE(epoch_usable(1));
}

// Proves: SHM-2
TEST(ByteOrder, of_this_host_is_little_endian) {
  // layout.hpp refuses to compile anywhere else; this is what it relies on.
  const std::uint32_t value = 0x01020304;
  std::array<std::byte, 4> bytes;
  std::memcpy(bytes.data(), &value, 4);
  EXPECT_EQ(bytes[0], std::byte{4});
}

}  // namespace
}  // namespace tensorpool::shm
