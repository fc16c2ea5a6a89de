// Every message of the protocol as a plain struct: the whole vocabulary on one page. The fields
// stand in wire order and are named as in docs/protocol/02-messages.md; units are in the names.
//
// All are values: they own their strings and lists, copy and compare, and know nothing of bytes.
// codec.hpp turns them into bytes and back, check.hpp holds the rules between their fields.
// Every member has an initial value, so that designated initialisers may name only what matters.
// An optional field is a std::optional, and an empty string or list means "not provided" (MSG-32);
// the per-frame messages FrameDescriptor, FrameProgress and BridgeFrameChunk hold the raw null
// values instead, so that the first two stay trivially copyable.
//
// schema_id, template_id and block_length are what the message header carries; smallest_size is the
// message with its header, all groups and all var data empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "tensorpool/types.hpp"
#include "wire/enums.hpp"

namespace tensorpool::wire {

// The null values of raw optional fields. An absent trace id is 0 (MSG-29).
inline constexpr std::uint64_t null_u64 = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint32_t null_u32 = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint64_t no_trace_id = 0;

// Sequence numbers stay below this: a slot's commit word has no room for the top bit (SHM-167).
inline constexpr std::uint64_t seq_end = std::uint64_t{1} << 63U;

// The one version of all schemas (MSG-3, MSG-15).
inline constexpr std::uint16_t schema_version = 1;
inline constexpr std::size_t message_header_bytes = 8;
inline constexpr std::size_t group_header_bytes = 4;
inline constexpr std::size_t var_data_prefix_bytes = 4;

// Bytes of one var-data field, entries of one group (MSG-36, MSG-47).
inline constexpr std::uint64_t var_data_max_bytes = 1U << 30U;
inline constexpr std::uint64_t var_data_256_max_bytes = 256;
inline constexpr std::uint64_t group_max_entries = 65534;

using Bytes = std::vector<std::byte>;

// A payload pool as announces, attach responses and discovery results describe it.
struct PayloadPool {
  static constexpr std::uint16_t block_length = 10;

  std::uint16_t pool_id = 0;       // unique in the message
  std::uint32_t pool_nslots = 0;   // equals header_nslots of the message
  std::uint32_t stride_bytes = 0;  // a multiple of 64
  std::string region_uri{};
  friend bool operator==(const PayloadPool&, const PayloadPool&) = default;
};

// ---------------------------------------------------------------------------------------------
// Schema 900: control and data. Directly in wire, since every part of the library speaks it.

// The regions of a stream, repeated periodically by the driver, or by the producer without one.
struct ShmPoolAnnounce {
  static constexpr const char* name = "ShmPoolAnnounce";
  static constexpr std::uint16_t schema_id = 900, template_id = 1, block_length = 35,
                                 smallest_size = 51;

  std::uint32_t stream_id = 0;
  std::uint32_t producer_id = 0;  // 0 = no producer attached
  std::uint64_t epoch = 0;
  std::uint64_t announce_timestamp_ns = 0;  // emission time in announce_clock_domain
  ClockDomain announce_clock_domain = ClockDomain::monotonic;
  std::uint32_t layout_version = 0;
  std::uint32_t header_nslots = 0;  // a power of two
  std::uint16_t header_slot_bytes = 0;
  std::vector<PayloadPool> payload_pools{};
  std::string header_region_uri{};
  friend bool operator==(const ShmPoolAnnounce&, const ShmPoolAnnounce&) = default;
};

// What a consumer can do and asks for. A stream id of 0 with an empty channel: not requested.
struct ConsumerHello {
  static constexpr const char* name = "ConsumerHello";
  static constexpr std::uint16_t schema_id = 900, template_id = 2, block_length = 39,
                                 smallest_size = 55;

