// There is one FrameView at a time: the next one cannot be put over an unfinished one.
// Refused: use of deleted (function|operator) || overload resolution selected deleted operator
#include <tensorpool/consumer.hpp>

#include <utility>

namespace tp = tensorpool;

tp::Outcome use(tp::FrameView view, tp::FrameView next) {
#ifdef MISUSE
  view = std::move(next);
#endif
  (void)next.finish();
  return view.finish();
}
