// The rules between the values of one message. decode (codec.hpp) refuses what is not a message;
// these functions say whether a decoded message may be used, and are asked by its receiver before
// it has any effect (MSG-20), and by writers in tests. A tool that shows messages does not ask.
//
// As in codec.hpp: try_check returns a Fault and allocates nothing (TraceLinkSet excepted), check
// returns an Error. Rules that need more than the message itself (the mapped stream, the request it
// answers, the other chunks) belong to the layers above.
#pragma once

#include <string_view>

#include "wire/fault.hpp"
#include "wire/messages.hpp"

namespace tensorpool::wire {

// MSG-54 to MSG-57. Whether a URI is a valid region URI is for the layer that opens it; here it is
// not empty.
Checked<void> try_check(const ShmPoolAnnounce& message) noexcept;

// MSG-65 and MSG-70: a channel and its stream id come together or not at all.
Checked<void> try_check(const ConsumerHello& message) noexcept;
Checked<void> try_check(const ConsumerConfig& message) noexcept;

// MSG-90, as far as the chunk alone tells; with the announce it belongs to, MSG-90 and MSG-91.
Checked<void> try_check(const MetaBlobChunk& message) noexcept;
Checked<void> try_check(const MetaBlobChunk& message, const MetaBlobAnnounce& announce) noexcept;

// MSG-91 and MSG-92.
Checked<void> try_check(const MetaBlobComplete& message, const MetaBlobAnnounce& announce) noexcept;

// MSG-97: client id 0 is never sent.
Checked<void> try_check(const driver::ShmAttachRequest& message) noexcept;

// MSG-99 to MSG-106 for an OK response; any other response is fine.
Checked<void> try_check(const driver::ShmAttachResponse& message) noexcept;

// MSG-112, as far as the message alone tells: the token is not empty.
Checked<void> try_check(const driver::ShmDriverShutdownRequest& message) noexcept;

// MSG-113 to MSG-116, MSG-118, MSG-119, MSG-121, MSG-122, and that the slice lies in the payload.
Checked<void> try_check(const bridge::BridgeFrameChunk& message) noexcept;

// MSG-126 to MSG-128 and MSG-129 to MSG-131.
Checked<void> try_check(const merge::SequenceMergeMapAnnounce& message) noexcept;
Checked<void> try_check(const merge::TimestampMergeMapAnnounce& message) noexcept;

// MSG-133 to MSG-136.
Checked<void> try_check(const tracelink::TraceLinkSet& message) noexcept;

// MSG-138, MSG-139.
Checked<void> try_check(const discovery::DiscoveryRequest& message) noexcept;

// MSG-146 to MSG-150 for one result: an invalid result leaves the others usable.
Checked<void> try_check(const discovery::DiscoveryResult& result) noexcept;

// MSG-144, for writers: results only with status OK. A reader ignores them instead (MSG-145).
Checked<void> try_check(const discovery::DiscoveryResponse& message) noexcept;

// As an Error.
template <class... Messages>
Result<void> check(const Messages&... messages) {
  auto checked = try_check(messages...);
  if (!checked) return fail(checked.error().error("check"));
  return {};
}

// MSG-72, MSG-73: the fallback is a channel ("aeron:…") or a bridge ("bridge://<id>"); any other
// non-empty one counts as unsupported.
bool supported_fallback(std::string_view payload_fallback_uri) noexcept;

}  // namespace tensorpool::wire
