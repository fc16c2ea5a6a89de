// Schema 902 through its generated codec.
#include "shm_tensorpool_bridge/BridgeFrameChunk.h"
#include "wire/engine.hpp"

namespace tensorpool::wire {

namespace sbe = ::shm_tensorpool_bridge;

template <>
struct Sbe<bridge::BridgeFrameChunk> {
  using Flyweight = sbe::BridgeFrameChunk;

  static void unpack(Flyweight& from, std::uint64_t var_fields, bridge::BridgeFrameChunk& to) {
    to.stream_id = from.streamId();
    to.epoch = from.epoch();
    to.seq = from.seq();
    to.trace_id = from.traceId();
    to.chunk_index = from.chunkIndex();
    to.chunk_count = from.chunkCount();
    to.chunk_offset = from.chunkOffset();
    to.chunk_length = from.chunkLength();
    to.payload_length = from.payloadLength();
    to.payload_crc32c = from.payloadCrc32c();
    to.header_included = from.headerIncludedRaw() != 0;
    if (var_fields > 0) to.header_bytes = bytes_of(from.getHeaderBytesAsStringView());
    if (var_fields > 1) to.payload_bytes = bytes_of(from.getPayloadBytesAsStringView());
  }
  static void pack(const bridge::BridgeFrameChunk& from, Flyweight& to) {
    to.streamId(from.stream_id).epoch(from.epoch).seq(from.seq).traceId(from.trace_id);
    to.chunkIndex(from.chunk_index).chunkCount(from.chunk_count);
    to.chunkOffset(from.chunk_offset).chunkLength(from.chunk_length);
    to.payloadLength(from.payload_length).payloadCrc32c(from.payload_crc32c);
    to.headerIncluded(from.header_included ? sbe::Bool::TRUE : sbe::Bool::FALSE);
    to.putHeaderBytes(text_of(from.header_bytes));
    to.putPayloadBytes(text_of(from.payload_bytes));
  }
};

TENSORPOOL_WIRE_CODEC(bridge::BridgeFrameChunk);

}  // namespace tensorpool::wire
