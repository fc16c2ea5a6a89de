// tp inspect: what the bytes of region files say, and what is wrong with them.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_inspect(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
