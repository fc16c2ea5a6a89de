#include "shm/tensor_rules.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace tensorpool::shm {
namespace {

constexpr std::int32_t big = 0x7FFFFFFF;

const PoolSpec pool_list[] = {{1, 4096}, {2, 64}};
const RingGeometry ring(64, pool_list);

// A 4 × 6 u16 image in slot 5, contiguous, row major: 48 bytes.
SlotFields good() {
  SlotFields fields;
  fields.values_len_bytes = 48;
  fields.payload_slot = 5;
  fields.pool_id = 1;
  fields.dtype = DType::u16;
  fields.order = MajorOrder::row;
  fields.ndims = 2;
  fields.dims = {4, 6};
  return fields;
}

SlotFault fault_of(const std::function<void(SlotFields&)>& change, std::uint32_t header_index = 5) {
  SlotFields fields = good();
  change(fields);
  return validate(fields, ring, header_index);
}

// Proves: SHM-186, SHM-190
TEST(Validate, a_good_slot_resolves_to_pool_and_strides) {
  ValidSlot valid;
  ASSERT_EQ(validate(good(), ring, 5, valid), SlotFault::none);
  ASSERT_NE(valid.pool, nullptr);
  EXPECT_EQ(valid.pool->pool_id, 1);
  EXPECT_EQ(valid.pool->stride_bytes, 4096U);
  EXPECT_EQ(valid.strides.bytes[0], 12U);
  EXPECT_EQ(valid.strides.bytes[1], 2U);
  EXPECT_EQ(valid.strides.extent_bytes, 48U);
}

// Proves: SHM-39, SHM-40, SHM-41, SHM-42, SHM-43
TEST(Validate, embedded_header_is_checked) {
  EXPECT_EQ(fault_of([](SlotFields& f) { f.header_length = 191; }), SlotFault::header_length);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.header_length = 193; }), SlotFault::header_length);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.header_length = 0; }), SlotFault::header_length);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.template_id = 51; }), SlotFault::template_id);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.schema_id = 901; }), SlotFault::schema_id);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.version = 2; }), SlotFault::version);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.version = 0; }), SlotFault::version);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.block_length = 183; }), SlotFault::block_length);
}

// Proves: SHM-58, SHM-59, SHM-61, SHM-62, SHM-63
TEST(Validate, place_of_the_payload_is_checked) {
  EXPECT_EQ(fault_of([](SlotFields& f) { f.payload_slot = 6; }), SlotFault::payload_slot);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.payload_slot = 69; }), SlotFault::payload_slot);
  // Not below the slot count, and equal to an index that no caller should pass: still refused.
  EXPECT_EQ(fault_of([](SlotFields& f) { f.payload_slot = 64; }, 64), SlotFault::payload_slot);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.payload_offset = 64; }), SlotFault::payload_offset);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.pool_id = 3; }), SlotFault::unknown_pool);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.pool_id = 0; }), SlotFault::unknown_pool);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.values_len_bytes = 4096; }), SlotFault::none);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.values_len_bytes = 4097; }), SlotFault::too_long);
  EXPECT_EQ(fault_of([](SlotFields& f) {
              f.pool_id = 2;
              f.values_len_bytes = 65;
            }),
            SlotFault::too_long);
}

// Proves: SHM-51, SHM-52
TEST(Validate, values_outside_the_registries_are_dropped) {
  for (const int bad : {0, 12, 15, -1, 0x7FFF}) {
    EXPECT_EQ(fault_of([&](SlotFields& f) { f.dtype = static_cast<DType>(bad); }), SlotFault::dtype)
        << bad;
  }
  for (const int bad : {0, 3, -1}) {
    EXPECT_EQ(fault_of([&](SlotFields& f) { f.order = static_cast<MajorOrder>(bad); }),
              SlotFault::major_order)
        << bad;
  }
  for (const int bad : {3, 255}) {
    EXPECT_EQ(fault_of([&](SlotFields& f) { f.progress_unit = static_cast<ProgressUnit>(bad); }),
              SlotFault::progress_unit)
        << bad;
  }
}

// Proves: SHM-196, SHM-197
TEST(Validate, one_to_eight_dimensions) {
  EXPECT_EQ(fault_of([](SlotFields& f) { f.ndims = 0; }), SlotFault::ndims);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.ndims = 9; }), SlotFault::ndims);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.ndims = 255; }), SlotFault::ndims);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.ndims = 1; }), SlotFault::none);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.ndims = 8; }), SlotFault::none);
}

