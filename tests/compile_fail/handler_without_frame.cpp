// A handler takes the frame.
// Refused: no matching (member )?function || (can|could )not convert || no (viable|known) conversion
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

void use(tp::Consumer& consumer) {
  auto handler = [](const tp::Frame&) {};
  consumer.poll(handler);
#ifdef MISUSE
  auto nothing = [] {};
  consumer.poll(nothing);
#endif
}
