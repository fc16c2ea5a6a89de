// A media driver as a process of its own, for the demo.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

// Hidden: runs until it is told to end; with --json it says when it is ready.
Command register_media_driver(Command& root);

}  // namespace tensorpool::cli
