// The configuration of a driver that is to be started: a file, a text or the built-in defaults, what wins over them,
// and the checks that need this machine.
#pragma once

#include <optional>
#include <string>

#include "config/load.hpp"
#include "config/system.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::driver {

struct Source {
  std::optional<std::string> file;
  std::optional<std::string> text;  // at most one of the two; with neither, config::trial_config()
  config::Environment environment;
  config::Overrides overrides;
};

// What messages call Source::text.
inline constexpr const char* text_name = "config_text";

// Reads and checks without looking at any directory. What the configuration asks for and this driver does not have
// becomes a warning. Errors as of config::load(), and system_error for a file that cannot be read (CFG-102).
Result<config::LoadedConfig> load_configuration(const Source& source);

// The checks of directories and room. Makes nothing (CFG-95); replaces the directories by their canonical paths.
Result<config::Directories> check_machine(config::LoadedConfig& loaded);

}  // namespace tensorpool::driver
