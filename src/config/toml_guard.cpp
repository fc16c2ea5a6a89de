#include "config/toml_guard.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/keys.hpp"

namespace tensorpool::config {
namespace {

bool is_ascii(char character) noexcept { return static_cast<unsigned char>(character) < 0x80; }

// What ends a comment, and what no string on one line has.
bool is_control(char character) noexcept {
  const auto byte = static_cast<unsigned char>(character);
  return (byte < 0x20 && character != '\t') || byte == 0x7F;
}

bool is_space(char character) noexcept {
  return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

// REQUIRES valid UTF-8, and a character outside ASCII at its front.
std::uint32_t code_point(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  std::uint32_t value = first & (0x3FU >> more);
  for (std::size_t i = 1; i <= more; ++i)
    value = (value << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  return value;
}

std::uint32_t line_of(std::string_view text, std::size_t at) noexcept {
  const std::string_view before = text.substr(0, at);
  return static_cast<std::uint32_t>(1 + std::count(before.begin(), before.end(), '\n'));
}

// One walk over valid UTF-8 without NUL.
class Scanner {
 public:
  Scanner(std::string_view text, std::size_t depth) : text_(text), depth_(depth) {}

  std::optional<Refusal> run() {
    while (at_ < text_.size() && !refusal_) {
      const char character = text_[at_];
      if (character == '"' || character == '\'') {
        skip_string(character);
      } else if (character == '#') {
        while (at_ < text_.size() && !is_control(text_[at_])) ++at_;
      } else {
        structure(character);
        ++at_;
      }
    }
    return std::move(refusal_);
  }

 private:
  std::string_view rest() const noexcept { return text_.substr(at_); }

  void refuse_character(std::string_view where) {
    const std::uint32_t point = code_point(rest());
    refusal_ = {
        Code::invalid_file, line_,
        fmt::format("not TOML: the character U+{:04X} {}{}", point, where,
                    point == 0xFEFF ? " (a byte order mark; save the file without it)" : "")};
  }

  // From an opening quote to behind the closing one, or to the character that cannot be in a string.
  void skip_string(char quote) {
    const std::string_view three = quote == '"' ? R"(""")" : "'''";
    const bool is_long = rest().starts_with(three);
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size() && !refusal_) {
      const char character = text_[at_];
      if (character == '\\' && quote == '"') {
        skip_escape(is_long);
      } else if (is_long && rest().starts_with(three)) {
        at_ += 3;
        // A long string may end with two quotes of its own.
        for (int own = 0; own < 2 && rest().starts_with(quote); ++own) ++at_;
        return;
      } else if (!is_long && character == quote) {
        ++at_;
        return;
      } else if (is_control(character) && !(is_long && (character == '\n' || character == '\r'))) {
        return;
      } else {
        if (character == '\n') ++line_;
        ++at_;
      }
    }
  }

  // A backslash, and what it makes special: one ASCII character, or in a long string all white space.
  void skip_escape(bool is_long) {
    ++at_;
    const bool takes_line_ends = is_long && at_ < text_.size() && is_space(text_[at_]);
    for (; takes_line_ends && at_ < text_.size() && is_space(text_[at_]); ++at_) {
      if (text_[at_] == '\n') ++line_;
    }
    if (at_ == text_.size()) return;
    if (!is_ascii(text_[at_])) return refuse_character("behind a backslash");
    if (!takes_line_ends && !is_control(text_[at_])) ++at_;
  }

  void structure(char character) {
    if (!is_ascii(character)) return refuse_character("outside of strings and comments");
    if (character == '.') {
      ++dots_;
    } else if (character == '\n' || character == '=' || character == ',') {
      dots_ = 0;
    } else if (character == '[' || character == '{') {
      dots_ = 0;
      ++brackets_;
    } else if (character == ']' || character == '}') {
      dots_ = 0;
      if (brackets_ > 0) --brackets_;
    }
    if (dots_ >= depth_ || brackets_ > depth_) {
      refusal_ = {Code::limit_exceeded, line_,
                  fmt::format("brackets or a dotted key nested deeper than {}", depth_)};
    }
    if (character == '\n') ++line_;
  }

  std::string_view text_;
  std::size_t depth_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::size_t brackets_ = 0;
  std::size_t dots_ = 0;
  std::optional<Refusal> refusal_;
};

}  // namespace

std::optional<Refusal> refuse(std::string_view text, std::size_t depth) {
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    return Refusal{Code::invalid_file, line_of(text, nul), "not TOML: a NUL byte"};
  if (const std::size_t valid = utf8_prefix(text); valid != text.size())
    return Refusal{Code::invalid_file, line_of(text, valid), "not TOML: bytes that are no UTF-8"};
  return Scanner(text, depth).run();
}

}  // namespace tensorpool::config
