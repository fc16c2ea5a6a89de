#include "shm/uri.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.hpp"

namespace tensorpool::shm {
namespace {

constexpr std::string_view scheme = "shm:file?";
constexpr std::string_view path_name = "path";
constexpr std::string_view hugepages_name = "require_hugepages";

tl::unexpected<Error> bad(std::string_view text, std::string_view why) {
  // Whatever came over the wire is cut short and shown without what a terminal would act upon.
  std::string shown(text.substr(0, 128));
  for (char& c : shown) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return fail(Code::invalid_uri, "parse_uri", fmt::format("'{}': {}", shown, why));
}

bool path_char(char c) noexcept { return c >= 0x21 && c <= 0x7E && c != '?' && c != '|'; }

// The rule that a path breaks; empty when it is good.
std::string_view path_fault(std::string_view path) noexcept {
  if (path.empty()) return "the path is empty";
  if (path.front() != '/') return "the path is not absolute";
  if (path.size() < 2) return "the path names no file";
  if (path.size() > base::limits::path_bytes) return "the path is longer than 4095 bytes";
  if (!std::all_of(path.begin(), path.end(), path_char))
    return "the path has a character outside the grammar";
  return {};
}

// One "name=value" part.
struct Parameter {
  std::string_view name;
  std::string_view value;
};

// Cuts `part` at its first "=". Whether the "=" was there is in `has_value`.
Parameter split(std::string_view part, bool& has_value) noexcept {
  const std::size_t at = part.find('=');
  has_value = at != std::string_view::npos;
  if (!has_value) return {part, {}};
  return {part.substr(0, at), part.substr(at + 1)};
}

}  // namespace

Result<RegionUri> parse_uri(std::string_view text) {
  if (text.empty()) return bad(text, "the URI is empty");
  if (!text.starts_with(scheme)) return bad(text, "the scheme is not shm:file");
  std::string_view rest = text.substr(scheme.size());

  RegionUri uri;
  std::size_t position = 0;  // 0: path, 1: require_hugepages
  for (;; ++position) {
    const std::size_t bar = rest.find('|');
    const std::string_view part = rest.substr(0, bar);
    if (part.empty()) return bad(text, "a parameter is empty");
    bool has_value = false;
    const Parameter parameter = split(part, has_value);
    if (!has_value) return bad(text, "a parameter lacks '='");
    if (parameter.name.empty()) return bad(text, "a parameter has no name");
    if (parameter.value.empty()) return bad(text, "a parameter has no value");
    if (position == 0) {
      if (parameter.name != path_name) return bad(text, "the first parameter is not path");
      if (const std::string_view fault = path_fault(parameter.value); !fault.empty())
        return bad(text, fault);
      uri.path = parameter.value;
    } else if (position == 1) {
      if (parameter.name != hugepages_name)
        return bad(text, "the second parameter is not require_hugepages");
      if (parameter.value != "true" && parameter.value != "false") {
        return bad(text, "require_hugepages is neither true nor false");
      }
      uri.require_hugepages = parameter.value == "true";
    } else {
      return bad(text, "more than two parameters");
    }
    if (bar == std::string_view::npos) return uri;
    rest.remove_prefix(bar + 1);
  }
}

Result<std::string> format_uri(const RegionUri& uri) {
  if (const std::string_view fault = path_fault(uri.path); !fault.empty())
    return bad(uri.path, fault);
  std::string text = fmt::format("{}{}={}", scheme, path_name, uri.path);
  if (uri.require_hugepages) text += fmt::format("|{}=true", hugepages_name);
  if (text.size() > base::limits::uri_bytes) {
    return fail(
        Code::limit_exceeded, "format_uri",
        fmt::format("a URI of {} bytes is longer than {}", text.size(), base::limits::uri_bytes));
  }
  return text;
}

}  // namespace tensorpool::shm
