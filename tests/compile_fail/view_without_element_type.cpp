// A typed view exists for the element types of the protocol only.
// Refused: incomplete type || undefined template || implicit instantiation
#include <tensorpool/frame.hpp>

#include <cstdint>

namespace tp = tensorpool;

struct Pixel {
  unsigned char r, g, b;
};
void use(const tp::Frame& frame) {
  (void)frame.view<std::uint8_t, 2>();
#ifdef MISUSE
  (void)frame.view<Pixel, 2>();
#endif
}
