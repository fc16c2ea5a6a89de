// A TOML document as a tree that knows the line of everything. The parser is toml++, and document.cpp is
// its only user. Internal to config.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensorpool/error.hpp"

namespace tensorpool::config {

struct Member;

struct Value {
  enum class Kind : std::uint8_t { string, integer, boolean, floating, date, array, table };
  Kind kind = Kind::table;
  bool boolean = false;
  std::int64_t integer = 0;
  double floating = 0;
  std::string text;             // of a string
  std::vector<Value> items;     // of an array
  std::vector<Member> members;  // of a table, in the order of the file
  std::uint32_t line = 0;

  // The member of that name; null when there is none, or when this is no table.
  const Value* find(std::string_view name) const noexcept;
};

struct Member {
  std::string name;
  Value value;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// "a string", "an array": for messages.
std::string_view words(Value::Kind kind) noexcept;

// The root table. Code::invalid_file names file and line (CFG-101); Code::limit_exceeded is a document
// of more bytes or deeper tables than limits.hpp allows.
Result<Value> parse_toml(std::string_view text, std::string_view file);

}  // namespace tensorpool::config
