// A5 of docs/protocol/04-driver.md: what keeps a lease, and all the ways in which it ends.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "protocol/driver/driver_core.hpp"

namespace tensorpool::protocol::driver {

using wire::ResponseCode;
using wire::driver::LeaseRevokeReason;
using wire::driver::Role;

base::Nanos DriverCore::new_expiry() const noexcept {
  return later(now_.monotonic,
               times(settings_.keepalive_interval_ns, settings_.expiry_grace_intervals));
}

void DriverCore::on_keepalive(Now now, const wire::driver::ShmLeaseKeepalive& keepalive,
                              Actions& actions) {
  tell_time(now);
  if (state_ == State::stopped) return;
  Lease* lease =
      leases_.match({keepalive.lease_id, keepalive.stream_id, keepalive.client_id, keepalive.role});
  if (lease == nullptr) {
    counters_.add(Count::keepalives_ignored);
    return answer_stranger(keepalive, actions);
  }
  counters_.add(Count::keepalives);
  lease->kept_alive = true;
  leases_.extend(*lease, new_expiry());
}

// Tells the client of a former driver once that its lease is gone. Never about a lease of this driver, which had
// its notice (DRV-123), and not while the client holds another, since some clients look at the client id
// alone.
void DriverCore::answer_stranger(const wire::driver::ShmLeaseKeepalive& keepalive,
                                 Actions& actions) {
  if (!wire::listed(keepalive.role) || leases_.issued(keepalive.lease_id)) return;
  if (leases_.of_client(keepalive.client_id) != nullptr) return;
  // Consumers take a notice about a producer of their stream for one about theirs (DRV-113), whoever it names: a
  // keepalive out of the blue would take the stream from all of them. A former producer of a stream that lives
  // learns it from the announces (DRV-197).
  const Stream* stream = streams_.find(keepalive.stream_id);
  if (keepalive.role == Role::producer && stream != nullptr &&
      (stream->regions.has_value() || stream->leases != 0)) {
    return;
  }
  if (strangers_.size() >= base::limits::driver_strangers_answered) return;
  if (!strangers_.insert(keepalive.lease_id).second) return;
  counters_.add(Count::strangers_answered);
  wire::driver::ShmLeaseRevoked notice;
  notice.timestamp_ns = static_cast<std::uint64_t>(now_.monotonic);
  notice.lease_id = keepalive.lease_id;
  notice.stream_id = keepalive.stream_id;
  notice.client_id = keepalive.client_id;
  notice.role = keepalive.role;
  notice.reason = LeaseRevokeReason::revoked;
  notice.error_message = "unknown lease";
  actions.add(SendLeaseRevoked{std::move(notice)});
}

void DriverCore::on_detach(Now now, const wire::driver::ShmDetachRequest& request,
                           Actions& actions) {
  tell_time(now);
  if (state_ == State::stopped) return;
  if (!wire::listed(request.role)) {
    counters_.add(Count::detach_refused);
    return answer_detach(request.correlation_id, ResponseCode::invalid_params, "invalid role",
                         actions);
  }
  const Lease* lease =
      leases_.match({request.lease_id, request.stream_id, request.client_id, request.role});
  if (lease != nullptr) {
    counters_.add(Count::detached);
    return end_lease(request.lease_id, LeaseRevokeReason::detached, {}, request.correlation_id,
                     actions);
  }
  // A copy of a detach whose answer waits for the announce is answered with it.
  const Stream* stream = streams_.find(request.stream_id);
  if (stream != nullptr && stream->held_detach == request.correlation_id &&
      leases_.issued(request.lease_id)) {
    return;
  }
  counters_.add(Count::detach_refused);
  answer_detach(request.correlation_id, ResponseCode::rejected, "unknown lease", actions);
}

void DriverCore::answer_detach(std::int64_t correlation_id, ResponseCode code,
                               std::string_view text, Actions& actions) {
  wire::driver::ShmDetachResponse response;
  response.correlation_id = correlation_id;
  response.code = code;
  response.error_message = std::string(text);
  actions.add(SendDetachResponse{std::move(response)});
}

bool DriverCore::revoke(Now now, std::uint64_t lease_id, std::string_view text, Actions& actions) {
  tell_time(now);
  if (state_ == State::stopped || leases_.find(lease_id) == nullptr) return false;
  counters_.add(Count::revoked);
  end_lease(lease_id, LeaseRevokeReason::revoked, text, std::nullopt, actions);
  return true;
}

// As many as there is room for. After the agent was held up, keepalives may still wait in its inbox; they are
// heard first. Once a lease that is due was passed over, nothing prolongs the wait, so that a flood
// keeps no dead lease alive.
void DriverCore::expire(Actions& actions) {
  if (now_.monotonic < expiry_waits_until_) {
    expiry_passed_over_ = expiry_passed_over_ || leases_.expired(now_.monotonic).has_value();
    return;
  }
  while (const std::optional<std::uint64_t> lease_id = leases_.expired(now_.monotonic)) {
    if (!room(actions)) return;
    counters_.add(Count::expired);
    end_lease(*lease_id, LeaseRevokeReason::expired, "no keepalive in time", std::nullopt, actions);
  }
  expiry_waits_until_ = 0;
  expiry_passed_over_ = false;
}

void DriverCore::on_held_up(Now now) noexcept {
  tell_time(now);
  if (!expiry_passed_over_) {
    expiry_waits_until_ = later(now_.monotonic, settings_.keepalive_interval_ns);
  }
}

// Notice, then the announce of the next epoch once it is there, then the answer to a detach (DRV-110, DRV-119).
void DriverCore::end_lease(std::uint64_t lease_id, LeaseRevokeReason reason, std::string_view text,
                           std::optional<std::int64_t> detach, Actions& actions) {
  Lease lease = leases_.remove(lease_id);
  if (lease.node_id) node_ids_.release(now_.monotonic, *lease.node_id);
  consumer_streams_.release(lease);
  Stream* stream = streams_.find(lease.key.stream_id);
  TP_ASSERT(stream != nullptr && stream->leases > 0);
  --stream->leases;

  wire::driver::ShmLeaseRevoked notice;
  notice.timestamp_ns = static_cast<std::uint64_t>(now_.monotonic);
  notice.lease_id = lease.key.lease_id;
  notice.stream_id = lease.key.stream_id;
  notice.client_id = lease.key.client_id;
  notice.role = lease.key.role;
  notice.reason = reason;
  notice.error_message = sendable(text);
  actions.add(SendLeaseRevoked{std::move(notice)});
  actions.add(Report{Event::lease_ended, lease.key.stream_id, lease.key.client_id,
                     lease.key.lease_id, stream->epoch, std::string(wire::protocol_name(reason))});

  if (lease.key.role == Role::producer) {
    TP_ASSERT(stream->producer_lease == lease_id && !stream->creation);
    stream->producer_lease = 0;
    stream->held_detach = detach;
    end_epoch(*stream, actions);
    return;
  }
  if (detach) answer_detach(*detach, ResponseCode::ok, {}, actions);
  settle(*stream, actions);
}

}  // namespace tensorpool::protocol::driver
