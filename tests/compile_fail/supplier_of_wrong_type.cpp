// A supplier of buffers gives a span of writable bytes.
// Refused: no matching (member )?function || (can|could )not convert || no (viable|known) conversion
#include <tensorpool/consumer.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace tp = tensorpool;

void use(tp::Consumer& consumer, std::vector<std::byte>& buffer) {
  auto handler = [](const tp::CopiedFrame&) {};
  consumer.poll_copy([&](const tp::FrameInfo&) { return std::span(buffer); }, handler);
#ifdef MISUSE
  consumer.poll_copy([&](const tp::FrameInfo&) { return std::span<const std::byte>(buffer); },
                     handler);
#endif
}
