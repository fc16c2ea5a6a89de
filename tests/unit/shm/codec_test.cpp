// The layout of this layer against the SBE codecs: every field written by one is found by the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "shm/layout.hpp"
#include "shm/slot_image.hpp"
#include "shm_tensorpool_control/ShmRegionSuperblock.h"
#include "shm_tensorpool_control/SlotHeader.h"
#include "shm_tensorpool_control/TensorHeader.h"

namespace tensorpool::shm {
namespace {

namespace sbe = ::shm_tensorpool_control;

char* chars(std::byte* bytes) { return static_cast<char*>(static_cast<void*>(bytes)); }

Superblock some_superblock() {
  Superblock block;
  block.layout_version = 1;
  block.epoch = 0x1122334455667788U;
  block.stream_id = 0xA1A2A3A4U;
  block.region_type = RegionType::payload_pool;
  block.pool_id = 0xB1B2U;
  block.nslots = 0xC1C2C3C4U;
  block.slot_bytes = 0xD1D2D3D4U;
  block.stride_bytes = 0xE1E2E3E4U;
  block.pid = 0x0102030405060708U;
  block.start_timestamp_ns = 0x1112131415161718U;
  block.activity_timestamp_ns = 0x2122232425262728U;
  return block;
}

// Proves: SHM-1, SHM-5, SHM-19
TEST(SuperblockCodec, encodes_the_same_bytes) {
  const Superblock block = some_superblock();
  std::array<std::byte, superblock_bytes> ours;
  encode(block, ours);
  std::array<std::byte, superblock_bytes> theirs{};
  sbe::ShmRegionSuperblock codec;
  codec.wrapForEncode(chars(theirs.data()), 0, theirs.size());
  codec.magic(region_magic)
      .layoutVersion(block.layout_version)
      .epoch(block.epoch)
      .streamId(block.stream_id)
      .regionType(sbe::RegionType::Value::PAYLOAD_POOL)
      .poolId(block.pool_id)
      .nslots(block.nslots)
      .slotBytes(block.slot_bytes)
      .strideBytes(block.stride_bytes)
      .pid(block.pid)
      .startTimestampNs(block.start_timestamp_ns)
      .activityTimestampNs(block.activity_timestamp_ns);
  EXPECT_EQ(ours, theirs);
  EXPECT_EQ(decode_superblock(theirs), block);
  EXPECT_EQ(sbe::ShmRegionSuperblock::sbeBlockLength(), superblock_bytes);
}

SlotFields some_slot() {
  SlotFields fields;
  fields.values_len_bytes = 0x11121314;
  fields.payload_slot = 0x21222324;
  fields.pool_id = 0x3132;
  fields.payload_offset = 0x41424344;
  fields.timestamp_ns = 0x5152535455565758;
  fields.meta_version = 0x61626364;
  fields.dtype = DType::bit;
  fields.order = MajorOrder::column;
  fields.ndims = 7;
  fields.progress_unit = ProgressUnit::columns;
  fields.progress_stride_bytes = 0x71727374;
  for (std::size_t i = 0; i < max_dims; ++i) {
    fields.dims[i] = static_cast<std::int32_t>(0x01010101 * (i + 1));
    fields.strides[i] = static_cast<std::int32_t>(0x02020202 * (i + 1));
  }
  return fields;
}

// The slot as SBE writes it: the tensor header as a message of its own inside the slot's variable
// part.
std::array<std::byte, header_slot_bytes> slot_by_codec(const SlotFields& fields,
                                                       std::uint64_t seq) {
  std::array<char, embedded_header_bytes> embedded{};
  sbe::TensorHeader tensor;
  tensor.wrapAndApplyHeader(embedded.data(), 0, embedded.size());
  tensor.dtype(sbe::Dtype::Value::BIT)
      .majorOrder(sbe::MajorOrder::Value::COLUMN)
      .ndims(fields.ndims)
      .padAlign(0)
      .progressUnit(sbe::ProgressUnit::Value::COLUMNS)
      .progressStrideBytes(fields.progress_stride_bytes);
  for (std::size_t i = 0; i < max_dims; ++i) {
    tensor.dims(i, fields.dims[i]);
    tensor.strides(i, fields.strides[i]);
  }
  std::array<std::byte, header_slot_bytes> bytes{};
  sbe::SlotHeader slot;
  slot.wrapForEncode(chars(bytes.data()), 0, bytes.size());
  slot.seqCommit(committed_word(seq))
      .valuesLenBytes(fields.values_len_bytes)
      .payloadSlot(fields.payload_slot)
      .poolId(fields.pool_id)
      .payloadOffset(fields.payload_offset)
      .timestampNs(fields.timestamp_ns)
      .metaVersion(fields.meta_version);
  slot.putHeaderBytes(embedded.data(), embedded_header_bytes);
  EXPECT_EQ(slot.encodedLength(), header_slot_bytes);
  return bytes;
}

// Proves: SHM-1, SHM-34, SHM-35, SHM-38, SHM-47
TEST(SlotCodec, encodes_the_same_bytes) {
  const SlotFields fields = some_slot();
  const auto theirs = slot_by_codec(fields, 42);
  HeaderImage image;
  build(image, fields);
  image.words[0] = committed_word(42);
  EXPECT_TRUE(std::equal(theirs.begin(), theirs.end(), image.bytes()));

  HeaderImage from_them;
  std::memcpy(from_them.bytes(), theirs.data(), theirs.size());
  EXPECT_EQ(parse(from_them), fields);
}

// Proves: SHM-34, SHM-40, SHM-41, SHM-42, SHM-43
TEST(SlotCodec, has_the_constants_of_this_layer) {
  EXPECT_EQ(sbe::TensorHeader::sbeBlockLength(), tensor_block_length);
  EXPECT_EQ(sbe::TensorHeader::sbeTemplateId(), tensor_template_id);
  EXPECT_EQ(sbe::TensorHeader::sbeSchemaId(), tensor_schema_id);
  EXPECT_EQ(sbe::TensorHeader::sbeSchemaVersion(), tensor_version);
  EXPECT_EQ(sbe::TensorHeader::sbeBlockAndHeaderLength(), embedded_header_bytes);
  EXPECT_EQ(sbe::SlotHeader::sbeBlockLength(), slot_at::header_length.offset);
  EXPECT_EQ(sbe::TensorHeader::maxDims(), max_dims);

  // Offsets one by one, those of the tensor header relative to its block.
  EXPECT_EQ(sbe::ShmRegionSuperblock::epochEncodingOffset(), superblock_at::epoch.offset);
  EXPECT_EQ(sbe::ShmRegionSuperblock::pidEncodingOffset(), superblock_at::pid.offset);
  EXPECT_EQ(sbe::ShmRegionSuperblock::activityTimestampNsEncodingOffset(),
            superblock_at::activity_timestamp_ns.offset);
  EXPECT_EQ(sbe::SlotHeader::timestampNsEncodingOffset(), slot_at::timestamp_ns.offset);
  EXPECT_EQ(sbe::SlotHeader::padEncodingOffset(), slot_at::pad.offset);
  const std::size_t block = slot_at::dtype.offset;
  EXPECT_EQ(sbe::TensorHeader::dimsEncodingOffset() + block, slot_at::dims.offset);
  EXPECT_EQ(sbe::TensorHeader::stridesEncodingOffset() + block, slot_at::strides.offset);
  EXPECT_EQ(sbe::TensorHeader::progressStrideBytesEncodingOffset() + block,
            slot_at::progress_stride_bytes.offset);
}

// Proves: SHM-50
TEST(RegistryCodec, has_the_same_numbers) {
  EXPECT_EQ(static_cast<int>(sbe::Dtype::Value::UINT8), static_cast<int>(DType::u8));
  EXPECT_EQ(static_cast<int>(sbe::Dtype::Value::FLOAT64), static_cast<int>(DType::f64));
  EXPECT_EQ(static_cast<int>(sbe::Dtype::Value::BOOLEAN), static_cast<int>(DType::boolean));
  EXPECT_EQ(static_cast<int>(sbe::Dtype::Value::BYTES), static_cast<int>(DType::bytes));
  EXPECT_EQ(static_cast<int>(sbe::Dtype::Value::BIT), static_cast<int>(DType::bit));
  EXPECT_EQ(static_cast<int>(sbe::MajorOrder::Value::COLUMN), static_cast<int>(MajorOrder::column));
  EXPECT_EQ(static_cast<int>(sbe::ProgressUnit::Value::COLUMNS),
            static_cast<int>(ProgressUnit::columns));
  EXPECT_EQ(static_cast<int>(sbe::RegionType::Value::PAYLOAD_POOL),
            static_cast<int>(RegionType::payload_pool));
}

}  // namespace
}  // namespace tensorpool::shm
