// From a checked configuration to what the driver's agent and the media driver beside it are started with.
#pragma once

#include <cstdint>
#include <string>

#include "agents/driver/driver_agent.hpp"
#include "config/load.hpp"
#include "config/system.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::driver {

// driver.embedded_media_driver.
enum class EmbeddedMediaDriver : std::uint8_t {
  automatic,  // one inside this process unless one is alive in aeron_dir
  always,     // one inside this process; another one there is an error
  never,      // wait for one
};

struct Setup {
  // Without its handlers. `aeron_dir` is never empty: an empty driver.aeron_dir is Aeron's default directory,
  // whatever AERON_DIR says, which was asked before (CFG-22, CFG-23).
  agents::driver::DriverOptions agent;
  EmbeddedMediaDriver media_driver = EmbeddedMediaDriver::automatic;
};

// `loaded` has passed check_directories(), which found `directories`. Errors: those of the driver core's and the
// agent's own checks.
Result<Setup> setup_from(const config::LoadedConfig& loaded,
                         const config::Directories& directories);

}  // namespace tensorpool::driver
