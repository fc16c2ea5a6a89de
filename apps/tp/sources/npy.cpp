#include "tp/sources/npy.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace tensorpool::sources {

namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t header_limit_bytes = std::size_t{1} << 20U;

struct TypeName {
  std::string_view letters;
  DType dtype;
};
constexpr std::array<TypeName, 11> types{{{"u1", DType::u8},
                                          {"i1", DType::i8},
                                          {"u2", DType::u16},
                                          {"i2", DType::i16},
                                          {"u4", DType::u32},
                                          {"i4", DType::i32},
                                          {"u8", DType::u64},
                                          {"i8", DType::i64},
                                          {"f4", DType::f32},
                                          {"f8", DType::f64},
                                          {"b1", DType::boolean}}};

tl::unexpected<Error> broken(const std::string& path, const std::string& reason) {
  return fail(Code::invalid_file, "open_npy", fmt::format("'{}': {}", path, reason));
}

// The text behind "'key':" in the header's dictionary, without leading spaces.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  for (const char quote : {'\'', '"'}) {
    const std::string quoted = fmt::format("{}{}{}", quote, key, quote);
    const std::size_t at = header.find(quoted);
    if (at == std::string_view::npos) continue;
    std::string_view rest = header.substr(at + quoted.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (!rest.starts_with(':')) continue;
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    return rest;
  }
  return std::nullopt;
}

std::optional<DType> type_of(std::string_view descr) {
  if (descr.size() < 5 || (descr[0] != '\'' && descr[0] != '"')) return std::nullopt;
  const std::size_t end = descr.find(descr[0], 1);
  if (end != 4) return std::nullopt;
  const char order = descr[1];
  const std::string_view letters = descr.substr(2, 2);
  const bool one_byte = letters[1] == '1';
  if (order != '<' && order != '=' && order != '|' && !(order == '>' && one_byte))
    return std::nullopt;
  for (const TypeName& type : types) {
    if (type.letters == letters) return type.dtype;
  }
  return std::nullopt;
}

// "(10, 512, 640)" → its numbers; nullopt for anything else.
std::optional<std::vector<std::uint64_t>> shape_of(std::string_view text) {
  if (!text.starts_with('(')) return std::nullopt;
  const std::size_t end = text.find(')');
  if (end == std::string_view::npos) return std::nullopt;
  std::vector<std::uint64_t> shape;
  std::optional<std::uint64_t> number;
  for (const char c : text.substr(1, end - 1)) {
    if (c >= '0' && c <= '9') {
      const std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
      if (number.value_or(0) > (UINT64_MAX >> 8U)) return std::nullopt;
      number = number.value_or(0) * 10 + digit;
    } else if (c == ',') {
      if (!number) return std::nullopt;
      shape.push_back(*std::exchange(number, std::nullopt));
    } else if (c != ' ') {
      return std::nullopt;
    }
  }
  if (number) shape.push_back(*number);
  return shape;
}

class Mapped {
 public:
  Mapped() = default;
  Mapped(void* base, std::size_t size) : base_(base), size_(size) {}
  Mapped(Mapped&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapped& operator=(Mapped&&) = delete;
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() {
    if (base_ != nullptr) ::munmap(base_, size_);
  }
  const std::byte* data() const { return static_cast<const std::byte*>(base_); }
  std::size_t size() const { return size_; }

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
};

Result<Mapped> map_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return broken(path, std::strerror(errno));
  struct stat status{};
  const bool known = ::fstat(fd, &status) == 0;
  void* base = MAP_FAILED;
  const auto size = known ? static_cast<std::size_t>(status.st_size) : 0;
  if (size > 0) base = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  ::close(fd);
  if (known && size == 0) return broken(path, "the file is empty");
  if (base == MAP_FAILED) return broken(path, std::strerror(error));
  return Mapped(base, size);
}

class NpySource final : public Source {
 public:
  NpySource(Mapped file, std::size_t data_offset, std::size_t frames, const TensorSpec& spec,
            std::size_t frame_bytes)
      : file_(std::move(file)),
        data_(file_.data() + data_offset),
        frames_(frames),
        spec_(spec),
        frame_bytes_(frame_bytes) {
    if (spec_.order == MajorOrder::column) gathered_.resize(frame_bytes_);
  }
  std::size_t size() const override { return frames_; }
  bool uniform() const override { return true; }
  TensorSpec spec(std::size_t /*index*/) const override { return spec_; }
  Result<std::span<const std::byte>> frame(std::size_t index) override {
    if (spec_.order == MajorOrder::row)
      return std::span<const std::byte>(data_ + index * frame_bytes_, frame_bytes_);
    // Time is the fastest axis of a Fortran array: its frames lie interleaved.
    const std::size_t element = element_size(spec_.dtype);
    for (std::size_t m = 0; m < frame_bytes_ / element; ++m)
      std::memcpy(gathered_.data() + m * element, data_ + (m * frames_ + index) * element, element);
    return std::span<const std::byte>(gathered_);
  }

