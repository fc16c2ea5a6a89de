// What intact() answers cannot be overlooked.
// Refused: nodiscard
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

tp::Outcome use(tp::FrameView view) {
#ifdef MISUSE
  view.intact();
#endif
  return view.finish();
}
