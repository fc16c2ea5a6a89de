// A Slot is one claim: a copy would commit it twice.
// Refused: uses? (of )?deleted function || call to deleted constructor
#include <tensorpool/producer.hpp>

namespace tp = tensorpool;

void use(tp::Slot slot) {
#ifdef MISUSE
  tp::Slot twin(slot);
  (void)twin.commit();
#endif
  (void)slot.commit();
}
