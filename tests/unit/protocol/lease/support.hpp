// A lease core on a hand-driven clock: tests are its driver.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "protocol/lease_core.hpp"
#include "unit/protocol/support.hpp"

namespace tensorpool::protocol {

using wire::ResponseCode;
using wire::driver::LeaseRevokeReason;
using wire::driver::Role;
using wire::driver::ShmAttachRequest;
using wire::driver::ShmAttachResponse;
using wire::driver::ShmDriverShutdown;
using wire::driver::ShmLeaseRevoked;
using wire::driver::ShutdownReason;

inline constexpr base::Nanos ms = 1'000'000;
inline constexpr std::uint32_t test_client = 77;
inline constexpr std::uint64_t test_lease = 5'000;
inline constexpr std::uint64_t test_epoch = 900;

inline LeaseSettings lease_settings(Role role = Role::consumer) {
  LeaseSettings settings;
  settings.stream_id = test_stream;
  settings.client_id = test_client;
  settings.role = role;
  settings.seed = 42;
  return settings;
}

class LeaseHarness {
 public:
  using Done = std::vector<LeaseAction>;

  explicit LeaseHarness(LeaseSettings settings = lease_settings()) : core(settings, now) {
    core.start(now);
    core.on_links(now, true);
    core.on_image(session, 50 * second, true);
  }

  void advance(base::Nanos by) {
    now.monotonic += by;
    now.realtime += by;
  }
  std::uint64_t clock() const { return static_cast<std::uint64_t>(now.monotonic); }

  Done timer() {
    core.on_timer(now, list);
    return list.take();
  }
  // Steps from deadline to deadline, every keepalive taken, until `until` or until something was done that
  // is no keepalive.
  Done run(base::Nanos until) {
    while (core.deadline() <= until) {
      advance(std::max<base::Nanos>(0, core.deadline() - now.monotonic));
      Done done = timer();
      if (done.size() == 1 && find<SendKeepalive>(done) != nullptr) {
        ++keepalives;
        done = sent(Sent::taken);
      }
      if (!done.empty()) return done;
    }
    advance(until - now.monotonic);
    return {};
  }
  // The same with an announce each period, so that the driver does not count as lost.
  Done run_hearing(base::Nanos for_ns) {
    const base::Nanos end = now.monotonic + for_ns;
    while (now.monotonic < end) {
      Done done = run(std::min(end, now.monotonic + second));
      if (done.empty()) done = announce(test_epoch);
      if (!done.empty()) return done;
    }
    return {};
  }

  ShmAttachResponse ok(std::int64_t correlation_id, std::uint64_t lease_id = test_lease) const {
    ShmAttachResponse response;
    response.correlation_id = correlation_id;
    response.lease_id = lease_id;
    response.lease_expiry_timestamp_ns = clock() + 3'000'000'000;
    response.stream_id = test_stream;
    response.epoch = test_epoch;
    response.layout_version = 1;
    response.header_nslots = 8;
    response.header_slot_bytes = 256;
    response.node_id = 3;
    response.payload_pools = {{1, 8, 4096, "shm:file?path=/dev/shm/a/1.pool"},
                              {2, 8, 65536, "shm:file?path=/dev/shm/a/2.pool"}};
    response.header_region_uri = "shm:file?path=/dev/shm/a/header.ring";
    return response;
  }
  ShmAttachResponse no(std::int64_t correlation_id, ResponseCode code = ResponseCode::rejected,
                       std::string text = "producer already attached") const {
    ShmAttachResponse response;
    response.correlation_id = correlation_id;
    response.code = code;
    response.error_message = std::move(text);
    return response;
  }
  ShmLeaseRevoked notice(LeaseRevokeReason reason = LeaseRevokeReason::revoked) const {
    ShmLeaseRevoked message;
    message.timestamp_ns = clock();
    message.lease_id = test_lease;
    message.stream_id = test_stream;
    message.client_id = core.client_id();
    message.role = core.lease() != nullptr ? core.lease()->role : Role::consumer;
    message.reason = reason;
    message.error_message = "because";
    return message;
  }

  Done response(const ShmAttachResponse& message) {
    core.on_attach_response(now, message, list);
    return list.take();
  }
  Done revoked(const ShmLeaseRevoked& message) {
    core.on_revoked(now, message, list);
    return list.take();
  }
  Done shutdown(ShutdownReason reason = ShutdownReason::normal) {
    core.on_shutdown(now, ShmDriverShutdown{clock(), reason, "bye"}, list);
    return list.take();
  }
  Done announce(const wire::ShmPoolAnnounce& message) {
    core.on_announce(now, session, message, list);
    return list.take();
  }
  Done announce(std::uint64_t epoch) { return announce(announce_of(epoch, clock())); }
  Done sent(Sent outcome) {
    core.on_keepalive_sent(now, outcome, list);
    return list.take();
  }
  Done close() {
    core.close(now, list);
    return list.take();
  }

  // Asks, and is granted `lease_id`, and maps. Returns the correlation id of the request.
  std::int64_t attach(std::uint64_t lease_id = test_lease) {
    if (core.deadline() > now.monotonic) advance(core.deadline() - now.monotonic);
    const Done asked = timer();
    const SendAttach* request = find<SendAttach>(asked);
    EXPECT_NE(request, nullptr);
    if (request == nullptr) return 0;
    const Done granted = response(ok(request->message.correlation_id, lease_id));
    EXPECT_NE(find<LeaseGranted>(granted), nullptr);
    core.on_mapped(lease_id);
    EXPECT_EQ(core.state(), LeaseState::mapped);
    return request->message.correlation_id;
  }

  static LeaseEnd end_in(const Done& done) {
    const LeaseEnded* ended = find<LeaseEnded>(done);
    return ended == nullptr ? LeaseEnd::none : ended->why;
  }

  static constexpr std::int32_t session = 1;
  Now now{100 * second, 1'700'000'000 * second};
  LeaseActions list;
  LeaseCore core;
  int keepalives = 0;
};

}  // namespace tensorpool::protocol
