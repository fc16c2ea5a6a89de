// The fields of every message in wire order, each with its protocol name and its kind. This one
// list drives everything that is the same for all messages: walking untrusted bytes, computing
// sizes, checking values before they are written, printing.
//
// fields(message, visitor) calls, in wire order,
//   - value(name, x): a number, enum or bool, or a std::optional of one;
//   - sentinel(name, x, null): a number whose absence is the value `null` in the struct as well;
//   - assigned_stream(name, x): a stream id where 0xFFFFFFFF from a peer means 0 (MSG-30);
//   - text(name, x): free text; any bytes are read (MSG-43), printable ones written (MSG-40);
//   - uri(name, x): a URI or channel; printable without space, both ways (MSG-42);
//   - data(name, x, max): bytes, at most `max`;
//   - group(name, x): entries with fields of their own;
//   - tags(name, x): the tag groups of schema 910.
// `message` may be const or not and its fields are passed on as such.
#pragma once

#include <concepts>
#include <type_traits>

#include "wire/messages.hpp"

namespace tensorpool::wire {

template <class M, class T>
concept IsMessage = std::same_as<std::remove_const_t<M>, T>;

template <IsMessage<PayloadPool> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("poolId", m.pool_id);
  v.value("poolNslots", m.pool_nslots);
  v.value("strideBytes", m.stride_bytes);
  v.uri("regionUri", m.region_uri);
}

// Schema 900.

template <IsMessage<ShmPoolAnnounce> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("producerId", m.producer_id);
  v.value("epoch", m.epoch);
  v.value("announceTimestampNs", m.announce_timestamp_ns);
  v.value("announceClockDomain", m.announce_clock_domain);
  v.value("layoutVersion", m.layout_version);
  v.value("headerNslots", m.header_nslots);
  v.value("headerSlotBytes", m.header_slot_bytes);
  v.group("payloadPools", m.payload_pools);
  v.uri("headerRegionUri", m.header_region_uri);
}

template <IsMessage<ConsumerHello> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("consumerId", m.consumer_id);
  v.value("supportsShm", m.supports_shm);
  v.value("supportsProgress", m.supports_progress);
  v.value("mode", m.mode);
  v.value("maxRateHz", m.max_rate_hz);
  v.value("expectedLayoutVersion", m.expected_layout_version);
  v.value("progressIntervalUs", m.progress_interval_us);
  v.value("progressBytesDelta", m.progress_bytes_delta);
  v.value("progressMajorDeltaUnits", m.progress_major_delta_units);
  v.assigned_stream("descriptorStreamId", m.descriptor_stream_id);
  v.assigned_stream("controlStreamId", m.control_stream_id);
  v.uri("descriptorChannel", m.descriptor_channel);
  v.uri("controlChannel", m.control_channel);
}

template <IsMessage<ConsumerConfig> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("consumerId", m.consumer_id);
  v.value("useShm", m.use_shm);
  v.value("mode", m.mode);
  v.assigned_stream("descriptorStreamId", m.descriptor_stream_id);
  v.assigned_stream("controlStreamId", m.control_stream_id);
  v.uri("payloadFallbackUri", m.payload_fallback_uri);
  v.uri("descriptorChannel", m.descriptor_channel);
  v.uri("controlChannel", m.control_channel);
}

template <IsMessage<FrameDescriptor> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("epoch", m.epoch);
  v.value("seq", m.seq);
  v.sentinel("timestampNs", m.timestamp_ns, null_u64);
  v.sentinel("metaVersion", m.meta_version, null_u32);
  v.sentinel("traceId", m.trace_id, no_trace_id);
}

template <IsMessage<QosConsumer> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("consumerId", m.consumer_id);
  v.value("epoch", m.epoch);
  v.value("lastSeqSeen", m.last_seq_seen);
  v.value("dropsGap", m.drops_gap);
  v.value("dropsLate", m.drops_late);
  v.value("mode", m.mode);
}

template <IsMessage<QosProducer> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("producerId", m.producer_id);
  v.value("epoch", m.epoch);
  v.value("currentSeq", m.current_seq);
  v.value("watermark", m.watermark);
}

