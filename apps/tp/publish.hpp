// tp publish: frames of a source into shared memory, at a rate.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_publish(Command& root);

}  // namespace tensorpool::cli
