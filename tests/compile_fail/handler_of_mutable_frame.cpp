// A handler gets the frame to read.
// Refused: no matching (member )?function || cannot convert || no viable conversion || could not convert || no known conversion
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

void use(tp::Consumer& consumer) {
  auto reading = [](const tp::Frame&) {};
  consumer.poll(reading);
#ifdef MISUSE
  auto writing = [](tp::Frame&) {};
  consumer.poll(writing);
#endif
}
