// A handler of poll() takes the frame in place, not a proved copy.
// Refused: no matching (member )?function || (can|could )not convert || no (viable|known) conversion
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

void use(tp::Consumer& consumer) {
  auto in_place = [](const tp::Frame&) {};
  consumer.poll(in_place);
#ifdef MISUSE
  auto copied = [](const tp::CopiedFrame&) {};
  consumer.poll(copied);
#endif
}
