// Schema 904 from arbitrary bytes.
#include "fuzz/message_target.hpp"

namespace {

using namespace tensorpool;

using Tracelink = fuzz::Messages<wire::tracelink::TraceLinkSet>;

}  // namespace

// Proves: MSG-48, MSG-49
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return Tracelink::test(data, size);
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  return Tracelink::mutate(data, size, max_size, seed);
}
