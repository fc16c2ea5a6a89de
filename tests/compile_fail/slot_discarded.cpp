// A Slot that nobody keeps would be aborted at once.
// Refused: nodiscard
#include <tensorpool/producer.hpp>

namespace tp = tensorpool;

tp::Slot make();
void use() {
#ifdef MISUSE
  make();
#endif
  (void)make().commit();
}
