// The four subcommands of tp driver behind their command lines. Each prints, and returns its exit code.
#pragma once

#include <optional>
#include <string>

#include "tensorpool/error.hpp"
#include "tp/driver_counters.hpp"
#include "tp/driver_wire.hpp"

namespace tensorpool::cli {

struct DriverStatusOptions {
  DriverPlace place;
  std::string instance;  // empty: all
  bool listens = false;  // also where there are counters
  double seconds = 3;
  bool json = false;
};
int driver_status(const DriverStatusOptions& options);

struct DriverStreamsOptions {
  DriverPlace place;
  std::optional<double> seconds;  // absent: 3, or for ever with `watch`
  bool watch = false;
  bool verbose = false;
  bool json = false;
};
int driver_streams(const DriverStreamsOptions& options);

struct DriverLeasesOptions {
  DriverPlace place;
  double seconds = 3;
  bool json = false;
};
int driver_leases(const DriverLeasesOptions& options);

struct DriverShutdownOptions {
  DriverPlace place;
  std::optional<std::string> token;
  std::string token_file;
  std::string reason = "admin";
  std::string text;
  double timeout_s = 10;
  bool json = false;
};
int driver_shutdown(const DriverShutdownOptions& options);

// From the command line, else a file (without its last line end), else the environment
// variable POLICIES_SHUTDOWN_TOKEN. Errors never quote it.
Result<std::string> shutdown_token(const std::optional<std::string>& option,
                                   const std::string& file, const char* environment);

// Drivers with counters in the directory of a living media driver; `control_stream` 0: of every one.
std::vector<DriverSeen> drivers_of(const std::string& aeron_dir, std::uint32_t control_stream);
// What was malformed or had no room, for the end of a listening; nothing where there was nothing.
void tell_malformed(const Heard& heard, bool json);

}  // namespace tensorpool::cli
