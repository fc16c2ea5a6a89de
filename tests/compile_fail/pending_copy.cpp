// A Pending gives its value once: it moves and does not copy.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/client.hpp>

#include <utility>

namespace tp = tensorpool;

auto use(tp::Pending<tp::Producer> pending) {
#ifdef MISUSE
  return tp::Pending<tp::Producer>(pending);
#endif
  return tp::Pending<tp::Producer>(std::move(pending));
}
