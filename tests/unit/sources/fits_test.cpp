// FITS files, written here by hand from the standard: cards of 80 characters, blocks of 2880 bytes.
#include "tp/sources/fits.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/folder.hpp"

namespace tensorpool::sources {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t block_bytes = 2880;

std::string card(const std::string& key, const std::string& value) {
  std::string text = fmt::format("{:<8}= {:>20}", key, value);
  text.resize(80, ' ');
  return text;
}

std::string filled(std::string text, char with) {
  text.resize((text.size() + block_bytes - 1) / block_bytes * block_bytes, with);
  return text;
}

// A header; `first` is SIMPLE or XTENSION with its value.
std::string header(const std::string& first, int bitpix, const std::vector<int>& axes,
                   const std::string& more = "") {
  std::string text = first;
  text += card("BITPIX", std::to_string(bitpix));
  text += card("NAXIS", std::to_string(axes.size()));
  for (std::size_t k = 0; k < axes.size(); ++k)
    text += card(fmt::format("NAXIS{}", k + 1), std::to_string(axes[k]));
  text += more + "END";
  return filled(text, ' ');
}

// Values as the standard stores them: the highest byte first.
template <class T>
std::string stored(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    text.append(bytes.rbegin(), bytes.rend());
  }
  return filled(text, '\0');
}

const std::string simple = card("SIMPLE", "T");

class Fits : public testing::Test {
 protected:
  void SetUp() override {
    if (!fits_built_in()) GTEST_SKIP() << "cfitsio is not built in";
  }
  std::string write(const std::string& text, const std::string& name = "a.fits") const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << text;
    return folder_ + "/" + name;
  }
  // Frame `index` of what was opened, as elements.
  template <class T>
  static std::vector<T> frame(Source& source, std::size_t index) {
    const auto bytes = source.frame(index);
    if (!bytes) throw std::runtime_error(bytes.error().message());
    std::vector<T> values(bytes->size() / sizeof(T));
    std::memcpy(values.data(), bytes->data(), bytes->size());
    return values;
  }
  static std::string message_of(const std::string& path) {
    const auto source = open_source(path);
    return source ? "opened" : source.error().message();
  }

  const tensorpool::test::Folder place_{"sources", std::filesystem::temp_directory_path()};
  const std::string folder_ = place_.path();
};

TEST(FitsNames, AreKnownByTheirEnding) {
  for (const char* name : {"a.fits", "a.FIT", "x/b.fts", "a.fits.gz"})
    EXPECT_TRUE(is_fits_name(name)) << name;
  for (const char* name : {"fits", "a.fits.png", "a.gz", ""})
    EXPECT_FALSE(is_fits_name(name)) << name;
}

TEST(FitsNames, WithoutCfitsioTheErrorSaysWhatToDo) {
  if (fits_built_in()) GTEST_SKIP() << "cfitsio is built in";
  const auto source = open_fits("a.fits");
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code(), Code::unsupported);
  EXPECT_THAT(source.error().message(), HasSubstr("libcfitsio-dev"));
}

TEST_F(Fits, TheFirstAxisIsTheFastest) {
  // Three columns, two rows.
  const std::vector<std::int16_t> values{1, 2, 3, -4, 500, 6};
  const auto source = open_source(write(header(simple, 16, {3, 2}) + stored(values)));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->size(), 1U);
  EXPECT_EQ((*source)->spec(0).dtype, DType::i16);
  EXPECT_EQ((*source)->spec(0).shape, (Dims{2, 3}));
  EXPECT_EQ((*source)->spec(0).order, MajorOrder::row);
  EXPECT_EQ(frame<std::int16_t>(**source, 0), values);
}

TEST_F(Fits, PlanesOfACubeAreFrames) {
  const std::vector<float> values{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23.5F};
  const auto source = open_source(write(header(simple, -32, {2, 2, 3}) + stored(values)));
  ASSERT_TRUE(source) << source.error().message();
  ASSERT_EQ((*source)->size(), 3U);
  EXPECT_EQ((*source)->spec(2).shape, (Dims{2, 2}));
  EXPECT_THAT(frame<float>(**source, 2), ElementsAre(20, 21, 22, 23.5F));
  EXPECT_THAT(frame<float>(**source, 0), ElementsAre(0, 1, 2, 3));
  std::vector<std::byte> slot(16);
  ASSERT_TRUE((*source)->fill(1, slot).value());
  EXPECT_EQ(std::vector<std::byte>(slot), [&] {
    const auto bytes = (*source)->frame(1).value();
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  }());
}

template <class Stored, class Meant>
struct Kind {
  int bitpix;
  const char* zero;
  DType dtype;
  Stored stored_value;
  Meant meant;
};

