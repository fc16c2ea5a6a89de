// A driver from its start to its end.
#pragma once

#include "tensorpool/error.hpp"
#include "tp_driver/log.hpp"
#include "tp_driver/notify.hpp"
#include "tp_driver/setup.hpp"

namespace tensorpool::driver_program {

// Starts the media driver where the setup asks for one, then runs the agent on this thread until it has
// stopped: by signals (signals.hpp) or by a shutdown request. Errors: why it could not start.
Result<void> run(DriverSetup setup, Log& log, const ServiceManager& manager);

}  // namespace tensorpool::driver_program
