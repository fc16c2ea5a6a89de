#include "shm/slot_image.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "shm/tensor_rules.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

constexpr std::string_view slot_example =
    "55 00 00 00 00 00 00 00 00 60 09 00 2a 00 00 00"
    "01 00 00 00 00 00 00 2f 68 59 00 00 00 00 03 00"
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    "00 00 00 00 00 00 00 00 00 00 00 00 c0 00 00 00"
    "b8 00 34 00 84 03 01 00 03 00 01 00 02 00 01 00"
    "05 00 00 e0 01 00 00 80 02 00 00 00 00 00 00 00"
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    "00 00 00 00 05 00 00 02 00 00 00 00 00 00 00 00";

SlotFields example_fields() {
  SlotFields fields;
  fields.values_len_bytes = 614'400;
  fields.payload_slot = 42;
  fields.pool_id = 1;
  fields.timestamp_ns = 1'500'000'000;
  fields.meta_version = 3;
  fields.dtype = DType::u16;
  fields.order = MajorOrder::row;
  fields.ndims = 2;
  fields.progress_unit = ProgressUnit::rows;
  fields.progress_stride_bytes = 1280;
  fields.dims = {480, 640};
  fields.strides = {1280, 2};
  return fields;
}

HeaderImage example_image() {
  std::vector<std::byte> bytes = test::from_hex(slot_example);
  bytes.resize(header_slot_bytes);  // 0x80 … 0xff are zero
  HeaderImage image;
  std::memcpy(image.bytes(), bytes.data(), bytes.size());
  return image;
}

// Proves: SHM-1, SHM-35, SHM-38, SHM-164, SHM-198
TEST(SlotImage, example_in_both_directions) {
  const HeaderImage image = example_image();
  EXPECT_EQ(parse(image), example_fields());
  EXPECT_EQ(image.words[0], committed_word(42));

  HeaderImage built;
  built.words.fill(0xEEEEEEEEEEEEEEEEU);
  build(built, example_fields());
  // Word 0 is the commit word's and is not part of the image.
  EXPECT_TRUE(std::equal(built.words.begin() + 1, built.words.end(), image.words.begin() + 1));
}

// Proves: SHM-186, SHM-59
TEST(SlotImage, example_is_a_valid_frame_of_its_ring) {
  const PoolSpec pools[] = {{1, 1'048'576}};
  const RingGeometry ring(64, pools);
  ValidSlot valid;
  EXPECT_EQ(validate(parse(example_image()), ring, 42, valid), SlotFault::none);
  EXPECT_EQ(valid.strides.bytes[0], 1280U);
  EXPECT_EQ(valid.strides.extent_bytes, 614'400U);
}

// Proves: SHM-37
TEST(SlotImage, build_overwrites_every_byte_of_the_image) {
  HeaderImage one;
  HeaderImage other;
  one.words.fill(0);
  other.words.fill(~std::uint64_t{0});
  build(one, example_fields());
  build(other, example_fields());
  EXPECT_EQ(one.words, other.words);
}

// Proves: SHM-45
TEST(SlotImage, pads_are_zero_when_written_and_ignored_when_read) {
  HeaderImage image;
  build(image, example_fields());
  const std::byte* bytes = image.bytes();
  for (std::size_t i = 34; i < 60; ++i) EXPECT_EQ(bytes[i], std::byte{0}) << i;
  EXPECT_EQ(bytes[77], std::byte{0});
  for (std::size_t i = 147; i < 256; ++i) EXPECT_EQ(bytes[i], std::byte{0}) << i;

  for (std::size_t i = 34; i < 60; ++i) image.bytes()[i] = std::byte{0xAB};
  image.bytes()[77] = std::byte{0xAB};
  for (std::size_t i = 147; i < 256; ++i) image.bytes()[i] = std::byte{0xAB};
  EXPECT_EQ(parse(image), example_fields());
}

// Proves: SHM-1
TEST(SlotImage, every_field_has_its_place) {
  // One byte set at a time: exactly the field that owns it changes, pads change nothing.
  HeaderImage zero;
  zero.words.fill(0);
  const SlotFields none = parse(zero);
  for (std::size_t i = 0; i < header_slot_bytes; ++i) {
    HeaderImage image = zero;
    image.bytes()[i] = std::byte{1};
    const bool pad = i < 8 || (i >= 34 && i < 60) || i == 77 || i >= 147;
    EXPECT_EQ(parse(image) == none, pad) << i;
  }
}

// Proves: SHM-1
TEST(SlotImage, any_fields_come_back) {
  SlotFields fields = example_fields();
  fields.payload_offset = 0x01020304;
  fields.timestamp_ns = 0x1122334455667788U;
  fields.meta_version = 0xA1B2C3D4U;
  fields.header_length = 7;
  fields.block_length = 8;
  fields.template_id = 9;
  fields.schema_id = 10;
  fields.version = 11;
  fields.dtype = static_cast<DType>(-2);
  fields.order = static_cast<MajorOrder>(77);
  fields.progress_unit = static_cast<ProgressUnit>(200);
  fields.dims = {1, -2, 3, -4, 5, -6, 7, -8};
  fields.strides = {-1, 2, -3, 4, -5, 6, -7, 8};
  HeaderImage image;
  build(image, fields);
  EXPECT_EQ(parse(image), fields);
}

}  // namespace
}  // namespace tensorpool::shm
