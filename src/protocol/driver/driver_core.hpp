// The authoritative driver: who may attach, which lease lives, which epoch a stream has, what is announced,
// when old epochs go, and how it all ends. Sans-IO: the time and every input are arguments, what to do comes
// out as actions, and deadline() says when to call on_timer() next. One thread.
//
// Follows docs/protocol/04-driver.md part A; docs/internals/driver.md says what is where. Messages are
// decoded when they get here, but attach and detach requests may carry any value in their enum fields, since
// those are answered and not dropped (A4.2). Nothing that a peer sends, in any order, is an assert.
//
// Every input asks for at most ActionList::capacity things. What has to wait for its turn makes deadline() say
// "at once". The list is empty when it is handed in.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "protocol/driver/actions.hpp"
#include "protocol/driver/consumer_streams.hpp"
#include "protocol/driver/leases.hpp"
#include "protocol/driver/node_ids.hpp"
#include "protocol/driver/settings.hpp"
#include "protocol/driver/streams.hpp"
#include "protocol/now.hpp"
#include "tensorpool/error.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol::driver {

enum class State : std::uint8_t { running = 0, draining = 1, stopped = 2 };  // A12

class DriverCore {
 public:
  // REQUIRES settings that check() accepts.
  DriverCore(Settings settings, Now now);
  // Tables point into the settings.
  DriverCore(const DriverCore&) = delete;
  DriverCore& operator=(const DriverCore&) = delete;

  // --- Messages of clients.

  void on_attach(Now now, const wire::driver::ShmAttachRequest& request, Actions& actions);
  // An attach request of another schema version, of which only the correlation id was read.
  void on_attach_version(Now now, std::int64_t correlation_id, Actions& actions);
  void on_detach(Now now, const wire::driver::ShmDetachRequest& request, Actions& actions);
  void on_keepalive(Now now, const wire::driver::ShmLeaseKeepalive& keepalive, Actions& actions);
  void on_hello(Now now, const wire::ConsumerHello& hello, Actions& actions);
  void on_shutdown_request(Now now, const wire::driver::ShmDriverShutdownRequest& request,
                           Actions& actions);

  // --- Answers to actions. An answer with an unknown id is ignored.

  // `description` is the announce of the new regions but for stream, producer and time. REQUIRES an epoch
  // that is usable and not below the one that was asked for.
  void on_created(Now now, std::uint64_t request_id, wire::ShmPoolAnnounce description,
                  Actions& actions);
  // Code::no_space makes room and tries again, once (DRV-184).
  void on_create_failed(Now now, std::uint64_t request_id, const Error& error, Actions& actions);
  // `failed`: epochs that should have gone and could not be removed, or 1 when nothing could be looked at.
  // `young`: epochs that are left for their age alone; they are looked at once more when they are old enough.
  void on_collected(Now now, std::uint64_t request_id, std::size_t removed, std::size_t failed,
                    Actions& actions, std::size_t young = 0);

  // --- The house.

  // The agent was held up, by files or otherwise: keepalives may wait in its inbox. No lease expires before
  // on_drained(), or before one keepalive interval has passed. Answers to actions say so by themselves.
  void on_held_up(Now now) noexcept;
  // The streams are up, for the first time or again after a media driver was lost: clients connect anew as
  // well, so that this counts as being held up, and whatever has regions is announced at once.
  void on_connected(Now now) noexcept;
  // A poll of the control stream found nothing more. Order of a cycle: poll, this, on_timer(), files.
  // All that waited has been heard then, also for a lease that was passed over. `expire_from`: no lease expires
  // before that even so, since clients are not all back.
  void on_drained(base::Nanos expire_from = 0) noexcept {
    expiry_waits_until_ = expire_from;
    expiry_passed_over_ = false;
  }
  // Ends one lease by decision of the house, with reason REVOKED. False when there is no such lease.
  bool revoke(Now now, std::uint64_t lease_id, std::string_view text, Actions& actions);
  // A termination signal: drains; the second one ends without waiting.
  void on_terminate(Now now, Actions& actions);
  // Call it at deadline() or later, after the messages that have arrived.
  void on_timer(Now now, Actions& actions);
  // Never before the last `now` that the core was told.
  base::Nanos deadline() const noexcept;

  // --- To look at.

  State state() const noexcept { return state_; }
  const Counters& counters() const noexcept { return counters_; }
  const LeaseTable& leases() const noexcept { return leases_; }
  const StreamTable& streams() const noexcept { return streams_; }
  const NodeIds& node_ids() const noexcept { return node_ids_; }
  std::size_t pending() const noexcept { return pending_.size(); }

 private:
  // An attach that waits for regions, or for its turn to be answered.
  struct Pending {
    wire::driver::ShmAttachRequest request;
    std::uint32_t stream_id = 0;
    std::optional<std::uint32_t> node_id;
    std::optional<std::string> failure;
  };
  // What the rows before creation find out: nothing to create yet.
  struct Candidate {
    Stream* stream = nullptr;  // null: to be created on demand
    const Profile* profile = nullptr;
  };