  std::uint32_t stream_id = 0;
  std::uint32_t consumer_id = 0;  // unique per stream
  bool supports_shm = false;
  bool supports_progress = false;
  Mode mode = Mode::stream;
  std::uint32_t max_rate_hz = 0;              // 0 = unlimited
  std::uint32_t expected_layout_version = 0;  // 0 = any
  std::optional<std::uint32_t> progress_interval_us{};
  std::optional<std::uint32_t> progress_bytes_delta{};
  std::optional<std::uint32_t> progress_major_delta_units{};
  std::uint32_t descriptor_stream_id = 0;
  std::uint32_t control_stream_id = 0;
  std::string descriptor_channel{};
  std::string control_channel{};
  friend bool operator==(const ConsumerHello&, const ConsumerHello&) = default;
};

// What one consumer was assigned. A stream id of 0 with an empty channel: not assigned.
struct ConsumerConfig {
  static constexpr const char* name = "ConsumerConfig";
  static constexpr std::uint16_t schema_id = 900, template_id = 3, block_length = 18,
                                 smallest_size = 38;

  std::uint32_t stream_id = 0;
  std::uint32_t consumer_id = 0;  // the addressee
  bool use_shm = false;           // false = use payload_fallback_uri
  Mode mode = Mode::stream;
  std::uint32_t descriptor_stream_id = 0;
  std::uint32_t control_stream_id = 0;
  std::string payload_fallback_uri{};
  std::string descriptor_channel{};
  std::string control_channel{};
  friend bool operator==(const ConsumerConfig&, const ConsumerConfig&) = default;
};

// One committed frame: the only message that is sent per frame. No header index travels: it
// follows from seq (MSG-79). Hot-path encoding: descriptor.hpp.
struct FrameDescriptor {
  static constexpr const char* name = "FrameDescriptor";
  static constexpr std::uint16_t schema_id = 900, template_id = 4, block_length = 40,
                                 smallest_size = 48;

  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;                  // below 2^63
  std::uint64_t timestamp_ns = null_u64;  // publish time
  std::uint32_t meta_version = null_u32;
  std::uint64_t trace_id = no_trace_id;

  constexpr bool has_timestamp() const noexcept { return timestamp_ns != null_u64; }
  constexpr bool has_meta_version() const noexcept { return meta_version != null_u32; }
  constexpr bool has_trace_id() const noexcept { return trace_id != no_trace_id; }
  friend bool operator==(const FrameDescriptor&, const FrameDescriptor&) = default;
};

// Health of a consumer.
struct QosConsumer {
  static constexpr const char* name = "QosConsumer";
  static constexpr std::uint16_t schema_id = 900, template_id = 5, block_length = 41,
                                 smallest_size = 49;

  std::uint32_t stream_id = 0;
  std::uint32_t consumer_id = 0;
  std::uint64_t epoch = 0;  // the mapped epoch; 0 = none
  std::uint64_t last_seq_seen = 0;
  std::uint64_t drops_gap = 0;
  std::uint64_t drops_late = 0;
  Mode mode = Mode::stream;
  friend bool operator==(const QosConsumer&, const QosConsumer&) = default;
};

// Health of a producer.
struct QosProducer {
  static constexpr const char* name = "QosProducer";
  static constexpr std::uint16_t schema_id = 900, template_id = 6, block_length = 28,
                                 smallest_size = 36;

  std::uint32_t stream_id = 0;
  std::uint32_t producer_id = 0;
  std::uint64_t epoch = 0;
  std::uint64_t current_seq = 0;             // the next sequence to be assigned
  std::optional<std::uint32_t> watermark{};  // meaning is up to the deployment; 0 means nothing
  friend bool operator==(const QosProducer&, const QosProducer&) = default;
};

// "This data source exists", repeated periodically.
struct DataSourceAnnounce {
  static constexpr const char* name = "DataSourceAnnounce";
  static constexpr std::uint16_t schema_id = 900, template_id = 7, block_length = 20,
                                 smallest_size = 36;

  std::uint32_t stream_id = 0;
  std::uint32_t producer_id = 0;
  std::uint64_t epoch = 0;
  std::uint32_t meta_version = 0;
  std::string data_source_name{};  // `name` on the wire
  std::string summary{};
  friend bool operator==(const DataSourceAnnounce&, const DataSourceAnnounce&) = default;
};

// One piece of metadata. `format` is for example "text/plain" or "application/json".
struct Attribute {
  static constexpr std::uint16_t block_length = 0;

