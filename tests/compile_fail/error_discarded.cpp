// An Error cannot be overlooked.
// Refused: nodiscard
#include <tensorpool/error.hpp>

namespace tp = tensorpool;

tp::Error check();
void use() {
#ifdef MISUSE
  check();
#endif
  (void)check();
}
