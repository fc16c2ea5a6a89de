#include "shm/geometry.hpp"

#include <gtest/gtest.h>

#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

using test::small_layout;

TEST(Layout, good_one_has_no_fault) { EXPECT_EQ(check(small_layout(1)), LayoutFault::none); }

// Proves: SHM-7
TEST(Layout, without_pools_is_rejected) {
  StreamLayout layout = small_layout(1);
  layout.pools.clear();
  EXPECT_EQ(check(layout), LayoutFault::no_pools);
}

// Proves: SHM-8
TEST(Layout, slots_other_than_a_power_of_two_are_rejected) {
  StreamLayout layout = small_layout(1);
  for (const std::uint32_t bad : {0U, 3U, 12U, 1000U}) {
    layout.nslots = bad;
    EXPECT_EQ(check(layout), LayoutFault::nslots) << bad;
  }
  layout.nslots = 1;
  EXPECT_EQ(check(layout), LayoutFault::none);
  layout.nslots = 1U << 25U;
  EXPECT_EQ(check(layout), LayoutFault::too_many_slots);
}

// Proves: SHM-9
TEST(Layout, pool_with_other_slots_than_the_ring_is_rejected) {
  StreamLayout layout = small_layout(1);
  layout.pools[1].nslots = 4;
  EXPECT_EQ(check(layout), LayoutFault::none);
  for (const std::uint32_t bad : {0U, 2U, 8U}) {
    layout.pools[1].nslots = bad;
    EXPECT_EQ(check(layout), LayoutFault::pool_nslots) << bad;
  }
}

// Proves: SHM-10
TEST(Layout, repeated_pool_id_is_rejected) {
  StreamLayout layout = small_layout(1);
  layout.pools.push_back({1, 128});
  EXPECT_EQ(check(layout), LayoutFault::repeated_pool_id);
}

// Proves: SHM-11, SHM-12
TEST(Layout, stride_is_a_multiple_of_64_of_any_size) {
  StreamLayout layout = small_layout(1);
  for (const std::uint32_t bad : {0U, 32U, 100U, 4097U}) {
    layout.pools[0].stride_bytes = bad;
    EXPECT_EQ(check(layout), LayoutFault::stride) << bad;
  }
  // Neither pages nor powers of two matter.
  for (const std::uint32_t good : {64U, 192U, 4160U}) {
    layout.pools[0].stride_bytes = good;
    EXPECT_EQ(check(layout), LayoutFault::none) << good;
  }
}

// Proves: SHM-140
TEST(Layout, header_slots_have_256_bytes) {
  StreamLayout layout = small_layout(1);
  layout.header_slot_bytes = 512;
  EXPECT_EQ(check(layout), LayoutFault::header_slot_size);
}

// Proves: SHM-31, SHM-138, SHM-271
TEST(Layout, other_versions_are_incompatible) {
  StreamLayout layout = small_layout(1);
  for (const std::uint32_t other : {0U, 2U, 0xFFFFFFFFU}) {
    layout.layout_version = other;
    EXPECT_EQ(check(layout), LayoutFault::layout_version) << other;
  }
}

TEST(Layout, epoch_none_and_null_are_rejected) {
  EXPECT_EQ(check(small_layout(0)), LayoutFault::epoch);
  EXPECT_EQ(check(small_layout(0xFFFFFFFFFFFFFFFFU)), LayoutFault::epoch);
}

TEST(Layout, more_pools_than_the_limit_are_rejected) {
  StreamLayout layout = small_layout(1);
  layout.pools.clear();
  for (std::uint16_t id = 1; id <= 17; ++id) layout.pools.push_back({id, 64});
  EXPECT_EQ(check(layout), LayoutFault::too_many_pools);
  layout.pools.pop_back();
  EXPECT_EQ(check(layout), LayoutFault::none);
}

TEST(Layout, every_fault_has_a_name) {
  for (int fault = 0; fault <= static_cast<int>(LayoutFault::size); ++fault) {
    EXPECT_NE(name(static_cast<LayoutFault>(fault)), "unknown") << fault;
  }
}

// Proves: SHM-56
TEST(Ring, header_index_is_the_sequence_under_the_mask) {
  const PoolSpec pools[] = {{1, 64}};
  const RingGeometry ring(64, pools);
  EXPECT_EQ(ring.header_index(0), 0U);
  EXPECT_EQ(ring.header_index(42), 42U);
  EXPECT_EQ(ring.header_index(64), 0U);
  EXPECT_EQ(ring.header_index(130), 2U);
  EXPECT_EQ(ring.header_index(seq_limit - 1), 63U);
  const RingGeometry one(1, pools);
  EXPECT_EQ(one.header_index(12345), 0U);
}

// Proves: SHM-65, SHM-66
TEST(Ring, smallest_pool_that_fits_is_taken) {
  const PoolSpec pools[] = {{1, 4096}, {2, 64}, {3, 1024}};
  const RingGeometry ring(4, pools);
  EXPECT_EQ(ring.smallest_fitting(0)->pool_id, 2);
  EXPECT_EQ(ring.smallest_fitting(64)->pool_id, 2);
  EXPECT_EQ(ring.smallest_fitting(65)->pool_id, 3);
  EXPECT_EQ(ring.smallest_fitting(1024)->pool_id, 3);
  EXPECT_EQ(ring.smallest_fitting(4096)->pool_id, 1);
  EXPECT_EQ(ring.smallest_fitting(4096)->index, 0);
  EXPECT_EQ(ring.smallest_fitting(4097), nullptr);
  EXPECT_EQ(ring.smallest_fitting(std::uint64_t{1} << 40U), nullptr);
  EXPECT_EQ(ring.largest_stride_bytes(), 4096U);
  EXPECT_EQ(RingGeometry().smallest_fitting(0), nullptr);
  EXPECT_EQ(RingGeometry().largest_stride_bytes(), 0U);
}

// Proves: SHM-65
TEST(Ring, of_equal_strides_the_first_listed_is_taken) {
  const PoolSpec pools[] = {{9, 256}, {3, 128}, {7, 128}, {1, 128}};
  const RingGeometry ring(4, pools);
  EXPECT_EQ(ring.smallest_fitting(100)->pool_id, 3);
  EXPECT_EQ(ring.smallest_fitting(100)->index, 1);
}

// Proves: SHM-62
TEST(Ring, pools_are_found_by_id) {
  const PoolSpec pools[] = {{1, 4096}, {2, 64}};
  const RingGeometry ring(4, pools);
  EXPECT_EQ(ring.find(1)->stride_bytes, 4096U);
  EXPECT_EQ(ring.find(1)->index, 0);
  EXPECT_EQ(ring.find(2)->stride_bytes, 64U);
  EXPECT_EQ(ring.find(2)->index, 1);
  EXPECT_EQ(ring.find(0), nullptr);
  EXPECT_EQ(ring.find(3), nullptr);
}

}  // namespace
}  // namespace tensorpool::shm
