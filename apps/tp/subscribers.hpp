// tp subscribers: who reads the streams of a media driver, and who holds a publisher up.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_subscribers(Command& root);

}  // namespace tensorpool::cli
