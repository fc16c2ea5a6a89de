// tp inspect: what the bytes of region files say, and what is wrong with them.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_inspect(Command& root);

}  // namespace tensorpool::cli
