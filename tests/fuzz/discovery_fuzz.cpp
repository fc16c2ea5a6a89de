// Schema 910 from arbitrary bytes.
#include "fuzz/message_target.hpp"

namespace {

using namespace tensorpool;

using Discovery =
    fuzz::Messages<wire::discovery::DiscoveryRequest, wire::discovery::DiscoveryResponse>;

}  // namespace

// Proves: MSG-38, MSG-43, MSG-53
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return Discovery::test(data, size);
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  return Discovery::mutate(data, size, max_size, seed);
}
