// Whether all that the demo promises was seen to happen.
#pragma once

#include <string>
#include <vector>

#include "demo/roles.hpp"

namespace tensorpool::demo {

// What went wrong, a line each; empty: nothing. `codes` are exit codes by role.
std::vector<std::string> judge(const std::vector<Child>& children, const std::vector<int>& codes);

}  // namespace tensorpool::demo
