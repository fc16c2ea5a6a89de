// What tp bench found, for people. Made of the JSON, so that the two cannot disagree.
#pragma once

#include <string>

#include "tp/output.hpp"

namespace tensorpool::cli {

std::string bench_text(const Json& report);

}  // namespace tensorpool::cli
