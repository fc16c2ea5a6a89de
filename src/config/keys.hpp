// The table of keys: the only list of what a driver configuration may say. Parsing, defaults, checks of
// single values, print() and docs/reference/configuration.md are all made from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/driver_config.hpp"

namespace tensorpool::config {

// Section 3 of the chapter.
enum class Type : std::uint8_t {
  string,
  channel,
  boolean,
  u16,
  u32,
  u64,
  aeron_stream_id,
  pool_stream_id,
  mode,
  strings,
  aeron_ranges,
  pool_ranges,
};

enum class Fallback : std::uint8_t {
  standard,  // Key::standard
  required,  // none: the key must be there
  derived,   // Key::derive, which Key::standard puts into words
};

// What a value has to satisfy beyond its bounds.
enum class Rule : std::uint8_t {
  none,
  power_of_two,
  multiple_of_64,
  absolute_path,
  namespace_name,  // CFG-37
  file_mode,       // CFG-42, CFG-43
  choice,          // one of Key::choices
};

// Where the value of a key lies.
using Slot = std::variant<std::string*, bool*, std::uint32_t*, std::uint64_t*,
                          std::vector<std::string>*, std::vector<IdRange>*>;

inline constexpr std::uint64_t no_bound = std::numeric_limits<std::uint64_t>::max();

struct Key {
  std::string_view name = {};
  Type type = Type::string;
  Fallback fallback = Fallback::standard;
  // The default, written as in an environment variable (section 2); of a derived one, words.
  std::string_view standard = {};
  void (*derive)(DriverConfig&) = nullptr;
  // Bounds: of a number its value, of a string its bytes, of a list its entries; no_bound: the type's own.
  std::uint64_t lowest = no_bound;
  std::uint64_t highest = no_bound;
  Rule rule = Rule::none;
  std::string_view choices = {};  // "a|b|c"
  std::string_view unit = {};
  std::string_view zero = {};   // what 0, which the bounds may exclude, stands for
  std::string_view empty = {};  // what "" stands for, where it is allowed whatever the bounds say
  std::string_view alias = {};  // another variable, for when the regular one is not set (CFG-21)
  bool secret = false;          // shown to nobody (CFG-53)
  std::string_view meaning = {};
  Slot (*slot)(void* table) = nullptr;
};

// A kind of table.
struct TableKind {
  std::string_view header;  // as in the reference: "[driver]"
  std::string_view path;    // "driver", "profiles.<name>"
  std::span<const Key> keys;
  bool variables = true;  // whether its keys have environment variables
  std::string_view about;
};
std::span<const TableKind> table_kinds();

// A table of one configuration.
struct Section {
  const TableKind* kind = nullptr;
  std::string path;      // "profiles.camera", names quoted where TOML wants it
  std::string variable;  // "PROFILES_CAMERA", the beginning of its variables
  void* table = nullptr;
};
// All tables of a configuration, in the order in which they are printed. They point into it.
std::vector<Section> sections(DriverConfig& config);

// Smallest and largest value that a key takes, its own and its type's bounds together.
struct Bounds {
  std::uint64_t lowest = 0;
  std::uint64_t highest = 0;
};
Bounds bounds(const Key& key);
// "1 to 4294967295 ms": what a value must be, in words; "any" when every value of the type is good.
std::string valid_words(const Key& key);
// "u32, ms"
std::string type_words(const Key& key);

// CFG-10 and CFG-18: upper case, "_" for every other character.
std::string variable_name(std::string_view text);
// A name as TOML writes it in a key: bare, or quoted.
std::string key_text(std::string_view name);
// A string as TOML writes it, on one line.
std::string quoted(std::string_view text);
// How many bytes at the front are whole UTF-8 characters; all of them where the text is UTF-8.
std::size_t utf8_prefix(std::string_view text) noexcept;

}  // namespace tensorpool::config
