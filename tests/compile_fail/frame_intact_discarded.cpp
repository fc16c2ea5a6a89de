// What intact() answers cannot be overlooked.
// Refused: nodiscard
#include <tensorpool/frame.hpp>

namespace tp = tensorpool;

void use(const tp::Frame& frame) {
#ifdef MISUSE
  frame.intact();
#endif
  if (!frame.intact()) return;
}
