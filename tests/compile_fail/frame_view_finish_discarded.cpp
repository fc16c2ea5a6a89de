// The outcome of finish() says whether the bytes were whole: it cannot be overlooked.
// Refused: nodiscard
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

void use(tp::FrameView view) {
#ifdef MISUSE
  view.finish();
#endif
  (void)view.finish();
}
