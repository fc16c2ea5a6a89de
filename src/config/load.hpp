// Reading the configuration of a driver: file, environment, defaults, checks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/driver_config.hpp"

namespace tensorpool::config {

// Name and text of variables. Only those that belong to a key are looked at.
using Environment = std::map<std::string, std::string, std::less<>>;
// Full key path and text, written as in a variable; they win over everything (CFG-20, CFG-22).
using Overrides = std::vector<std::pair<std::string, std::string>>;

// Where a value comes from.
struct Origin {
  enum class Kind : std::uint8_t { standard, file, variable, override_value };
  Kind kind = Kind::standard;
  std::string name;        // of the file or variable
  std::uint32_t line = 0;  // of the file
  // "driver.toml:12", "environment variable SHM_BASE_DIR", "default"
  std::string words() const;
};

struct LoadedConfig {
  DriverConfig config;
  // By full key path. What is not in it has its default.
  std::map<std::string, Origin, std::less<>> origins;
  // What was tolerated: one line each, with its place; limits::config_problems at most.
  std::vector<std::string> warnings;
  // Root tables of other applications in the file (CFG-7), such as "supervisor".
  std::vector<std::string> other_tables;
};

// Reads, completes and checks a configuration without touching the system. `file` is the name used in
// messages. Errors list every problem found, one per line with key, value, place and rule (CFG-96 to
// CFG-100, CFG-103), up to limits::config_problems; a TOML syntax error ends the list, for the parser stops
// there. Code::invalid_file: no TOML; limit_exceeded: too long or too deep; invalid_argument: the rest.
// What needs the file system, check_directories() checks.
Result<LoadedConfig> load(std::string_view text, const std::string& file,
                          const Environment& environment, const Overrides& overrides = {});

// What a driver without a file starts with, as TOML: streams on demand, and a few dozen slots.
std::string_view trial_config() noexcept;
inline constexpr const char* trial_name = "built-in defaults";

enum class Secrets : std::uint8_t { hidden, shown };
// The effective configuration as TOML; behind every value a comment with its origin. What is printed
// with Secrets::shown loads to an equal configuration; a hidden secret is a comment without its value.
std::string print(const LoadedConfig& loaded, Secrets secrets);

// docs/reference/configuration.md.
std::string reference_page();

}  // namespace tensorpool::config
