#include "tp/preview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "tp/output.hpp"

namespace tensorpool::cli {

namespace {

// Along each axis: more would cost time that nobody sees.
constexpr std::int64_t samples_per_point = 4;
// What lies outside is shown black or white, so that one hot pixel does not hide the rest.
constexpr double darkest_part = 0.005;
constexpr double brightest_part = 0.995;
constexpr std::string_view letters = " .:-=+*#%@";

struct Colour3 {
  std::uint8_t r = 0;
  std::uint8_t g = 0;
  std::uint8_t b = 0;
};

// Which elements are rows, columns and channels.
struct Layout {
  DType dtype = DType::unknown;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::size_t channels = 1;  // that are shown: 1 or 3
  std::int64_t row_bytes = 0;
  std::int64_t column_bytes = 0;
  std::int64_t channel_bytes = 0;
};

// A picture as large as it is shown; `values` holds height x width x channels.
struct Points {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::size_t channels = 1;
  std::vector<double> values;
  double* at(std::int64_t row, std::int64_t column) {
    return values.data() + static_cast<std::size_t>(row * width + column) * channels;
  }
};

std::optional<Layout> layout_of(const FrameInfo& info) {
  const auto& dims = info.dims;
  const auto& strides = info.strides;
  const auto make = [&](std::size_t row, std::size_t column, std::size_t channel,
                        std::size_t shown) {
    return Layout{info.dtype,
                  dims[row],
                  dims[column],
                  shown,
                  strides[row],
                  strides[column],
                  shown == 1 ? 0 : strides[channel]};
  };
  if (info.dtype == DType::bit || element_size(info.dtype) == 0) return std::nullopt;
  if (info.ndims == 2) return make(0, 1, 0, 1);
  if (info.ndims != 3) return std::nullopt;
  if (dims[2] >= 1 && dims[2] <= 4) return make(0, 1, 2, dims[2] >= 3 ? 3 : 1);
  if (dims[0] == 1 || dims[0] == 3) return make(1, 2, 0, dims[0] == 3 ? 3 : 1);
  return std::nullopt;
}

template <class T>
double as_double(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<double>(value);
}

double element(DType dtype, const std::byte* at) noexcept {
  switch (dtype) {
    case DType::i8:
      return as_double<std::int8_t>(at);
    case DType::u16:
      return as_double<std::uint16_t>(at);
    case DType::i16:
      return as_double<std::int16_t>(at);
    case DType::u32:
      return as_double<std::uint32_t>(at);
    case DType::i32:
      return as_double<std::int32_t>(at);
    case DType::u64:
      return as_double<std::uint64_t>(at);
    case DType::i64:
      return as_double<std::int64_t>(at);
    case DType::f32:
      return as_double<float>(at);
    case DType::f64:
      return as_double<double>(at);
    default:
      return as_double<std::uint8_t>(at);
  }
}

// The mean of some elements below one point; what is no number counts as nothing.
double mean_below(const Layout& layout, const std::byte* plane, std::int64_t row0,
                  std::int64_t row1, std::int64_t column0, std::int64_t column1) noexcept {
  const std::int64_t rows = std::min(samples_per_point, row1 - row0);
  const std::int64_t columns = std::min(samples_per_point, column1 - column0);
  double sum = 0;
  int count = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t row = row0 + (2 * i + 1) * (row1 - row0) / (2 * rows);
    for (std::int64_t k = 0; k < columns; ++k) {
      const std::int64_t column = column0 + (2 * k + 1) * (column1 - column0) / (2 * columns);
      const double value =
          element(layout.dtype, plane + row * layout.row_bytes + column * layout.column_bytes);
      if (!std::isfinite(value)) continue;
      sum += value;
      ++count;
    }
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

Points sample(const Layout& layout, std::span<const std::byte> bytes, std::int64_t height,
              std::int64_t width) {
  Points points{height, width, layout.channels, {}};
  points.values.resize(static_cast<std::size_t>(height * width) * layout.channels);
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t row0 = y * layout.height / height;
    const std::int64_t row1 = std::max(row0 + 1, (y + 1) * layout.height / height);
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t column0 = x * layout.width / width;
      const std::int64_t column1 = std::max(column0 + 1, (x + 1) * layout.width / width);
      double* const point = points.at(y, x);
      for (std::size_t c = 0; c < layout.channels; ++c) {
        point[c] =
            mean_below(layout, bytes.data() + static_cast<std::int64_t>(c) * layout.channel_bytes,
                       row0, row1, column0, column1);
      }
    }
  }
  return points;
}

// Values to 0 … 255, in place.
void scale(Points& points, DType dtype) {
  double low = 0;
  double high = 255;
  if (dtype != DType::u8 && dtype != DType::bytes) {
    std::vector<double> finite;
    finite.reserve(points.values.size());
    std::ranges::copy_if(points.values, std::back_inserter(finite),
                         [](double value) { return std::isfinite(value); });
    if (finite.empty()) finite.push_back(0);
    std::ranges::sort(finite);
    const auto last = static_cast<double>(finite.size() - 1);
    low = finite[static_cast<std::size_t>(std::floor(last * darkest_part))];
    high = finite[static_cast<std::size_t>(std::ceil(last * brightest_part))];
    if (!(high > low)) {
      low = finite.front();
      high = finite.back();
    }
  }
  // Halves: the difference of the two largest doubles is no double.
  const double half_range = high / 2 - low / 2;
  for (double& value : points.values) {
    const double part = half_range > 0 ? (value / 2 - low / 2) / half_range : 0;
    value = std::isfinite(part) ? std::clamp(part * 255, 0.0, 255.0) : 0;
  }
}

Colour3 colour_at(Points& points, std::int64_t row, std::int64_t column) {
  if (row >= points.height) return {};
  const double* const point = points.at(row, column);
  const auto level = [](double value) { return static_cast<std::uint8_t>(std::lround(value)); };
  if (points.channels == 1) return {level(point[0]), level(point[0]), level(point[0])};
  return {level(point[0]), level(point[1]), level(point[2])};
}

// The nearest of the terminal's 24 greys, or of its 6x6x6 colours.
int index_of_256(const Colour3& colour) {
  constexpr int cube_first = 16;
  constexpr int grey_first = 232;
  if (colour.r == colour.g && colour.g == colour.b) {
    if (colour.r < 4) return cube_first;
    if (colour.r > 246) return cube_first + 215;
    return grey_first + std::clamp((colour.r - 3) / 10, 0, 23);
  }
  // The levels of the cube are 0, 95, 135, 175, 215 and 255.
  const auto step = [](int value) { return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40; };
  return cube_first + 36 * step(colour.r) + 6 * step(colour.g) + step(colour.b);
}

std::string escape(bool foreground, const Colour3& colour, Shades shades) {
  const int kind = foreground ? 38 : 48;
  if (shades == Shades::true_colour)
    return fmt::format("\x1b[{};2;{};{};{}m", kind, colour.r, colour.g, colour.b);
  return fmt::format("\x1b[{};5;{}m", kind, index_of_256(colour));
}

std::string in_colour(Points& points, Shades shades) {
  std::string text;
  for (std::int64_t row = 0; row < points.height; row += 2) {
    std::string over;  // escapes are told only where they change
    std::string under;
    for (std::int64_t column = 0; column < points.width; ++column) {
      const std::string upper = escape(true, colour_at(points, row, column), shades);
      if (upper != over) text += over = upper;
      // The lower half of a last odd row is the terminal's own background.
      if (row + 1 < points.height) {
        const std::string lower = escape(false, colour_at(points, row + 1, column), shades);
        if (lower != under) text += under = lower;
      }
      text += "\u2580";
    }
    text += "\x1b[0m\n";
  }
  return text;
}

std::string in_letters(Points& points) {
  std::string text;
  for (std::int64_t row = 0; row < points.height; ++row) {
    for (std::int64_t column = 0; column < points.width; ++column) {
      const Colour3 colour = colour_at(points, row, column);
      const int grey = (299 * colour.r + 587 * colour.g + 114 * colour.b) / 1000;
      text += letters[static_cast<std::size_t>(grey) * letters.size() / 256];
    }
    text += '\n';
  }
  return text;
}

bool names(const char* words, const char* part) {
  return words != nullptr && std::strstr(words, part) != nullptr;
}

}  // namespace

