// tp watch: what arrives on a stream, proved, counted and compared.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

CLI::App* register_watch(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
