// Schema 900 through its generated codec.
#include "shm_tensorpool_control/ConsumerConfig.h"
#include "shm_tensorpool_control/ConsumerHello.h"
#include "shm_tensorpool_control/ControlResponse.h"
#include "shm_tensorpool_control/DataSourceAnnounce.h"
#include "shm_tensorpool_control/DataSourceMeta.h"
#include "shm_tensorpool_control/FrameDescriptor.h"
#include "shm_tensorpool_control/FrameProgress.h"
#include "shm_tensorpool_control/MetaBlobAnnounce.h"
#include "shm_tensorpool_control/MetaBlobChunk.h"
#include "shm_tensorpool_control/MetaBlobComplete.h"
#include "shm_tensorpool_control/QosConsumer.h"
#include "shm_tensorpool_control/QosProducer.h"
#include "shm_tensorpool_control/ShmPoolAnnounce.h"
#include "wire/engine.hpp"

namespace tensorpool::wire {

namespace sbe = ::shm_tensorpool_control;

namespace {

sbe::Bool::Value sbe_bool(bool value) noexcept {
  return value ? sbe::Bool::TRUE : sbe::Bool::FALSE;
}

}  // namespace

template <>
struct Sbe<ShmPoolAnnounce> {
  using Flyweight = sbe::ShmPoolAnnounce;

  static void unpack(Flyweight& from, std::uint64_t var_fields, ShmPoolAnnounce& to) {
    to.stream_id = from.streamId();
    to.producer_id = from.producerId();
    to.epoch = from.epoch();
    to.announce_timestamp_ns = from.announceTimestampNs();
    to.announce_clock_domain = static_cast<ClockDomain>(from.announceClockDomainRaw());
    to.layout_version = from.layoutVersion();
    to.header_nslots = from.headerNslots();
    to.header_slot_bytes = from.headerSlotBytes();
    unpack_pools(from.payloadPools(), to.payload_pools);
    if (var_fields > 0) to.header_region_uri = from.getHeaderRegionUriAsStringView();
  }
  static void pack(const ShmPoolAnnounce& from, Flyweight& to) {
    to.streamId(from.stream_id).producerId(from.producer_id).epoch(from.epoch);
    to.announceTimestampNs(from.announce_timestamp_ns);
    to.announceClockDomain(static_cast<sbe::ClockDomain::Value>(from.announce_clock_domain));
    to.layoutVersion(from.layout_version).headerNslots(from.header_nslots);
    to.headerSlotBytes(from.header_slot_bytes);
    pack_pools(from.payload_pools, to.payloadPoolsCount(count_of(from.payload_pools.size())));
    to.putHeaderRegionUri(std::string_view(from.header_region_uri));
  }
};

template <>
struct Sbe<ConsumerHello> {
  using Flyweight = sbe::ConsumerHello;

  static void unpack(Flyweight& from, std::uint64_t var_fields, ConsumerHello& to) {
    to.stream_id = from.streamId();
    to.consumer_id = from.consumerId();
    to.supports_shm = from.supportsShmRaw() != 0;
    to.supports_progress = from.supportsProgressRaw() != 0;
    to.mode = static_cast<Mode>(from.modeRaw());
    to.max_rate_hz = from.maxRateHz();
    to.expected_layout_version = from.expectedLayoutVersion();
    to.progress_interval_us = optional_of(from.progressIntervalUs());
    to.progress_bytes_delta = optional_of(from.progressBytesDelta());
    to.progress_major_delta_units = optional_of(from.progressMajorDeltaUnits());
    to.descriptor_stream_id = assigned_stream_of(from.descriptorStreamId());
    to.control_stream_id = assigned_stream_of(from.controlStreamId());
    if (var_fields > 0) to.descriptor_channel = from.getDescriptorChannelAsStringView();
    if (var_fields > 1) to.control_channel = from.getControlChannelAsStringView();
  }
  static void pack(const ConsumerHello& from, Flyweight& to) {
    to.streamId(from.stream_id).consumerId(from.consumer_id);
    to.supportsShm(sbe_bool(from.supports_shm)).supportsProgress(sbe_bool(from.supports_progress));
    to.mode(static_cast<sbe::Mode::Value>(from.mode));
    to.maxRateHz(from.max_rate_hz).expectedLayoutVersion(from.expected_layout_version);
    to.progressIntervalUs(raw_of(from.progress_interval_us));
    to.progressBytesDelta(raw_of(from.progress_bytes_delta));
    to.progressMajorDeltaUnits(raw_of(from.progress_major_delta_units));
    to.descriptorStreamId(from.descriptor_stream_id).controlStreamId(from.control_stream_id);
    to.putDescriptorChannel(std::string_view(from.descriptor_channel));
    to.putControlChannel(std::string_view(from.control_channel));
  }
};

template <>
struct Sbe<ConsumerConfig> {
  using Flyweight = sbe::ConsumerConfig;

