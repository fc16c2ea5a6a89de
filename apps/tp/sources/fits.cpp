#include "tp/sources/fits.hpp"

#include <fitsio.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tensorpool::sources {

namespace {

constexpr const char* call = "open_fits";
constexpr int most_axes = 3;

struct ImageType {
  int fits;       // what pixels stand for, BZERO and BSCALE applied
  int in_memory;  // what cfitsio is asked to give
  DType dtype;
};
constexpr std::array<ImageType, 10> types{{{BYTE_IMG, TBYTE, DType::u8},
                                           {SBYTE_IMG, TSBYTE, DType::i8},
                                           {SHORT_IMG, TSHORT, DType::i16},
                                           {USHORT_IMG, TUSHORT, DType::u16},
                                           {LONG_IMG, TINT, DType::i32},
                                           {ULONG_IMG, TUINT, DType::u32},
                                           {LONGLONG_IMG, TLONGLONG, DType::i64},
                                           {ULONGLONG_IMG, TULONGLONG, DType::u64},
                                           {FLOAT_IMG, TFLOAT, DType::f32},
                                           {DOUBLE_IMG, TDOUBLE, DType::f64}}};

tl::unexpected<Error> broken(const std::string& path, const std::string& reason) {
  return fail(Code::invalid_file, call, fmt::format("'{}': {}", path, reason));
}

// cfitsio's words for a status, and the newest of its own messages; its list is empty afterwards.
std::string words_of(int status) {
  std::array<char, FLEN_STATUS> text{};
  std::array<char, FLEN_ERRMSG> message{};
  ffgerr(status, text.data());
  std::string words = fmt::format("cfitsio {}: {}", status, text.data());
  if (ffgmsg(message.data()) != 0) words += fmt::format(" ({})", message.data());
  ffcmsg();
  // It may quote the file, which may hold anything.
  std::ranges::replace_if(
      words, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return words;
}

class FitsFile {
 public:
  explicit FitsFile(fitsfile* file) noexcept : file_(file) {}
  FitsFile(FitsFile&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
  FitsFile& operator=(FitsFile&&) = delete;
  FitsFile(const FitsFile&) = delete;
  FitsFile& operator=(const FitsFile&) = delete;
  ~FitsFile() {
    int status = 0;
    if (file_ != nullptr) ffclos(file_, &status);
    if (status != 0) ffcmsg();
  }
  fitsfile* get() const noexcept { return file_; }

 private:
  fitsfile* file_;
};

struct Image {
  TensorSpec spec;
  int in_memory = 0;
  std::size_t frames = 1;
};

// What the current extension holds, if it is an image of two or three axes.
Result<Image> image_here(const std::string& path, fitsfile* file) {
  int status = 0;
  int kind = 0;
  int axes = 0;
  int type = 0;
  std::array<LONGLONG, most_axes> sizes{1, 1, 1};
  ffghdt(file, &kind, &status);
  if (status == 0 && kind == IMAGE_HDU) {
    ffgidm(file, &axes, &status);
    ffgiet(file, &type, &status);
    ffgiszll(file, most_axes, sizes.data(), &status);
  }
  if (status != 0) return broken(path, words_of(status));
  Image image;
  if (kind != IMAGE_HDU || axes < 2 || axes > most_axes) return image;  // unknown: look on
  const auto* const found =
      std::ranges::find_if(types, [type](const ImageType& each) { return each.fits == type; });
  if (found == types.end()) return broken(path, fmt::format("pixels of the type {}", type));
  image.spec.dtype = found->dtype;
  image.spec.shape = {sizes[1], sizes[0]};
  image.in_memory = found->in_memory;
  image.frames = static_cast<std::size_t>(std::max<LONGLONG>(sizes[2], 0));
  if (const auto bytes = payload_bytes(image.spec); !bytes)
    return broken(path, bytes.error().message());
  if (image.frames == 0) return broken(path, "the cube holds no frame");
  return image;
}

Result<Image> find_image(const std::string& path, fitsfile* file) {
  int status = 0;
  int extensions = 0;
  ffthdu(file, &extensions, &status);
  if (status != 0) return broken(path, words_of(status));
  for (int number = 1; number <= extensions; ++number) {
    ffmahd(file, number, nullptr, &status);
    if (status != 0) return broken(path, words_of(status));
    auto image = image_here(path, file);
    if (!image || image->spec.dtype != DType::unknown) return image;
  }
  return broken(path, fmt::format("no image of 2 or 3 axes in its {} extensions", extensions));
}

class FitsSource final : public Source {
 public:
  FitsSource(std::string path, FitsFile file, const Image& image, std::size_t bytes)
      : path_(std::move(path)), file_(std::move(file)), image_(image), bytes_(bytes) {}
  std::size_t size() const override { return image_.frames; }
  bool uniform() const override { return true; }
  TensorSpec spec(std::size_t /*index*/) const override { return image_.spec; }
  Result<std::span<const std::byte>> frame(std::size_t index) override {
    plane_.resize(bytes_);  // only for who compares: publishing reads into the slot
    if (auto done = read(index, plane_); !done) return fail(std::move(done.error()));
    return std::span<const std::byte>(plane_);
  }
  Result<bool> fill(std::size_t index, std::span<std::byte> out) override {
    if (auto done = read(index, out); !done) return fail(std::move(done.error()));
    return true;
  }

 private:
  Result<void> read(std::size_t index, std::span<std::byte> out) {
    if (out.size() != bytes_)
      return fail(Code::internal, "FitsSource::read", fmt::format("{} bytes", out.size()));
    std::array<LONGLONG, most_axes> first{1, 1, static_cast<LONGLONG>(index) + 1};
    int status = 0;
    int any_null = 0;
    ffgpxvll(file_.get(), image_.in_memory, first.data(),
             static_cast<LONGLONG>(out.size() / element_size(image_.spec.dtype)), nullptr,
             out.data(), &any_null, &status);
    if (status != 0) {
      return fail(Code::invalid_file, "FitsSource::read",
                  fmt::format("'{}': frame {}: {}", path_, index, words_of(status)));
    }
    return {};
  }

  std::string path_;
  FitsFile file_;
  Image image_;
  std::size_t bytes_;
  std::vector<std::byte> plane_;
};

}  // namespace

bool fits_built_in() noexcept { return true; }

Result<std::unique_ptr<Source>> open_fits(const std::string& path) {
  fitsfile* raw = nullptr;
  int status = 0;
  // The name as it is: cfitsio's own open understands filters, commands and URLs in it.
  ffdkopn(&raw, path.c_str(), READONLY, &status);
  if (status != 0) return broken(path, words_of(status));
  FitsFile file(raw);
  const auto image = find_image(path, file.get());
  if (!image) return fail(image.error());
  const auto bytes = payload_bytes(image->spec);
  if (!bytes) return fail(bytes.error());
  return std::make_unique<FitsSource>(path, std::move(file), *image, *bytes);
}

}  // namespace tensorpool::sources
