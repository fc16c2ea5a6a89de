// The client's side of a lease: attach, keep alive, notice its end, attach again. One core for each port of a
// client in driver mode. Sans-IO like consumer_core.hpp: the time and every message are arguments, what to do
// comes out as actions, and deadline() says when to call on_timer() next. One thread.
//
// Follows docs/protocol/04-driver.md A3 to A5, A11, A12 and B7. Which regions are mapped when is the port's
// affair (consumer_core.hpp, producer_core.hpp); that they may be, is decided here.
//
// A lease is believed in until its deadline and not a nanosecond longer, whoever else is heard or not:
//   - the deadline is the expiry of the attach response, then the time of the last keepalive that was sent
//     plus interval times grace, and the driver counts its own from when it hears them, which is later;
//   - keepalives are not acknowledged, so announces have to come in as well (DRV-196, DRV-197).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/prng.hpp"
#include "protocol/action_list.hpp"
#include "protocol/announce_gate.hpp"
#include "protocol/now.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/types.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol {

// The values of docs/protocol/11-configuration.md section 14.
struct LeaseSettings {
  std::uint32_t stream_id =
      0;  // 0 asks for a new one; attaching again asks for the one that was got
  std::uint32_t client_id = 0;     // not 0 (DRV-25)
  bool client_id_is_ours = false;  // chosen at random, so that another will do (DRV-27)
  wire::driver::Role role = wire::driver::Role::consumer;
  wire::driver::PublishMode publish_mode = wire::driver::PublishMode::require_existing;
  wire::driver::HugepagesPolicy hugepages = wire::driver::HugepagesPolicy::unspecified;
  std::uint32_t expected_layout_version = 1;  // 0: any
  std::optional<std::uint32_t> desired_node_id;

  base::Nanos attach_timeout_ns = 5'000'000'000;
  base::Nanos resend_interval_ns = 200'000'000;
  base::Nanos backoff_first_ns = 100'000'000;
  base::Nanos backoff_largest_ns = 3'200'000'000;
  bool reattach = true;  // false: the first failure and the first loss are final
  // As the driver has them (CFG-93).
  base::Nanos keepalive_interval_ns = 1'000'000'000;
  std::uint32_t grace_intervals = 3;
  base::Nanos announce_period_ns = 1'000'000'000;
  std::uint32_t freshness_factor = 3;

  std::uint64_t seed = 0;  // random for each core (DRV-33)
};

// The states of B7 as far as they are the lease's: ACTIVE is MAPPED with its links there.
enum class LeaseState : std::uint8_t {
  init = 0,
  connecting = 1,  // an attach is wanted, under way, or failed and backing off
  attached = 2,    // the lease is there; nothing is mapped
  mapped = 3,
  revoked = 4,   // the lease is lost; backing off
  shutdown = 5,  // the driver announced its end; backing off
  ended = 6,     // lost or refused, and attaching again is switched off
  closing = 7,   // only waits for the answer to an attach, to give back what it may bring
  closed = 8,
};
std::string_view name(LeaseState state) noexcept;

struct Lease {
  std::uint64_t lease_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  wire::driver::Role role = wire::driver::Role::consumer;
  std::uint64_t epoch = 0;  // of the attach response
  std::optional<std::uint32_t> node_id;
  base::Nanos deadline_ns = 0;  // over when now is later than this
};

// --- To be sent on the control stream. Dropping one does no harm but for the keepalive, whose outcome is asked
// for.

struct SendAttach {
  wire::driver::ShmAttachRequest message;
};
struct SendDetach {
  wire::driver::ShmDetachRequest message;
};
// Answer with on_keepalive_sent().
struct SendKeepalive {
  wire::driver::ShmLeaseKeepalive message;
};

// --- To be done and told.

// Map `regions` (the announce of the epoch but for producer and time) and answer with on_mapped() or
// on_map_failed().
struct LeaseGranted {
  Lease lease;
  wire::ShmPoolAnnounce regions;
};
// Comes before everything else that the loss asks for: the regions are not used any more (DRV-90, DRV-112,
// CON-38). Once for each LeaseGranted, but for a lease that its own client closes.
struct LeaseEnded {
  Lease lease;
  LeaseEnd why = LeaseEnd::revoked;
  std::string text;
};
// Of a consumer: the producer of its stream is gone. Use the regions of this epoch and of all below it no
// more, and wait for an announce of a higher one, sent later than this (DRV-113). The lease stays.
struct ProducerGone {
  wire::driver::LeaseRevokeReason why = wire::driver::LeaseRevokeReason::expired;
  std::uint64_t told_ns = 0;  // when the driver said so, by its monotonic clock; 0: it does not say
  std::string text;
};
// An attempt to attach failed; `news` unless the one before failed for the same reason.
struct AttachFailed {
  Error error;
  bool news = true;
};

using LeaseAction = std::variant<SendAttach, SendDetach, SendKeepalive, LeaseGranted, LeaseEnded,
                                 ProducerGone, AttachFailed>;
using LeaseActions = ActionList<LeaseAction>;

// What became of a keepalive.
enum class Sent : std::uint8_t {
  taken,   // on its way
  busy,    // back-pressure or an administrative action: it may be tried again
  failed,  // not connected, or closed
};

