// A consumer cannot write a payload: it is mapped read-only.
// Refused: read-only || cannot assign || const-qualified || not assignable
#include <tensorpool/frame.hpp>

#include <cstddef>

namespace tp = tensorpool;

void use(const tp::Frame& frame) {
#ifdef MISUSE
  frame.bytes()[0] = std::byte{0};
#endif
  if (!frame.intact()) return;
}
