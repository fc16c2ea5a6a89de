// Schema 902 from arbitrary bytes.
#include "fuzz/message_target.hpp"

namespace {

using namespace tensorpool;

using Bridge = fuzz::Messages<wire::bridge::BridgeFrameChunk>;

}  // namespace

// Proves: MSG-36
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return Bridge::test(data, size);
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  return Bridge::mutate(data, size, max_size, seed);
}