  static void unpack(Flyweight& from, std::uint64_t var_fields, ConsumerConfig& to) {
    to.stream_id = from.streamId();
    to.consumer_id = from.consumerId();
    to.use_shm = from.useShmRaw() != 0;
    to.mode = static_cast<Mode>(from.modeRaw());
    to.descriptor_stream_id = assigned_stream_of(from.descriptorStreamId());
    to.control_stream_id = assigned_stream_of(from.controlStreamId());
    if (var_fields > 0) to.payload_fallback_uri = from.getPayloadFallbackUriAsStringView();
    if (var_fields > 1) to.descriptor_channel = from.getDescriptorChannelAsStringView();
    if (var_fields > 2) to.control_channel = from.getControlChannelAsStringView();
  }
  static void pack(const ConsumerConfig& from, Flyweight& to) {
    to.streamId(from.stream_id).consumerId(from.consumer_id).useShm(sbe_bool(from.use_shm));
    to.mode(static_cast<sbe::Mode::Value>(from.mode));
    to.descriptorStreamId(from.descriptor_stream_id).controlStreamId(from.control_stream_id);
    to.putPayloadFallbackUri(std::string_view(from.payload_fallback_uri));
    to.putDescriptorChannel(std::string_view(from.descriptor_channel));
    to.putControlChannel(std::string_view(from.control_channel));
  }
};

template <>
struct Sbe<FrameDescriptor> {
  using Flyweight = sbe::FrameDescriptor;

  static void unpack(Flyweight& from, std::uint64_t, FrameDescriptor& to) {
    to.stream_id = from.streamId();
    to.epoch = from.epoch();
    to.seq = from.seq();
    to.timestamp_ns = from.timestampNs();
    to.meta_version = from.metaVersion();
    to.trace_id = from.traceId();
  }
  static void pack(const FrameDescriptor& from, Flyweight& to) {
    to.streamId(from.stream_id).epoch(from.epoch).seq(from.seq);
    to.timestampNs(from.timestamp_ns).metaVersion(from.meta_version).traceId(from.trace_id);
  }
};

template <>
struct Sbe<QosConsumer> {
  using Flyweight = sbe::QosConsumer;

  static void unpack(Flyweight& from, std::uint64_t, QosConsumer& to) {
    to.stream_id = from.streamId();
    to.consumer_id = from.consumerId();
    to.epoch = from.epoch();
    to.last_seq_seen = from.lastSeqSeen();
    to.drops_gap = from.dropsGap();
    to.drops_late = from.dropsLate();
    to.mode = static_cast<Mode>(from.modeRaw());
  }
  static void pack(const QosConsumer& from, Flyweight& to) {
    to.streamId(from.stream_id).consumerId(from.consumer_id).epoch(from.epoch);
    to.lastSeqSeen(from.last_seq_seen).dropsGap(from.drops_gap).dropsLate(from.drops_late);
    to.mode(static_cast<sbe::Mode::Value>(from.mode));
  }
};

template <>
struct Sbe<QosProducer> {
  using Flyweight = sbe::QosProducer;

  static void unpack(Flyweight& from, std::uint64_t, QosProducer& to) {
    to.stream_id = from.streamId();
    to.producer_id = from.producerId();
    to.epoch = from.epoch();
    to.current_seq = from.currentSeq();
    to.watermark = optional_of(from.watermark());
  }
  static void pack(const QosProducer& from, Flyweight& to) {
    to.streamId(from.stream_id).producerId(from.producer_id).epoch(from.epoch);
    to.currentSeq(from.current_seq).watermark(raw_of(from.watermark));
  }
};

template <>
struct Sbe<DataSourceAnnounce> {
  using Flyweight = sbe::DataSourceAnnounce;

  static void unpack(Flyweight& from, std::uint64_t var_fields, DataSourceAnnounce& to) {
    to.stream_id = from.streamId();
    to.producer_id = from.producerId();
    to.epoch = from.epoch();
    to.meta_version = from.metaVersion();
    if (var_fields > 0) to.data_source_name = from.getNameAsStringView();
    if (var_fields > 1) to.summary = from.getSummaryAsStringView();
  }
  static void pack(const DataSourceAnnounce& from, Flyweight& to) {
    to.streamId(from.stream_id).producerId(from.producer_id).epoch(from.epoch);
    to.metaVersion(from.meta_version);
    to.putName(std::string_view(from.data_source_name));
    to.putSummary(std::string_view(from.summary));
  }
};

template <>
struct Sbe<DataSourceMeta> {
  using Flyweight = sbe::DataSourceMeta;

