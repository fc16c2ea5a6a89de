// A media driver as a process of its own, for the demo.
#pragma once

#include <CLI/CLI.hpp>

namespace tensorpool::cli {

// Hidden: runs until it is told to end; with --json it says when it is ready.
CLI::App* register_media_driver(CLI::App& root, int& exit_code);

}  // namespace tensorpool::cli
