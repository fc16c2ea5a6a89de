#include "tp/sources/source.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>

#include "tp/sources/fits.hpp"
#include "tp/sources/generated.hpp"
#include "tp/sources/npy.hpp"
#include "tp/sources/pictures.hpp"
#include "tp/sources/raw.hpp"
#include "tp/sources/video.hpp"

namespace tensorpool::sources {

namespace {

constexpr const char* call = "open_source";

// "640x480" and "u16" out of "pattern:640x480:u16"; both may be missing.
Result<std::unique_ptr<Source>> open_pattern(const std::string& name) {
  PatternOptions options;
  const std::string rest = name.size() > 8 ? name.substr(8) : "";
  const std::size_t colon = rest.find(':');
  if (const std::string size = rest.substr(0, colon); !size.empty()) {
    auto shape = parse_shape(size);
    if (!shape) return fail(std::move(shape.error()));
    if (shape->size() != 2) {
      return fail(Code::invalid_argument, call,
                  fmt::format("'{}': a pattern is WIDTHxHEIGHT, for example 640x480", name));
    }
    options.width = (*shape)[0];
    options.height = (*shape)[1];
  }
  if (colon != std::string::npos) {
    options.dtype = dtype_from_name(rest.substr(colon + 1));
    if (element_size(options.dtype) == 0) {
      return fail(Code::invalid_argument, call,
                  fmt::format("'{}': unknown element type '{}'", name, rest.substr(colon + 1)));
    }
  }
  return make_pattern(options);
}

Result<std::unique_ptr<Source>> open_folder(const std::string& name) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(name, error), end; !error && it != end;
       it.increment(error)) {
    if (is_picture_name(it->path().string())) files.push_back(it->path().string());
  }
  if (error) {
    return fail(Code::invalid_file, call, fmt::format("'{}': {}", name, error.message()));
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    return fail(Code::invalid_file, call,
                fmt::format("'{}' holds no .png, .jpg or .jpeg file", name));
  }
  std::vector<Picture> pictures;
  std::uint64_t total = 0;
  for (const std::string& file : files) {
    auto picture = read_picture(file);
    if (!picture) return fail(std::move(picture.error()));
    total += picture->bytes.size();
    if (total > memory_limit_bytes) {
      return fail(Code::limit_exceeded, call,
                  fmt::format("'{}' holds more than {} bytes of pictures; make it a .npy file, "
                              "which is read from the disk as it plays",
                              name, memory_limit_bytes));
    }
    pictures.push_back(std::move(*picture));
  }
  return std::make_unique<MemorySource>(std::move(pictures), false);
}

}  // namespace

bool is_fits_name(const std::string& name) {
  static constexpr std::array<const char*, 6> endings{".fits",    ".fit",    ".fts",
                                                      ".fits.gz", ".fit.gz", ".fts.gz"};
  return std::ranges::any_of(endings, [&](const char* ending) {
    const std::size_t length = std::strlen(ending);
    return name.size() >= length && strcasecmp(name.c_str() + name.size() - length, ending) == 0;
  });
}

Result<bool> Source::fill(std::size_t index, std::span<std::byte> out) {
  auto bytes = frame(index);
  if (!bytes) return fail(std::move(bytes.error()));
  if (bytes->size() != out.size()) {
    return fail(Code::internal, "Source::fill",
                fmt::format("frame {} has {} bytes, not {}", index, bytes->size(), out.size()));
  }
  std::memcpy(out.data(), bytes->data(), out.size());
  return true;
}

Result<std::uint32_t> stride_for(const Source& source) {
  constexpr std::uint64_t step = 64;
  std::uint64_t largest = 0;
  const std::size_t different = source.uniform() ? 1 : std::max<std::size_t>(1, source.size());
  for (std::size_t k = 0; k < different; ++k) {
    const auto bytes = payload_bytes(source.spec(k));
    if (!bytes) return fail(bytes.error());
    largest = std::max(largest, *bytes);
  }
  return static_cast<std::uint32_t>((largest + step - 1) / step * step);
}

std::uint32_t slots_for(std::uint32_t stride_bytes) noexcept {
  constexpr std::uint64_t budget_bytes = std::uint64_t{256} << 20U;
  const std::uint64_t fit =
      std::bit_floor(budget_bytes / std::max<std::uint64_t>(1, stride_bytes) + 1);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(fit, 16, 1024));
}

Result<std::uint64_t> payload_bytes(const TensorSpec& spec) {
  std::uint64_t bytes = element_size(spec.dtype);
  bool valid = bytes != 0 && spec.shape.size() >= 1 && spec.shape.size() <= max_dims;
  for (const std::int32_t dim : spec.shape.span()) {
    valid =
        valid && dim > 0 && !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes);
  }
  // The header's values_len_bytes has 32 bits, and a stride is a multiple of 64.
  if (!valid || bytes > 0xFFFFFFC0U) {
    return fail(
        Code::invalid_argument, "payload_bytes",
        fmt::format("element type {} and shape {} are no frame: 1 to {} positive "
                    "dimensions, at most {} bytes",
                    tensorpool::name(spec.dtype),
                    fmt::format("{}", fmt::join(spec.shape.span(), "x")), max_dims, 0xFFFFFFC0U));
  }
  return bytes;
}

Result<Dims> parse_shape(const std::string& text) {
  Dims dims;
  std::size_t at = 0;
  bool valid = !text.empty();
  while (valid && at < text.size() && dims.count < max_dims) {
    std::uint64_t value = 0;
    const std::size_t first = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && value <= INT32_MAX; ++at)
      value = value * 10 + static_cast<std::uint64_t>(text[at] - '0');
    valid = at != first && value >= 1 && value <= INT32_MAX;
    dims.values[dims.count++] = static_cast<std::int32_t>(value <= INT32_MAX ? value : 0);
    if (at == text.size()) break;
    valid = valid && (text[at] == 'x' || text[at] == ',') && at + 1 < text.size();
    ++at;
  }
  if (!valid || at != text.size()) {
    return fail(Code::invalid_argument, "parse_shape",
                fmt::format("'{}' is no shape: give 1 to {} positive numbers, for example 512x640",
                            text, max_dims));
  }
  return dims;
}

Result<std::unique_ptr<Source>> open_source(const std::string& name, const RawFormat& raw) {
  if (name == "stars") return make_stars();
  if (name == "pattern" || name.starts_with("pattern:")) return open_pattern(name);
  if (name == "-") return open_raw(name, raw);
  std::error_code error;
  const auto status = std::filesystem::status(name, error);
  if (!std::filesystem::exists(status)) {
    return fail(Code::invalid_file, call,
                fmt::format("'{}' is neither a file, a folder, 'stars', 'pattern[:WxH[:dtype]]' "
                            "nor '-'",
                            name));
  }
  if (std::filesystem::is_directory(status)) return open_folder(name);
  if (is_picture_name(name)) {
    auto picture = read_picture(name);
    if (!picture) return fail(std::move(picture.error()));
    std::vector<Picture> one;
    one.push_back(std::move(*picture));
    return std::make_unique<MemorySource>(std::move(one), false);
  }
  if (name.ends_with(".npy")) return open_npy(name);
  if (is_fits_name(name)) return open_fits(name);
  if (is_video_name(name)) return open_video(name);
  return open_raw(name, raw);
}

}  // namespace tensorpool::sources
