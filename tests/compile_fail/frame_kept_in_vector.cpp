// A Frame cannot be kept in a container.
// Refused: no matching function || deleted || static assertion failed || result type must be constructible
#include <tensorpool/consumer.hpp>

#include <vector>

namespace tp = tensorpool;

void use(tp::Consumer& consumer) {
  std::vector<std::uint64_t> seqs;
#ifdef MISUSE
  std::vector<tp::Frame> kept;
  consumer.poll([&](const tp::Frame& frame) { kept.push_back(frame); });
#endif
  consumer.poll([&](const tp::Frame& frame) { seqs.push_back(frame.seq()); });
}
