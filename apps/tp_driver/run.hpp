// A driver from its start to its end, under a service manager.
#pragma once

#include "driver/setup.hpp"
#include "tensorpool/error.hpp"
#include "tp_driver/log.hpp"
#include "tp_driver/notify.hpp"

namespace tensorpool::driver_program {

// Runs the driver on this thread until it has stopped: by signals (signals.hpp) or by a shutdown request.
// Errors: why it could not start.
Result<void> run(driver::Setup setup, Log& log, const ServiceManager& manager);

}  // namespace tensorpool::driver_program
