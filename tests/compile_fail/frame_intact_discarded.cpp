// What intact() answers cannot be overlooked.
// Refused: nodiscard
#include <tensorpool/tensorpool.hpp>

namespace tp = tensorpool;

void use(const tp::Frame& frame) {
#ifdef MISUSE
  frame.intact();
#endif
  if (!frame.intact()) return;
}