template <IsMessage<DataSourceAnnounce> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("producerId", m.producer_id);
  v.value("epoch", m.epoch);
  v.value("metaVersion", m.meta_version);
  v.text("name", m.data_source_name);
  v.text("summary", m.summary);
}

template <IsMessage<Attribute> M, class V>
constexpr void fields(M& m, V& v) {
  v.text("key", m.key);
  v.text("format", m.format);
  v.data("value", m.value, var_data_max_bytes);
}

template <IsMessage<DataSourceMeta> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("metaVersion", m.meta_version);
  v.value("timestampNs", m.timestamp_ns);
  v.group("attributes", m.attributes);
}

template <IsMessage<ControlResponse> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("correlationId", m.correlation_id);
  v.value("code", m.code);
  v.text("errorMessage", m.error_message);
}

template <IsMessage<MetaBlobAnnounce> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("metaVersion", m.meta_version);
  v.value("blobType", m.blob_type);
  v.value("totalLen", m.total_len);
  v.value("checksum", m.checksum);
}

template <IsMessage<FrameProgress> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("epoch", m.epoch);
  v.value("seq", m.seq);
  v.value("payloadBytesFilled", m.payload_bytes_filled);
  v.value("state", m.state);
}

template <IsMessage<MetaBlobChunk> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("metaVersion", m.meta_version);
  v.value("chunkOffset", m.chunk_offset);
  v.data("bytes", m.bytes, var_data_max_bytes);
}

template <IsMessage<MetaBlobComplete> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("metaVersion", m.meta_version);
  v.value("checksum", m.checksum);
}

// Schema 901.

template <IsMessage<driver::ShmAttachRequest> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("correlationId", m.correlation_id);
  v.value("streamId", m.stream_id);
  v.value("clientId", m.client_id);
  v.value("role", m.role);
  v.value("expectedLayoutVersion", m.expected_layout_version);
  v.value("publishMode", m.publish_mode);
  v.value("requireHugepages", m.require_hugepages);
  v.value("desiredNodeId", m.desired_node_id);
}

template <IsMessage<driver::ShmAttachResponse> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("correlationId", m.correlation_id);
  v.value("code", m.code);
  v.value("leaseId", m.lease_id);
  v.value("leaseExpiryTimestampNs", m.lease_expiry_timestamp_ns);
  v.value("streamId", m.stream_id);
  v.value("epoch", m.epoch);
  v.value("layoutVersion", m.layout_version);
  v.value("headerNslots", m.header_nslots);
  v.value("headerSlotBytes", m.header_slot_bytes);
  v.value("nodeId", m.node_id);
  v.group("payloadPools", m.payload_pools);
  v.uri("headerRegionUri", m.header_region_uri);
  v.text("errorMessage", m.error_message);
}

template <IsMessage<driver::ShmDetachRequest> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("correlationId", m.correlation_id);
  v.value("leaseId", m.lease_id);
  v.value("streamId", m.stream_id);
  v.value("clientId", m.client_id);
  v.value("role", m.role);
}

template <IsMessage<driver::ShmDetachResponse> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("correlationId", m.correlation_id);
  v.value("code", m.code);
  v.text("errorMessage", m.error_message);
}

template <IsMessage<driver::ShmLeaseKeepalive> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("leaseId", m.lease_id);
  v.value("streamId", m.stream_id);
  v.value("clientId", m.client_id);
  v.value("role", m.role);
  v.value("clientTimestampNs", m.client_timestamp_ns);
}

template <IsMessage<driver::ShmDriverShutdown> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("timestampNs", m.timestamp_ns);
  v.value("reason", m.reason);
  v.text("errorMessage", m.error_message);
}

template <IsMessage<driver::ShmLeaseRevoked> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("timestampNs", m.timestamp_ns);
  v.value("leaseId", m.lease_id);
  v.value("streamId", m.stream_id);
  v.value("clientId", m.client_id);
  v.value("role", m.role);
  v.value("reason", m.reason);
  v.text("errorMessage", m.error_message);
}

template <IsMessage<driver::ShmDriverShutdownRequest> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("correlationId", m.correlation_id);
  v.value("reason", m.reason);
  v.text("token", m.token);
  v.text("errorMessage", m.error_message);
}