 private:
  Mapped file_;
  const std::byte* data_;
  std::size_t frames_;
  TensorSpec spec_;
  std::size_t frame_bytes_;
  std::vector<std::byte> gathered_;
};

struct Layout {
  std::string_view dictionary;
  std::size_t data_offset = 0;
};

Result<Layout> find_header(const std::string& path, std::string_view file) {
  if (!file.starts_with(magic) || file.size() < 12) return broken(path, "not a .npy file");
  const auto major = static_cast<unsigned char>(file[6]);
  if (major < 1 || major > 3) {
    return broken(path, fmt::format("format version {} is not 1, 2 or 3", major));
  }
  const std::size_t prefix = major == 1 ? 10 : 12;
  std::uint32_t length = 0;
  std::memcpy(&length, file.data() + 8, major == 1 ? 2 : 4);
  if (length > header_limit_bytes || prefix + length > file.size()) {
    return broken(path, fmt::format("the header of {} bytes reaches past the file's {}", length,
                                    file.size()));
  }
  return Layout{file.substr(prefix, length), prefix + length};
}

}  // namespace

Result<std::unique_ptr<Source>> open_npy(const std::string& path) {
  auto file = map_file(path);
  if (!file) return fail(std::move(file.error()));
  const std::string_view text(static_cast<const char*>(static_cast<const void*>(file->data())),
                              file->size());
  const auto layout = find_header(path, text);
  if (!layout) return fail(layout.error());
  const auto descr = value_of(layout->dictionary, "descr");
  const auto order = value_of(layout->dictionary, "fortran_order");
  const auto shape_text = value_of(layout->dictionary, "shape");
  if (!descr || !order || !shape_text)
    return broken(path, "the header lacks 'descr', 'fortran_order' or 'shape'");
  const auto dtype = type_of(*descr);
  if (!dtype) {
    return broken(path, fmt::format("element type {} is not one of u1 u2 u4 u8 i1 i2 i4 i8 f4 f8 "
                                    "b1, little-endian",
                                    descr->substr(0, 24)));
  }
  const auto shape = shape_of(*shape_text);
  if (!shape || shape->size() < 2 || shape->size() > max_dims + 1) {
    return broken(path, fmt::format("shape {} has no axis of time and 1 to {} more",
                                    shape_text->substr(0, 40), max_dims));
  }
  TensorSpec spec;
  spec.dtype = *dtype;
  const bool fortran = order->starts_with("True");
  if (!fortran && !order->starts_with("False"))
    return broken(path, "fortran_order is neither True nor False");
  spec.order = fortran ? MajorOrder::column : MajorOrder::row;
  spec.shape.count = static_cast<std::uint8_t>(shape->size() - 1);
  for (std::size_t i = 1; i < shape->size(); ++i) {
    if ((*shape)[i] > INT32_MAX) return broken(path, "a dimension is above 2147483647");
    spec.shape.values[i - 1] = static_cast<std::int32_t>((*shape)[i]);
  }
  const auto frame_bytes = payload_bytes(spec);
  if (!frame_bytes) return broken(path, frame_bytes.error().message());
  const std::uint64_t frames = shape->front();
  const std::uint64_t there = file->size() - layout->data_offset;
  if (frames == 0) return broken(path, "the array holds no frame");
  if (frames > there / *frame_bytes) {
    return broken(path, fmt::format("{} frames of {} bytes do not fit the {} bytes of data: the "
                                    "file is cut short",
                                    frames, *frame_bytes, there));
  }
  return std::make_unique<NpySource>(std::move(*file), layout->data_offset, frames, spec,
                                     *frame_bytes);
}

Result<void> write_npy(const std::string& path, const TensorSpec& spec,
                       std::span<const std::byte> bytes) {
  std::string_view letters = "u1";  // raw bytes and packed bits are bytes to NumPy
  for (const TypeName& type : types) {
    if (type.dtype == spec.dtype) letters = type.letters;
  }
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': {}, 'shape': ({},), }}",
                                   letters[1] == '1' ? '|' : '<', letters,
                                   spec.order == MajorOrder::column ? "True" : "False",
                                   fmt::join(spec.shape.span(), ", "));
  constexpr std::size_t prefix = 10;
  constexpr std::size_t alignment = 64;
  header.append((alignment - (prefix + header.size() + 1) % alignment) % alignment, ' ');
  header.push_back('\n');
  std::string start(magic);
  start.push_back('\x01');
  start.push_back('\x00');
  start.push_back(static_cast<char>(header.size() & 0xFFU));
  start.push_back(static_cast<char>(header.size() >> 8U));
  start += header;
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return fail(Error::system("write_npy", errno, path));
  bool written = std::fwrite(start.data(), 1, start.size(), file) == start.size() &&
                 std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  written = std::fclose(file) == 0 && written;
  if (!written) return fail(Error::system("write_npy", errno, path));
  return {};
}

}  // namespace tensorpool::sources
