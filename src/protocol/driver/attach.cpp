// A4 of docs/protocol/04-driver.md: the checks of an attach request in their order, and its answers.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "protocol/driver/driver_core.hpp"
#include "shm/layout.hpp"

namespace tensorpool::protocol::driver {

using wire::ResponseCode;
using wire::driver::HugepagesPolicy;
using wire::driver::PublishMode;
using wire::driver::Role;
using wire::driver::ShmAttachRequest;
using wire::driver::ShmAttachResponse;

void DriverCore::on_attach_version(Now now, std::int64_t correlation_id, Actions& actions) {
  tell_time(now);
  refuse(correlation_id, AttachRefusal::schema_version, {}, actions);
}

void DriverCore::on_attach(Now now, const ShmAttachRequest& request, Actions& actions) {
  tell_time(now);
  std::optional<AttachRefusal> why = check_request(request);
  if (!why && answer_copy(request, actions)) return;
  if (!why) why = check_client(request);
  Candidate candidate;
  if (!why) why = check_stream(request, candidate);
  if (!why) why = check_resources(request);
  if (why) return refuse(request.correlation_id, *why, {}, actions);
  admit(request, candidate, actions);
}

// Rows 2 to 6.
std::optional<AttachRefusal> DriverCore::check_request(const ShmAttachRequest& request) const {
  if (state_ != State::running) return AttachRefusal::draining;
  if (!wire::listed(request.role)) return AttachRefusal::role;
  if (request.client_id == 0) return AttachRefusal::client_id_zero;
  // An absent mode and 0 mean REQUIRE_EXISTING (MSG-96).
  const auto mode = request.publish_mode.value_or(PublishMode::require_existing);
  if (static_cast<std::uint8_t>(mode) != 0 && !wire::listed(mode))
    return AttachRefusal::publish_mode;
  if (!wire::listed(request.require_hugepages)) return AttachRefusal::hugepages_policy;
  return std::nullopt;
}

// Row 7. The copy of a request that still waits for its regions needs no answer of its own.
bool DriverCore::answer_copy(const ShmAttachRequest& request, Actions& actions) {
  if (const auto found = pending_of_client_.find(request.client_id);
      found != pending_of_client_.end()) {
    const ShmAttachRequest& first = pending_.at(found->second).request;
    const bool copy = first.correlation_id == request.correlation_id &&
                      first.role == request.role && first.stream_id == request.stream_id;
    if (copy) counters_.add(Count::copies_dropped);
    return copy;
  }
  const Lease* lease = leases_.of_client(request.client_id);
  if (lease == nullptr || lease->correlation_id != request.correlation_id ||
      lease->key.role != request.role || lease->requested_stream_id != request.stream_id) {
    return false;
  }
  const Stream* stream = streams_.find(lease->key.stream_id);
  TP_ASSERT(stream != nullptr);
  if (!stream->regions) {  // nothing to describe just now, and nothing is created for a copy
    counters_.add(Count::copies_dropped);
    return true;
  }
  counters_.add(Count::copies_answered);
  describe(*lease, *stream, request.correlation_id, actions);
  return true;
}

// Row 8.
std::optional<AttachRefusal> DriverCore::check_client(const ShmAttachRequest& request) {
  if (leases_.of_client(request.client_id) != nullptr) return AttachRefusal::client_id_attached;
  if (pending_of_client_.contains(request.client_id)) return AttachRefusal::in_progress;
  return std::nullopt;
}

// Rows 10 to 12, for a stream that is not known and may be created.
std::optional<AttachRefusal> DriverCore::check_new_stream(std::uint32_t stream_id) const {
  const IdPool& ids = streams_.ids();
  if (!ids.configured()) return AttachRefusal::no_range;
  if (stream_id != 0 && !ids.contains(stream_id)) return AttachRefusal::outside_range;
  if (streams_.forgettable()) return std::nullopt;
  if (stream_id == 0 && ids.exhausted()) return AttachRefusal::range_exhausted;
  if (streams_.full()) return AttachRefusal::too_many_streams;
  return std::nullopt;
}

// Rows 9 to 16.
std::optional<AttachRefusal> DriverCore::check_stream(const ShmAttachRequest& request,
                                                      Candidate& candidate) {
  candidate.stream = request.stream_id == 0 ? nullptr : streams_.find(request.stream_id);
  if (candidate.stream != nullptr) {
    candidate.profile = candidate.stream->profile;
  } else {
    const bool asked_for = request.publish_mode == PublishMode::existing_or_create;
    if (!asked_for || !settings_.allow_dynamic_streams) return AttachRefusal::not_provisioned;
    if (auto why = check_new_stream(request.stream_id)) return why;
    candidate.profile = find_profile(settings_, settings_.default_profile);
    if (settings_.default_profile.empty() && !settings_.profiles.empty()) {
      candidate.profile = &settings_.profiles.front();
    }
  }
  if (candidate.profile == nullptr) return AttachRefusal::no_profile;
  if (request.expected_layout_version != 0 &&
      request.expected_layout_version != shm::supported_layout_version) {
    return AttachRefusal::layout_version;
  }
  if (candidate.profile->pools.empty()) return AttachRefusal::no_pools;
  // A producer whose regions are being created has the place already.
  if (request.role == Role::producer && candidate.stream != nullptr &&
      (candidate.stream->producer_lease != 0 || candidate.stream->producer_pending != 0)) {
    return AttachRefusal::producer_attached;
  }
  return std::nullopt;
}

bool DriverCore::wants_hugepages(HugepagesPolicy policy) const noexcept {
  return policy == HugepagesPolicy::hugepages ||
         (policy == HugepagesPolicy::unspecified && settings_.require_hugepages);
}

// Rows 17 to 21.
std::optional<AttachRefusal> DriverCore::check_resources(const ShmAttachRequest& request) {
  if (wants_hugepages(request.require_hugepages) && !settings_.hugetlbfs)
    return AttachRefusal::no_hugepages;
  if (request.require_hugepages == HugepagesPolicy::standard && settings_.hugetlbfs) {
    return AttachRefusal::no_standard_pages;
  }
  if (request.desired_node_id) {
    if (*request.desired_node_id == 0) return AttachRefusal::node_id_zero;
    if (!node_ids_.available(now_.monotonic, request.client_id, *request.desired_node_id)) {
      return AttachRefusal::node_id_unavailable;
    }
  }
  if (leases_.size() + pending_.size() >= settings_.max_leases)
    return AttachRefusal::too_many_leases;
  if (pending_.size() >= base::limits::driver_pending_attaches)
    return AttachRefusal::too_many_pending;
  return std::nullopt;
}

Stream& DriverCore::obtain_stream(const ShmAttachRequest& request, const Candidate& candidate,
                                  Actions& actions) {
  if (candidate.stream != nullptr) return *candidate.stream;
  if (streams_.full() || (request.stream_id == 0 && streams_.ids().exhausted())) {
    const std::uint32_t gone = streams_.forget_oldest(now_.monotonic);
    announces_.erase(gone);
    collections_.erase(gone);
    actions.add(Report{.event = Event::stream_forgotten, .stream_id = gone, .text = {}});
  }
  Stream& stream = streams_.create(request.stream_id, candidate.profile);
  report(Event::stream_created, stream, candidate.profile->name, actions);
  return stream;
}

// All checks passed. A consumer of a stream that has regions is served at once; all others wait for regions.
void DriverCore::admit(const ShmAttachRequest& request, const Candidate& candidate,
                       Actions& actions) {
  Stream& stream = obtain_stream(request, candidate, actions);
  Pending pending;
  pending.request = request;
  pending.stream_id = stream.stream_id;
  pending.node_id = node_ids_.take(now_.monotonic, request.client_id, request.desired_node_id);
  if (request.role == Role::consumer && stream.regions) return grant(pending, stream, actions);
  const std::uint64_t id = next_id_++;
  pending_of_client_[request.client_id] = id;
  pending_.emplace(id, std::move(pending));
  ++stream.pendings;
  if (request.role == Role::producer) {
    stream.producer_pending = id;
  } else {
    stream.waiting.push_back(id);
  }
  streams_.settle(stream, now_.monotonic);
  create_for_whoever_waits(stream, actions);
}

void DriverCore::refuse(std::int64_t correlation_id, AttachRefusal why, std::string_view reason,
                        Actions& actions) {
  counters_.add(why);
  const Refusal refusal = answer(why);
  ShmAttachResponse response;
  response.correlation_id = correlation_id;
  response.code = refusal.code;
  response.error_message = sendable(std::string(refusal.text).append(reason));
  actions.add(SendAttachResponse{std::move(response)});
}

// The lease is active before the response is on its way (DRV-73). REQUIRES regions.
void DriverCore::grant(const Pending& pending, Stream& stream, Actions& actions) {
  const ShmAttachRequest& request = pending.request;
  Lease lease;
  lease.key = {0, stream.stream_id, request.client_id, request.role};
  lease.correlation_id = request.correlation_id;
  lease.requested_stream_id = request.stream_id;
  lease.node_id = pending.node_id;
  lease.expiry_ns = new_expiry();
  const Lease& granted = leases_.grant(lease);
  ++stream.leases;
  if (request.role == Role::producer) stream.producer_lease = granted.key.lease_id;
  streams_.settle(stream, now_.monotonic);
  counters_.add(Count::granted);
  describe(granted, stream, request.correlation_id, actions);
  actions.add(Report{Event::lease_granted, stream.stream_id, request.client_id,
                     granted.key.lease_id, stream.epoch,
                     std::string(wire::protocol_name(request.role))});
  if (pending.node_id) {
    if (*pending.node_id <= NodeIds::highest) node_ids_short_ = false;
    return;
  }
  counters_.add(Count::node_ids_exhausted);
  if (!std::exchange(node_ids_short_, true)) {
    report(Event::node_ids_exhausted, stream, "clients without one cannot mint trace ids", actions);
  }
}

// The OK response of a lease, with the stream as it is now.
void DriverCore::describe(const Lease& lease, const Stream& stream, std::int64_t correlation_id,
                          Actions& actions) {
  TP_ASSERT(stream.regions.has_value());
  const wire::ShmPoolAnnounce& regions = *stream.regions;
  ShmAttachResponse response;
  response.correlation_id = correlation_id;
  response.code = ResponseCode::ok;
  response.lease_id = lease.key.lease_id;
  response.lease_expiry_timestamp_ns =
      static_cast<std::uint64_t>(std::max<base::Nanos>(lease.expiry_ns, 0));
  response.stream_id = stream.stream_id;
  response.epoch = stream.epoch;
  response.layout_version = regions.layout_version;
  response.header_nslots = regions.header_nslots;
  response.header_slot_bytes = regions.header_slot_bytes;
  response.node_id = lease.node_id;
  response.payload_pools = regions.payload_pools;
  response.header_region_uri = regions.header_region_uri;
  actions.add(SendAttachResponse{std::move(response)});
}

// The attach is answered and leaves nothing behind (DRV-60).
void DriverCore::fail_pending(std::uint64_t pending_id, AttachRefusal why, std::string_view reason,
                              Actions& actions) {
  auto node = pending_.extract(pending_id);
  TP_ASSERT(!node.empty());
  const Pending& pending = node.mapped();
  pending_of_client_.erase(pending.request.client_id);
  if (pending.node_id) node_ids_.give_back(*pending.node_id);
  Stream* stream = streams_.find(pending.stream_id);
  TP_ASSERT(stream != nullptr && stream->pendings > 0);
  --stream->pendings;
  if (stream->producer_pending == pending_id) stream->producer_pending = 0;
  std::erase(stream->waiting, pending_id);
  refuse(pending.request.correlation_id, why, reason, actions);
  settle(*stream, actions);
}

// Attaches whose regions are there, or will never be, in the order in which they came.
void DriverCore::answer_ready(Actions& actions) {
  while (!ready_.empty() && room(actions)) {
    const std::uint64_t id = ready_.front();
    ready_.pop_front();
    const auto found = pending_.find(id);
    TP_ASSERT(found != pending_.end());
    if (found->second.failure) {
      const std::string reason = *found->second.failure;
      fail_pending(id, AttachRefusal::provisioning, reason, actions);
      continue;
    }
    Stream* stream = streams_.find(found->second.stream_id);
    TP_ASSERT(stream != nullptr);
    if (!stream->regions) {  // gone again before it was this one's turn
      stream->waiting.push_back(id);
      create_for_whoever_waits(*stream, actions);
      continue;
    }
    const Pending pending = std::move(found->second);
    pending_.erase(found);
    pending_of_client_.erase(pending.request.client_id);
    --stream->pendings;
    grant(pending, *stream, actions);
  }
}

}  // namespace tensorpool::protocol::driver
