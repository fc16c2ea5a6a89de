// A Frame ends with its handler call: it cannot be moved out either.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/frame.hpp>

#include <utility>

namespace tp = tensorpool;

void use(tp::Frame& frame) {
#ifdef MISUSE
  const tp::Frame kept = std::move(frame);
  (void)kept.seq();
#endif
  (void)frame.seq();
}
