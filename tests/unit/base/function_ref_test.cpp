#include "tensorpool/function_ref.hpp"

#include <gtest/gtest.h>

namespace tensorpool {
namespace {

int call(FunctionRef<int(int)> function, int value) { return function(value); }

TEST(FunctionRef, calls_lambdas_and_objects_by_reference) {
  int calls = 0;
  EXPECT_EQ(call([&](int value) { return ++calls, value + 1; }, 41), 42);
  EXPECT_EQ(calls, 1);
  struct Counter {
    int sum = 0;
    int operator()(int value) { return sum += value; }
  } counter;
  call(counter, 40);
  EXPECT_EQ(call(counter, 2), 42);  // the same object, not a copy
  static_assert(sizeof(FunctionRef<int(int)>) == 2 * sizeof(void*));
}

}  // namespace
}  // namespace tensorpool