// Proves: SHM-199, SHM-200, SHM-201
TEST(Validate, negative_dims_and_strides_are_dropped_where_they_count) {
  EXPECT_EQ(fault_of([](SlotFields& f) { f.dims[1] = -1; }), SlotFault::negative_dim);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.strides[0] = -12; }), SlotFault::negative_stride);
  // Behind ndims anything may stand.
  EXPECT_EQ(fault_of([](SlotFields& f) {
              for (std::size_t i = 2; i < max_dims; ++i) f.dims[i] = f.strides[i] = -1;
            }),
            SlotFault::none);
}

// Proves: SHM-192, SHM-193, SHM-194
TEST(Validate, empty_frames_are_frames_and_their_slot_is_checked) {
  EXPECT_EQ(fault_of([](SlotFields& f) { f.values_len_bytes = 0; }), SlotFault::none);
  EXPECT_EQ(fault_of([](SlotFields& f) {
              f.values_len_bytes = 0;
              f.payload_slot = 4;
            }),
            SlotFault::payload_slot);
  EXPECT_EQ(fault_of([](SlotFields& f) {
              f.values_len_bytes = 0;
              f.ndims = 0;
            }),
            SlotFault::ndims);
}

struct Case {
  DType dtype;
  MajorOrder order;
  std::initializer_list<std::int64_t> dims;
  std::initializer_list<std::int64_t> strides;
  SlotFault fault;
  std::initializer_list<std::uint64_t> resolved;
  std::uint64_t extent;
};

void expect_resolved(const Case& c, int line) {
  TensorSpec spec;
  spec.dtype = c.dtype;
  spec.order = c.order;
  spec.shape = Dims(c.dims);
  spec.strides = Dims(c.strides);
  ResolvedStrides out;
  ASSERT_EQ(resolve(spec, out), c.fault) << line;
  if (c.fault != SlotFault::none) return;
  std::size_t i = 0;
  for (const std::uint64_t stride : c.resolved) EXPECT_EQ(out.bytes[i++], stride) << line;
  for (; i < max_dims; ++i) EXPECT_EQ(out.bytes[i], 0U) << line;
  EXPECT_EQ(out.extent_bytes, c.extent) << line;
}

constexpr MajorOrder row = MajorOrder::row;
constexpr MajorOrder column = MajorOrder::column;
constexpr SlotFault none = SlotFault::none;
constexpr SlotFault overlap = SlotFault::overlap;

