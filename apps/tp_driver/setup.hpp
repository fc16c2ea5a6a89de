// From a checked configuration to what the driver's agent and the media driver beside it are started with.
#pragma once

#include <cstdint>
#include <string>

#include "agents/driver/driver_agent.hpp"
#include "config/load.hpp"
#include "config/system.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::driver_program {

// driver.embedded_media_driver.
enum class EmbeddedMediaDriver : std::uint8_t {
  automatic,  // one inside this process unless one is alive in aeron_dir
  always,     // one inside this process; another one there is an error
  never,      // wait for one
};

struct DriverSetup {
  agents::driver::DriverOptions agent;  // without its handlers
  EmbeddedMediaDriver media_driver = EmbeddedMediaDriver::automatic;
};

// `loaded` has passed check_directories(), which found `directories`. Errors: those of the driver core's and the
// agent's own checks.
Result<DriverSetup> setup_from(const config::LoadedConfig& loaded,
                               const config::Directories& directories);

}  // namespace tensorpool::driver_program
