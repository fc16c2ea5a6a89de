// A Driver is a resource: it moves and does not copy.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/driver.hpp>

namespace tp = tensorpool;

tp::Driver use(tp::Driver from) {
#ifdef MISUSE
  return tp::Driver(from);
#endif
  return from;
}
