// tp subscribers: who reads the streams of a media driver, and who holds a publisher up.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_subscribers(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
