#include "base/prng.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tensorpool::base {
namespace {

TEST(Prng, the_same_seed_gives_the_same_numbers_everywhere) {
  // The published first values of SplitMix64 for the seed 1234567.
  Prng prng(1234567);
  EXPECT_EQ(prng.next(), 6457827717110365317U);
  EXPECT_EQ(prng.next(), 3203168211198807973U);
  EXPECT_EQ(prng.next(), 9817491932198370423U);
}

TEST(Prng, below_stays_below) {
  Prng prng(1);
  for (const std::uint64_t bound : {1U, 2U, 7U, 1000U}) {
    for (int i = 0; i < 1000; ++i) EXPECT_LT(prng.below(bound), bound);
  }
  EXPECT_EQ(prng.below(0), 0U);
}

TEST(Prng, chance_has_its_ends) {
  Prng prng(1);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_FALSE(prng.chance(0));
    EXPECT_TRUE(prng.chance(1'000'000));
    hits += prng.chance(500'000) ? 1 : 0;
  }
  EXPECT_GT(hits, 4'500);
  EXPECT_LT(hits, 5'500);
}

// Proves: DRV-28
TEST(RandomId, is_neither_zero_nor_null_and_differs) {
  std::set<std::uint32_t> ids;
  for (int i = 0; i < 100; ++i) {
    const std::uint32_t id = random_id();
    EXPECT_NE(id, 0U);
    EXPECT_NE(id, 0xFFFFFFFFU);
    ids.insert(id);
  }
  EXPECT_GT(ids.size(), 95U);
  EXPECT_NE(random_seed(), random_seed());
}

}  // namespace
}  // namespace tensorpool::base