// Schema 902.

template <IsMessage<bridge::BridgeFrameChunk> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("epoch", m.epoch);
  v.value("seq", m.seq);
  v.sentinel("traceId", m.trace_id, no_trace_id);
  v.value("chunkIndex", m.chunk_index);
  v.value("chunkCount", m.chunk_count);
  v.value("chunkOffset", m.chunk_offset);
  v.value("chunkLength", m.chunk_length);
  v.value("payloadLength", m.payload_length);
  v.value("payloadCrc32c", m.payload_crc32c);
  v.value("headerIncluded", m.header_included);
  v.data("headerBytes", m.header_bytes, var_data_256_max_bytes);
  v.data("payloadBytes", m.payload_bytes, var_data_max_bytes);
}

// Schema 903.

template <IsMessage<merge::SequenceRule> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("inputStreamId", m.input_stream_id);
  v.value("ruleType", m.rule_type);
  v.value("offset", m.offset);
  v.value("windowSize", m.window_size);
}

template <IsMessage<merge::SequenceMergeMapAnnounce> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("outStreamId", m.out_stream_id);
  v.value("epoch", m.epoch);
  v.value("staleTimeoutNs", m.stale_timeout_ns);
  v.group("rules", m.rules);
}

template <class M, class V>
  requires IsMessage<M, merge::SequenceMergeMapRequest> ||
           IsMessage<M, merge::TimestampMergeMapRequest>
constexpr void fields(M& m, V& v) {
  v.value("outStreamId", m.out_stream_id);
  v.value("epoch", m.epoch);
}

template <IsMessage<merge::TimestampRule> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("inputStreamId", m.input_stream_id);
  v.value("ruleType", m.rule_type);
  v.value("timestampSource", m.timestamp_source);
  v.value("offsetNs", m.offset_ns);
  v.value("windowNs", m.window_ns);
}

template <IsMessage<merge::TimestampMergeMapAnnounce> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("outStreamId", m.out_stream_id);
  v.value("epoch", m.epoch);
  v.value("staleTimeoutNs", m.stale_timeout_ns);
  v.value("clockDomain", m.clock_domain);
  v.value("latenessNs", m.lateness_ns);
  v.group("rules", m.rules);
}

// Schema 904.

template <IsMessage<tracelink::Parent> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("traceId", m.trace_id);
}

template <IsMessage<tracelink::TraceLinkSet> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("epoch", m.epoch);
  v.value("seq", m.seq);
  v.value("traceId", m.trace_id);
  v.group("parents", m.parents);
}

// Schema 910.

template <IsMessage<discovery::DiscoveryRequest> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("requestId", m.request_id);
  v.value("clientId", m.client_id);
  v.value("responseStreamId", m.response_stream_id);
  v.value("streamId", m.stream_id);
  v.value("producerId", m.producer_id);
  v.value("dataSourceId", m.data_source_id);
  v.tags("tags", m.tags);
  v.uri("responseChannel", m.response_channel);
  v.text("dataSourceName", m.data_source_name);
}

template <IsMessage<discovery::DiscoveryResult> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("streamId", m.stream_id);
  v.value("producerId", m.producer_id);
  v.value("epoch", m.epoch);
  v.value("layoutVersion", m.layout_version);
  v.value("headerNslots", m.header_nslots);
  v.value("headerSlotBytes", m.header_slot_bytes);
  v.value("maxDims", m.max_dims);
  v.value("dataSourceId", m.data_source_id);
  v.value("driverControlStreamId", m.driver_control_stream_id);
  v.group("payloadPools", m.payload_pools);
  v.tags("tags", m.tags);
  v.uri("headerRegionUri", m.header_region_uri);
  v.text("dataSourceName", m.data_source_name);
  v.text("driverInstanceId", m.driver_instance_id);
  v.uri("driverControlChannel", m.driver_control_channel);
}

template <IsMessage<discovery::DiscoveryResponse> M, class V>
constexpr void fields(M& m, V& v) {
  v.value("requestId", m.request_id);
  v.value("status", m.status);
  v.group("results", m.results);
  v.text("errorMessage", m.error_message);
}

}  // namespace tensorpool::wire
