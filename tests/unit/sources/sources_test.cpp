// Where `tp publish` and `tp watch --expect` take their frames from.
#include "tp/sources/source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/folder.hpp"
#include "tp/sources/generated.hpp"
#include "tp/sources/npy.hpp"
#include "tp/sources/pictures.hpp"

namespace tensorpool::sources {
namespace {

using testing::HasSubstr;

class Sources : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  static std::string read(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  static std::string message_of(const std::string& name) {
    const auto source = open_source(name);
    return source ? "opened" : source.error().message();
  }
  // A version 1.0 file with this dictionary and data.
  std::string npy(const std::string& name, const std::string& dictionary,
                  const std::string& data) const {
    std::string text("\x93NUMPY\x01\x00", 8);
    text.push_back(static_cast<char>(dictionary.size()));
    text.push_back('\0');
    return write(name, text + dictionary + data);
  }

  const tensorpool::test::Folder place_{"sources", std::filesystem::temp_directory_path()};
  const std::string folder_ = place_.path();
};

Picture counting(DType dtype, Dims shape) {
  Picture picture;
  picture.spec.dtype = dtype;
  picture.spec.shape = shape;
  picture.bytes.resize(*payload_bytes(picture.spec));
  for (std::size_t i = 0; i < picture.bytes.size(); ++i)
    picture.bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return picture;
}

TEST_F(Sources, PicturesComeBackAsTheyWereWritten) {
  const std::vector<Picture> pictures{
      counting(DType::u8, {5, 7}), counting(DType::u16, {6, 3}), counting(DType::u8, {4, 9, 3}),
      counting(DType::u8, {4, 2, 4}), counting(DType::u16, {3, 3, 3})};
  for (const Picture& picture : pictures) {
    ASSERT_TRUE(write_png(path("a.png"), picture.spec, picture.bytes));
    const auto back = read_picture(path("a.png"));
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(back->spec, picture.spec);
    EXPECT_EQ(back->bytes, picture.bytes);
  }
}

TEST_F(Sources, AFolderIsPlayedByName) {
  for (const char* name : {"b.png", "a.png", "c.PNG"}) {
    const Picture picture = counting(DType::u8, {name[0] - 'a' + 1, 4});
    ASSERT_TRUE(write_png(path(name), picture.spec, picture.bytes));
  }
  write("notes.txt", "no picture");
  const auto source = open_source(folder_);
  ASSERT_TRUE(source) << source.error().message();
  ASSERT_EQ((*source)->size(), 3U);
  for (std::size_t k = 0; k < 3; ++k)
    EXPECT_EQ((*source)->spec(k).shape[0], static_cast<std::int32_t>(k + 1));
  EXPECT_FALSE((*source)->endless());
}

TEST_F(Sources, BrokenPicturesAreNamedWithTheReason) {
  const Picture picture = counting(DType::u8, {50, 70});
  ASSERT_TRUE(write_png(path("good.png"), picture.spec, picture.bytes));
  const std::string good = read(path("good.png"));
  EXPECT_THAT(message_of(write("cut.png", good.substr(0, good.size() / 2))), HasSubstr("cut.png"));
  std::string flipped = good;
  flipped[20] = static_cast<char>(flipped[20] ^ 1);
  EXPECT_THAT(message_of(write("crc.png", flipped)), HasSubstr("CRC"));
  EXPECT_THAT(message_of(write("text.png", "hello there")), HasSubstr("neither a PNG nor a JPEG"));
  EXPECT_THAT(message_of(write("cut.jpg", "\xFF\xD8\xFF\xE0")), HasSubstr("cut.jpg"));
  EXPECT_THAT(message_of(write("empty.png", "")), HasSubstr("neither"));
}

TEST_F(Sources, NothingByThatName) {
  EXPECT_THAT(message_of(path("missing")), HasSubstr("neither a file"));
  EXPECT_THAT(message_of(folder_), HasSubstr("holds no .png"));
}

TEST_F(Sources, ArraysOfBothOrders) {
  // Three frames of 2x2: element (t, y, x) is 100 t + 10 y + x.
  std::string c_order;
  std::string fortran(12, '\0');
  for (int t = 0; t < 3; ++t) {
    for (int y = 0; y < 2; ++y) {
      for (int x = 0; x < 2; ++x) {
        const char value = static_cast<char>(100 * t % 128 + 10 * y + x);
        c_order.push_back(value);
        fortran[static_cast<std::size_t>(t + 3 * (y + 2 * x))] = value;
      }
    }
  }
  const auto rows = open_source(
      npy("c.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), }\n", c_order));
  const auto columns = open_source(
      npy("f.npy", "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2, 2), }\n", fortran));
  ASSERT_TRUE(rows && columns);
  EXPECT_EQ((*rows)->spec(0).order, MajorOrder::row);
  EXPECT_EQ((*columns)->spec(0).order, MajorOrder::column);
  for (std::size_t t = 0; t < 3; ++t) {
    const auto row = (*rows)->frame(t).value();
    const std::vector<std::byte> in_rows(row.begin(), row.end());
    const auto column = (*columns)->frame(t).value();
    EXPECT_EQ(in_rows[0], column[0]);
    EXPECT_EQ(in_rows[1], column[2]);
    EXPECT_EQ(in_rows[2], column[1]);
    EXPECT_EQ(in_rows[3], column[3]);
  }
}

TEST_F(Sources, WrittenArraysCanBeRead) {
  const Picture picture = counting(DType::u16, {4, 3, 2});
  ASSERT_TRUE(write_npy(path("a.npy"), picture.spec, picture.bytes));
  const auto source = open_source(path("a.npy"));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->size(), 4U);
  EXPECT_EQ((*source)->spec(0).shape, (Dims{3, 2}));
  const auto second = (*source)->frame(1).value();
  EXPECT_EQ(0, std::memcmp(second.data(), picture.bytes.data() + 12, 12));
}

TEST_F(Sources, BrokenArraysAreNamedWithTheReason) {
  const auto dictionary = [](const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
  };
  EXPECT_THAT(message_of(npy("a.npy", dictionary("|u1", "(3, 2)"), "12345")),
              HasSubstr("cut short"));
  EXPECT_THAT(message_of(npy("a.npy", dictionary(">u2", "(1, 1)"), "12")),
              HasSubstr("element type"));
  EXPECT_THAT(message_of(npy("a.npy", dictionary("|O8", "(1, 1)"), "12")),
              HasSubstr("element type"));
  EXPECT_THAT(message_of(npy("a.npy", dictionary("|u1", "(6,)"), "123456")),
              HasSubstr("axis of time"));
  EXPECT_THAT(message_of(npy("a.npy", dictionary("|u1", "(0, 6)"), "")), HasSubstr("no frame"));
  EXPECT_THAT(message_of(npy("a.npy", dictionary("|u1", "(1, 99999999999)"), "")),
              HasSubstr("2147483647"));
  EXPECT_THAT(message_of(npy("a.npy", "{}\n", "")), HasSubstr("lacks"));
  EXPECT_THAT(message_of(write("a.npy", "no array")), HasSubstr("not a .npy file"));
  EXPECT_THAT(message_of(write("a.npy", "")), HasSubstr("empty"));
}

TEST_F(Sources, RawFramesNeedAFormatAndEndAtAFrame) {
  const std::string file = write("frames.raw", "abcdefgh");
  EXPECT_THAT(message_of(file), HasSubstr("--dtype"));
  RawFormat format;
  format.dtype = DType::u8;
  format.shape = {3};
  const auto source = open_source(file, format);
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->size(), 0U);
  std::array<std::byte, 3> frame{};
  EXPECT_TRUE((*source)->fill(0, frame).value());
  EXPECT_TRUE((*source)->fill(1, frame).value());
  EXPECT_EQ(frame[0], std::byte{'d'});
  const auto cut = (*source)->fill(2, frame);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message(), HasSubstr("2 of 3 bytes"));
  EXPECT_FALSE((*source)->frame(0));
}

