// A Producer is a resource: it moves and does not copy.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/producer.hpp>

namespace tp = tensorpool;

tp::Producer use(tp::Producer from) {
#ifdef MISUSE
  return tp::Producer(from);
#endif
  return from;
}
