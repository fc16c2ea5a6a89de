#include "wire/check.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <optional>
#include <vector>

namespace tensorpool::wire {
namespace {

constexpr std::uint16_t header_slot_bytes = 256;
constexpr std::size_t chunk_header_bytes = 256;
constexpr std::uint32_t chunks_max = 65535;
constexpr std::uint32_t chunk_bytes_max = 65535;

// Collects the first broken rule of a message.
class Rules {
 public:
  explicit Rules(const char* message) noexcept { fault_.message = message; }

  void in(const char* group, std::size_t entry) noexcept {
    if (failed_) return;
    fault_.group = group;
    fault_.entry = entry;
  }
  void leave() noexcept {
    if (!failed_) fault_.group = nullptr;
  }
  // `rule` says what should be; `found` and `expected` are what it is about.
  Rules& require(bool kept, const char* field, const char* rule, std::uint64_t found = 0,
                 std::uint64_t expected = 0) noexcept {
    if (kept || failed_) return *this;
    failed_ = true;
    fault_.field = field;
    fault_.rule = rule;
    fault_.found = found;
    fault_.expected = expected;
    return *this;
  }
  Checked<void> result() const noexcept {
    if (failed_) return tl::unexpected(fault_);
    return {};
  }

 private:
  bool failed_ = false;
  Fault fault_{};
};

// What announces, attach responses and discovery results say of their pools.
void pools(Rules& rules, const std::vector<PayloadPool>& pools,
           std::uint64_t header_nslots) noexcept {
  for (std::size_t i = 0; i < pools.size(); ++i) {
    rules.in("payloadPools", i);
    rules.require(pools[i].pool_nslots == header_nslots, "poolNslots", "must equal headerNslots",
                  pools[i].pool_nslots, header_nslots);
    rules.require(!pools[i].region_uri.empty(), "regionUri", "must not be empty");
  }
  rules.leave();
}

void both_or_none(Rules& rules, const char* field, const std::string& channel,
                  std::uint32_t stream_id) noexcept {
  rules.require(channel.empty() == (stream_id == 0), field,
                "a channel and its stream id come together or not at all", stream_id,
                channel.size());
}

}  // namespace

Checked<void> try_check(const ShmPoolAnnounce& message) noexcept {
  Rules rules(message.name);
  rules.require(message.header_slot_bytes == header_slot_bytes, "headerSlotBytes", "must be 256",
                message.header_slot_bytes, header_slot_bytes);
  rules.require(!message.payload_pools.empty(), "payloadPools", "must have an entry", 0, 1);
  pools(rules, message.payload_pools, message.header_nslots);
  rules.require(!message.header_region_uri.empty(), "headerRegionUri", "must not be empty");
  return rules.result();
}

Checked<void> try_check(const ConsumerHello& message) noexcept {
  Rules rules(message.name);
  both_or_none(rules, "descriptorChannel", message.descriptor_channel,
               message.descriptor_stream_id);
  both_or_none(rules, "controlChannel", message.control_channel, message.control_stream_id);
  return rules.result();
}

Checked<void> try_check(const ConsumerConfig& message) noexcept {
  Rules rules(message.name);
  both_or_none(rules, "descriptorChannel", message.descriptor_channel,
               message.descriptor_stream_id);
  both_or_none(rules, "controlChannel", message.control_channel, message.control_stream_id);
  return rules.result();
}

Checked<void> try_check(const MetaBlobChunk& message) noexcept {
  return Rules(message.name).require(!message.bytes.empty(), "bytes", "must not be empty").result();
}

Checked<void> try_check(const MetaBlobChunk& message, const MetaBlobAnnounce& announce) noexcept {
  Rules rules(message.name);
  rules.require(message.stream_id == announce.stream_id, "streamId", "must be that of the announce",
                message.stream_id, announce.stream_id);
  rules.require(message.meta_version == announce.meta_version, "metaVersion",
                "must be that of the announce", message.meta_version, announce.meta_version);
  rules.require(!message.bytes.empty(), "bytes", "must not be empty");
  rules.require(message.chunk_offset <= announce.total_len &&
                    message.bytes.size() <= announce.total_len - message.chunk_offset,
                "chunkOffset", "the chunk must end within totalLen", message.chunk_offset,
                announce.total_len);
  return rules.result();
}

Checked<void> try_check(const MetaBlobComplete& message,
                        const MetaBlobAnnounce& announce) noexcept {
  Rules rules(message.name);
  rules.require(message.stream_id == announce.stream_id, "streamId", "must be that of the announce",
                message.stream_id, announce.stream_id);
  rules.require(message.meta_version == announce.meta_version, "metaVersion",
                "must be that of the announce", message.meta_version, announce.meta_version);
  rules.require(message.checksum == announce.checksum, "checksum", "must be that of the announce",
                message.checksum, announce.checksum);
  return rules.result();
}

Checked<void> try_check(const driver::ShmAttachRequest& message) noexcept {
  return Rules(message.name).require(message.client_id != 0, "clientId", "must not be 0").result();
}

Checked<void> try_check(const driver::ShmAttachResponse& message) noexcept {
  Rules rules(message.name);
  if (message.code != ResponseCode::ok) return rules.result();
  constexpr const char* needed = "must be there when the code is OK";
  rules.require(message.lease_id.has_value(), "leaseId", needed);
  rules.require(message.stream_id.has_value(), "streamId", needed);
  rules.require(message.epoch.has_value(), "epoch", needed);
  rules.require(message.layout_version.has_value(), "layoutVersion", needed);
  rules.require(message.header_nslots.has_value(), "headerNslots", needed);
  rules.require(message.header_slot_bytes.has_value(), "headerSlotBytes", needed);
  const std::uint16_t slot_bytes = message.header_slot_bytes.value_or(0);
  rules.require(slot_bytes == header_slot_bytes, "headerSlotBytes", "must be 256", slot_bytes,
                header_slot_bytes);
  rules.require(!message.payload_pools.empty(), "payloadPools", "must have an entry", 0, 1);
  pools(rules, message.payload_pools, message.header_nslots.value_or(0));
  rules.require(!message.header_region_uri.empty(), "headerRegionUri", "must not be empty");
  return rules.result();
}

Checked<void> try_check(const driver::ShmDriverShutdownRequest& message) noexcept {
  return Rules(message.name).require(!message.token.empty(), "token", "must not be empty").result();
}

Checked<void> try_check(const bridge::BridgeFrameChunk& message) noexcept {
  Rules rules(message.name);
  const bool first = message.chunk_index == 0;
  rules.require(message.chunk_count >= 1 && message.chunk_count <= chunks_max, "chunkCount",
                "must be in 1 to 65535", message.chunk_count, chunks_max);
  rules.require(message.chunk_index < message.chunk_count, "chunkIndex", "must be below chunkCount",
                message.chunk_index, message.chunk_count);
  rules.require(message.header_included == first, "headerIncluded",
                "must be TRUE for chunk 0 and only there", message.header_included ? 1 : 0,
                first ? 1 : 0);
  const std::size_t header_bytes = message.header_included ? chunk_header_bytes : 0;
  rules.require(message.header_bytes.size() == header_bytes, "headerBytes", "must have this length",
                message.header_bytes.size(), header_bytes);
  rules.require(message.chunk_length <= chunk_bytes_max, "chunkLength", "must be at most 65535",
                message.chunk_length, chunk_bytes_max);
  rules.require(message.payload_length <= var_data_max_bytes, "payloadLength",
                "must be at most 1073741824", message.payload_length, var_data_max_bytes);
  rules.require(message.payload_bytes.size() == message.chunk_length, "payloadBytes",
                "must have the length chunkLength", message.payload_bytes.size(),
                message.chunk_length);
  rules.require(!first || message.chunk_offset == 0, "chunkOffset", "must be 0 in chunk 0",
                message.chunk_offset, 0);
  const std::uint64_t end = std::uint64_t{message.chunk_offset} + message.chunk_length;
  rules.require(end <= message.payload_length, "chunkOffset",
                "the chunk must end within payloadLength", end, message.payload_length);
  return rules.result();
}

Checked<void> try_check(const merge::SequenceMergeMapAnnounce& message) noexcept {
  Rules rules(message.name);
  for (std::size_t i = 0; i < message.rules.size(); ++i) {
    const merge::SequenceRule& rule = message.rules[i];
    rules.in("rules", i);
    rules.require(listed(rule.rule_type), "ruleType", "must be OFFSET or WINDOW",
                  static_cast<std::uint64_t>(rule.rule_type));
    const bool window = rule.rule_type == merge::RuleType::window;
    rules.require(rule.offset.has_value() == !window, "offset",
                  "must be there for OFFSET and only there");
    rules.require(rule.window_size.has_value() == window, "windowSize",
                  "must be there for WINDOW and only there");
    rules.require(rule.window_size != 0U, "windowSize", "must be above 0");
  }
  return rules.result();
}

Checked<void> try_check(const merge::TimestampMergeMapAnnounce& message) noexcept {
  Rules rules(message.name);
  for (std::size_t i = 0; i < message.rules.size(); ++i) {
    const merge::TimestampRule& rule = message.rules[i];
    rules.in("rules", i);
    rules.require(listed(rule.rule_type), "ruleType", "must be OFFSET_NS or WINDOW_NS",
                  static_cast<std::uint64_t>(rule.rule_type));
    rules.require(listed(rule.timestamp_source), "timestampSource",
                  "must be FRAME_DESCRIPTOR or SLOT_HEADER",
                  static_cast<std::uint64_t>(rule.timestamp_source));
    const bool window = rule.rule_type == merge::TimeRuleType::window_ns;
    rules.require(rule.offset_ns.has_value() == !window, "offsetNs",
                  "must be there for OFFSET_NS and only there");
    rules.require(rule.window_ns.has_value() == window, "windowNs",
                  "must be there for WINDOW_NS and only there");
    rules.require(rule.window_ns != 0U, "windowNs", "must be above 0");
  }
  return rules.result();
}

Checked<void> try_check(const tracelink::TraceLinkSet& message) noexcept {
  Rules rules(message.name);
  rules.require(message.trace_id != no_trace_id, "traceId", "must not be 0");
  rules.require(!message.parents.empty(), "parents", "must have an entry", 0, 1);
  for (std::size_t i = 0; i < message.parents.size(); ++i) {
    rules.in("parents", i);
    rules.require(message.parents[i].trace_id != no_trace_id, "traceId", "must not be 0");
  }
  rules.leave();
  if (!rules.result()) return rules.result();

  // Sorted, since a peer may send 65534 parents and comparing all pairs would take seconds.
  try {
    std::vector<std::uint64_t> ids;
    ids.reserve(message.parents.size());
    for (const tracelink::Parent& parent : message.parents) ids.push_back(parent.trace_id);
    std::sort(ids.begin(), ids.end());
    const auto twin = std::adjacent_find(ids.begin(), ids.end());
    rules.require(twin == ids.end(), "parents", "trace ids must be unique",
                  twin == ids.end() ? 0 : *twin);
  } catch (const std::bad_alloc&) {
    Fault fault;
    fault.message = message.name;
    fault.problem = Problem::out_of_memory;
    return tl::unexpected(fault);
  }
  return rules.result();
}

Checked<void> try_check(const discovery::DiscoveryRequest& message) noexcept {
  Rules rules(message.name);
  rules.require(!message.response_channel.empty(), "responseChannel", "must not be empty");
  rules.require(message.response_stream_id != 0, "responseStreamId", "must not be 0");
  return rules.result();
}

Checked<void> try_check(const discovery::DiscoveryResult& result) noexcept {
  Rules rules("DiscoveryResponse.results");
  rules.require(result.header_slot_bytes == header_slot_bytes, "headerSlotBytes", "must be 256",
                result.header_slot_bytes, header_slot_bytes);
  rules.require(result.max_dims == max_dims, "maxDims", "must be 8", result.max_dims, max_dims);
  rules.require(result.driver_control_stream_id != 0, "driverControlStreamId", "must not be 0");
  rules.require(!result.driver_control_channel.empty(), "driverControlChannel",
                "must not be empty");
  for (std::size_t i = 0; i < result.payload_pools.size(); ++i) {
    rules.in("payloadPools", i);
    rules.require(result.payload_pools[i].pool_nslots == result.header_nslots, "poolNslots",
                  "must equal headerNslots", result.payload_pools[i].pool_nslots,
                  result.header_nslots);
  }
  rules.leave();
  return rules.result();
}

Checked<void> try_check(const discovery::DiscoveryResponse& message) noexcept {
  Rules rules(message.name);
  rules.require(message.status == discovery::Status::ok || message.results.empty(), "results",
                "must be empty unless the status is OK", message.results.size(), 0);
  return rules.result();
}

bool supported_fallback(std::string_view payload_fallback_uri) noexcept {
  constexpr std::string_view bridge = "bridge://";
  return payload_fallback_uri.starts_with("aeron:") ||
         (payload_fallback_uri.starts_with(bridge) && payload_fallback_uri.size() > bridge.size());
}

}  // namespace tensorpool::wire
