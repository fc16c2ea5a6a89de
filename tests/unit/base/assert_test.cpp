#include "base/assert.hpp"

#include <gtest/gtest.h>

namespace tensorpool::base {
namespace {

TEST(AssertDeathTest, a_broken_condition_ends_the_process_and_names_itself) {
  EXPECT_DEATH(TP_ASSERT(1 + 1 == 3), "1 \\+ 1 == 3 does not hold at .*assert_test.cpp");
}

TEST(Assert, a_condition_that_holds_is_evaluated_once) {
  int evaluated = 0;
  TP_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

}  // namespace
}  // namespace tensorpool::base
