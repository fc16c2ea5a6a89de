// What tp watch --preview draws, as text.
#include "tp/preview.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace tensorpool::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// A frame in rows without padding.
FrameInfo frame_of(DType dtype, std::initializer_list<std::int32_t> shape) {
  FrameInfo info;
  info.dtype = dtype;
  info.order = MajorOrder::row;
  info.ndims = static_cast<std::uint8_t>(shape.size());
  std::ranges::copy(shape, info.dims.begin());
  auto stride = static_cast<std::int64_t>(element_size(dtype));
  for (std::size_t d = info.ndims; d-- > 0;) {
    info.strides[d] = stride;
    stride *= info.dims[d];
  }
  info.size_bytes = static_cast<std::uint64_t>(stride);
  return info;
}

template <class T>
std::string drawn(const FrameInfo& info, const std::vector<T>& values, const Canvas& canvas) {
  const auto text = render(info, std::as_bytes(std::span(values)), canvas);
  return text ? *text : text.error().message();
}

const std::string block = "\u2580";
constexpr Canvas true_colour{2, 2, Shades::true_colour};

TEST(Preview, TwoRowsShareACell) {
  const std::vector<std::uint8_t> values{255, 0, 10, 20};
  EXPECT_EQ(drawn(frame_of(DType::u8, {2, 2}), values, {2, 1, Shades::true_colour}),
            "\x1b[38;2;255;255;255m\x1b[48;2;10;10;10m" + block +
                "\x1b[38;2;0;0;0m\x1b[48;2;20;20;20m" + block + "\x1b[0m\n");
}

TEST(Preview, AnOddLastRowHasNoLowerHalf) {
  const std::vector<std::uint8_t> values{7, 7, 7};
  const std::string text = drawn(frame_of(DType::u8, {3, 1}), values, {1, 2, Shades::true_colour});
  EXPECT_EQ(text, "\x1b[38;2;7;7;7m\x1b[48;2;7;7;7m" + block + "\x1b[0m\n\x1b[38;2;7;7;7m" + block +
                      "\x1b[0m\n");
}

TEST(Preview, ColoursAreToldOnlyWhereTheyChange) {
  const std::vector<std::uint8_t> values(16, 100);
  EXPECT_EQ(drawn(frame_of(DType::u8, {4, 4}), values, {4, 2, Shades::true_colour}),
            "\x1b[38;2;100;100;100m\x1b[48;2;100;100;100m" + block + block + block + block +
                "\x1b[0m\n\x1b[38;2;100;100;100m\x1b[48;2;100;100;100m" + block + block + block +
                block + "\x1b[0m\n");
}

TEST(Preview, LettersAreFromDarkToBrightWithoutEscapes) {
  // Two rows make one: a cell is twice as high as wide.
  const std::vector<std::uint8_t> values{0, 80, 160, 255, 0, 80, 160, 255};
  EXPECT_EQ(drawn(frame_of(DType::u8, {2, 4}), values, {4, 10, Shades::letters}), " -*@\n");
}

TEST(Preview, ChannelsLastFirstAndWithAlpha) {
  const std::string red = "\x1b[38;2;255;0;0m\x1b[48;2;255;0;0m" + block;
  const std::vector<std::uint8_t> rgb{255, 0, 0, 255, 0, 0};
  EXPECT_THAT(drawn(frame_of(DType::u8, {2, 1, 3}), rgb, {1, 1, Shades::true_colour}),
              HasSubstr(red));
  const std::vector<std::uint8_t> rgba{255, 0, 0, 9, 255, 0, 0, 9};
  EXPECT_THAT(drawn(frame_of(DType::u8, {2, 1, 4}), rgba, {1, 1, Shades::true_colour}),
              HasSubstr(red));
  std::vector<std::uint8_t> planes(3 * 10 * 5, 0);
  std::fill_n(planes.begin(), 50, std::uint8_t{255});
  EXPECT_THAT(drawn(frame_of(DType::u8, {3, 10, 5}), planes, {5, 5, Shades::true_colour}),
              HasSubstr(red));
  const std::vector<std::uint8_t> grey_alpha{50, 1, 50, 1};
  EXPECT_THAT(drawn(frame_of(DType::u8, {2, 1, 2}), grey_alpha, {1, 1, Shades::true_colour}),
              HasSubstr("38;2;50;50;50"));
}

TEST(Preview, StridesDecideWhereElementsAre) {
  // 2x2 in columns, each column padded to 8 bytes: (0,0)=1 (1,0)=2 (0,1)=3 (1,1)=4.
  FrameInfo info = frame_of(DType::u8, {2, 2});
  info.order = MajorOrder::column;
  info.strides = {1, 8};
  info.size_bytes = 10;
  const std::vector<std::uint8_t> values{1, 2, 99, 99, 99, 99, 99, 99, 3, 4};
  EXPECT_EQ(drawn(info, values, {2, 1, Shades::true_colour}),
            "\x1b[38;2;1;1;1m\x1b[48;2;2;2;2m" + block + "\x1b[38;2;3;3;3m\x1b[48;2;4;4;4m" +
                block + "\x1b[0m\n");
}

