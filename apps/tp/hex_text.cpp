#include "tp/hex_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace tensorpool::cli {

namespace {

constexpr std::string_view separators = " \t\r\f\v,";

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class HexReader {
 public:
  explicit HexReader(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  Result<void> read_line(std::string_view line) {
    ++number_;
    line_ = line;
    rest_ = line.substr(0, line.find('#'));
    rest_ = rest_.substr(0, rest_.find("//"));
    const std::string_view first = peek_word();
    if (first.empty()) return {};
    if (form_ == Form::unknown) form_ = is_first_offset(first) ? Form::dump : Form::plain;
    if (form_ == Form::dump) {
      if (auto offset = take_offset(); !offset) return offset;
    }
    for (std::string_view word = take_word(); !word.empty(); word = take_word()) {
      if (auto taken = take_digits(word); !taken) return taken;
    }
    return {};
  }

  std::vector<std::byte> bytes() && { return std::move(bytes_); }

 private:
  enum class Form : std::uint8_t { unknown, plain, dump };

  // No message begins with two bytes of zero, so that no bytes are taken for an offset.
  static bool is_first_offset(std::string_view word) {
    if (word.ends_with(':')) word.remove_suffix(1);
    return word.size() >= 4 && word.size() <= 16 &&
           word.find_first_not_of('0') == std::string_view::npos;
  }

  std::string_view peek_word() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(separators), rest_.size()));
    return rest_.substr(0, rest_.find_first_of(separators));
  }
  std::string_view take_word() {
    const std::string_view word = peek_word();
    rest_.remove_prefix(word.size());
    return word;
  }

  Result<void> take_offset() {
    const std::string_view word = take_word();
    std::string_view digits = word;
    const bool colon = digits.ends_with(':');
    if (colon) digits.remove_suffix(1);
    std::uint64_t offset = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), offset, 16);
    if (error != std::errc() || end != digits.data() + digits.size())
      return wrong(word, fmt::format("'{}' is no offset, though the dump began with one", word));
    if (offset != bytes_.size()) {
      return wrong(word, fmt::format("the offset is {:#x}, but {:#x} bytes stand before it", offset,
                                     bytes_.size()));
    }
    // The column of characters: after "|" (hexdump -C), or after two spaces (xxd).
    rest_ = rest_.substr(0, rest_.find('|'));
    if (colon) {
      rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
      rest_ = rest_.substr(0, rest_.find("  "));
    }
    return {};
  }

  Result<void> take_digits(std::string_view word) {
    std::string_view digits = word;
    if (digits.starts_with("0x") || digits.starts_with("0X")) digits.remove_prefix(2);
    for (const char& c : digits) {
      if (digit_of(c) < 0)
        return wrong({&c, 1}, fmt::format("'{}' holds what is no hexadecimal digit", word));
    }
    if (digits.size() % 2 != 0 || digits.empty())
      return wrong(word, fmt::format("'{}' has {} digits; a byte has two", word, digits.size()));
    if (digits.size() / 2 > max_bytes_ - bytes_.size()) {
      return fail(Code::limit_exceeded, "hex",
                  fmt::format("more than {} bytes, the most that are read", max_bytes_));
    }
    for (; !digits.empty(); digits.remove_prefix(2))
      bytes_.push_back(static_cast<std::byte>(digit_of(digits[0]) * 16 + digit_of(digits[1])));
    return {};
  }

  // `part` is a part of the line.
  tl::unexpected<Error> wrong(std::string_view part, const std::string& why) const {
    return fail(
        Code::invalid_file, "hex",
        fmt::format("line {}, column {}: {}", number_, part.data() - line_.data() + 1, why));
  }

  std::size_t max_bytes_;
  std::size_t number_ = 0;
  std::string_view line_;
  std::string_view rest_;  // of line_
  Form form_ = Form::unknown;
  std::vector<std::byte> bytes_;
};

}  // namespace

Result<std::vector<std::byte>> bytes_of_hex(std::string_view text, std::size_t max_bytes) {
  HexReader reader(max_bytes);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (auto read = reader.read_line(line); !read) return fail(read.error());
  }
  return std::move(reader).bytes();
}

}  // namespace tensorpool::cli
