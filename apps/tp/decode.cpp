#include "tp/decode.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "tp/hex_text.hpp"
#include "tp/json.hpp"
#include "tp/signals.hpp"
#include "wire/codec.hpp"
#include "wire/fields.hpp"

namespace tensorpool::cli {

namespace {

// Aeron carries no message above 16 MiB. The text of a dump takes about four characters per byte.
constexpr std::size_t message_max_bytes = std::size_t{16} << 20U;
constexpr std::size_t text_max_bytes = 5 * message_max_bytes;

constexpr const char* standard_input = "-";

struct DecodeOptions {
  std::vector<std::string> files;
  bool hex = false;
  bool strict = false;
  bool json = false;
};

// Free text of a peer may hold any bytes (MSG-43). Byte 0xNN becomes the character U+00NN, so that
// nothing is lost and two different texts never look the same.
std::string characters_of(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xC0U | byte >> 6U);
      text += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  return text;
}

std::string hex_of(const wire::Bytes& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += digits[std::to_integer<std::size_t>(byte >> 4U)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{0xF})];
  }
  return text;
}

// Visits the fields of a message or of a group entry (wire/fields.hpp).
class FieldsToJson {
 public:
  template <class Entry>
  static Json of(const Entry& entry) {
    FieldsToJson visitor;
    wire::fields(entry, visitor);
    return std::move(visitor.object_);
  }

  template <class T>
  void value(const char* name, const T& x) {
    object_[name] = plain(x);
  }
  template <class T>
  void value(const char* name, const std::optional<T>& x) {
    object_[name] = x ? plain(*x) : Json(nullptr);
  }
  template <class T>
  void sentinel(const char* name, const T& x, T null) {
    object_[name] = x == null ? Json(nullptr) : Json(x);
  }
  void assigned_stream(const char* name, const std::uint32_t& x) { object_[name] = x; }
  void text(const char* name, const std::string& x) { object_[name] = characters_of(x); }
  void uri(const char* name, const std::string& x) { object_[name] = characters_of(x); }
  void data(const char* name, const wire::Bytes& x, std::uint64_t) { object_[name] = hex_of(x); }
  template <class Entry>
  void group(const char* name, const std::vector<Entry>& entries) {
    Json list = Json::array();
    for (const Entry& entry : entries) list.push_back(of(entry));
    object_[name] = std::move(list);
  }
  void tags(const char* name, const std::vector<std::string>& tags) {
    Json list = Json::array();
    for (const std::string& tag : tags) list.push_back(characters_of(tag));
    object_[name] = std::move(list);
  }

 private:
  // Decoded enums are always listed ones (MSG-18).
  template <class T>
  static Json plain(const T& x) {
    if constexpr (std::is_enum_v<T>) {
      return wire::protocol_name(x);
    } else {
      return x;
    }
  }

  Json object_ = Json::object();
};

