// Schema 900 from arbitrary bytes, and the frame path's decoders of two of its messages.
#include "fuzz/message_target.hpp"

namespace {

using namespace tensorpool;

using Control = fuzz::Messages<wire::ShmPoolAnnounce, wire::ConsumerHello, wire::ConsumerConfig,
                               wire::FrameDescriptor, wire::QosConsumer, wire::QosProducer,
                               wire::DataSourceAnnounce, wire::DataSourceMeta,
                               wire::ControlResponse, wire::MetaBlobAnnounce, wire::FrameProgress,
                               wire::MetaBlobChunk, wire::MetaBlobComplete>;

}  // namespace

// Proves: STR-10, MSG-17, MSG-35, MSG-39, MSG-42, MSG-49
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  fuzz::check_hot<wire::FrameDescriptor, wire::decode_descriptor, wire::encode_descriptor>(bytes);
  fuzz::check_hot<wire::FrameProgress, wire::decode_progress, wire::encode_progress>(bytes);
  return Control::test(data, size);
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  return Control::mutate(data, size, max_size, seed);
}
