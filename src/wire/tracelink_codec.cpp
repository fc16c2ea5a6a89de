// Schema 904 through its generated codec.
#include "shm_tensorpool_tracelink/TraceLinkSet.h"
#include "wire/engine.hpp"

namespace tensorpool::wire {

namespace sbe = ::shm_tensorpool_tracelink;

template <>
struct Sbe<tracelink::TraceLinkSet> {
  using Flyweight = sbe::TraceLinkSet;

  static void unpack(Flyweight& from, std::uint64_t, tracelink::TraceLinkSet& to) {
    to.stream_id = from.streamId();
    to.epoch = from.epoch();
    to.seq = from.seq();
    to.trace_id = from.traceId();
    auto& group = from.parents();
    to.parents.reserve(group.count());
    while (group.hasNext()) to.parents.push_back({.trace_id = group.next().traceId()});
  }
  static void pack(const tracelink::TraceLinkSet& from, Flyweight& to) {
    to.streamId(from.stream_id).epoch(from.epoch).seq(from.seq).traceId(from.trace_id);
    auto& group = to.parentsCount(count_of(from.parents.size()));
    for (const tracelink::Parent& parent : from.parents) group.next().traceId(parent.trace_id);
  }
};

TENSORPOOL_WIRE_CODEC(tracelink::TraceLinkSet);

}  // namespace tensorpool::wire
