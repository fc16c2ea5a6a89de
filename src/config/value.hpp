// Values of keys: from TOML, from the text of a variable, to TOML, and the checks of one value alone.
// Internal to config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/document.hpp"
#include "config/keys.hpp"

namespace tensorpool::config {

// Each stores the value in `slot`, or returns the rule that it breaks and stores nothing.
using Broken = std::optional<std::string>;
Broken take(const Key& key, const Value& value, Slot slot);
// The text of an environment variable, or of a default.
Broken take_text(const Key& key, std::string_view text, Slot slot);

// What is in `slot`, as TOML.
std::string as_toml(const Key& key, Slot slot);

// A value for a message: one line, bounded.
std::string shown(std::string_view text);
std::string shown(const Value& value);

}  // namespace tensorpool::config
