// Schema 910 through its generated codec, and its tag groups by hand: a generated decoder advances
// by the group's block length, which is 0, and would never leave the first tag (MSG-53).
#include <cstring>

#include "shm_tensorpool_discovery/DiscoveryRequest.h"
#include "shm_tensorpool_discovery/DiscoveryResponse.h"
#include "wire/engine.hpp"

namespace tensorpool::wire {

namespace sbe = ::shm_tensorpool_discovery;

namespace {

// `buffer` is the start of the message, as the group's positions count from there.
template <class Group>
void unpack_tags(const char* buffer, Group& group, std::vector<std::string>& tags) {
  tags.reserve(group.count());
  while (group.hasNext()) {
    group.next();
    const std::uint64_t text = group.sbePosition() + var_data_prefix_bytes;
    const std::uint32_t length = group.tag().length();
    group.sbePosition(text + length);
    tags.emplace_back(buffer + text, length);
  }
}

template <class Group>
void pack_tags(const std::vector<std::string>& tags, char* buffer, Group& group) {
  for (const std::string& tag : tags) {
    group.next();
    const std::uint64_t text = group.sbePosition() + var_data_prefix_bytes;
    group.tag().length(static_cast<std::uint32_t>(tag.size()));
    group.sbePosition(text + tag.size());
    std::memcpy(buffer + text, tag.data(), tag.size());
  }
}

}  // namespace

template <>
struct Sbe<discovery::DiscoveryRequest> {
  using Flyweight = sbe::DiscoveryRequest;

  static void unpack(Flyweight& from, std::uint64_t var_fields, discovery::DiscoveryRequest& to) {
    to.request_id = from.requestId();
    to.client_id = from.clientId();
    to.response_stream_id = from.responseStreamId();
    to.stream_id = optional_of(from.streamId());
    to.producer_id = optional_of(from.producerId());
    to.data_source_id = optional_of(from.dataSourceId());
    unpack_tags(from.buffer(), from.tags(), to.tags);
    if (var_fields > 0) to.response_channel = from.getResponseChannelAsStringView();
    if (var_fields > 1) to.data_source_name = from.getDataSourceNameAsStringView();
  }
  static void pack(const discovery::DiscoveryRequest& from, Flyweight& to) {
    to.requestId(from.request_id).clientId(from.client_id);
    to.responseStreamId(from.response_stream_id);
    to.streamId(raw_of(from.stream_id)).producerId(raw_of(from.producer_id));
    to.dataSourceId(raw_of(from.data_source_id));
    pack_tags(from.tags, to.buffer(), to.tagsCount(count_of(from.tags.size())));
    to.putResponseChannel(std::string_view(from.response_channel));
    to.putDataSourceName(std::string_view(from.data_source_name));
  }
};

template <>
struct Sbe<discovery::DiscoveryResponse> {
  using Flyweight = sbe::DiscoveryResponse;

  static void unpack(Flyweight& from, std::uint64_t var_fields, discovery::DiscoveryResponse& to) {
    to.request_id = from.requestId();
    const auto status = static_cast<discovery::Status>(from.statusRaw());
    to.status = listed(status) ? status : discovery::Status::error;
    auto& group = from.results();
    to.results.reserve(group.count());
    while (group.hasNext()) unpack_result(from.buffer(), group.next(), to.results.emplace_back());
    if (var_fields > 0) to.error_message = from.getErrorMessageAsStringView();
  }
  static void pack(const discovery::DiscoveryResponse& from, Flyweight& to) {
    to.requestId(from.request_id);
    to.status(static_cast<sbe::DiscoveryStatus::Value>(from.status));
    auto& group = to.resultsCount(count_of(from.results.size()));
    for (const discovery::DiscoveryResult& result : from.results)
      pack_result(result, to.buffer(), group.next());
    to.putErrorMessage(std::string_view(from.error_message));
  }

  // The order of MSG-152: block, payloadPools, tags, the four strings.
  static void unpack_result(const char* buffer, Flyweight::Results& from,
                            discovery::DiscoveryResult& to) {
    to.stream_id = from.streamId();
    to.producer_id = from.producerId();
    to.epoch = from.epoch();
    to.layout_version = from.layoutVersion();
    to.header_nslots = from.headerNslots();
    to.header_slot_bytes = from.headerSlotBytes();
    to.max_dims = from.maxDims();
    to.data_source_id = optional_of(from.dataSourceId());
    to.driver_control_stream_id = from.driverControlStreamId();
    unpack_pools(from.payloadPools(), to.payload_pools);
    unpack_tags(buffer, from.tags(), to.tags);
    to.header_region_uri = from.getHeaderRegionUriAsStringView();
    to.data_source_name = from.getDataSourceNameAsStringView();
    to.driver_instance_id = from.getDriverInstanceIdAsStringView();
    to.driver_control_channel = from.getDriverControlChannelAsStringView();
  }
  static void pack_result(const discovery::DiscoveryResult& from, char* buffer,
                          Flyweight::Results& to) {
    to.streamId(from.stream_id).producerId(from.producer_id).epoch(from.epoch);
    to.layoutVersion(from.layout_version).headerNslots(from.header_nslots);
    to.headerSlotBytes(from.header_slot_bytes).maxDims(from.max_dims);
    to.dataSourceId(raw_of(from.data_source_id));
    to.driverControlStreamId(from.driver_control_stream_id);
    pack_pools(from.payload_pools, to.payloadPoolsCount(count_of(from.payload_pools.size())));
    pack_tags(from.tags, buffer, to.tagsCount(count_of(from.tags.size())));
    to.putHeaderRegionUri(std::string_view(from.header_region_uri));
    to.putDataSourceName(std::string_view(from.data_source_name));
    to.putDriverInstanceId(std::string_view(from.driver_instance_id));
    to.putDriverControlChannel(std::string_view(from.driver_control_channel));
  }
};

TENSORPOOL_WIRE_CODEC(discovery::DiscoveryRequest);
TENSORPOOL_WIRE_CODEC(discovery::DiscoveryResponse);

}  // namespace tensorpool::wire