  std::string key{};
  std::string format{};
  Bytes value{};
  friend bool operator==(const Attribute&, const Attribute&) = default;
};

// All metadata of a data source at one metadata version.
struct DataSourceMeta {
  static constexpr const char* name = "DataSourceMeta";
  static constexpr std::uint16_t schema_id = 900, template_id = 8, block_length = 16,
                                 smallest_size = 28;

  std::uint32_t stream_id = 0;
  std::uint32_t meta_version = 0;
  std::uint64_t timestamp_ns = 0;
  std::vector<Attribute> attributes{};
  friend bool operator==(const DataSourceMeta&, const DataSourceMeta&) = default;
};

// The result of a control request.
struct ControlResponse {
  static constexpr const char* name = "ControlResponse";
  static constexpr std::uint16_t schema_id = 900, template_id = 9, block_length = 12,
                                 smallest_size = 24;

  std::int64_t correlation_id = 0;
  ResponseCode code = ResponseCode::ok;
  std::string error_message{};
  friend bool operator==(const ControlResponse&, const ControlResponse&) = default;
};

// A metadata blob begins (experimental, as the next two).
struct MetaBlobAnnounce {
  static constexpr const char* name = "MetaBlobAnnounce";
  static constexpr std::uint16_t schema_id = 900, template_id = 10, block_length = 28,
                                 smallest_size = 36;

  std::uint32_t stream_id = 0;
  std::uint32_t meta_version = 0;
  std::uint32_t blob_type = 0;
  std::uint64_t total_len = 0;
  std::uint64_t checksum = 0;  // 0 = none
  friend bool operator==(const MetaBlobAnnounce&, const MetaBlobAnnounce&) = default;
};

// How much of a frame in flight is there. No substitute for the FrameDescriptor (MSG-83).
struct FrameProgress {
  static constexpr const char* name = "FrameProgress";
  static constexpr std::uint16_t schema_id = 900, template_id = 11, block_length = 29,
                                 smallest_size = 37;

  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  std::uint64_t payload_bytes_filled = 0;
  FrameProgressState state = FrameProgressState::unknown;
  friend bool operator==(const FrameProgress&, const FrameProgress&) = default;
};

struct MetaBlobChunk {
  static constexpr const char* name = "MetaBlobChunk";
  static constexpr std::uint16_t schema_id = 900, template_id = 12, block_length = 16,
                                 smallest_size = 28;

  std::uint32_t stream_id = 0;
  std::uint32_t meta_version = 0;
  std::uint64_t chunk_offset = 0;
  Bytes bytes{};
  friend bool operator==(const MetaBlobChunk&, const MetaBlobChunk&) = default;
};

struct MetaBlobComplete {
  static constexpr const char* name = "MetaBlobComplete";
  static constexpr std::uint16_t schema_id = 900, template_id = 13, block_length = 16,
                                 smallest_size = 24;

  std::uint32_t stream_id = 0;
  std::uint32_t meta_version = 0;
  std::uint64_t checksum = 0;
  friend bool operator==(const MetaBlobComplete&, const MetaBlobComplete&) = default;
};

// Templates 50 to 52 of schema 900 are memory layouts and never messages (MSG-7): shm/layout.hpp.

// ---------------------------------------------------------------------------------------------
// Schema 901: a client and the driver.

namespace driver {

// Asks for a lease on a stream.
struct ShmAttachRequest {
  static constexpr const char* name = "ShmAttachRequest";
  static constexpr std::uint16_t schema_id = 901, template_id = 1, block_length = 27,
                                 smallest_size = 35;

  std::int64_t correlation_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;  // unique per process, never 0
  Role role = Role::consumer;
  std::uint32_t expected_layout_version = 0;  // 0 = any
  std::optional<PublishMode> publish_mode{};  // a 0 from a peer is read as absent (MSG-96)
  HugepagesPolicy require_hugepages = HugepagesPolicy::unspecified;
  std::optional<std::uint32_t> desired_node_id{};
  friend bool operator==(const ShmAttachRequest&, const ShmAttachRequest&) = default;
};

// The lease and the regions, or why not. What must be there when `code` is ok: check.hpp.
struct ShmAttachResponse {
  static constexpr const char* name = "ShmAttachResponse";
  static constexpr std::uint16_t schema_id = 901, template_id = 2, block_length = 54,
                                 smallest_size = 74;

