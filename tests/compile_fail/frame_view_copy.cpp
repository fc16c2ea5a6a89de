// A FrameView is finished once: it moves and does not copy.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

tp::Outcome use(tp::FrameView view) {
#ifdef MISUSE
  tp::FrameView twin(view);
  (void)twin.intact();
#endif
  return view.finish();
}
