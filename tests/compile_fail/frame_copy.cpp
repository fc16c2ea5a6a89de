// A Frame ends with its handler call: it cannot be copied out.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

void use(tp::Consumer& consumer) {
  consumer.poll([](const tp::Frame& frame) {
#ifdef MISUSE
    const tp::Frame kept = frame;
    (void)kept.seq();
#endif
    (void)frame.seq();
  });
}
