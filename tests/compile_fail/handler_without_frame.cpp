// A handler takes the frame.
// Refused: no matching (member )?function || cannot convert || no viable conversion || could not convert || no known conversion
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
