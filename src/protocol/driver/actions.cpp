#include "protocol/driver/actions.hpp"

#include <algorithm>

#include "base/limits.hpp"

namespace tensorpool::protocol::driver {

std::string_view name(Event event) noexcept {
  switch (event) {
    case Event::lease_granted:
      return "lease granted";
    case Event::lease_ended:
      return "lease ended";
    case Event::stream_created:
      return "stream created";
    case Event::stream_forgotten:
      return "stream forgotten";
    case Event::regions_created:
      return "regions created";
    case Event::regions_failed:
      return "regions not created";
    case Event::epochs_removed:
      return "old epochs removed";
    case Event::epoch_removal_failed:
      return "old epochs not removed";
    case Event::node_ids_exhausted:
      return "no node id is free";
    case Event::draining:
      return "draining";
    case Event::stopped:
      return "stopped";
  }
  return "unknown";
}

Refusal answer(AttachRefusal why) noexcept {
  using wire::ResponseCode;
  switch (why) {
    case AttachRefusal::schema_version:
      return {ResponseCode::unsupported, "unsupported driver schema version"};
    case AttachRefusal::draining:
      return {ResponseCode::rejected, "driver draining"};
    case AttachRefusal::role:
      return {ResponseCode::invalid_params, "invalid role"};
    case AttachRefusal::client_id_zero:
      return {ResponseCode::invalid_params, "client_id must be non-zero"};
    case AttachRefusal::publish_mode:
      return {ResponseCode::unsupported, "unsupported publish_mode"};
    case AttachRefusal::hugepages_policy:
      return {ResponseCode::invalid_params, "unknown hugepages policy"};
    case AttachRefusal::client_id_attached:
      return {ResponseCode::rejected, "client_id already attached"};
    case AttachRefusal::not_provisioned:
      return {ResponseCode::rejected, "stream not provisioned"};
    case AttachRefusal::no_range:
      return {ResponseCode::invalid_params, "stream_id_range not configured"};
    case AttachRefusal::outside_range:
      return {ResponseCode::invalid_params, "stream_id outside stream_id_range"};
    case AttachRefusal::range_exhausted:
      return {ResponseCode::invalid_params, "stream_id_range exhausted"};
    case AttachRefusal::no_profile:
      return {ResponseCode::invalid_params, "profile not found"};
    case AttachRefusal::layout_version:
      return {ResponseCode::rejected, "layout_version mismatch"};
    case AttachRefusal::no_pools:
      return {ResponseCode::invalid_params, "stream has no payload pools"};
    case AttachRefusal::producer_attached:
      return {ResponseCode::rejected, "producer already attached"};
    case AttachRefusal::no_hugepages:
      return {ResponseCode::rejected, "hugepages not available"};
    case AttachRefusal::no_standard_pages:
      return {ResponseCode::rejected, "standard pages requested"};
    case AttachRefusal::node_id_zero:
      return {ResponseCode::invalid_params, "desired node_id invalid"};
    case AttachRefusal::node_id_unavailable:
      return {ResponseCode::rejected, "desired node_id unavailable"};
    case AttachRefusal::too_many_leases:
      return {ResponseCode::rejected, "too many leases"};
    case AttachRefusal::provisioning:
      return {ResponseCode::internal_error, "failed to provision SHM: "};
    case AttachRefusal::in_progress:
      return {ResponseCode::rejected, "attach already in progress"};
    case AttachRefusal::too_many_streams:
      return {ResponseCode::rejected, "too many streams"};
    case AttachRefusal::too_many_pending:
      return {ResponseCode::rejected, "too many attaches in progress"};
    case AttachRefusal::count_:
      break;
  }
  return {ResponseCode::internal_error, "unknown"};
}

std::string sendable(std::string_view text) {
  std::string clean(text.substr(0, base::limits::error_message_bytes));
  std::replace_if(clean.begin(), clean.end(), [](char c) { return c < 0x20 || c > 0x7E; }, '?');
  return clean;
}

}  // namespace tensorpool::protocol::driver