// Proves: SHM-202, SHM-206
TEST(Strides, zero_means_contiguous) {
  expect_resolved({DType::u16, row, {480, 640}, {}, none, {1280, 2}, 614'400}, __LINE__);
  expect_resolved({DType::u16, column, {480, 640}, {}, none, {2, 960}, 614'400}, __LINE__);
  expect_resolved({DType::f64, row, {2, 3, 4}, {0, 0, 0}, none, {96, 32, 8}, 192}, __LINE__);
  expect_resolved({DType::f64, column, {2, 3, 4}, {0, 0, 0}, none, {8, 16, 48}, 192}, __LINE__);
  expect_resolved({DType::u8, row, {7}, {}, none, {1}, 7}, __LINE__);
  // Mixed: the given ones count, the others follow from them.
  expect_resolved({DType::u16, row, {3, 4, 5}, {0, 16, 0}, none, {64, 16, 2}, 186}, __LINE__);
}

// Proves: SHM-203, SHM-204, SHM-206
TEST(Strides, what_lies_behind_their_count_is_nothing) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {4, 8};
  ResolvedStrides clean;
  ASSERT_EQ(resolve(spec, clean), SlotFault::none);
  spec.strides = {64, 1};
  spec.strides.count = 0;
  ResolvedStrides left_over;
  ASSERT_EQ(resolve(spec, left_over), SlotFault::none);
  EXPECT_EQ(left_over, clean);
}

TEST(Strides, overlapping_or_contradicting_ones_are_refused) {
  expect_resolved({DType::u16, row, {4, 6}, {11, 2}, overlap, {}, 0}, __LINE__);
  expect_resolved({DType::u16, row, {4, 6}, {12, 2}, none, {12, 2}, 48}, __LINE__);
  expect_resolved({DType::u16, row, {4, 6}, {0, 1}, overlap, {}, 0}, __LINE__);
  // Column-major strides under row order, and the other way round.
  expect_resolved({DType::u16, row, {4, 6}, {2, 8}, overlap, {}, 0}, __LINE__);
  expect_resolved({DType::u16, column, {4, 6}, {2, 8}, none, {2, 8}, 48}, __LINE__);
  expect_resolved({DType::u16, column, {4, 6}, {12, 2}, overlap, {}, 0}, __LINE__);
  expect_resolved({DType::u16, column, {4, 6}, {2, 7}, overlap, {}, 0}, __LINE__);
  expect_resolved({DType::f32, column, {4}, {3}, overlap, {}, 0}, __LINE__);
}

// Proves: SHM-206
TEST(Strides, padding_and_odd_strides_are_legal) {
  expect_resolved({DType::u16, row, {4, 6}, {64, 2}, none, {64, 2}, 204}, __LINE__);
  expect_resolved({DType::u16, row, {4, 6}, {13, 2}, none, {13, 2}, 51}, __LINE__);
  expect_resolved({DType::u16, row, {4, 6}, {0, 5}, none, {30, 5}, 117}, __LINE__);
}

// Proves: SHM-206, SHM-209
TEST(Strides, a_dimension_of_zero_counts_as_one_and_makes_the_tensor_empty) {
  expect_resolved({DType::u16, row, {4, 0}, {}, none, {2, 2}, 0}, __LINE__);
  expect_resolved({DType::u16, row, {0, 6}, {}, none, {12, 2}, 0}, __LINE__);
  expect_resolved({DType::u16, row, {2, 0, 3}, {}, none, {6, 6, 2}, 0}, __LINE__);
  // Even one that would overflow the sum of an ordinary tensor.
  expect_resolved({DType::u8, row, {big, big, 0}, {}, none, {std::uint64_t{big}, 1, 1}, 0},
                  __LINE__);
}

// Proves: SHM-207
TEST(Strides, overflow_is_refused) {
  // A product of the table.
  expect_resolved({DType::f64, row, {2, big, big, big}, {}, SlotFault::overflow, {}, 0}, __LINE__);
  expect_resolved({DType::f64, column, {big, big, big, 2}, {}, SlotFault::overflow, {}, 0},
                  __LINE__);
  // Only the sum of the extent: the largest stride fits 64 bits, (dim − 1) times it does not.
  expect_resolved({DType::f64, row, {big, big, big}, {}, SlotFault::overflow, {}, 0}, __LINE__);
  // A stride of 3 × 2^62, which no signed number holds, although the empty tensor has no extent.
  expect_resolved({DType::u8, row, {0, 3, big, big}, {}, SlotFault::overflow, {}, 0}, __LINE__);
  // Just below.
  const std::uint64_t outer = std::uint64_t{big} * big;
  expect_resolved(
      {DType::u8, row, {2, big, big}, {}, none, {outer, std::uint64_t{big}, 1}, 2 * outer},
      __LINE__);
}

TEST(Strides, writers_give_all_strides_or_none) {
  expect_resolved({DType::u8, row, {4, 6}, {6}, SlotFault::ndims, {}, 0}, __LINE__);
  expect_resolved({DType::u8, row, {}, {}, SlotFault::ndims, {}, 0}, __LINE__);
  expect_resolved({DType::u8, row, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {}, SlotFault::ndims, {}, 0},
                  __LINE__);
  expect_resolved({DType::u8, row, {std::int64_t{1} << 31U}, {}, SlotFault::negative_dim, {}, 0},
                  __LINE__);
}

// Proves: SHM-205
TEST(Strides, are_independent_of_the_stride_of_the_pool) {
  // The pool has 4096 bytes between slots; rows 100 bytes apart are none of its business, and rows
  // that do not fit it are no reason to drop the frame.
  EXPECT_EQ(fault_of([](SlotFields& f) { f.strides = {100, 2}; }), SlotFault::none);
  EXPECT_EQ(fault_of([](SlotFields& f) { f.strides = {8192, 2}; }), SlotFault::none);
}

// Proves: SHM-209
TEST(Extent, a_typed_view_stays_inside_the_payload) {
  ValidSlot valid;
  ASSERT_EQ(validate(good(), ring, 5, valid), SlotFault::none);
  EXPECT_TRUE(extent_fits(valid.strides, 48));
  EXPECT_FALSE(extent_fits(valid.strides, 47));
  SlotFields reaching = good();
  reaching.strides = {4096, 2};
  ASSERT_EQ(validate(reaching, ring, 5, valid), SlotFault::none);
  EXPECT_EQ(valid.strides.extent_bytes, 3U * 4096U + 5U * 2U + 2U);
  EXPECT_FALSE(extent_fits(valid.strides, reaching.values_len_bytes));
}

SlotFault progress_fault(ProgressUnit unit, std::uint32_t stride, std::uint8_t ndims = 2) {
  return fault_of([&](SlotFields& f) {
    f.progress_unit = unit;
    f.progress_stride_bytes = stride;
    f.ndims = ndims;
  });
}

// Proves: SHM-210, SHM-211, SHM-212, SHM-213
TEST(Progress, rows_are_the_stride_of_dimension_0) {
  EXPECT_EQ(progress_fault(ProgressUnit::rows, 12), SlotFault::none);
  EXPECT_EQ(progress_fault(ProgressUnit::rows, 0), SlotFault::progress_stride);
  EXPECT_EQ(progress_fault(ProgressUnit::rows, 2), SlotFault::progress_stride);
  EXPECT_EQ(progress_fault(ProgressUnit::rows, 13), SlotFault::progress_stride);
  EXPECT_EQ(progress_fault(ProgressUnit::rows, 2, 1), SlotFault::none);
}

// Proves: SHM-213
TEST(Progress, the_stride_is_compared_without_truncation) {
  // Resolved stride 0 is 2^32 + 12: its low half equals the field.
  const auto fault = fault_of([](SlotFields& f) {
    f.dtype = DType::u8;
    f.ndims = 3;
    f.dims = {1, 4, 0x40000003};
    f.progress_unit = ProgressUnit::rows;
    f.progress_stride_bytes = 12;
  });
  EXPECT_EQ(fault, SlotFault::progress_stride);
}

// Proves: SHM-212, SHM-214
TEST(Progress, columns_are_the_stride_of_dimension_1) {
  EXPECT_EQ(progress_fault(ProgressUnit::columns, 2), SlotFault::none);
  EXPECT_EQ(progress_fault(ProgressUnit::columns, 12), SlotFault::progress_stride);
  EXPECT_EQ(progress_fault(ProgressUnit::columns, 0), SlotFault::progress_stride);
  // One dimension has no columns.
  EXPECT_EQ(progress_fault(ProgressUnit::columns, 2, 1), SlotFault::progress_stride);
  EXPECT_EQ(progress_fault(ProgressUnit::columns, 0, 1), SlotFault::progress_stride);
}

// Proves: SHM-216
TEST(Progress, without_a_unit_the_stride_is_ignored) {
  EXPECT_EQ(progress_fault(ProgressUnit::none, 0), SlotFault::none);
  EXPECT_EQ(progress_fault(ProgressUnit::none, 4711), SlotFault::none);
}

// Proves: SHM-208, SHM-211, SHM-215
TEST(Progress, writers_get_the_value_that_readers_expect) {
  ResolvedStrides strides;
  TensorSpec spec{DType::u16, {4, 6}, {}, MajorOrder::column, ProgressUnit::none};
  ASSERT_EQ(resolve(spec, strides), SlotFault::none);
  EXPECT_EQ(progress_stride(ProgressUnit::none, 2, strides), 0U);
  EXPECT_EQ(progress_stride(ProgressUnit::rows, 2, strides), 2U);
  EXPECT_EQ(progress_stride(ProgressUnit::columns, 2, strides), 8U);
  EXPECT_EQ(progress_stride(ProgressUnit::columns, 1, strides), std::nullopt);
  EXPECT_EQ(progress_stride(static_cast<ProgressUnit>(9), 2, strides), std::nullopt);
  strides.bytes[0] = std::uint64_t{1} << 32U;
  EXPECT_EQ(progress_stride(ProgressUnit::rows, 2, strides), std::nullopt);
}

TEST(Faults, every_one_has_a_name) {
  for (int fault = 0; fault <= static_cast<int>(SlotFault::progress_stride); ++fault) {
    EXPECT_NE(name(static_cast<SlotFault>(fault)), "unknown") << fault;
  }
}

}  // namespace
}  // namespace tensorpool::shm
