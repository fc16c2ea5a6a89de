#include "tp/sources/pictures.hpp"

#include <fmt/format.h>
#include <png.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
// jpeglib.h needs stdio's types before it.
#include <jpeglib.h>

namespace tensorpool::sources {

namespace {

using FilePtr = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Where a decoder's error jumps to, and what it said. Functions that call setjmp here hold no object
// with a destructor: everything they fill belongs to their caller.
struct Trap {
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> text{};
};

void keep_text(Trap& trap, const char* text) {
  std::snprintf(trap.text.data(), trap.text.size(), "%s", text);
}

[[noreturn]] void on_png_error(png_structp png, png_const_charp text) {
  auto* trap = static_cast<Trap*>(png_get_error_ptr(png));
  keep_text(*trap, text);
  std::longjmp(trap->jump, 1);
}
void on_png_warning(png_structp /*png*/, png_const_charp /*text*/) {}

struct Header {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::size_t channels = 0;
  std::size_t sample_bytes = 1;
  std::size_t row_bytes = 0;
};

bool read_png_header(png_structp png, png_infop info, std::FILE* file, Trap& trap, Header& header) {
  if (setjmp(trap.jump) != 0) return false;
  png_init_io(png, file);
  png_read_info(png, info);
  png_set_expand(png);  // palettes to RGB, less than 8 bits to 8, transparency to alpha
  if (png_get_bit_depth(png, info) == 16) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  header.width = png_get_image_width(png, info);
  header.height = png_get_image_height(png, info);
  header.channels = png_get_channels(png, info);
  header.sample_bytes = png_get_bit_depth(png, info) == 16 ? 2 : 1;
  header.row_bytes = png_get_rowbytes(png, info);
  return true;
}

bool read_png_rows(png_structp png, png_bytepp rows, Trap& trap) {
  if (setjmp(trap.jump) != 0) return false;
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  PngReader() = default;
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
};

tl::unexpected<Error> broken(const std::string& path, const char* reason) {
  return fail(Code::invalid_file, "read_picture", fmt::format("'{}': {}", path, reason));
}

// Sizes the picture for a decoded header; refuses what no frame can hold before it is allocated.
Result<void> prepare(const std::string& path, const Header& header, Picture& picture) {
  picture.spec.dtype = header.sample_bytes == 2 ? DType::u16 : DType::u8;
  picture.spec.shape = header.channels == 1 ? Dims{header.height, header.width}
                                            : Dims{header.height, header.width,
                                                   static_cast<std::int64_t>(header.channels)};
  const auto bytes = payload_bytes(picture.spec);
  if (!bytes) return broken(path, bytes.error().message().c_str());
  picture.bytes.resize(*bytes);
  return {};
}

std::vector<unsigned char*> rows_of(std::byte* bytes, std::size_t rows, std::size_t row_bytes) {
  std::vector<unsigned char*> pointers(rows);
  for (std::size_t row = 0; row < rows; ++row)
    pointers[row] = static_cast<unsigned char*>(static_cast<void*>(bytes + row * row_bytes));
  return pointers;
}

Result<Picture> read_png(const std::string& path, std::FILE* file) {
  Trap trap;
  PngReader reader;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &trap, on_png_error, on_png_warning);
  if (reader.png == nullptr) return broken(path, "libpng cannot start");
  reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) return broken(path, "libpng cannot start");
  Header header;
  Picture picture;
  if (!read_png_header(reader.png, reader.info, file, trap, header))
    return broken(path, trap.text.data());
  if (auto fits = prepare(path, header, picture); !fits) return fail(std::move(fits.error()));
  auto rows = rows_of(picture.bytes.data(), header.height, header.row_bytes);
  if (!read_png_rows(reader.png, rows.data(), trap)) return broken(path, trap.text.data());
  return picture;
}

struct JpegTrap {
  jpeg_error_mgr manager{};  // first: libjpeg hands back a pointer to it
  Trap trap;
};

[[noreturn]] void on_jpeg_error(j_common_ptr common) {
  auto* trap = static_cast<JpegTrap*>(static_cast<void*>(common->err));
  common->err->format_message(common, trap->trap.text.data());
  std::longjmp(trap->trap.jump, 1);
}
void on_jpeg_message(j_common_ptr /*common*/, int /*level*/) {}

struct JpegReader {
  jpeg_decompress_struct state{};
  JpegReader() = default;
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&state); }
};

bool read_jpeg_header(jpeg_decompress_struct& state, std::FILE* file, Trap& trap, Header& header) {
  if (setjmp(trap.jump) != 0) return false;
  jpeg_create_decompress(&state);
  jpeg_stdio_src(&state, file);
  jpeg_read_header(&state, TRUE);
  state.out_color_space = state.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  // One decoder for all machines: the faster ones differ in the last bit between processors.
  state.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&state);
  header.width = state.output_width;
  header.height = state.output_height;
  header.channels = static_cast<std::size_t>(state.output_components);
  header.row_bytes = header.width * header.channels;
  return true;
}