TEST_F(Fits, EveryElementType) {
  const auto check = [this]<class S, class M>(const Kind<S, M>& kind) {
    const std::string zero =
        *kind.zero == '\0' ? "" : card("BZERO", kind.zero) + card("BSCALE", "1");
    const auto source = open_source(write(header(simple, kind.bitpix, {1, 1}, zero) +
                                          stored(std::vector<S>{kind.stored_value})));
    ASSERT_TRUE(source) << source.error().message();
    EXPECT_EQ((*source)->spec(0).dtype, kind.dtype) << kind.bitpix << kind.zero;
    EXPECT_EQ(frame<M>(**source, 0), std::vector<M>{kind.meant}) << kind.bitpix << kind.zero;
  };
  check(Kind<std::uint8_t, std::uint8_t>{8, "", DType::u8, 200, 200});
  check(Kind<std::uint8_t, std::int8_t>{8, "-128", DType::i8, 3, -125});
  check(Kind<std::int16_t, std::int16_t>{16, "", DType::i16, -300, -300});
  check(Kind<std::int16_t, std::uint16_t>{16, "32768", DType::u16, -32768 + 7, 7});
  check(Kind<std::int16_t, std::uint16_t>{16, "32768", DType::u16, 32767, 65535});
  check(Kind<std::int32_t, std::int32_t>{32, "", DType::i32, -70000, -70000});
  check(Kind<std::int32_t, std::uint32_t>{32, "2147483648", DType::u32, 5, 2147483653U});
  check(Kind<std::int64_t, std::int64_t>{64, "", DType::i64, -(std::int64_t{1} << 40),
                                         -(std::int64_t{1} << 40)});
  check(Kind<float, float>{-32, "", DType::f32, -1.5F, -1.5F});
  check(Kind<double, double>{-64, "", DType::f64, 1e300, 1e300});
}

TEST_F(Fits, ScaledIntegersAreWhatTheyStandFor) {
  const auto source =
      open_source(write(header(simple, 16, {2, 1}, card("BSCALE", "0.5") + card("BZERO", "10")) +
                        stored(std::vector<std::int16_t>{4, -4})));
  ASSERT_TRUE(source) << source.error().message();
  ASSERT_EQ((*source)->spec(0).dtype, DType::f32);
  EXPECT_THAT(frame<float>(**source, 0), ElementsAre(12.0F, 8.0F));
}

TEST_F(Fits, AnImageInALaterExtensionIsFound) {
  std::string extension = "XTENSION= 'IMAGE   '";
  extension.resize(80, ' ');
  const auto source =
      open_source(write(header(simple, 8, {}, card("EXTEND", "T")) +
                        header(extension, 8, {2, 1}, card("PCOUNT", "0") + card("GCOUNT", "1")) +
                        stored(std::vector<std::uint8_t>{7, 9})));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_THAT(frame<std::uint8_t>(**source, 0), ElementsAre(7, 9));
}

TEST_F(Fits, NamesAreNoCommands) {
  // To cfitsio's own open this is the first row of a file "a.fits".
  const auto text = header(simple, 8, {2, 2}) + stored(std::vector<std::uint8_t>{1, 2, 3, 4});
  const auto source = open_source(write(text, "a.fits[1:2,1:1].fits"));
  ASSERT_TRUE(source) << source.error().message();
  EXPECT_EQ((*source)->spec(0).shape, (Dims{2, 2}));
}

TEST_F(Fits, BrokenFilesAreNamedWithTheReason) {
  EXPECT_THAT(message_of(write("no FITS")), HasSubstr("a.fits': cfitsio"));
  EXPECT_THAT(message_of(write("")), HasSubstr("cfitsio"));
  EXPECT_THAT(message_of(write(header(simple, 8, {5}) + stored(std::vector<std::uint8_t>(5)))),
              HasSubstr("no image of 2 or 3 axes"));
  EXPECT_THAT(
      message_of(write(header(simple, 8, {2, 2, 2, 2}) + stored(std::vector<std::uint8_t>(16)))),
      HasSubstr("no image of 2 or 3 axes"));
  EXPECT_THAT(message_of(write(header(simple, 17, {2, 2}))), HasSubstr("cfitsio"));
  EXPECT_THAT(message_of(write(header(simple, 8, {2, 2, 0}))), HasSubstr("no frame"));
}

TEST_F(Fits, AFileThatWasCutFailsAtTheFrameThatIsMissing) {
  const std::string whole =
      header(simple, 8, {100, 100, 2}) + stored(std::vector<std::uint8_t>(20000, 5));
  const auto source = open_source(write(whole.substr(0, 2880 + 11000)));
  if (!source) {
    EXPECT_THAT(source.error().message(), HasSubstr("cfitsio"));
    return;
  }
  EXPECT_TRUE((*source)->frame(0));
  const auto second = (*source)->frame(1);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("frame 1: cfitsio"));
}

}  // namespace
}  // namespace tensorpool::sources
