// tp bench: how fast tensorpool is on this machine, beside what bounds it, and what stands in the way.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_bench(Command& root);

}  // namespace tensorpool::cli
