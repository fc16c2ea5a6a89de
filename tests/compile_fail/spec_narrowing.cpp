// A dimension does not change its value on the way into a spec.
// Refused: narrowing
#include <tensorpool/types.hpp>

#include <cstdint>

namespace tp = tensorpool;

tp::Dims use(std::uint32_t rows, std::uint64_t columns) {
#ifdef MISUSE
  return tp::Dims{rows, columns};
#endif
  return tp::Dims{rows, static_cast<std::int64_t>(columns)};
}
