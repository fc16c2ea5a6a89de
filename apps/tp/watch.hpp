// tp watch: what arrives on a stream, proved, counted and compared.
#pragma once

#include "tp/command_line.hpp"

namespace tensorpool::cli {

Command register_watch(Command& root);

}  // namespace tensorpool::cli