TEST_F(Sources, PatternsProveThemselves) {
  const auto source = open_source("pattern:100x60:u16");
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->spec(0).shape, (Dims{60, 100}));
  EXPECT_TRUE((*source)->endless());
  const auto third = (*source)->frame(3).value();
  std::vector<std::byte> torn(third.begin(), third.end());
  EXPECT_EQ(verify_pattern(torn, 200), 3U);
  const auto fourth = (*source)->frame(4).value();
  // The last 64 bytes of the next frame: what a torn read looks like.
  std::memcpy(torn.data() + torn.size() - 64, fourth.data() + torn.size() - 64, 64);
  EXPECT_FALSE(verify_pattern(torn, 200));
}

TEST_F(Sources, GeneratedFramesAreTheSameEveryTime) {
  const auto one = open_source("stars");
  const auto two = open_source("stars");
  ASSERT_TRUE(one && two);
  EXPECT_EQ((*one)->spec(0).shape, (Dims{512, 640}));
  const auto a = (*one)->frame(1).value();
  const auto b = (*two)->frame(1).value();
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(0, std::memcmp(a.data(), b.data(), a.size()));
  EXPECT_NE(0, std::memcmp(a.data(), (*one)->frame(2).value().data(), a.size()));
}

TEST_F(Sources, ShapesAreParsedStrictly) {
  EXPECT_EQ(parse_shape("512x640").value(), (Dims{512, 640}));
  EXPECT_EQ(parse_shape("1,2,3").value(), (Dims{1, 2, 3}));
  EXPECT_EQ(parse_shape("1x2x3x4x5x6x7x8").value().size(), 8U);
  for (const char* wrong :
       {"", "x", "3x", "x3", "0", "3x0", "-1", "3 4", "2147483648", "1x2x3x4x5x6x7x8x9"})
    EXPECT_FALSE(parse_shape(wrong)) << wrong;
}

}  // namespace
}  // namespace tensorpool::sources