// A descriptor that is closed unless it is standard input.
class Input {
 public:
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  explicit Input(const std::string& file)
      : fd_(file == standard_input ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Input() {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Files, pipes and devices alike, until their end or one byte more than `max_bytes`.
Result<std::string> read_input(const std::string& file, std::size_t max_bytes) {
  const Input input(file);
  if (input.fd() < 0) return fail(Error::system("open", errno, file));
  struct stat status{};
  if (::fstat(input.fd(), &status) != 0) return fail(Error::system("fstat", errno, file));
  if (S_ISDIR(status.st_mode)) {
    return fail(
        Code::invalid_file, "decode",
        fmt::format("'{}' is a folder; name its files, each of which holds one message", file));
  }
  std::string bytes;
  std::array<char, 65536> piece{};
  for (;;) {
    const ssize_t got = ::read(input.fd(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR && !stop_requested()) continue;
    if (got < 0) return fail(Error::system("read", errno, file));
    if (got == 0) return bytes;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      return fail(
          Code::limit_exceeded, "decode",
          fmt::format("'{}' has more than {} bytes, the most that are read", file, max_bytes));
    }
  }
}

Result<std::vector<std::byte>> bytes_of(const std::string& input, bool hex) {
  if (hex) return bytes_of_hex(input, message_max_bytes);
  const auto* first = reinterpret_cast<const std::byte*>(input.data());
  return std::vector<std::byte>(first, first + input.size());
}

bool refuse(const std::string& file, std::string_view why) {
  print_error(fmt::format("{}: {}", file, why));
  return false;
}

bool decode_file(const std::string& file, const DecodeOptions& options) {
  const auto input = read_input(file, options.hex ? text_max_bytes : message_max_bytes);
  if (!input) {
    print_error(input.error().message());  // names the file itself
    return false;
  }
  const auto bytes = bytes_of(*input, options.hex);
  if (!bytes) return refuse(file, bytes.error().message());
  const auto header = wire::peek(*bytes);
  std::size_t consumed = 0;
  const auto message = wire::try_decode_any(*bytes, &consumed);
  if (!message) {
    std::string why = message.error().text();
    if (header) {
      why += fmt::format(" (schema {}, template {}, version {})", header->schema_id,
                         header->template_id, header->version);
    }
    return refuse(file, why);
  }
  const std::size_t trailing = bytes->size() - consumed;
  const std::string_view name = wire::message_name(header->schema_id, header->template_id);
  if (trailing != 0 && options.strict)
    return refuse(file,
                  fmt::format("{} ends at byte {}: {} trailing bytes", name, consumed, trailing));
  Json json{{"file", file},
            {"schema_id", header->schema_id},
            {"template_id", header->template_id},
            {"message", name},
            {"version", header->version},
            {"fields", std::visit([](const auto& m) { return FieldsToJson::of(m); }, *message)}};
  if (trailing != 0) json["trailing_bytes"] = trailing;
  print_json(json);
  return true;
}

int decode(const DecodeOptions& options) {
  if (std::ranges::count(options.files, standard_input) > 1) {
    print_error("standard input ('-') can be read once only");
    return exit_usage;
  }
  bool good = true;
  for (const std::string& file : options.files) {
    good = decode_file(file, options) && good;
    if (stop_requested()) return exit_failed;
  }
  return good ? exit_ok : exit_failed;
}

constexpr const char* help_footer =
    "One JSON object per message: file, schema_id, template_id, message, version, fields (named "
    "as\n"
    "in docs/protocol/02-messages.md) and, if there are any, trailing_bytes.\n"
    "  null values of optional fields   null\n"
    "  enums                            their names, \"STREAM\"\n"
    "  groups                           a list of objects; tags a list of strings\n"
    "  text                             a string; byte 0xNN is the character U+00NN\n"
    "  data                             a string of hexadecimal digits\n"
    "Values are those that a reader takes: an unlisted FrameProgress.state is UNKNOWN, an "
    "unlisted\n"
    "DiscoveryResponse.status is ERROR, a stream id of 0xFFFFFFFF that means none is 0.\n"
    "What is no message is an error that says where and why; the other files are still printed.\n\n"
    "--hex reads digits with or without spaces, commas and 0x; # and // begin comments. Dumps of\n"
    "xxd, hexdump -C and od -A x -t x1, and those of docs/protocol, are read as they are.\n\n"
    "Examples:\n"
    "  tp decode descriptor.bin\n"
    "  tp decode --strict captured/*.bin | jq -c .fields\n"
    "  xxd announce.bin | tp decode --hex -\n"
    "  echo '0c00 0200 8703 0100 10270000 0100000000000000' | tp decode --hex -\n\n"
    "Exit codes: 0 all decoded, 1 at least one was not, 2 wrong command line.";

}  // namespace

Command register_decode(Command& root) {
  auto options = std::make_shared<DecodeOptions>();
  Command app = root.command("decode", "Show the fields of messages, one file each");
  app.option("files", options->files, "files that hold one message each; - is standard input")
      .required();
  app.flag("--hex", options->hex, "the files hold hexadecimal text");
  app.flag("--strict", options->strict, "bytes after a message are an error");
  app.flag("--json", options->json, "as everywhere; there is no other output");
  app.footer(help_footer);
  app.runs([options] { return decode(*options); });
  return app;
}

}  // namespace tensorpool::cli
