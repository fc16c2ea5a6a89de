#include "statistics.hpp"

#include <gtest/gtest.h>

namespace tensorpool::bench {
namespace {

TEST(Spread, OfNoRounds) { EXPECT_EQ(spread({}).median, 0); }

TEST(Spread, MedianOfOddAndEvenNumbersOfRounds) {
  EXPECT_EQ(spread({5, 1, 3}).median, 3);
  EXPECT_EQ(spread({4, 1, 3, 2}).median, 2.5);
}

TEST(Spread, KeepsTheLowestAndHighestRound) {
  const Spread s = spread({30, 10, 20, 50, 40});
  EXPECT_EQ(s.low, 10);
  EXPECT_EQ(s.high, 50);
  EXPECT_EQ(s.lower_quartile, 20);
  EXPECT_EQ(s.upper_quartile, 40);
}

TEST(Spread, FewRoundsHaveNoQuartiles) {
  const Spread s = spread({10, 30, 20});
  EXPECT_EQ(s.lower_quartile, 10);
  EXPECT_EQ(s.upper_quartile, 30);
}

TEST(Noisy, OneOutlierOfFiveRoundsIsForgiven) {
  EXPECT_FALSE(noisy(spread({100, 101, 102, 103, 500}), false));
}

TEST(Noisy, RoundsThatLieApartAreNot) {
  EXPECT_TRUE(noisy(spread({100, 80, 120, 90, 115}), false));
}

TEST(Noisy, TailsMayLieFurtherApart) {
  const Spread s = spread({100, 80, 120, 90, 115});
  EXPECT_FALSE(noisy(s, true));
  EXPECT_TRUE(noisy(spread({100, 40, 180, 50, 170}), true));
}

TEST(Noisy, ZeroIsSteady) { EXPECT_FALSE(noisy(spread({0, 0, 0, 0, 0}), false)); }

TEST(Verdict, SaysWhichOneIsLess) {
  EXPECT_EQ(verdict({0.8, 0.9, 0.85, 0.8, 0.95}), Verdict::less);
  EXPECT_EQ(verdict({1.8, 1.9, 1.85, 1.8, 1.95}), Verdict::more);
}

TEST(Verdict, OneRoundThatDisagreesOfFiveIsForgiven) {
  EXPECT_EQ(verdict({0.8, 0.9, 0.85, 0.8, 1.5}), Verdict::less);
}

TEST(Verdict, IsNoisyWhereRoundsDisagree) {
  EXPECT_EQ(verdict({0.8, 1.2, 0.9, 1.1, 1}), Verdict::noisy);
  EXPECT_EQ(verdict({0.9, 1.1}), Verdict::noisy);
}

TEST(Verdict, OneRoundSaysNothing) { EXPECT_EQ(verdict({0.5}), Verdict::too_few); }

}  // namespace
}  // namespace tensorpool::bench
