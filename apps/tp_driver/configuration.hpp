// The configuration as tp_driver gets it: a file or the built-in defaults, the environment, and the
// checks that need this machine.
#pragma once

#include <optional>
#include <string>

#include "config/load.hpp"
#include "config/system.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::driver_program {

// Reads and checks without looking at any directory. Without a file: config::trial_config(). What the file asks
// for and this driver does not have becomes a warning. Errors as of config::load(), and system_error for
// a file that cannot be read (CFG-102).
Result<config::LoadedConfig> load_configuration(const std::optional<std::string>& file,
                                                const config::Environment& environment);

// The checks of directories and room. Makes nothing (CFG-95); replaces the directories by their canonical paths.
Result<config::Directories> check_machine(config::LoadedConfig& loaded);

}  // namespace tensorpool::driver_program
