// The log of a running driver: one line on standard error for each change of state, never one per frame.
// Lines are handed to a thread, so that whoever reads them too slowly, or not at all, holds up nobody: then
// the oldest go, and their number is told at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tensorpool/error.hpp"

namespace tensorpool::driver_program {

enum class LogFormat : std::uint8_t { text, json };
enum class LogLevel : std::uint8_t { error, warn, info, debug, trace };

// TP_LOG_LEVEL: 0 (error) to 4 (trace); nullopt for anything else (CFG-106).
std::optional<LogLevel> log_level(std::string_view text) noexcept;

// Numbers that belong to an event, left out where they are 0.
using LogNumbers = std::initializer_list<std::pair<std::string_view, std::uint64_t>>;

class Log {
 public:
  static constexpr std::size_t waiting_lines = 8192;

  Log(LogFormat format, LogLevel level);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  // Writes what is still waiting.
  ~Log();

  // Any thread; never waits for whoever reads. `event` is a word of ours, `text` may be anybody's: control
  // characters in it are escaped.
  void line(LogLevel level, std::string_view event, std::string_view text, LogNumbers numbers = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tensorpool::driver_program
