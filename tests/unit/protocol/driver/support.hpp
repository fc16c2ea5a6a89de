// A driver core on a hand-driven clock: tests are its clients and its files.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/driver/driver_core.hpp"
#include "unit/protocol/support.hpp"

namespace tensorpool::protocol::driver {

using wire::ResponseCode;
using wire::driver::HugepagesPolicy;
using wire::driver::LeaseRevokeReason;
using wire::driver::PublishMode;
using wire::driver::Role;
using wire::driver::ShmAttachRequest;
using wire::driver::ShmAttachResponse;
using wire::driver::ShutdownReason;

inline constexpr std::uint32_t other_stream = 10001;
inline constexpr std::uint32_t range_first = 20000;
inline constexpr std::uint32_t range_last = 20002;
inline constexpr std::uint64_t first_lease = 7'000'000'000;

inline Settings test_settings() {
  Settings settings;
  settings.first_lease_id = first_lease;
  settings.profiles = {{"small", 8, {{1, 4096}, {2, 65536}}}, {"bare", 8, {}}};
  settings.streams = {{test_stream, "small"}, {other_stream, "small"}};
  return settings;
}

inline Settings dynamic_settings() {
  Settings settings = test_settings();
  settings.allow_dynamic_streams = true;
  settings.stream_id_range = {{range_first, range_last}};
  return settings;
}

// What the agent would answer to a CreateRegions.
inline wire::ShmPoolAnnounce regions_of(const shm::StreamLayout& layout) {
  wire::ShmPoolAnnounce regions;
  const std::string path = "shm:file?path=/dev/shm/" + std::to_string(layout.stream_id) + "/" +
                           std::to_string(layout.epoch) + "/";
  regions.epoch = layout.epoch;
  regions.layout_version = layout.layout_version;
  regions.header_nslots = layout.nslots;
  regions.header_slot_bytes = static_cast<std::uint16_t>(layout.header_slot_bytes);
  regions.header_region_uri = path + "header.ring";
  for (const shm::PoolSpec& pool : layout.pools) {
    regions.payload_pools.push_back({pool.pool_id, layout.nslots, pool.stride_bytes,
                                     path + std::to_string(pool.pool_id) + ".pool"});
  }
  return regions;
}

class Harness {
 public:
  using Done = std::vector<Action>;

  explicit Harness(Settings settings = test_settings()) : core(std::move(settings), now) {}

  void advance(base::Nanos by) {
    now.monotonic += by;
    now.realtime += by;
  }
  std::uint64_t clock() const { return static_cast<std::uint64_t>(now.monotonic); }

  ShmAttachRequest request(Role role, std::uint32_t client_id,
                           std::uint32_t stream_id = test_stream) {
    ShmAttachRequest request;
    request.correlation_id = next_correlation++;
    request.stream_id = stream_id;
    request.client_id = client_id;
    request.role = role;
    return request;
  }
  Done attach(const ShmAttachRequest& request) {
    core.on_attach(now, request, list);
    return list.take();
  }
  // Answers the creation that `done` asks for, with an epoch `above` the one asked for.
  Done created(const Done& done, std::uint64_t above = 0) {
    const CreateRegions* create = find<CreateRegions>(done);
    EXPECT_NE(create, nullptr);
    if (create == nullptr) return {};
    shm::StreamLayout layout = create->layout;
    layout.epoch += above;
    core.on_created(now, create->request_id, regions_of(layout), list);
    return list.take();
  }
  Done create_failed(const Done& done, Code code = Code::system_error) {
    const CreateRegions* create = find<CreateRegions>(done);
    EXPECT_NE(create, nullptr);
    if (create == nullptr) return {};
    core.on_create_failed(now, create->request_id,
                          Error(code, "create_stream", "the disk is on fire"), list);
    return list.take();
  }
  Done collected(const CollectEpochs& collect, std::size_t removed = 0, std::size_t failed = 0,
                 std::size_t young = 0) {
    core.on_collected(now, collect.request_id, removed, failed, list, young);
    return list.take();
  }
  Done keepalive(const LeaseKey& key) {
    core.on_keepalive(now, {key.lease_id, key.stream_id, key.client_id, key.role, clock()}, list);
    return list.take();
  }
  Done detach(const LeaseKey& key, std::int64_t correlation_id = 99) {
    core.on_detach(now, {correlation_id, key.lease_id, key.stream_id, key.client_id, key.role},
                   list);
    return list.take();
  }
  Done revoke(std::uint64_t lease_id, std::string_view text = "by hand") {
    EXPECT_TRUE(core.revoke(now, lease_id, text, list));
    return list.take();
  }
  Done hello(const wire::ConsumerHello& message) {
    core.on_hello(now, message, list);
    return list.take();
  }
  Done shutdown(std::string token, ShutdownReason reason = ShutdownReason::admin,
                std::string text = {}) {
    core.on_shutdown_request(now, {1, reason, std::move(token), std::move(text)}, list);
    return list.take();
  }
  // As an agent does it: nothing waits in the inbox, and all that is due now.
  Done timer() {
    core.on_drained();
    Done all;
    do {
      core.on_timer(now, list);
      for (Action& action : list.take()) all.push_back(std::move(action));
    } while (core.deadline() <= now.monotonic);
    return all;
  }