  std::int64_t correlation_id = 0;
  ResponseCode code = ResponseCode::ok;
  std::optional<std::uint64_t> lease_id{};
  std::optional<std::uint64_t> lease_expiry_timestamp_ns{};  // absent = no announced deadline
  std::optional<std::uint32_t> stream_id{};
  std::optional<std::uint64_t> epoch{};
  std::optional<std::uint32_t> layout_version{};
  std::optional<std::uint32_t> header_nslots{};
  std::optional<std::uint16_t> header_slot_bytes{};
  std::optional<std::uint32_t> node_id{};  // absent = none assigned
  std::vector<PayloadPool> payload_pools{};
  std::string header_region_uri{};
  std::string error_message{};
  friend bool operator==(const ShmAttachResponse&, const ShmAttachResponse&) = default;
};

// Gives a lease back.
struct ShmDetachRequest {
  static constexpr const char* name = "ShmDetachRequest";
  static constexpr std::uint16_t schema_id = 901, template_id = 3, block_length = 25,
                                 smallest_size = 33;

  std::int64_t correlation_id = 0;
  std::uint64_t lease_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  Role role = Role::consumer;
  friend bool operator==(const ShmDetachRequest&, const ShmDetachRequest&) = default;
};

struct ShmDetachResponse {
  static constexpr const char* name = "ShmDetachResponse";
  static constexpr std::uint16_t schema_id = 901, template_id = 4, block_length = 12,
                                 smallest_size = 24;

  std::int64_t correlation_id = 0;
  ResponseCode code = ResponseCode::ok;
  std::string error_message{};
  friend bool operator==(const ShmDetachResponse&, const ShmDetachResponse&) = default;
};

// Extends a lease; no answer.
struct ShmLeaseKeepalive {
  static constexpr const char* name = "ShmLeaseKeepalive";
  static constexpr std::uint16_t schema_id = 901, template_id = 5, block_length = 25,
                                 smallest_size = 33;

  std::uint64_t lease_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  Role role = Role::consumer;
  std::uint64_t client_timestamp_ns = 0;
  friend bool operator==(const ShmLeaseKeepalive&, const ShmLeaseKeepalive&) = default;
};

// Ends all leases.
struct ShmDriverShutdown {
  static constexpr const char* name = "ShmDriverShutdown";
  static constexpr std::uint16_t schema_id = 901, template_id = 6, block_length = 9,
                                 smallest_size = 21;

  std::uint64_t timestamp_ns = 0;  // driver clock
  ShutdownReason reason = ShutdownReason::normal;
  std::string error_message{};
  friend bool operator==(const ShmDriverShutdown&, const ShmDriverShutdown&) = default;
};

// Ends one lease.
struct ShmLeaseRevoked {
  static constexpr const char* name = "ShmLeaseRevoked";
  static constexpr std::uint16_t schema_id = 901, template_id = 7, block_length = 26,
                                 smallest_size = 38;

  std::uint64_t timestamp_ns = 0;  // driver clock
  std::uint64_t lease_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  Role role = Role::consumer;
  LeaseRevokeReason reason = LeaseRevokeReason::revoked;
  std::string error_message{};
  friend bool operator==(const ShmLeaseRevoked&, const ShmLeaseRevoked&) = default;
};

// An operator asks the driver to end.
struct ShmDriverShutdownRequest {
  static constexpr const char* name = "ShmDriverShutdownRequest";
  static constexpr std::uint16_t schema_id = 901, template_id = 8, block_length = 9,
                                 smallest_size = 25;

