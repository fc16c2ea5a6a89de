// Schema 903 from arbitrary bytes.
#include "fuzz/message_target.hpp"

namespace {

using namespace tensorpool;

using Merge =
    fuzz::Messages<wire::merge::SequenceMergeMapAnnounce, wire::merge::SequenceMergeMapRequest,
                   wire::merge::TimestampMergeMapAnnounce, wire::merge::TimestampMergeMapRequest>;

}  // namespace

// Proves: MSG-46
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return Merge::test(data, size);
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  return Merge::mutate(data, size, max_size, seed);
}
