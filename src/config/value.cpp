#include "config/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "base/limits.hpp"

namespace tensorpool::config {
namespace {

namespace limits = base::limits;

bool is_range(Type type) noexcept {
  return type == Type::aeron_ranges || type == Type::pool_ranges;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Decimal digits, and a sign for the sake of the message. A number too large for 64 bits is the largest.
std::optional<std::int64_t> integer(std::string_view text) noexcept {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return text.front() == '-' ? INT64_MIN : -1;
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::string must_be(const Key& key) { return "must be " + valid_words(key); }

// Rules of a string, empty or not.
Broken check_string(const Key& key, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return "must not contain NUL";
  if (utf8_prefix(text) != text.size()) return "must be UTF-8";
  if (text.empty() && !key.empty.empty()) return std::nullopt;
  const auto [lowest, highest] = bounds(key);
  bool good = key.type == Type::strings || (text.size() >= lowest && text.size() <= highest);
  if (key.type == Type::channel) good = good && text.starts_with("aeron:");
  if (key.rule == Rule::absolute_path) {
    good = good && text.starts_with('/') && text.size() <= limits::path_bytes;
  } else if (key.rule == Rule::namespace_name) {
    good = good && std::all_of(text.begin(), text.end(), [](unsigned char character) {
             return character < 0x80 &&
                    (std::isalnum(character) != 0 || character == '_' || character == '-');
           });
  } else if (key.rule == Rule::choice) {
    good = false;
    std::string_view rest = key.choices;
    while (!good && !rest.empty()) {
      const std::size_t bar = std::min(rest.find('|'), rest.size());
      good = rest.substr(0, bar) == text;
      rest.remove_prefix(std::min(bar + 1, rest.size()));
    }
  }
  return good ? std::nullopt : Broken(must_be(key));
}

Broken take_integer(const Key& key, std::int64_t value, Slot slot) {
  const auto [lowest, highest] = bounds(key);
  const auto number = static_cast<std::uint64_t>(value);
  bool good = value >= 0 && number >= lowest && number <= highest;
  if (key.rule == Rule::power_of_two) good = good && (number & (number - 1)) == 0;
  if (key.rule == Rule::multiple_of_64) good = good && number % 64 == 0;
  if (value == 0 && !key.zero.empty()) good = true;
  if (!good) return must_be(key);
  if (auto* const* narrow = std::get_if<std::uint32_t*>(&slot)) {
    **narrow = static_cast<std::uint32_t>(number);
  } else {
    *std::get<std::uint64_t*>(slot) = number;
  }
  return std::nullopt;
}

Broken take_mode(const Key& key, std::string_view text, Slot slot) {
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  // CFG-42, CFG-43.
  const bool good = error == std::errc() && end == text.data() + text.size() && mode <= 0777 &&
                    (mode & 0600U) == 0600U && (mode & 0007U) == 0;
  if (!good) return must_be(key);
  *std::get<std::uint32_t*>(slot) = mode;
  return std::nullopt;
}

Broken take_strings(const Key& key, std::vector<std::string> all, Slot slot) {
  const auto [lowest, highest] = bounds(key);
  if (all.size() < lowest || all.size() > highest) return must_be(key);
  for (const std::string& text : all) {
    if (auto broken = check_string(key, text)) return broken;
  }
  *std::get<std::vector<std::string>*>(slot) = std::move(all);
  return std::nullopt;
}

// "20000-29999", "20000,29999" or "20000"; nullopt for anything else.
std::optional<std::pair<std::int64_t, std::int64_t>> range_of(std::string_view text) noexcept {
  const std::size_t cut = text.find_first_of("-,");
  const auto first = integer(trimmed(text.substr(0, cut)));
  const auto last = cut == std::string_view::npos ? first : integer(trimmed(text.substr(cut + 1)));
  if (!first || !last) return std::nullopt;
  return std::pair{*first, *last};
}

constexpr std::string_view range_forms =
    R"(must be a range: "first-last", "id", [first, last] or ["first-last", …])";

Broken take_ranges(const Key& key, const std::vector<std::pair<std::int64_t, std::int64_t>>& all,
                   Slot slot) {
  if (all.size() > limits::driver_ranges)
    return fmt::format("must have at most {} ranges", limits::driver_ranges);
  const auto [lowest, highest] = bounds(key);
  std::vector<IdRange> ranges;
  for (const auto& [first, last] : all) {
    if (first < static_cast<std::int64_t>(lowest) || last > static_cast<std::int64_t>(highest))
      return must_be(key);
    if (first > last) return "must have its ranges start at or below their ends";
    ranges.push_back({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last)});
  }
  for (std::size_t i = 0; i < ranges.size(); ++i) {  // CFG-29
    for (std::size_t j = 0; j < i; ++j) {
      if (ranges[i].first <= ranges[j].last && ranges[j].first <= ranges[i].last)
        return fmt::format("must have ranges that do not overlap: {}-{} and {}-{}", ranges[j].first,
                           ranges[j].last, ranges[i].first, ranges[i].last);
    }
  }
  *std::get<std::vector<IdRange>*>(slot) = std::move(ranges);
  return std::nullopt;
}

Broken take_range_text(const Key& key, std::string_view text, Slot slot) {
  if (trimmed(text).empty()) return take_ranges(key, {}, slot);
  const auto range = range_of(text);
  return range ? take_ranges(key, {*range}, slot) : Broken(range_forms);
}

Broken take_range_array(const Key& key, const std::vector<Value>& items, Slot slot) {
  const auto all = [&](Value::Kind kind) {
    return std::all_of(items.begin(), items.end(),
                       [kind](const Value& item) { return item.kind == kind; });
  };
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  if (items.size() == 2 && all(Value::Kind::integer)) {
    ranges.emplace_back(items[0].integer, items[1].integer);
  } else if (all(Value::Kind::string)) {
    for (const Value& item : items) {
      const auto range = range_of(item.text);
      if (!range) return Broken(range_forms);
      ranges.push_back(*range);
    }
  } else {
    return Broken(range_forms);
  }
  return take_ranges(key, ranges, slot);
}

Broken take_string(const Key& key, std::string_view text, Slot slot) {
  if (auto broken = check_string(key, text)) return broken;
  *std::get<std::string*>(slot) = text;
  return std::nullopt;
}

std::string wrong_type(const Key& key, std::string_view wanted) {
  return fmt::format("must be {} ({})", wanted, type_words(key));
}

bool is_text(Type type) noexcept {
  return type == Type::string || type == Type::channel || type == Type::mode;
}

}  // namespace

Broken take(const Key& key, const Value& value, Slot slot) {
  using Kind = Value::Kind;
  if (is_range(key.type)) {
    if (value.kind == Kind::string) return take_range_text(key, value.text, slot);
    if (value.kind == Kind::array) return take_range_array(key, value.items, slot);
    return Broken(range_forms);
  }
  if (is_text(key.type)) {
    if (value.kind != Kind::string) return wrong_type(key, "a string");
    return key.type == Type::mode ? take_mode(key, value.text, slot)
                                  : take_string(key, value.text, slot);
  }
  if (key.type == Type::boolean) {
    if (value.kind != Kind::boolean) return wrong_type(key, "true or false, without quotes");
    *std::get<bool*>(slot) = value.boolean;
    return std::nullopt;
  }
  if (key.type == Type::strings) {
    std::vector<std::string> all;
    for (const Value& item : value.items) {
      if (item.kind != Kind::string) return wrong_type(key, "an array of strings");
      all.push_back(item.text);
    }
    if (value.kind != Kind::array) return wrong_type(key, "an array of strings");
    return take_strings(key, std::move(all), slot);
  }
  if (value.kind != Kind::integer)  // CFG-24
    return wrong_type(key, "an integer, without quotes or fraction");
  return take_integer(key, value.integer, slot);
}

Broken take_text(const Key& key, std::string_view text, Slot slot) {
  if (is_range(key.type)) return take_range_text(key, text, slot);
  if (key.type == Type::mode) return take_mode(key, text, slot);
  if (is_text(key.type)) return take_string(key, text, slot);
  if (key.type == Type::boolean) {  // CFG-14
    std::string lower(text);
    for (char& character : lower)
      if (character >= 'A' && character <= 'Z') character = static_cast<char>(character + 32);
    if (lower != "true" && lower != "false") return "must be true or false";
    *std::get<bool*>(slot) = lower == "true";
    return std::nullopt;
  }
  if (key.type == Type::strings) {  // CFG-16
    std::vector<std::string> all;
    for (std::string_view rest = text; !trimmed(text).empty();) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      all.emplace_back(trimmed(rest.substr(0, comma)));
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
    return take_strings(key, std::move(all), slot);
  }
  const auto number = integer(text);
  return number ? take_integer(key, *number, slot) : Broken(wrong_type(key, "an integer"));
}

std::string as_toml(const Key& key, Slot slot) {
  if (key.type == Type::mode) return fmt::format("\"{:o}\"", *std::get<std::uint32_t*>(slot));
  if (const auto* const* text = std::get_if<std::string*>(&slot)) return quoted(**text);
  if (const auto* const* boolean = std::get_if<bool*>(&slot)) return **boolean ? "true" : "false";
  if (const auto* const* number = std::get_if<std::uint32_t*>(&slot))
    return fmt::format("{}", **number);
  if (const auto* const* number = std::get_if<std::uint64_t*>(&slot))
    return fmt::format("{}", **number);
  std::vector<std::string> parts;
  if (const auto* const* all = std::get_if<std::vector<std::string>*>(&slot)) {
    for (const std::string& text : **all) parts.push_back(quoted(text));
  } else {
    for (const IdRange& range : *std::get<std::vector<IdRange>*>(slot))
      parts.push_back(fmt::format("\"{}-{}\"", range.first, range.last));
    // The form that every reader of such files knows.
    if (parts.size() <= 1) return parts.empty() ? "\"\"" : parts.front();
  }
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

std::string shown(std::string_view text) {
  std::string line;
  for (const char character : text.substr(0, limits::config_value_shown_bytes)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += character;
    }
  }
  if (text.size() > limits::config_value_shown_bytes) {
    // Not in the middle of a character.
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0x80U) != 0) line.pop_back();
    line += "…";
  }
  return line;
}

std::string shown(const Value& value) {
  using Kind = Value::Kind;
  switch (value.kind) {
    case Kind::string:
      return fmt::format("\"{}\"", shown(value.text));
    case Kind::integer:
      return fmt::format("{}", value.integer);
    case Kind::boolean:
      return value.boolean ? "true" : "false";
    case Kind::floating:
      return fmt::format("{}", value.floating);
    case Kind::array: {
      std::string all;
      for (const Value& item : value.items) {
        if (all.size() > limits::config_value_shown_bytes) break;
        all += (all.empty() ? "" : ", ") + shown(item);
      }
      return shown(fmt::format("[{}]", all));
    }
    default:
      return std::string(words(value.kind));
  }
}

}  // namespace tensorpool::config