  std::int64_t correlation_id = 0;
  ShutdownReason reason = ShutdownReason::normal;
  std::string token{};
  std::string error_message{};
  friend bool operator==(const ShmDriverShutdownRequest&,
                         const ShmDriverShutdownRequest&) = default;
};

}  // namespace driver

// ---------------------------------------------------------------------------------------------
// Schema 902: a frame on its way to another host.

namespace bridge {

struct BridgeFrameChunk {
  static constexpr const char* name = "BridgeFrameChunk";
  static constexpr std::uint16_t schema_id = 902, template_id = 1, block_length = 53,
                                 smallest_size = 69;

  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  std::uint64_t trace_id = no_trace_id;  // the same in all chunks of a frame
  std::uint32_t chunk_index = 0;
  std::uint32_t chunk_count = 0;
  std::uint32_t chunk_offset = 0;
  std::uint32_t chunk_length = 0;
  std::uint32_t payload_length = 0;
  std::uint32_t payload_crc32c = 0;  // 0 = none
  bool header_included = false;      // chunk 0 only
  Bytes header_bytes{};              // the whole 256-byte header slot
  Bytes payload_bytes{};

  constexpr bool has_trace_id() const noexcept { return trace_id != no_trace_id; }
  friend bool operator==(const BridgeFrameChunk&, const BridgeFrameChunk&) = default;
};

}  // namespace bridge

// ---------------------------------------------------------------------------------------------
// Schema 903: which frames of several streams belong together.

namespace merge {

struct SequenceRule {
  static constexpr std::uint16_t block_length = 13;

  std::uint32_t input_stream_id = 0;
  RuleType rule_type = RuleType::offset;
  std::optional<std::int32_t> offset{};        // with RuleType::offset only
  std::optional<std::uint32_t> window_size{};  // with RuleType::window only, above 0
  friend bool operator==(const SequenceRule&, const SequenceRule&) = default;
};

struct SequenceMergeMapAnnounce {
  static constexpr const char* name = "SequenceMergeMapAnnounce";
  static constexpr std::uint16_t schema_id = 903, template_id = 1, block_length = 20,
                                 smallest_size = 32;

  std::uint32_t out_stream_id = 0;
  std::uint64_t epoch = 0;
  std::optional<std::uint64_t> stale_timeout_ns{};
  std::vector<SequenceRule> rules{};
  friend bool operator==(const SequenceMergeMapAnnounce&,
                         const SequenceMergeMapAnnounce&) = default;
};

struct SequenceMergeMapRequest {
  static constexpr const char* name = "SequenceMergeMapRequest";
  static constexpr std::uint16_t schema_id = 903, template_id = 2, block_length = 12,
                                 smallest_size = 20;

  std::uint32_t out_stream_id = 0;
  std::uint64_t epoch = 0;
  friend bool operator==(const SequenceMergeMapRequest&, const SequenceMergeMapRequest&) = default;
};

struct TimestampRule {
  static constexpr std::uint16_t block_length = 22;

  std::uint32_t input_stream_id = 0;
  TimeRuleType rule_type = TimeRuleType::offset_ns;
  TimestampSource timestamp_source = TimestampSource::frame_descriptor;
  std::optional<std::int64_t> offset_ns{};   // with TimeRuleType::offset_ns only
  std::optional<std::uint64_t> window_ns{};  // with TimeRuleType::window_ns only, above 0
  friend bool operator==(const TimestampRule&, const TimestampRule&) = default;
};

struct TimestampMergeMapAnnounce {
  static constexpr const char* name = "TimestampMergeMapAnnounce";
  static constexpr std::uint16_t schema_id = 903, template_id = 3, block_length = 29,
                                 smallest_size = 41;

  std::uint32_t out_stream_id = 0;
  std::uint64_t epoch = 0;
  std::optional<std::uint64_t> stale_timeout_ns{};
  ClockDomain clock_domain = ClockDomain::monotonic;
  std::optional<std::uint64_t> lateness_ns{};  // absent = 0 (MSG-132)
  std::vector<TimestampRule> rules{};
  friend bool operator==(const TimestampMergeMapAnnounce&,
                         const TimestampMergeMapAnnounce&) = default;
};

struct TimestampMergeMapRequest {
  static constexpr const char* name = "TimestampMergeMapRequest";
  static constexpr std::uint16_t schema_id = 903, template_id = 4, block_length = 12,
                                 smallest_size = 20;

  std::uint32_t out_stream_id = 0;
  std::uint64_t epoch = 0;
  friend bool operator==(const TimestampMergeMapRequest&,
                         const TimestampMergeMapRequest&) = default;
};

}  // namespace merge

// ---------------------------------------------------------------------------------------------
// Schema 904: which frames a frame was made from.

namespace tracelink {

struct Parent {
  static constexpr std::uint16_t block_length = 8;

