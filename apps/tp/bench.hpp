// tp bench: how fast tensorpool is on this machine, beside what bounds it, and what stands in the way.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_bench(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
