#include "config/document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/limits.hpp"
#include "config/toml_guard.hpp"
#include "config/tomlplusplus.hpp"
#include "config/value.hpp"

namespace tensorpool::config {
namespace {

// Deep only as far as limits::config_depth lets brackets and keys be.
Value convert(const toml::node& node) {
  Value value;
  value.line = node.source().begin.line;
  if (const auto* table = node.as_table()) {
    for (const auto& [key, member] : *table) {
      value.members.push_back({std::string(key.str()), convert(member), key.source().begin.line,
                               key.source().begin.column});
    }
    std::sort(value.members.begin(), value.members.end(), [](const Member& a, const Member& b) {
      return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
  } else if (const auto* array = node.as_array()) {
    value.kind = Value::Kind::array;
    for (const auto& item : *array) value.items.push_back(convert(item));
  } else if (const auto* text = node.as_string()) {
    value.kind = Value::Kind::string;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Value::Kind::integer;
    value.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = Value::Kind::boolean;
    value.boolean = boolean->get();
  } else if (const auto* floating = node.as_floating_point()) {
    value.kind = Value::Kind::floating;
    value.floating = floating->get();
  } else {
    value.kind = Value::Kind::date;
  }
  return value;
}

}  // namespace

const Value* Value::find(std::string_view name) const noexcept {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const Member& member) { return member.name == name; });
  return found == members.end() ? nullptr : &found->value;
}

std::string_view words(Value::Kind kind) noexcept {
  switch (kind) {
    case Value::Kind::string:
      return "a string";
    case Value::Kind::integer:
      return "an integer";
    case Value::Kind::boolean:
      return "a boolean";
    case Value::Kind::floating:
      return "a float";
    case Value::Kind::date:
      return "a date or time";
    case Value::Kind::array:
      return "an array";
    case Value::Kind::table:
      return "a table";
  }
  return "unknown";
}

Result<Value> parse_toml(std::string_view text, std::string_view file) {
  namespace limits = base::limits;
  if (text.size() > limits::config_file_bytes) {
    return fail(Code::limit_exceeded, "load_config",
                fmt::format("{}: {} bytes, at most {}", shown(file), text.size(),
                            limits::config_file_bytes));
  }
  if (const auto refusal = refuse(text, limits::config_depth)) {
    return fail(refusal->code, "load_config",
                fmt::format("{}:{}: {}", shown(file), refusal->line, refusal->reason));
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return fail(
        Code::invalid_file, "load_config",
        fmt::format("{}:{}: column {}: not TOML: {}", shown(file), error.source().begin.line,
                    error.source().begin.column, shown(error.description())));
  }
  return convert(parsed.table());
}

}  // namespace tensorpool::config
