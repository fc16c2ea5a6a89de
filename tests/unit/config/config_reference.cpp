// Prints docs/reference/configuration.md, which a test compares with what this prints.
#include <cstdio>
#include <string>

#include "config/load.hpp"

int main() {
  const std::string page = tensorpool::config::reference_page();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() ? 0 : 1;
}
