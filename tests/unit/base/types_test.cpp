#include "tensorpool/types.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tensorpool {
namespace {

constexpr DType all[] = {DType::u8,      DType::i8,    DType::u16, DType::i16, DType::u32,
                         DType::i32,     DType::u64,   DType::i64, DType::f32, DType::f64,
                         DType::boolean, DType::bytes, DType::bit};

TEST(DType, names_come_back) {
  for (const DType dtype : all) {
    EXPECT_NE(name(dtype), "unknown");
    EXPECT_EQ(dtype_from_name(name(dtype)), dtype);
  }
  EXPECT_EQ(name(DType::unknown), "unknown");
  EXPECT_EQ(name(static_cast<DType>(12)), "unknown");
  EXPECT_EQ(dtype_from_name("uint16"), DType::u16);
  EXPECT_EQ(dtype_from_name("float64"), DType::f64);
  EXPECT_EQ(dtype_from_name("U16"), DType::unknown);
  EXPECT_EQ(dtype_from_name(""), DType::unknown);
}

TEST(DType, cpp_types_have_the_size_of_their_elements) {
  EXPECT_EQ(element_size(dtype_of<std::uint16_t>::value), sizeof(std::uint16_t));
  EXPECT_EQ(element_size(dtype_of<double>::value), sizeof(double));
  EXPECT_EQ(element_size(dtype_of<std::byte>::value), 1U);
  EXPECT_EQ(element_size(DType::unknown), 0U);
}

TEST(Dims, holds_up_to_eight) {
  const Dims dims{480, 640};
  EXPECT_EQ(dims.size(), 2U);
  EXPECT_EQ(dims[0], 480);
  EXPECT_EQ(dims[1], 640);
  EXPECT_EQ(dims.span().size(), 2U);
  EXPECT_EQ(Dims{}.size(), 0U);
  const std::vector<std::int32_t> eight(8, 3);
  EXPECT_EQ(Dims(std::span<const std::int32_t>(eight)).size(), 8U);
}

TEST(Dims, what_does_not_fit_is_marked_for_refusal) {
  EXPECT_EQ((Dims{1, 2, 3, 4, 5, 6, 7, 8, 9}).size(), max_dims + 1);
  EXPECT_EQ((Dims{1, 2, 3, 4, 5, 6, 7, 8, 9}).span().size(), max_dims);
  EXPECT_EQ((Dims{std::int64_t{1} << 31U})[0], -1);
  EXPECT_EQ((Dims{-5})[0], -1);
  EXPECT_EQ((Dims{INT32_MAX})[0], INT32_MAX);
}

TEST(TensorSpec, is_a_value) {
  const TensorSpec a{DType::u16, {4, 6}, {}, MajorOrder::row, ProgressUnit::none};
  TensorSpec b = a;
  EXPECT_EQ(a, b);
  b.shape = {4, 7};
  EXPECT_FALSE(a == b);
}

}  // namespace
}  // namespace tensorpool