  static void unpack(Flyweight& from, std::uint64_t, DataSourceMeta& to) {
    to.stream_id = from.streamId();
    to.meta_version = from.metaVersion();
    to.timestamp_ns = from.timestampNs();
    auto& group = from.attributes();
    to.attributes.reserve(group.count());
    while (group.hasNext()) {
      group.next();
      Attribute& attribute = to.attributes.emplace_back();
      attribute.key = group.getKeyAsStringView();
      attribute.format = group.getFormatAsStringView();
      attribute.value = bytes_of(group.getValueAsStringView());
    }
  }
  static void pack(const DataSourceMeta& from, Flyweight& to) {
    to.streamId(from.stream_id).metaVersion(from.meta_version).timestampNs(from.timestamp_ns);
    auto& group = to.attributesCount(count_of(from.attributes.size()));
    for (const Attribute& attribute : from.attributes) {
      group.next();
      group.putKey(std::string_view(attribute.key));
      group.putFormat(std::string_view(attribute.format));
      group.putValue(text_of(attribute.value));
    }
  }
};

template <>
struct Sbe<ControlResponse> {
  using Flyweight = sbe::ControlResponse;

  static void unpack(Flyweight& from, std::uint64_t var_fields, ControlResponse& to) {
    to.correlation_id = from.correlationId();
    to.code = static_cast<ResponseCode>(from.codeRaw());
    if (var_fields > 0) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const ControlResponse& from, Flyweight& to) {
    to.correlationId(from.correlation_id);
    to.code(static_cast<sbe::ResponseCode::Value>(from.code));
    to.putErrorMessage(std::string_view(from.error_message));
  }
};

template <>
struct Sbe<MetaBlobAnnounce> {
  using Flyweight = sbe::MetaBlobAnnounce;

  static void unpack(Flyweight& from, std::uint64_t, MetaBlobAnnounce& to) {
    to.stream_id = from.streamId();
    to.meta_version = from.metaVersion();
    to.blob_type = from.blobType();
    to.total_len = from.totalLen();
    to.checksum = from.checksum();
  }
  static void pack(const MetaBlobAnnounce& from, Flyweight& to) {
    to.streamId(from.stream_id).metaVersion(from.meta_version).blobType(from.blob_type);
    to.totalLen(from.total_len).checksum(from.checksum);
  }
};

template <>
struct Sbe<FrameProgress> {
  using Flyweight = sbe::FrameProgress;

  static void unpack(Flyweight& from, std::uint64_t, FrameProgress& to) {
    to.stream_id = from.streamId();
    to.epoch = from.epoch();
    to.seq = from.seq();
    to.payload_bytes_filled = from.payloadBytesFilled();
    const auto state = static_cast<FrameProgressState>(from.stateRaw());
    to.state = listed(state) ? state : FrameProgressState::unknown;
  }
  static void pack(const FrameProgress& from, Flyweight& to) {
    to.streamId(from.stream_id).epoch(from.epoch).seq(from.seq);
    to.payloadBytesFilled(from.payload_bytes_filled);
    to.state(static_cast<sbe::FrameProgressState::Value>(from.state));
  }
};

template <>
struct Sbe<MetaBlobChunk> {
  using Flyweight = sbe::MetaBlobChunk;

  static void unpack(Flyweight& from, std::uint64_t var_fields, MetaBlobChunk& to) {
    to.stream_id = from.streamId();
    to.meta_version = from.metaVersion();
    to.chunk_offset = from.chunkOffset();
    if (var_fields > 0) to.bytes = bytes_of(from.getBytesAsStringView());
  }
  static void pack(const MetaBlobChunk& from, Flyweight& to) {
    to.streamId(from.stream_id).metaVersion(from.meta_version).chunkOffset(from.chunk_offset);
    to.putBytes(text_of(from.bytes));
  }
};

template <>
struct Sbe<MetaBlobComplete> {
  using Flyweight = sbe::MetaBlobComplete;

  static void unpack(Flyweight& from, std::uint64_t, MetaBlobComplete& to) {
    to.stream_id = from.streamId();
    to.meta_version = from.metaVersion();
    to.checksum = from.checksum();
  }
  static void pack(const MetaBlobComplete& from, Flyweight& to) {
    to.streamId(from.stream_id).metaVersion(from.meta_version).checksum(from.checksum);
  }
};

TENSORPOOL_WIRE_CODEC(ShmPoolAnnounce);
TENSORPOOL_WIRE_CODEC(ConsumerHello);
TENSORPOOL_WIRE_CODEC(ConsumerConfig);
TENSORPOOL_WIRE_CODEC(FrameDescriptor);
TENSORPOOL_WIRE_CODEC(QosConsumer);
TENSORPOOL_WIRE_CODEC(QosProducer);
TENSORPOOL_WIRE_CODEC(DataSourceAnnounce);
TENSORPOOL_WIRE_CODEC(DataSourceMeta);
TENSORPOOL_WIRE_CODEC(ControlResponse);
TENSORPOOL_WIRE_CODEC(MetaBlobAnnounce);
TENSORPOOL_WIRE_CODEC(FrameProgress);
TENSORPOOL_WIRE_CODEC(MetaBlobChunk);
TENSORPOOL_WIRE_CODEC(MetaBlobComplete);

}  // namespace tensorpool::wire