  std::uint64_t trace_id = 0;  // not 0, unique in the message
  friend bool operator==(const Parent&, const Parent&) = default;
};

struct TraceLinkSet {
  static constexpr const char* name = "TraceLinkSet";
  static constexpr std::uint16_t schema_id = 904, template_id = 1, block_length = 28,
                                 smallest_size = 40;

  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  std::uint64_t trace_id = 0;  // of the output frame; not 0
  std::vector<Parent> parents{};
  friend bool operator==(const TraceLinkSet&, const TraceLinkSet&) = default;
};

}  // namespace tracelink

// ---------------------------------------------------------------------------------------------
// Schema 910: which streams are there.

namespace discovery {

// A query. Every filter is optional.
struct DiscoveryRequest {
  static constexpr const char* name = "DiscoveryRequest";
  static constexpr std::uint16_t schema_id = 910, template_id = 1, block_length = 32,
                                 smallest_size = 52;

  std::uint64_t request_id = 0;
  std::uint32_t client_id = 0;
  std::uint32_t response_stream_id = 0;  // not 0
  std::optional<std::uint32_t> stream_id{};
  std::optional<std::uint32_t> producer_id{};
  std::optional<std::uint64_t> data_source_id{};
  std::vector<std::string> tags{};
  std::string response_channel{};  // not empty
  std::string data_source_name{};
  friend bool operator==(const DiscoveryRequest&, const DiscoveryRequest&) = default;
};

// One stream that was found.
struct DiscoveryResult {
  static constexpr std::uint16_t block_length = 39;

  std::uint32_t stream_id = 0;
  std::uint32_t producer_id = 0;
  std::uint64_t epoch = 0;
  std::uint32_t layout_version = 0;
  std::uint32_t header_nslots = 0;
  std::uint16_t header_slot_bytes = 0;
  std::uint8_t max_dims = 0;
  std::optional<std::uint64_t> data_source_id{};
  std::uint32_t driver_control_stream_id = 0;  // not 0
  std::vector<PayloadPool> payload_pools{};
  std::vector<std::string> tags{};
  std::string header_region_uri{};
  std::string data_source_name{};
  std::string driver_instance_id{};
  std::string driver_control_channel{};  // not empty
  friend bool operator==(const DiscoveryResult&, const DiscoveryResult&) = default;
};

struct DiscoveryResponse {
  static constexpr const char* name = "DiscoveryResponse";
  static constexpr std::uint16_t schema_id = 910, template_id = 2, block_length = 9,
                                 smallest_size = 25;

  std::uint64_t request_id = 0;
  Status status = Status::ok;
  std::vector<DiscoveryResult> results{};
  std::string error_message{};
  friend bool operator==(const DiscoveryResponse&, const DiscoveryResponse&) = default;
};

}  // namespace discovery

static_assert(std::is_trivially_copyable_v<FrameDescriptor>);
static_assert(std::is_trivially_copyable_v<FrameProgress>);

// Any message of any schema.
using AnyMessage = std::variant<
    ShmPoolAnnounce, ConsumerHello, ConsumerConfig, FrameDescriptor, QosConsumer, QosProducer,
    DataSourceAnnounce, DataSourceMeta, ControlResponse, MetaBlobAnnounce, FrameProgress,
    MetaBlobChunk, MetaBlobComplete, driver::ShmAttachRequest, driver::ShmAttachResponse,
    driver::ShmDetachRequest, driver::ShmDetachResponse, driver::ShmLeaseKeepalive,
    driver::ShmDriverShutdown, driver::ShmLeaseRevoked, driver::ShmDriverShutdownRequest,
    bridge::BridgeFrameChunk, merge::SequenceMergeMapAnnounce, merge::SequenceMergeMapRequest,
    merge::TimestampMergeMapAnnounce, merge::TimestampMergeMapRequest, tracelink::TraceLinkSet,
    discovery::DiscoveryRequest, discovery::DiscoveryResponse>;

}  // namespace tensorpool::wire