bool read_jpeg_rows(jpeg_decompress_struct& state, unsigned char** rows, Trap& trap) {
  if (setjmp(trap.jump) != 0) return false;
  while (state.output_scanline < state.output_height)
    jpeg_read_scanlines(&state, rows + state.output_scanline,
                        state.output_height - state.output_scanline);
  jpeg_finish_decompress(&state);
  return true;
}

Result<Picture> read_jpeg(const std::string& path, std::FILE* file) {
  JpegTrap trap;
  JpegReader reader;
  reader.state.err = jpeg_std_error(&trap.manager);
  trap.manager.error_exit = on_jpeg_error;
  trap.manager.emit_message = on_jpeg_message;
  Header header;
  Picture picture;
  if (!read_jpeg_header(reader.state, file, trap.trap, header))
    return broken(path, trap.trap.text.data());
  if (auto fits = prepare(path, header, picture); !fits) return fail(std::move(fits.error()));
  auto rows = rows_of(picture.bytes.data(), header.height, header.row_bytes);
  if (!read_jpeg_rows(reader.state, rows.data(), trap.trap))
    return broken(path, trap.trap.text.data());
  // libjpeg fills a truncated picture with grey and only counts a warning.
  if (trap.manager.num_warnings > 0) return broken(path, "the JPEG data is damaged or cut short");
  return picture;
}

bool write_png_rows(png_structp png, png_infop info, std::FILE* file, const Header& header,
                    png_bytepp rows, Trap& trap) {
  static constexpr std::array<int, 5> colour{0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                             PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
  if (setjmp(trap.jump) != 0) return false;
  png_init_io(png, file);
  png_set_IHDR(png, info, header.width, header.height, header.sample_bytes == 2 ? 16 : 8,
               colour.at(header.channels), PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level(png, 1);
  png_write_info(png, info);
  if (header.sample_bytes == 2) png_set_swap(png);
  png_write_image(png, rows);
  png_write_end(png, nullptr);
  return true;
}

struct PngWriter {
  png_structp png = nullptr;
  png_infop info = nullptr;
  PngWriter() = default;
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
};

}  // namespace

bool is_picture_name(const std::string& name) {
  for (const char* ending : {".png", ".jpg", ".jpeg"}) {
    const std::size_t length = std::strlen(ending);
    if (name.size() > length && strcasecmp(name.c_str() + name.size() - length, ending) == 0)
      return true;
  }
  return false;
}

Result<Picture> read_picture(const std::string& path) {
  const FilePtr file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) return broken(path, std::strerror(errno));
  std::array<unsigned char, 8> magic{};
  const std::size_t got = std::fread(magic.data(), 1, magic.size(), file.get());
  if (std::fseek(file.get(), 0, SEEK_SET) != 0) return broken(path, std::strerror(errno));
  if (got == magic.size() && png_sig_cmp(magic.data(), 0, magic.size()) == 0)
    return read_png(path, file.get());
  if (got >= 2 && magic[0] == 0xFF && magic[1] == 0xD8) return read_jpeg(path, file.get());
  return broken(path, "neither a PNG nor a JPEG file by its first bytes");
}

Result<void> write_png(const std::string& path, const TensorSpec& spec,
                       std::span<const std::byte> bytes) {
  Header header;
  const bool flat = spec.shape.size() == 2;
  header.channels = flat ? 1 : static_cast<std::size_t>(std::max(0, spec.shape[2]));
  const bool fits =
      (flat || (spec.shape.size() == 3 && header.channels >= 1 && header.channels <= 4)) &&
      (spec.dtype == DType::u8 || spec.dtype == DType::u16) && spec.order == MajorOrder::row;
  const auto size = payload_bytes(spec);
  if (!fits || !size || *size != bytes.size()) {
    return fail(Code::unsupported, "write_png",
                fmt::format("'{}': a PNG holds u8 or u16 frames of shape HxW or HxWx1…4, row by "
                            "row; save this one as .npy",
                            path));
  }
  header.height = static_cast<std::uint32_t>(spec.shape[0]);
  header.width = static_cast<std::uint32_t>(spec.shape[1]);
  header.sample_bytes = element_size(spec.dtype);
  // libpng takes rows without const; it copies each before it changes byte order.
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  auto rows =
      rows_of(copy.data(), header.height, header.width * header.channels * header.sample_bytes);
  FilePtr file(std::fopen(path.c_str(), "wbe"), &std::fclose);
  if (!file) return fail(Error::system("write_png", errno, path));
  Trap trap;
  PngWriter writer;
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &trap, on_png_error, on_png_warning);
  if (writer.png != nullptr) writer.info = png_create_info_struct(writer.png);
  if (writer.info == nullptr ||
      !write_png_rows(writer.png, writer.info, file.get(), header, rows.data(), trap)) {
    return fail(Code::system_error, "write_png", fmt::format("'{}': {}", path, trap.text.data()));
  }
  if (std::fclose(file.release()) != 0) return fail(Error::system("write_png", errno, path));
  return {};
}

}  // namespace tensorpool::sources