Shades shades_of(const TerminalWords& words) {
  if (words.no_colour != nullptr && *words.no_colour != '\0') return Shades::letters;
  const bool utf8 = words.locale == nullptr || names(words.locale, "UTF-8") ||
                    names(words.locale, "utf8") || names(words.locale, "utf-8");
  if (!utf8 || words.term == nullptr || std::strcmp(words.term, "dumb") == 0)
    return Shades::letters;
  if (names(words.colour_term, "truecolor") || names(words.colour_term, "24bit"))
    return Shades::true_colour;
  return names(words.term, "256color") ? Shades::colours_256 : Shades::letters;
}

Result<std::string> render(const FrameInfo& info, std::span<const std::byte> bytes,
                           const Canvas& canvas) {
  constexpr const char* call = "render";
  const auto layout = layout_of(info);
  if (!layout) {
    return fail(Code::unsupported, call,
                fmt::format("no preview of {} {}: it shows frames of shape HxW, HxWx1…4, 1xHxW and "
                            "3xHxW, of any element type but bit",
                            name(info.dtype), shape_text(info.shape())));
  }
  if (info.extent_bytes() == 0 || info.extent_bytes() > bytes.size()) {
    return fail(Code::extent_mismatch, call,
                fmt::format("shape {} reaches {} bytes, there are {}", shape_text(info.shape()),
                            info.extent_bytes(), bytes.size()));
  }
  const bool half_blocks = canvas.shades != Shades::letters;
  const double width = std::max(canvas.columns, 1);
  const double height = 2.0 * std::max(canvas.rows, 1);
  const double factor = std::min(width / static_cast<double>(layout->width),
                                 height / static_cast<double>(layout->height));
  const auto fitted = [factor](std::int64_t size, double most) {
    return std::clamp(std::lround(static_cast<double>(size) * factor), 1L, static_cast<long>(most));
  };
  const std::int64_t points_high = fitted(layout->height, height);
  Points points = sample(*layout, bytes, half_blocks ? points_high : (points_high + 1) / 2,
                         fitted(layout->width, width));
  scale(points, info.dtype);
  return half_blocks ? in_colour(points, canvas.shades) : in_letters(points);
}

}  // namespace tensorpool::cli
