#include "protocol/lease_core.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "protocol/attach_check.hpp"

namespace tensorpool::protocol {
namespace {

using wire::ResponseCode;
using wire::driver::LeaseRevokeReason;
using wire::driver::Role;

constexpr base::Nanos never = std::numeric_limits<base::Nanos>::max();
// DRV-196 and DRV-120.
constexpr base::Nanos periods_until_lost = 5;
constexpr base::Nanos periods_until_remap = 3;
// Tries of a keepalive that meets back-pressure, in one interval.
constexpr base::Nanos busy_tries = 10;
// Peers compare for it, or look for it anywhere in the text.
constexpr std::string_view client_id_in_use = "client_id already attached";
constexpr std::uint32_t null_client_id = 0xFFFFFFFFU;

// a + b, and the end of time instead of anything behind it.
base::Nanos later(base::Nanos a, base::Nanos b) noexcept {
  base::Nanos sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? never : sum;
}
base::Nanos times(base::Nanos a, base::Nanos b) noexcept {
  base::Nanos product = 0;
  return __builtin_mul_overflow(a, b, &product) ? never : product;
}

// No driver sends a time from the future: whoever forges one must not make all that is said later look old.
std::uint64_t past(std::uint64_t timestamp_ns, Now now) noexcept {
  return std::min(timestamp_ns, static_cast<std::uint64_t>(now.monotonic));
}

std::string ms(base::Nanos ns) { return std::to_string(ns / 1'000'000) + " ms"; }

std::string quoted(std::string_view text) {
  return text.empty() ? std::string("without a text") : "\"" + std::string(text) + "\"";
}

LeaseEnd meaning(LeaseRevokeReason reason) noexcept {
  switch (reason) {
    case LeaseRevokeReason::detached:
      return LeaseEnd::detached;
    case LeaseRevokeReason::expired:
      return LeaseEnd::expired;
    case LeaseRevokeReason::revoked:
      break;
  }
  return LeaseEnd::revoked;
}

}  // namespace

std::string_view name(LeaseState state) noexcept {
  switch (state) {
    case LeaseState::init:
      return "init";
    case LeaseState::connecting:
      return "connecting";
    case LeaseState::attached:
      return "attached";
    case LeaseState::mapped:
      return "mapped";
    case LeaseState::revoked:
      return "revoked";
    case LeaseState::shutdown:
      return "shutdown";
    case LeaseState::ended:
      return "ended";
    case LeaseState::closing:
      return "closing";
    case LeaseState::closed:
      return "closed";
  }
  return "unknown";
}

LeaseCore::LeaseCore(LeaseSettings settings, Now now)
    : settings_(settings),
      prng_(settings_.seed),
      gate_(times(settings_.announce_period_ns, settings_.freshness_factor)),
      // Half of the range is left to count in, so that it never comes by 0.
      last_correlation_(static_cast<std::int64_t>(prng_.next() >> 2U)),
      attach_at_ns_(now.monotonic) {
  TP_ASSERT(settings_.client_id != 0 && settings_.keepalive_interval_ns > 0 &&
            settings_.grace_intervals > 0 && settings_.attach_timeout_ns > 0 &&
            settings_.resend_interval_ns > 0 && settings_.announce_period_ns > 0);
  TP_ASSERT(settings_.backoff_first_ns > 0 &&
            settings_.backoff_first_ns <= settings_.backoff_largest_ns);
}

void LeaseCore::start(Now now) {
  if (state_ != LeaseState::init) return;
  state_ = LeaseState::connecting;
  attach_at_ns_ = now.monotonic;
}

void LeaseCore::on_links(Now now, bool up) noexcept {
  if (std::exchange(links_up_, up) == up || !up) return;
  link_proved_ = false;
  // Nothing could be heard meanwhile, and what was asked may not have arrived.
  heard_at_ns_ = std::max(heard_at_ns_, now.monotonic);
  next_keepalive_ns_ = now.monotonic;
  resend_at_ns_ = now.monotonic;
}

void LeaseCore::close(Now now, LeaseActions& actions) {
  if (state_ == LeaseState::closed || state_ == LeaseState::closing) return;
  if (lease_) detach(*std::exchange(lease_, std::nullopt), actions);
  // An attach that was never answered may still be granted.
  const bool asked = correlation_id_ != 0;
  state_ = asked ? LeaseState::closing : LeaseState::closed;
  waiting_ = false;
  if (asked) give_up_at_ns_ = later(now.monotonic, settings_.attach_timeout_ns);
}

// --- Attaching.

std::int64_t LeaseCore::next_correlation() noexcept { return ++last_correlation_; }

void LeaseCore::forget_request() noexcept {
  correlation_id_ = 0;
  waiting_ = false;
}

// A request that was never answered is the same one again, however long ago it was given up: the driver may
// be at work on it, or have granted it, and knows the copy by its correlation id (A3).
void LeaseCore::request(Now now, LeaseActions& actions) {
  state_ = LeaseState::connecting;
  if (correlation_id_ == 0) {
    correlation_id_ = next_correlation();
    asked_at_ns_ = now.monotonic;
  }
  waiting_ = true;
  give_up_at_ns_ = later(now.monotonic, settings_.attach_timeout_ns);
  send_request(now, actions);
}

void LeaseCore::send_request(Now now, LeaseActions& actions) {
  resend_at_ns_ = later(now.monotonic, settings_.resend_interval_ns);
  wire::driver::ShmAttachRequest message;
  message.correlation_id = correlation_id_;
  message.stream_id = settings_.stream_id;
  message.client_id = settings_.client_id;
  message.role = settings_.role;
  message.expected_layout_version = settings_.expected_layout_version;
  message.publish_mode = settings_.publish_mode;
  message.require_hugepages = settings_.hugepages;
  message.desired_node_id = settings_.desired_node_id;
  actions.add(SendAttach{message});
}

void LeaseCore::on_attach_response(Now now, const wire::driver::ShmAttachResponse& response,
                                   LeaseActions& actions) {
  if (correlation_id_ == 0 || response.correlation_id != correlation_id_) return;
  const bool ok = response.code == ResponseCode::ok;
  if (state_ == LeaseState::closing) {
    // Nobody wants it any more.
    if (ok) give_back(response, actions);
    forget_request();
    state_ = LeaseState::closed;
    return;
  }
  if (wire::listed(response.code) && !ok) return refused(now, response, actions);
  if (const auto fault = fault_of(response, settings_.stream_id)) {
    ++ignored_;
    return fail_closed(
        now, response,
        Error(Code::malformed_message, "attach",
              "the driver's response breaks the protocol: " + *fault + "; it is not used"),
        actions);
  }
  const std::optional<std::uint64_t> expiry = response.lease_expiry_timestamp_ns;
  if (expiry && *expiry < static_cast<std::uint64_t>(now.monotonic)) {
    ++ignored_;
    return fail_closed(now, response,
                       Error(Code::lease_ended, "attach",
                             "the lease was over before its response was read; this process or "
                             "the control stream stood still"),
                       actions);
  }
  accept(now, response, actions);
}

void LeaseCore::accept(Now now, const wire::driver::ShmAttachResponse& response,
                       LeaseActions& actions) {
  forget_request();
  Lease lease;
  lease.lease_id = *response.lease_id;
  lease.stream_id = *response.stream_id;
  lease.client_id = settings_.client_id;
  lease.role = settings_.role;
  lease.epoch = *response.epoch;
  lease.node_id = response.node_id;
  lease.deadline_ns =
      later(now.monotonic, times(settings_.keepalive_interval_ns, settings_.grace_intervals));
  if (response.lease_expiry_timestamp_ns) {  // the hard deadline (DRV-96)
    lease.deadline_ns = static_cast<base::Nanos>(std::min<std::uint64_t>(
        *response.lease_expiry_timestamp_ns, static_cast<std::uint64_t>(never) - 1));
  }
  settings_.stream_id = lease.stream_id;  // CON-46
  state_ = LeaseState::attached;
  heard_at_ns_ = now.monotonic;
  next_keepalive_ns_ = now.monotonic;  // so that the expiry of the response is never cut close
  remap_by_ns_ = 0;
  newest_epoch_ = lease.epoch;
  newest_epoch_at_ns_ = 0;
  lease_ = lease;
  actions.add(LeaseGranted{lease, regions_of(response)});
}

void LeaseCore::refused(Now now, const wire::driver::ShmAttachResponse& response,
                        LeaseActions& actions) {
  forget_request();
  if (settings_.client_id_is_ours && response.code == ResponseCode::rejected &&
      response.error_message == client_id_in_use) {
    take_another_client_id();
  }
  std::string text = "the driver answered ";
  text += wire::protocol_name(response.code);
  text += ", " + quoted(response.error_message) + ", to an attach to stream " +
          std::to_string(settings_.stream_id);
  attach_failed(now, Error(Code::rejected, "attach", std::move(text)), actions);
}

// Drops the attach and gives back the lease that the driver may count (DRV-80, DRV-81).
void LeaseCore::fail_closed(Now now, const wire::driver::ShmAttachResponse& response, Error error,
                            LeaseActions& actions) {
  forget_request();
  give_back(response, actions);
  attach_failed(now, std::move(error), actions);
}

void LeaseCore::attach_failed(Now now, Error error, LeaseActions& actions) {
  waiting_ = false;
  std::string text = error.message();
  const bool news = text != last_failure_;
  last_failure_ = std::move(text);
  if (!settings_.reattach) {
    forget_request();
    state_ = LeaseState::ended;
  }
  back_off(now);
  actions.add(AttachFailed{std::move(error), news});
}

void LeaseCore::take_another_client_id() noexcept {
  const std::uint32_t old = settings_.client_id;
  do {
    settings_.client_id = static_cast<std::uint32_t>(prng_.next());
  } while (settings_.client_id == 0 || settings_.client_id == null_client_id ||
           settings_.client_id == old);
}

void LeaseCore::back_off(Now now) noexcept {
  base::Nanos delay = settings_.backoff_first_ns;
  for (std::uint32_t i = 0; i < failures_ && delay < settings_.backoff_largest_ns; ++i)
    delay = times(delay, 2);
  if (delay < settings_.backoff_largest_ns) ++failures_;  // counts no further than it matters
  attach_at_ns_ = later(now.monotonic, std::min(delay, settings_.backoff_largest_ns));
}

// --- The lease.

void LeaseCore::detach(const Lease& lease, LeaseActions& actions) {
  wire::driver::ShmDetachRequest message;
  message.correlation_id = next_correlation();
  message.lease_id = lease.lease_id;
  message.stream_id = lease.stream_id;
  message.client_id = lease.client_id;
  message.role = lease.role;
  actions.add(SendDetach{message});
}

// The lease of a response that is not used.
void LeaseCore::give_back(const wire::driver::ShmAttachResponse& response, LeaseActions& actions) {
  if (!response.lease_id) return;
  Lease lease;
  lease.lease_id = *response.lease_id;
  lease.stream_id = response.stream_id.value_or(settings_.stream_id);
  lease.client_id = settings_.client_id;
  lease.role = settings_.role;
  detach(lease, actions);
}

// Told first, so that nothing is used any more when the driver hears of it. The lease is given back wherever
// the driver may still count it, since a client id has one lease at a time.
void LeaseCore::end_lease(Now now, LeaseEnd why, std::string text, LeaseActions& actions) {
  TP_ASSERT(lease_);
  const Lease lease = *std::exchange(lease_, std::nullopt);
  remap_by_ns_ = 0;
  state_ = why == LeaseEnd::shutdown ? LeaseState::shutdown : LeaseState::revoked;
  if (why == LeaseEnd::unmappable) state_ = LeaseState::connecting;
  if (!settings_.reattach && why != LeaseEnd::shutdown) state_ = LeaseState::ended;
  back_off(now);
  actions.add(LeaseEnded{lease, why, std::move(text)});
  const bool driver_knows = why == LeaseEnd::detached || why == LeaseEnd::expired ||
                            why == LeaseEnd::revoked || why == LeaseEnd::shutdown;
  if (!driver_knows) detach(lease, actions);
}

void LeaseCore::on_mapped(std::uint64_t lease_id) noexcept {
  if (!lease_ || lease_->lease_id != lease_id) return;
  state_ = LeaseState::mapped;
  remap_by_ns_ = 0;
  failures_ = 0;
  last_failure_.clear();
}

void LeaseCore::on_unmapped(std::uint64_t lease_id) noexcept {
  if (lease_ && lease_->lease_id == lease_id) state_ = LeaseState::attached;
}

void LeaseCore::on_map_failed(Now now, std::uint64_t lease_id, const Error& error,
                              LeaseActions& actions) {
  if (!lease_ || lease_->lease_id != lease_id) return;
  end_lease(now, LeaseEnd::unmappable, error.message(), actions);
}

void LeaseCore::on_revoked(Now now, const wire::driver::ShmLeaseRevoked& notice,
                           LeaseActions& actions) {
  if (!wire::listed(notice.reason) || !wire::listed(notice.role)) {  // DRV-117, DRV-118
    ++ignored_;
    return;
  }
  if (!lease_ || notice.stream_id != lease_->stream_id) return;
  // All four, since a client id outlives its leases.
  if (notice.lease_id == lease_->lease_id && notice.client_id == lease_->client_id &&
      notice.role == lease_->role) {
    return end_lease(now, meaning(notice.reason), notice.error_message, actions);
  }
  if (notice.role != Role::producer || lease_->role != Role::consumer) return;
  // The announce of the new epoch overtook this notice: they may come on different streams. A later
  // announce of an epoch that was known says nothing: a driver may send one and the notice at one time.
  if (notice.timestamp_ns != 0 && notice.timestamp_ns < newest_epoch_at_ns_) {
    ++ignored_;
    return;
  }
  state_ = LeaseState::attached;
  // A second notice does not begin the wait anew (DRV-124).
  if (remap_by_ns_ == 0) {
    remap_by_ns_ = later(now.monotonic, times(settings_.announce_period_ns, periods_until_remap));
  }
  actions.add(ProducerGone{notice.reason, past(notice.timestamp_ns, now), notice.error_message});
}

void LeaseCore::on_shutdown(Now now, const wire::driver::ShmDriverShutdown& notice,
                            LeaseActions& actions) {
  if (!wire::listed(notice.reason)) {
    ++ignored_;
    return;
  }
  if (state_ == LeaseState::init || state_ == LeaseState::ended) return;
  if (state_ == LeaseState::closing) {  // who was asked is gone
    forget_request();
    state_ = LeaseState::closed;
  }
  if (state_ == LeaseState::closed) return;
  // One that was sent before the driver which granted this lease was asked is of an earlier driver.
  if (lease_ && notice.timestamp_ns != 0 &&
      notice.timestamp_ns < static_cast<std::uint64_t>(asked_at_ns_)) {
    ++ignored_;
    return;
  }
  std::string text = "the driver ends (";
  text += wire::protocol_name(notice.reason);
  text += ")";
  if (!notice.error_message.empty()) text += ": " + notice.error_message;
  if (lease_) return end_lease(now, LeaseEnd::shutdown, std::move(text), actions);
  forget_request();
  state_ = LeaseState::shutdown;
  attach_failed(now, Error(Code::shutdown, "attach", std::move(text)), actions);
}

void LeaseCore::on_announce(Now now, std::int32_t session, const wire::ShmPoolAnnounce& announce,
                            LeaseActions& actions) {
  if (!lease_ || announce.stream_id != lease_->stream_id) return;
  if (gate_.refuse(now, session, announce)) return;
  heard_at_ns_ = now.monotonic;
  const bool usable = announce.epoch != wire::null_u64;
  if (usable && announce.epoch > newest_epoch_) {
    newest_epoch_ = announce.epoch;
    const bool monotonic = announce.announce_clock_domain == ClockDomain::monotonic;
    newest_epoch_at_ns_ = monotonic ? past(announce.announce_timestamp_ns, now) : 0;
  }
  if (lease_->role != Role::producer || !usable || announce.epoch <= lease_->epoch) return;
  end_lease(now, LeaseEnd::superseded,
            "epoch " + std::to_string(announce.epoch) +
                " of the stream was announced, this lease is of " + std::to_string(lease_->epoch),
            actions);
}

// --- Time.

void LeaseCore::on_keepalive_sent(Now now, Sent outcome, LeaseActions& actions) {
  if (!lease_) return;
  if (outcome == Sent::taken) {
    link_proved_ = true;
    lease_->deadline_ns = std::max(
        lease_->deadline_ns,
        later(now.monotonic, times(settings_.keepalive_interval_ns, settings_.grace_intervals)));
    next_keepalive_ns_ = later(now.monotonic, settings_.keepalive_interval_ns);
    return;
  }
  // A driver that this client was never connected to may only not be there yet.
  if (outcome == Sent::failed && link_proved_) {
    return end_lease(now, LeaseEnd::keepalive_failed,
                     "a keepalive could not be sent: nobody is connected to the control stream",
                     actions);
  }
  next_keepalive_ns_ =
      later(now.monotonic, std::max<base::Nanos>(1, settings_.keepalive_interval_ns / busy_tries));
}

void LeaseCore::keep_alive(Now now, LeaseActions& actions) {
  // Its outcome moves this again.
  next_keepalive_ns_ = later(now.monotonic, settings_.keepalive_interval_ns);
  wire::driver::ShmLeaseKeepalive message;
  message.lease_id = lease_->lease_id;
  message.stream_id = lease_->stream_id;
  message.client_id = lease_->client_id;
  message.role = lease_->role;
  message.client_timestamp_ns = static_cast<std::uint64_t>(now.monotonic);
  actions.add(SendKeepalive{message});
}

// The deadline before all else: whoever was stopped for long must not revive a lease that the driver has given
// to somebody else.
void LeaseCore::watch_lease(Now now, LeaseActions& actions) {
  if (now.monotonic > lease_->deadline_ns) {
    return end_lease(now, LeaseEnd::deadline,
                     "no keepalive went out for " +
                         ms(times(settings_.keepalive_interval_ns, settings_.grace_intervals)),
                     actions);
  }
  if (remap_by_ns_ != 0 && now.monotonic >= remap_by_ns_) {
    return end_lease(now, LeaseEnd::no_new_epoch,
                     "the producer is gone and no higher epoch was announced for " +
                         ms(times(settings_.announce_period_ns, periods_until_remap)),
                     actions);
  }
  if (!links_up_) return;  // paused
  const base::Nanos silence = times(settings_.announce_period_ns, periods_until_lost);
  if (now.monotonic >= later(heard_at_ns_, silence)) {
    return end_lease(now, LeaseEnd::driver_lost,
                     "the driver is lost: no announce of the stream for " + ms(silence), actions);
  }
  if (now.monotonic >= next_keepalive_ns_) keep_alive(now, actions);
}

void LeaseCore::on_timer(Now now, LeaseActions& actions) {
  if (now.monotonic < deadline()) return;
  if (lease_) return watch_lease(now, actions);
  if (state_ == LeaseState::closing) {
    forget_request();
    state_ = LeaseState::closed;
    return;
  }
  if (!waiting_) return request(now, actions);
  if (now.monotonic < give_up_at_ns_) return send_request(now, actions);
  attach_failed(now,
                Error(Code::timeout, "attach",
                      "no driver answered for " + ms(settings_.attach_timeout_ns) +
                          "; is one running on this control endpoint?"),
                actions);
}

base::Nanos LeaseCore::lease_deadline() const noexcept {
  base::Nanos next = later(lease_->deadline_ns, 1);
  if (remap_by_ns_ != 0) next = std::min(next, remap_by_ns_);
  if (!links_up_) return next;
  const base::Nanos silence = times(settings_.announce_period_ns, periods_until_lost);
  return std::min({next, later(heard_at_ns_, silence), next_keepalive_ns_});
}

base::Nanos LeaseCore::attach_deadline() const noexcept {
  if (waiting_) return links_up_ ? std::min(give_up_at_ns_, resend_at_ns_) : give_up_at_ns_;
  return links_up_ ? attach_at_ns_ : never;
}

base::Nanos LeaseCore::deadline() const noexcept {
  if (lease_) return lease_deadline();
  switch (state_) {
    case LeaseState::connecting:
    case LeaseState::revoked:
      return attach_deadline();
    case LeaseState::shutdown:
      return settings_.reattach ? attach_deadline() : never;
    case LeaseState::closing:
      return give_up_at_ns_;
    case LeaseState::init:
    case LeaseState::attached:
    case LeaseState::mapped:
    case LeaseState::ended:
    case LeaseState::closed:
      break;
  }
  return never;
}

}  // namespace tensorpool::protocol
