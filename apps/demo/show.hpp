// The live table of the demo, and the lines that stay above it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "demo/roles.hpp"

namespace tensorpool::demo {

class Table {
 public:
  // Drawn over the last one on a terminal.
  void show(const std::string& title, const std::vector<Child>& children);
  // Above the table, for good.
  void say(const std::string& line);

 private:
  void back();
  std::size_t rows_shown_ = 0;
};

}  // namespace tensorpool::demo
