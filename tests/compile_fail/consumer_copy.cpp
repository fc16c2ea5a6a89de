// A Consumer is a resource: it moves and does not copy.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/consumer.hpp>

namespace tp = tensorpool;

tp::Consumer use(tp::Consumer from) {
#ifdef MISUSE
  return tp::Consumer(from);
#endif
  return from;
}