  // Attaches, with its regions if there must be any. Empty when it was refused.
  std::optional<LeaseKey> lease(Role role, std::uint32_t client_id,
                                std::uint32_t stream_id = test_stream) {
    return lease(request(role, client_id, stream_id));
  }
  std::optional<LeaseKey> lease(const ShmAttachRequest& request) {
    Done done = attach(request);
    if (find<CreateRegions>(done) != nullptr) done = created(done);
    const ShmAttachResponse* response = answer_in(done);
    if (response == nullptr || response->code != ResponseCode::ok) return std::nullopt;
    if (const CollectEpochs* collect = find<CollectEpochs>(done)) (void)collected(*collect);
    return LeaseKey{response->lease_id.value_or(0), response->stream_id.value_or(0),
                    request.client_id, request.role};
  }

  static const ShmAttachResponse* answer_in(const Done& done) {
    const SendAttachResponse* send = find<SendAttachResponse>(done);
    return send == nullptr ? nullptr : &send->message;
  }
  static const wire::ShmPoolAnnounce* announce_in(const Done& done) {
    const SendAnnounce* send = find<SendAnnounce>(done);
    return send == nullptr ? nullptr : &send->message;
  }
  static const wire::driver::ShmLeaseRevoked* notice_in(const Done& done) {
    const SendLeaseRevoked* send = find<SendLeaseRevoked>(done);
    return send == nullptr ? nullptr : &send->message;
  }
  static const wire::driver::ShmDetachResponse* detached_in(const Done& done) {
    const SendDetachResponse* send = find<SendDetachResponse>(done);
    return send == nullptr ? nullptr : &send->message;
  }
  static std::size_t events(const Done& done, Event event) {
    std::size_t n = 0;
    for (const Action& action : done) {
      const Report* report = std::get_if<Report>(&action);
      if (report != nullptr && report->event == event) ++n;
    }
    return n;
  }
  // Where the first action of kind A stands; the number of actions when there is none.
  template <class A>
  static std::size_t place(const Done& done) {
    std::size_t i = 0;
    while (i < done.size() && !std::holds_alternative<A>(done[i])) ++i;
    return i;
  }

  std::uint64_t count_of(Count what) const { return core.counters().of(what); }
  std::uint64_t refused(AttachRefusal why) const { return core.counters().of(why); }

  Now now{100 * second, 1'700'000'000 * second};
  std::int64_t next_correlation = 5000;
  Actions list;
  DriverCore core;
};

// A refusal as the table words it: code, text, nothing else (DRV-66 to DRV-68).
inline ::testing::AssertionResult is_refusal(const Harness::Done& done,
                                             const ShmAttachRequest& request, ResponseCode code,
                                             std::string_view text) {
  const ShmAttachResponse* response = Harness::answer_in(done);
  if (response == nullptr) return ::testing::AssertionFailure() << "no answer";
  ShmAttachResponse expected;
  expected.correlation_id = request.correlation_id;
  expected.code = code;
  expected.error_message = std::string(text);
  if (*response == expected) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << wire::protocol_name(response->code) << " \""
                                       << response->error_message << "\", or a field is not null";
}

}  // namespace tensorpool::protocol::driver