  void tell_time(Now now) noexcept;
  static bool room(const Actions& actions) noexcept;

  // attach.cpp
  bool answer_copy(const wire::driver::ShmAttachRequest& request, Actions& actions);
  std::optional<AttachRefusal> check_request(const wire::driver::ShmAttachRequest& request) const;
  std::optional<AttachRefusal> check_client(const wire::driver::ShmAttachRequest& request);
  std::optional<AttachRefusal> check_stream(const wire::driver::ShmAttachRequest& request,
                                            Candidate& candidate);
  std::optional<AttachRefusal> check_new_stream(std::uint32_t stream_id) const;
  std::optional<AttachRefusal> check_resources(const wire::driver::ShmAttachRequest& request);
  bool wants_hugepages(wire::driver::HugepagesPolicy policy) const noexcept;
  void admit(const wire::driver::ShmAttachRequest& request, const Candidate& candidate,
             Actions& actions);
  Stream& obtain_stream(const wire::driver::ShmAttachRequest& request, const Candidate& candidate,
                        Actions& actions);
  void refuse(std::int64_t correlation_id, AttachRefusal why, std::string_view reason,
              Actions& actions);
  void grant(const Pending& pending, Stream& stream, Actions& actions);
  void describe(const Lease& lease, const Stream& stream, std::int64_t correlation_id,
                Actions& actions);
  void fail_pending(std::uint64_t pending_id, AttachRefusal why, std::string_view reason,
                    Actions& actions);
  void answer_ready(Actions& actions);

  // lease_end.cpp
  void end_lease(std::uint64_t lease_id, wire::driver::LeaseRevokeReason reason,
                 std::string_view text, std::optional<std::int64_t> detach, Actions& actions);
  void answer_detach(std::int64_t correlation_id, wire::ResponseCode code, std::string_view text,
                     Actions& actions);
  void answer_stranger(const wire::driver::ShmLeaseKeepalive& keepalive, Actions& actions);
  void expire(Actions& actions);
  base::Nanos new_expiry() const noexcept;

  // regions.cpp
  void create_for_whoever_waits(Stream& stream, Actions& actions);
  void ask_for_regions(Stream& stream, std::uint64_t producer_id, bool hugepages, Actions& actions);
  void request_creation(Stream& stream, std::uint64_t epoch, Actions& actions);
  void end_epoch(Stream& stream, Actions& actions);
  Stream* asked_for(std::uint64_t request_id);
  void creation_failed(Stream& stream, std::string_view reason, Actions& actions);
  void waiters_are_ready(Stream& stream, const std::optional<std::string>& failure);
  bool collects() const noexcept;
  void collect(Stream& stream, Actions& actions);
  void collect_again(Actions& actions);
  void make_room(Actions& actions);
  std::uint64_t min_age_ns() const noexcept;
  std::uint64_t ask_to_collect(const Stream& stream, bool waive_age, Actions& actions);
  void announce(Stream& stream, Actions& actions);
  void settle(Stream& stream, Actions& actions);

  // driver_core.cpp
  void drain(wire::driver::ShutdownReason reason, std::string_view text, Actions& actions);
  void stop(Actions& actions);
  void remove_regions(Actions& actions);
  void report(Event event, const Stream& stream, std::string_view text, Actions& actions);

  Settings settings_;
  Now now_;
  State state_ = State::running;
  Counters counters_;

  LeaseTable leases_;
  NodeIds node_ids_;
  StreamTable streams_;
  ConsumerStreams consumer_streams_;
  std::unordered_set<std::uint64_t> strangers_;  // lease ids of former drivers that were answered
  bool node_ids_short_ = false;                  // and reported

  std::uint64_t next_id_ = 1;  // of pending attaches and of requests to the agent
  std::map<std::uint64_t, Pending> pending_;
  std::unordered_map<std::uint32_t, std::uint64_t> pending_of_client_;
  std::deque<std::uint64_t> ready_;  // pending attaches to be answered when there is room
  std::unordered_map<std::uint64_t, std::uint32_t> asked_;  // request id → stream id
  std::deque<std::uint32_t> startup_gc_;                    // streams to be collected once

  Schedule<std::uint32_t> announces_;    // streams with regions
  Schedule<std::uint32_t> collections_;  // streams with epochs that were too young
  base::Nanos expiry_waits_until_ = 0;
  bool expiry_passed_over_ = false;  // a lease was due meanwhile

  wire::driver::ShutdownReason shutdown_reason_ = wire::driver::ShutdownReason::normal;
  std::string shutdown_text_;
  base::Nanos stop_at_ns_ = never;
  std::deque<std::uint32_t> to_remove_;
  bool stopped_told_ = false;
};

}  // namespace tensorpool::protocol::driver
