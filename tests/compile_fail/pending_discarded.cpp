// A request that nobody waits for would be abandoned at once.
// Refused: nodiscard
#include <tensorpool/client.hpp>

namespace tp = tensorpool;

void use(tp::Client& client) {
#ifdef MISUSE
  client.consumer({.stream = 1});
#endif
  auto pending = client.consumer({.stream = 1});
  (void)pending.poll();
}
