// Exit codes of tp_driver; docs/guide/driver.md and its --help name the same.
#pragma once

namespace tensorpool::driver_program {

inline constexpr int exit_ok = 0;  // did what was asked; for a running driver: drained and ended
inline constexpr int exit_failed = 1;   // could not start, or could not go on
inline constexpr int exit_usage = 2;    // wrong command line
inline constexpr int exit_invalid = 3;  // the configuration is invalid or cannot be read

}  // namespace tensorpool::driver_program
