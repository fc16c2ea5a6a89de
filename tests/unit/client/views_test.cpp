// A typed view of a frame that is something else: an error that says what it is, and no view.
#include <gtest/gtest.h>

#include "tensorpool/frame.hpp"

namespace tensorpool {
namespace {

FrameInfo picture() {
  FrameInfo info;
  info.dtype = DType::u16;
  info.ndims = 2;
  info.dims = {3, 4};
  info.strides = {8, 2};
  info.size_bytes = 24;
  return info;
}

TEST(Views, of_the_right_kind_show_every_element) {
  std::array<std::byte, 24> payload{};
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = std::byte(i);
  const auto view = detail::make_view<std::uint16_t, 2>(picture(), payload.data());
  ASSERT_TRUE(view);
  EXPECT_EQ(view->extent(0), 3);
  EXPECT_EQ(view->extent(1), 4);
  EXPECT_EQ((*view)(2, 3), 22U | 23U << 8U);
}

TEST(Views, of_another_element_type_or_rank_are_refused) {
  const std::array<std::byte, 24> payload{};
  const auto type = detail::make_view<float, 2>(picture(), payload.data());
  ASSERT_FALSE(type);
  EXPECT_EQ(type.error().code(), Code::dtype_mismatch);
  EXPECT_NE(type.error().message().find("element type"), std::string::npos);
  // As large as the right one, and yet another.
  EXPECT_EQ((detail::make_view<std::int16_t, 2>(picture(), payload.data()).error().code()),
            Code::dtype_mismatch);
  const auto flat = detail::make_view<std::uint16_t, 1>(picture(), payload.data());
  ASSERT_FALSE(flat);
  EXPECT_EQ(flat.error().code(), Code::rank_mismatch);
  EXPECT_NE(flat.error().message().find("2 dimensions, asked for 1"), std::string::npos);
  EXPECT_EQ((detail::make_view<std::uint16_t, 3>(picture(), payload.data()).error().code()),
            Code::rank_mismatch);
}

TEST(Views, that_would_reach_past_the_payload_are_refused) {
  const std::array<std::byte, 24> payload{};
  FrameInfo info = picture();
  info.size_bytes = 23;
  const auto view = detail::make_view<std::uint16_t, 2>(info, payload.data());
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code(), Code::extent_mismatch);
  EXPECT_NE(view.error().message().find("24 bytes"), std::string::npos) << view.error().message();
}

}  // namespace
}  // namespace tensorpool
