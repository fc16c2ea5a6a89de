#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace tensorpool::base {

void assert_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "tensorpool: bug: %s does not hold at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace tensorpool::base
