// A Client is a resource: it moves and does not copy.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/client.hpp>

namespace tp = tensorpool;

tp::Client use(tp::Client from) {
#ifdef MISUSE
  return tp::Client(from);
#endif
  return from;
}
