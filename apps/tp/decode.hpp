// tp decode: what a message says, field by field, as JSON.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_decode(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
