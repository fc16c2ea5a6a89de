// A dimension is a whole number.
// Refused: narrowing
#include <tensorpool/types.hpp>

#include <cstdint>

namespace tp = tensorpool;

tp::Dims use(double rows) {
#ifdef MISUSE
  return tp::Dims{rows, 4};
#endif
  return tp::Dims{static_cast<std::int64_t>(rows), 4};
}
