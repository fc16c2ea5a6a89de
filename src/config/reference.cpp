// docs/reference/configuration.md, made from the table of keys.
#include <fmt/format.h>

#include <iterator>

#include "config/keys.hpp"
#include "config/load.hpp"

namespace tensorpool::config {
namespace {

constexpr std::string_view beginning = R"(# Configuration of the driver

This page is made from the driver's own table of keys (`src/config/keys.cpp`) by `config_reference`; a test compares
them. The rules behind it are in [the protocol](../protocol/11-configuration.md), chapter 11.

The file is TOML. For each key the strongest source counts: an environment variable, then its alias, then the file,
then the default. A variable is written without quotes; a list in it has commas, a boolean is `true` or `false`. In
names of profiles and streams, every character that is no ASCII letter, digit or `_` is a `_` in the variable.

An unknown key is a warning. Anything else that does not fit ends the start, with every problem named: its place
(file and line, or variable), the key, the value and the rule. Tables of other applications in the file are ignored.

A range is `"first-last"`, `"first,last"`, `"id"` or `[first, last]`; several are `["first-last", "first-last"]`; `""`
is none.
)";

std::string default_cell(const Key& key) {
  switch (key.fallback) {
    case Fallback::required:
      return "required";
    case Fallback::derived:
      return std::string(key.standard);
    case Fallback::standard:
      break;
  }
  const bool quotes = key.type == Type::string || key.type == Type::channel ||
                      key.type == Type::mode || key.standard.empty();
  return quotes ? fmt::format("`\"{}\"`", key.standard) : fmt::format("`{}`", key.standard);
}

std::string variable_cell(const TableKind& kind, const Key& key) {
  if (!kind.variables) return "none";
  std::string path(kind.path);
  // "profiles.<name>" becomes "PROFILES_<NAME>".
  std::string prefix;
  if (const auto cut = path.find(".<name>"); cut != std::string::npos) {
    prefix = variable_name(path.substr(0, cut)) + "_<NAME>";
  } else {
    prefix = variable_name(path);
  }
  std::string cell = fmt::format("`{}_{}`", prefix, variable_name(key.name));
  if (!key.alias.empty()) cell += fmt::format(", `{}`", key.alias);
  return cell;
}

}  // namespace

std::string reference_page() {
  std::string page(beginning);
  const auto out = std::back_inserter(page);
  for (const TableKind& kind : table_kinds()) {
    fmt::format_to(out, "\n## `{}`\n\n{}\n\n", kind.header, kind.about);
    page +=
        "| key | type | default | valid | variable, alias | meaning |\n|---|---|---|---|---|---|\n";
    for (const Key& key : kind.keys) {
      fmt::format_to(out, "| `{}` | {} | {} | {} | {} | {} |\n", key.name, type_words(key),
                     default_cell(key), valid_words(key), variable_cell(kind, key), key.meaning);
    }
  }
  fmt::format_to(
      out, "\n## Without a file\n\nThe driver starts as if it had read this:\n\n```toml\n{}```\n",
      trial_config());
  return page;
}

}  // namespace tensorpool::config
