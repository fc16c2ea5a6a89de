// tp driver: status, streams, leases and the end of a driver, seen and asked from outside.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_driver(Command& root);

}  // namespace tensorpool::cli