TEST(Preview, OtherTypesAreScaledToWhatTheyHold) {
  const std::vector<std::uint16_t> deep{1000, 1010, 1000, 1010};
  EXPECT_EQ(drawn(frame_of(DType::u16, {2, 2}), deep, {2, 2, Shades::letters}), " @\n");
  const std::vector<double> wide{-std::numeric_limits<double>::max(),
                                 std::numeric_limits<double>::max()};
  EXPECT_EQ(drawn(frame_of(DType::f64, {1, 2}), wide, {2, 2, Shades::letters}), " @\n");
  const std::vector<std::int32_t> equal{-5, -5};
  EXPECT_EQ(drawn(frame_of(DType::i32, {1, 2}), equal, {2, 2, Shades::letters}), "  \n");
}

TEST(Preview, OneHotPixelDoesNotHideTheRest) {
  std::vector<std::uint16_t> values(20 * 40);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::uint16_t>(i % 40 * 10);
  values[0] = 65535;
  const std::string text = drawn(frame_of(DType::u16, {20, 40}), values, {40, 10, Shades::letters});
  EXPECT_THAT(text.substr(41, 41), HasSubstr("  ....::::----====++++****####%%%%@@@@"));
}

TEST(Preview, WhatIsNoNumberIsBlackAndScalesNothing) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  const std::vector<float> values{nan, 1, 2, infinite};
  EXPECT_EQ(drawn(frame_of(DType::f32, {1, 4}), values, {4, 2, Shades::letters}), "  @ \n");
  EXPECT_EQ(
      drawn(frame_of(DType::f32, {1, 2}), std::vector<float>{nan, nan}, {2, 2, Shades::letters}),
      "  \n");
}

TEST(Preview, TheAspectIsKept) {
  const auto size_of = [](std::int32_t height, std::int32_t width, const Canvas& canvas) {
    const std::vector<std::uint8_t> values(static_cast<std::size_t>(height) *
                                           static_cast<std::size_t>(width));
    const std::string text = drawn(frame_of(DType::u8, {height, width}), values, canvas);
    return std::pair{text.find('\n'), std::ranges::count(text, '\n')};
  };
  EXPECT_EQ(size_of(480, 640, {80, 100, Shades::letters}), (std::pair{std::size_t{80}, 30L}));
  EXPECT_EQ(size_of(480, 640, {200, 30, Shades::letters}), (std::pair{std::size_t{80}, 30L}));
  EXPECT_EQ(size_of(1, 5000, {50, 10, Shades::letters}), (std::pair{std::size_t{50}, 1L}));
  EXPECT_EQ(size_of(5000, 1, {50, 10, Shades::letters}), (std::pair{std::size_t{1}, 10L}));
  EXPECT_EQ(size_of(4, 4, {0, -3, Shades::letters}), (std::pair{std::size_t{1}, 1L}));
}

TEST(Preview, TheNearestOf256Colours) {
  const std::vector<std::uint8_t> values{255, 0, 0, 128, 128, 128, 0, 0, 0, 255, 255, 255};
  const std::string text =
      drawn(frame_of(DType::u8, {1, 4, 3}), values, {4, 1, Shades::colours_256});
  for (const char* code : {"38;5;196m", "38;5;244m", "38;5;16m", "38;5;231m"})
    EXPECT_THAT(text, HasSubstr(code));
  EXPECT_THAT(text, Not(HasSubstr(";2;")));
}

TEST(Preview, WhatCannotBeShownIsRefused) {
  const std::vector<std::uint8_t> bytes(4096);
  for (const auto& info :
       {frame_of(DType::u8, {16}), frame_of(DType::u8, {2, 3, 5}), frame_of(DType::bit, {4, 4}),
        frame_of(DType::u8, {2, 2, 2, 2}), frame_of(DType::unknown, {2, 2})})
    EXPECT_THAT(drawn(info, bytes, true_colour), HasSubstr("unsupported"));
  EXPECT_THAT(drawn(frame_of(DType::f64, {100, 100}), bytes, true_colour),
              HasSubstr("80000 bytes, there are 4096"));
  EXPECT_THAT(drawn(frame_of(DType::u8, {0, 4}), bytes, true_colour), HasSubstr("extent_mismatch"));
}

TEST(Preview, TheTerminalDecidesHowItIsDrawn) {
  EXPECT_EQ(shades_of({nullptr, "truecolor", "xterm", "en_GB.UTF-8"}), Shades::true_colour);
  EXPECT_EQ(shades_of({"", "24bit", "xterm", nullptr}), Shades::true_colour);
  EXPECT_EQ(shades_of({nullptr, nullptr, "xterm-256color", "C.utf8"}), Shades::colours_256);
  EXPECT_EQ(shades_of({"1", "truecolor", "xterm-256color", nullptr}), Shades::letters);
  EXPECT_EQ(shades_of({nullptr, "truecolor", "dumb", nullptr}), Shades::letters);
  EXPECT_EQ(shades_of({nullptr, nullptr, "vt100", nullptr}), Shades::letters);
  EXPECT_EQ(shades_of({nullptr, "truecolor", nullptr, nullptr}), Shades::letters);
  EXPECT_EQ(shades_of({nullptr, "truecolor", "xterm", "C"}), Shades::letters);
}

}  // namespace
}  // namespace tensorpool::cli