class LeaseCore {
 public:
  // REQUIRES a client id, positive times, and settings.backoff_first_ns <= settings.backoff_largest_ns.
  LeaseCore(LeaseSettings settings, Now now);

  void start(Now now);
  // Control publication and subscription are there, or went with the media driver: then the lease is paused
  // until its deadline.
  void on_links(Now now, bool up) noexcept;
  // The port is closed: gives the lease back, best effort. A core that waits for the answer to an attach
  // stays until it is there or the attach timeout is over.
  void close(Now now, LeaseActions& actions);

  // --- Messages of the driver, decoded. Everything that is not for this core is ignored.

  void on_attach_response(Now now, const wire::driver::ShmAttachResponse& response,
                          LeaseActions& actions);
  void on_revoked(Now now, const wire::driver::ShmLeaseRevoked& notice, LeaseActions& actions);
  void on_shutdown(Now now, const wire::driver::ShmDriverShutdown& notice, LeaseActions& actions);
  void on_image(std::int32_t session, base::Nanos joined, bool available) {
    gate_.on_image(session, joined, available);
  }
  void on_announce(Now now, std::int32_t session, const wire::ShmPoolAnnounce& announce,
                   LeaseActions& actions);

  // --- Answers to actions, and what the port does.

  // `now` is the one that the action was asked for at, not later: from there on the lease is extended.
  void on_keepalive_sent(Now now, Sent outcome, LeaseActions& actions);
  // The regions of the lease are mapped: those of its response, or of a later epoch.
  void on_mapped(std::uint64_t lease_id) noexcept;
  // Nothing is mapped any more, and the lease stays.
  void on_unmapped(std::uint64_t lease_id) noexcept;
  // The regions of the attach response cannot be mapped.
  void on_map_failed(Now now, std::uint64_t lease_id, const Error& error, LeaseActions& actions);

  // Call it at deadline() or later, after the messages that have arrived.
  void on_timer(Now now, LeaseActions& actions);
  base::Nanos deadline() const noexcept;

  // --- To look at.

  LeaseState state() const noexcept { return state_; }
  // Null when there is none. One whose deadline has passed is there until the next on_timer().
  const Lease* lease() const noexcept { return lease_ ? &*lease_ : nullptr; }
  std::uint32_t client_id() const noexcept { return settings_.client_id; }
  std::uint32_t stream_id() const noexcept { return settings_.stream_id; }
  // Of the attach that waits for its answer; 0 when none does (CON-25).
  std::int64_t correlation_id() const noexcept { return correlation_id_; }
  // Messages that were for this core by their ids, and came too late or said something impossible.
  std::uint64_t ignored() const noexcept { return ignored_; }

 private:
  void request(Now now, LeaseActions& actions);
  void send_request(Now now, LeaseActions& actions);
  void forget_request() noexcept;
  void accept(Now now, const wire::driver::ShmAttachResponse& response, LeaseActions& actions);
  void refused(Now now, const wire::driver::ShmAttachResponse& response, LeaseActions& actions);
  void fail_closed(Now now, const wire::driver::ShmAttachResponse& response, Error error,
                   LeaseActions& actions);
  void attach_failed(Now now, Error error, LeaseActions& actions);
  void take_another_client_id() noexcept;
  void back_off(Now now) noexcept;
  void end_lease(Now now, LeaseEnd why, std::string text, LeaseActions& actions);
  void detach(const Lease& lease, LeaseActions& actions);
  void give_back(const wire::driver::ShmAttachResponse& response, LeaseActions& actions);
  void watch_lease(Now now, LeaseActions& actions);
  void keep_alive(Now now, LeaseActions& actions);
  std::int64_t next_correlation() noexcept;
  base::Nanos lease_deadline() const noexcept;
  base::Nanos attach_deadline() const noexcept;

  LeaseSettings settings_;
  base::Prng prng_;
  AnnounceGate gate_;
  LeaseState state_ = LeaseState::init;
  bool links_up_ = false;
  bool link_proved_ = false;  // something went out since the links are there

  // The attach.
  std::int64_t last_correlation_;
  std::int64_t correlation_id_ = 0;  // of the request without an answer; stays for its copies
  base::Nanos asked_at_ns_ = 0;      // when that request was sent first
  bool waiting_ = false;             // for its answer, before the attach timeout
  base::Nanos resend_at_ns_ = 0;
  base::Nanos give_up_at_ns_ = 0;
  base::Nanos attach_at_ns_ = 0;
  std::uint32_t failures_ = 0;  // since the last success
  std::string last_failure_;

  // The lease.
  std::optional<Lease> lease_;
  base::Nanos next_keepalive_ns_ = 0;
  base::Nanos heard_at_ns_ = 0;           // an announce, or the attach response
  std::uint64_t newest_epoch_ = 0;        // of the attach response, or announced since
  std::uint64_t newest_epoch_at_ns_ = 0;  // its first announce, by the driver's monotonic clock
  base::Nanos remap_by_ns_ = 0;           // 0: not waiting for a higher epoch

  std::uint64_t ignored_ = 0;
};

}  // namespace tensorpool::protocol
