// tp publish: frames of a source into shared memory, at a rate.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_publish(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
