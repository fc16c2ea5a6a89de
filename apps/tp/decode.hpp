// tp decode: what a message says, field by field, as JSON.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_decode(Command& root);

}  // namespace tensorpool::cli
