// tp driver: status, streams, leases and the end of a driver, seen and asked from outside.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_driver(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
