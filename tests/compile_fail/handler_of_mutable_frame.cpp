// A handler gets the frame to read.
// Refused: no matching (member )?function || (can|could )not convert || no (viable|known) conversion
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
