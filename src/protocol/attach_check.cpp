#include "protocol/attach_check.hpp"

#include <algorithm>
#include <string_view>

#include "base/limits.hpp"
#include "shm/geometry.hpp"
#include "shm/layout.hpp"

namespace tensorpool::protocol {
namespace {

using wire::driver::ShmAttachResponse;

bool usable_uri(std::string_view uri) noexcept {
  return uri.find_first_not_of(" \t\r\n\v\f") != std::string_view::npos &&
         uri.size() <= base::limits::uri_bytes;
}

std::optional<std::string> uri_fault(std::string_view uri, const std::string& whose) {
  if (usable_uri(uri)) return std::nullopt;
  return whose + " is empty, blank or longer than " + std::to_string(base::limits::uri_bytes) +
         " bytes";
}

// Check 2, and what the ids may be (A3, A6).
std::optional<std::string> absent(const ShmAttachResponse& r) {
  const std::pair<bool, const char*> needed[] = {
      {r.lease_id.has_value(), "leaseId"},
      {r.stream_id.has_value(), "streamId"},
      {r.epoch.has_value(), "epoch"},
      {r.layout_version.has_value(), "layoutVersion"},
      {r.header_nslots.has_value(), "headerNslots"},
      {r.header_slot_bytes.has_value(), "headerSlotBytes"},
  };
  for (const auto& [there, field] : needed) {
    if (!there) return std::string(field) + " is null";
  }
  if (*r.lease_id == 0) return std::string("leaseId is 0");
  if (*r.stream_id == 0) return std::string("streamId is 0");
  return std::nullopt;
}

shm::StreamLayout layout_of(const ShmAttachResponse& r) {
  shm::StreamLayout layout;
  layout.stream_id = *r.stream_id;
  layout.epoch = *r.epoch;
  layout.nslots = *r.header_nslots;
  layout.layout_version = *r.layout_version;
  layout.header_slot_bytes = *r.header_slot_bytes;
  // A response may list any number of pools; what is above the limit is found out by their number alone.
  const std::size_t count = std::min(r.payload_pools.size(), base::limits::pools_per_stream + 1);
  for (std::size_t i = 0; i < count; ++i) {
    const wire::PayloadPool& pool = r.payload_pools[i];
    layout.pools.push_back({pool.pool_id, pool.stride_bytes, pool.pool_nslots});
  }
  return layout;
}

}  // namespace

std::optional<std::string> fault_of(const ShmAttachResponse& response,
                                    std::uint32_t wanted_stream) {
  if (!wire::listed(response.code))  // check 1; what is listed and not OK never gets here
    return "code " + std::to_string(static_cast<std::int32_t>(response.code)) + " is not defined";
  if (auto fault = absent(response)) return fault;
  const shm::StreamLayout layout = layout_of(response);  // checks 3 to 7 and 9
  if (const shm::LayoutFault fault = shm::check(layout); fault != shm::LayoutFault::none)
    return std::string(shm::name(fault));
  if (auto fault = uri_fault(response.header_region_uri, "headerRegionUri")) return fault;  // 8
  for (const wire::PayloadPool& pool : response.payload_pools) {
    if (auto fault =
            uri_fault(pool.region_uri, "regionUri of pool " + std::to_string(pool.pool_id)))
      return fault;
  }
  if (wanted_stream != 0 && *response.stream_id != wanted_stream) {  // check 10
    return "streamId " + std::to_string(*response.stream_id) + " is not the requested " +
           std::to_string(wanted_stream);
  }
  return std::nullopt;
}

wire::ShmPoolAnnounce regions_of(const ShmAttachResponse& response) {
  wire::ShmPoolAnnounce regions;
  regions.stream_id = *response.stream_id;
  regions.epoch = *response.epoch;
  regions.layout_version = *response.layout_version;
  regions.header_nslots = *response.header_nslots;
  regions.header_slot_bytes = *response.header_slot_bytes;
  regions.payload_pools = response.payload_pools;
  regions.header_region_uri = response.header_region_uri;
  return regions;
}

}  // namespace tensorpool::protocol
