// A4 of docs/protocol/04-driver.md from the client's side: what is asked, what of the answer is believed, and
// what follows when it is not.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "base/limits.hpp"
#include "protocol/attach_check.hpp"
#include "unit/protocol/lease/support.hpp"

namespace tensorpool::protocol {
namespace {

using wire::driver::HugepagesPolicy;
using wire::driver::PublishMode;

// Proves: CON-46
TEST(LeaseAttach, TheRequestSaysWhatTheSettingsSay) {
  LeaseSettings settings = lease_settings(Role::producer);
  settings.publish_mode = PublishMode::existing_or_create;
  settings.hugepages = HugepagesPolicy::hugepages;
  settings.desired_node_id = 9;
  LeaseHarness h(settings);
  const auto done = h.timer();
  ASSERT_EQ(done.size(), 1U);
  const SendAttach* sent = find<SendAttach>(done);
  ASSERT_NE(sent, nullptr);
  const ShmAttachRequest& r = sent->message;
  EXPECT_EQ(r.stream_id, test_stream);
  EXPECT_EQ(r.client_id, test_client);
  EXPECT_EQ(r.role, Role::producer);
  EXPECT_EQ(r.publish_mode, PublishMode::existing_or_create);
  EXPECT_EQ(r.require_hugepages, HugepagesPolicy::hugepages);
  EXPECT_EQ(r.expected_layout_version, 1U);
  EXPECT_EQ(r.desired_node_id, 9U);
  EXPECT_EQ(r.correlation_id, h.core.correlation_id());
}

TEST(LeaseAttach, NothingIsAskedBeforeTheLinksAreThere) {
  LeaseCore core(lease_settings(), Now{second, second});
  LeaseActions actions;
  core.on_timer(Now{second, second}, actions);
  EXPECT_TRUE(actions.empty()) << "not started";
  core.start(Now{second, second});
  EXPECT_EQ(core.deadline(), INT64_MAX);
  core.on_links(Now{2 * second, second}, true);
  EXPECT_LE(core.deadline(), 2 * second);
  core.on_timer(Now{2 * second, second}, actions);
  EXPECT_NE(find<SendAttach>(actions.take()), nullptr);
}

// Proves: DRV-32, DRV-34, DRV-33
TEST(LeaseAttach, CorrelationIdsBeginAnywhereAndAreNeverUsedTwice) {
  std::set<std::int64_t> first;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    LeaseSettings settings = lease_settings();
    settings.seed = seed;
    LeaseHarness h(settings);
    const auto done = h.timer();
    first.insert(find<SendAttach>(done)->message.correlation_id);
  }
  EXPECT_EQ(first.size(), 50U);
  EXPECT_FALSE(first.contains(0));

  LeaseHarness h;
  std::set<std::int64_t> seen;
  for (int i = 0; i < 20; ++i) {
    const std::int64_t id = h.attach(test_lease + static_cast<std::uint64_t>(i));
    EXPECT_TRUE(seen.insert(id).second);
    ShmLeaseRevoked notice = h.notice();
    notice.lease_id = test_lease + static_cast<std::uint64_t>(i);
    EXPECT_EQ(LeaseHarness::end_in(h.revoked(notice)), LeaseEnd::revoked);
  }
  EXPECT_EQ(seen.size(), 20U);
}

// Proves: DRV-62, DRV-86, DRV-83, DRV-84
TEST(LeaseAttach, AnUnansweredRequestIsRepeatedAsACopyAndGivenUpInTime) {
  LeaseHarness h;
  const auto first = h.timer();
  const ShmAttachRequest request = find<SendAttach>(first)->message;
  int copies = 0;
  LeaseHarness::Done done;
  const base::Nanos asked = h.now.monotonic;
  while (true) {
    h.advance(h.core.deadline() - h.now.monotonic);
    done = h.timer();
    const SendAttach* copy = find<SendAttach>(done);
    if (copy == nullptr) break;
    EXPECT_EQ(copy->message, request) << "a copy, so that the driver knows it again";
    ++copies;
  }
  EXPECT_EQ(copies, 24);  // every 200 ms of 5 s
  EXPECT_EQ(h.now.monotonic - asked, 5 * second);
  const AttachFailed* failed = find<AttachFailed>(done);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->error.code(), Code::timeout);
  EXPECT_TRUE(failed->news);
  // It backs off, then asks the same again: the driver may be at work on it all this time.
  EXPECT_EQ(h.core.deadline() - h.now.monotonic, 100 * ms);
  h.advance(100 * ms);
  done = h.timer();
  ASSERT_NE(find<SendAttach>(done), nullptr);
  EXPECT_EQ(find<SendAttach>(done)->message, request);
  // Its answer is good even during a backoff.
  EXPECT_NE(find<LeaseGranted>(h.response(h.ok(request.correlation_id))), nullptr);
}

TEST(LeaseAttach, AnAnswerThatComesWhileItBacksOffIsTaken) {
  LeaseHarness h;
  const auto asked = h.timer();
  const std::int64_t id = find<SendAttach>(asked)->message.correlation_id;
  h.advance(5 * second);
  EXPECT_NE(find<AttachFailed>(h.timer()), nullptr);
  EXPECT_NE(find<LeaseGranted>(h.response(h.ok(id))), nullptr);
  EXPECT_EQ(h.core.state(), LeaseState::attached);
}

// Proves: DRV-86, DRV-85
TEST(LeaseAttach, TheBackoffDoublesUpToItsBoundAndBeginsAnewAfterASuccess) {
  LeaseHarness h;
  const base::Nanos expected[] = {100 * ms,  200 * ms,  400 * ms, 800 * ms,
                                  1600 * ms, 3200 * ms, 3200 * ms};
  for (const base::Nanos delay : expected) {
    const auto asked = h.timer();
    ASSERT_NE(find<SendAttach>(asked), nullptr);
    const auto refused = h.response(h.no(find<SendAttach>(asked)->message.correlation_id));
    ASSERT_NE(find<AttachFailed>(refused), nullptr);
    EXPECT_EQ(h.core.deadline() - h.now.monotonic, delay);
    h.advance(delay - 1);
    EXPECT_TRUE(h.timer().empty());
    h.advance(1);
  }
  (void)h.attach();
  EXPECT_EQ(LeaseHarness::end_in(h.revoked(h.notice())), LeaseEnd::revoked);
  EXPECT_EQ(h.core.deadline() - h.now.monotonic, 100 * ms);
}

TEST(LeaseAttach, ARefusalIsNewsOnce) {
  LeaseHarness h;
  const auto refuse = [&](const std::string& text) {
    h.advance(10 * second);
    const auto asked = h.timer();
    const std::int64_t id = find<SendAttach>(asked)->message.correlation_id;
    const auto done = h.response(h.no(id, ResponseCode::rejected, text));
    const AttachFailed* failed = find<AttachFailed>(done);
    EXPECT_NE(failed->error.message().find(text), std::string::npos);
    EXPECT_EQ(failed->error.code(), Code::rejected);
    return failed->news;
  };
  EXPECT_TRUE(refuse("driver draining"));
  EXPECT_FALSE(refuse("driver draining"));
  EXPECT_TRUE(refuse("too many leases"));
  EXPECT_TRUE(refuse("driver draining"));
}

// Proves: DRV-27
TEST(LeaseAttach, AnotherClientIdIsTakenOnlyWhenItIsOursAndThatIsTheReason) {
  for (const bool ours : {false, true}) {
    LeaseSettings settings = lease_settings();
    settings.client_id_is_ours = ours;
    LeaseHarness h(settings);
    auto asked = h.timer();
    const std::int64_t first = find<SendAttach>(asked)->message.correlation_id;
    (void)h.response(h.no(first, ResponseCode::rejected, "producer already attached"));
    EXPECT_EQ(h.core.client_id(), test_client);
    h.advance(second);
    asked = h.timer();
    (void)h.response(h.no(find<SendAttach>(asked)->message.correlation_id, ResponseCode::rejected,
                          "client_id already attached"));
    h.advance(second);
    asked = h.timer();
    const ShmAttachRequest& next = find<SendAttach>(asked)->message;
    EXPECT_EQ(next.client_id == test_client, !ours);
    EXPECT_NE(next.client_id, 0U);
    EXPECT_NE(next.correlation_id, first);
    EXPECT_EQ(next.client_id, h.core.client_id());
  }
}

// Proves: DRV-36, DRV-37
TEST(LeaseAttach, NothingOverridesAnAcceptedOk) {
  LeaseHarness h;
  const std::int64_t id = h.attach();
  EXPECT_TRUE(h.response(h.no(id, ResponseCode::rejected, "client_id already attached")).empty());
  EXPECT_TRUE(h.response(h.ok(id, test_lease + 1)).empty());
  ASSERT_NE(h.core.lease(), nullptr);
  EXPECT_EQ(h.core.lease()->lease_id, test_lease);
}

TEST(LeaseAttach, ALateAnswerToAnAttachThatIsOverIsNotTaken) {
  LeaseHarness h;
  const std::int64_t id = h.attach();
  EXPECT_EQ(LeaseHarness::end_in(h.revoked(h.notice())), LeaseEnd::revoked);
  EXPECT_TRUE(h.response(h.ok(id)).empty()) << "while it backs off";
  h.advance(second);
  EXPECT_NE(find<SendAttach>(h.timer()), nullptr);
  EXPECT_TRUE(h.response(h.ok(id)).empty()) << "while the next one is under way";
  EXPECT_EQ(h.core.lease(), nullptr);
  EXPECT_EQ(h.core.state(), LeaseState::connecting);
}

TEST(LeaseAttach, AnswersToOthersAreNoneOfOurs) {
  LeaseHarness h;
  const auto asked = h.timer();
  const std::int64_t id = find<SendAttach>(asked)->message.correlation_id;
  EXPECT_TRUE(h.response(h.ok(id + 1)).empty());
  EXPECT_TRUE(h.response(h.ok(0)).empty());
  EXPECT_NE(find<LeaseGranted>(h.response(h.ok(id))), nullptr);
}

TEST(LeaseAttach, AGrantCarriesTheLeaseAndWhatToMap) {
  LeaseHarness h;
  const auto asked = h.timer();
  const auto done = h.response(h.ok(find<SendAttach>(asked)->message.correlation_id));
  const LeaseGranted* granted = find<LeaseGranted>(done);
  ASSERT_NE(granted, nullptr);
  EXPECT_EQ(granted->lease.lease_id, test_lease);
  EXPECT_EQ(granted->lease.client_id, test_client);
  EXPECT_EQ(granted->lease.stream_id, test_stream);
  EXPECT_EQ(granted->lease.epoch, test_epoch);
  EXPECT_EQ(granted->lease.node_id, 3U);
  EXPECT_EQ(granted->lease.deadline_ns, h.now.monotonic + 3 * second);
  EXPECT_EQ(granted->regions.epoch, test_epoch);
  EXPECT_EQ(granted->regions.payload_pools.size(), 2U);
  EXPECT_EQ(granted->regions.header_region_uri, "shm:file?path=/dev/shm/a/header.ring");
  EXPECT_EQ(h.core.state(), LeaseState::attached);
}

struct Broken {
  const char* what;
  std::function<void(ShmAttachResponse&)> how;
};

std::vector<Broken> broken_responses() {
  const std::string too_long(base::limits::uri_bytes + 1, 'x');
  return {
      {"1: an undefined code", [](auto& r) { r.code = static_cast<ResponseCode>(5); }},
      {"1: a null code", [](auto& r) { r.code = static_cast<ResponseCode>(INT32_MIN); }},
      {"2: no lease id", [](auto& r) { r.lease_id.reset(); }},
      {"2: lease id 0", [](auto& r) { r.lease_id = 0; }},
      {"2: no stream id", [](auto& r) { r.stream_id.reset(); }},
      {"2: no epoch", [](auto& r) { r.epoch.reset(); }},
      {"2: epoch 0", [](auto& r) { r.epoch = 0; }},
      {"2: no layout version", [](auto& r) { r.layout_version.reset(); }},
      {"2: no slot count", [](auto& r) { r.header_nslots.reset(); }},
      {"2: no slot size", [](auto& r) { r.header_slot_bytes.reset(); }},
      {"3: another slot size", [](auto& r) { r.header_slot_bytes = 128; }},
      {"4: no power of two",
       [](auto& r) {
         r.header_nslots = 12;
         for (auto& pool : r.payload_pools) pool.pool_nslots = 12;
       }},
      {"4: no slots",
       [](auto& r) {
         r.header_nslots = 0;
         for (auto& pool : r.payload_pools) pool.pool_nslots = 0;
       }},
      {"5: no pools", [](auto& r) { r.payload_pools.clear(); }},
      {"5: a pool id twice", [](auto& r) { r.payload_pools[1].pool_id = 1; }},
      {"5: more pools than this library maps",
       [](auto& r) {
         for (std::uint16_t id = 10; id < 30; ++id)
           r.payload_pools.push_back({id, 8, 64, "shm:file?path=/dev/shm/a/b"});
       }},
      {"6: another slot count", [](auto& r) { r.payload_pools[1].pool_nslots = 16; }},
      {"6: a null slot count", [](auto& r) { r.payload_pools[0].pool_nslots = wire::null_u32; }},
      {"7: no stride", [](auto& r) { r.payload_pools[0].stride_bytes = 0; }},
      {"7: a null stride", [](auto& r) { r.payload_pools[0].stride_bytes = wire::null_u32; }},
      {"7: no multiple of 64", [](auto& r) { r.payload_pools[0].stride_bytes = 100; }},
      {"8: no header URI", [](auto& r) { r.header_region_uri.clear(); }},
      {"8: a blank header URI", [](auto& r) { r.header_region_uri = " \t "; }},
      {"8: a long header URI", [=](auto& r) { r.header_region_uri = too_long; }},
      {"8: no pool URI", [](auto& r) { r.payload_pools[1].region_uri.clear(); }},
      {"8: a blank pool URI", [](auto& r) { r.payload_pools[1].region_uri = "   "; }},
      {"9: another layout version", [](auto& r) { r.layout_version = 2; }},
      {"10: another stream", [](auto& r) { r.stream_id = test_stream + 1; }},
  };
}

// Proves: DRV-75, DRV-76, DRV-77, DRV-78, DRV-81, DRV-82
TEST(LeaseAttach, EveryCheckOfTheTableFailsClosed) {
  for (const Broken& broken : broken_responses()) {
    SCOPED_TRACE(broken.what);
    LeaseHarness h;
    const auto asked = h.timer();
    const ShmAttachRequest request = find<SendAttach>(asked)->message;
    ShmAttachResponse response = h.ok(request.correlation_id);
    broken.how(response);
    const auto done = h.response(response);
    EXPECT_EQ(find<LeaseGranted>(done), nullptr);
    EXPECT_EQ(h.core.lease(), nullptr);
    const AttachFailed* failed = find<AttachFailed>(done);
    ASSERT_NE(failed, nullptr);
    EXPECT_EQ(failed->error.code(), Code::malformed_message);
    // The driver counts a lease; it gets it back, before it is asked again.
    const SendDetach* detach = find<SendDetach>(done);
    ASSERT_EQ(detach != nullptr, response.lease_id.has_value());
    if (detach != nullptr) {
      EXPECT_EQ(detach->message.lease_id, *response.lease_id);
      EXPECT_EQ(detach->message.client_id, test_client);
    }
    EXPECT_EQ(h.core.deadline() - h.now.monotonic, 100 * ms);
    // What was refused is not taken when it comes again.
    EXPECT_TRUE(h.response(h.ok(request.correlation_id)).empty());
    h.advance(100 * ms);
    const auto again = h.timer();
    ASSERT_NE(find<SendAttach>(again), nullptr);
    EXPECT_NE(find<SendAttach>(again)->message.correlation_id, request.correlation_id);
  }
}

// Proves: MSG-102, MSG-103, MSG-104, MSG-105, MSG-106
TEST(LeaseAttach, AFaultNamesItsField) {
  LeaseHarness h;
  EXPECT_FALSE(fault_of(h.ok(1), test_stream));
  EXPECT_FALSE(fault_of(h.ok(1), 0)) << "any stream will do";
  for (const Broken& broken : broken_responses()) {
    ShmAttachResponse response = h.ok(1);
    broken.how(response);
    const auto fault = fault_of(response, test_stream);
    ASSERT_TRUE(fault) << broken.what;
    EXPECT_FALSE(fault->empty());
  }
}

TEST(LeaseAttach, ALeaseThatIsOverWhenItIsReadIsNotBegun) {
  LeaseHarness h;
  const auto asked = h.timer();
  const ShmAttachResponse response = h.ok(find<SendAttach>(asked)->message.correlation_id);
  h.advance(3 * second + 1);
  const auto done = h.response(response);
  EXPECT_EQ(find<LeaseGranted>(done), nullptr);
  EXPECT_NE(find<SendDetach>(done), nullptr);
  ASSERT_NE(find<AttachFailed>(done), nullptr);
  EXPECT_EQ(find<AttachFailed>(done)->error.code(), Code::lease_ended);
}

TEST(LeaseAttach, ANewStreamIsAskedForOnceAndThenByItsId) {
  LeaseSettings settings = lease_settings(Role::producer);
  settings.stream_id = 0;
  LeaseHarness h(settings);
  auto asked = h.timer();
  EXPECT_EQ(find<SendAttach>(asked)->message.stream_id, 0U);
  (void)h.response(h.ok(find<SendAttach>(asked)->message.correlation_id));
  h.core.on_mapped(test_lease);
  EXPECT_EQ(h.core.stream_id(), test_stream);
  EXPECT_NE(LeaseHarness::end_in(h.revoked(h.notice())), LeaseEnd::none);
  h.advance(second);
  asked = h.timer();
  EXPECT_EQ(find<SendAttach>(asked)->message.stream_id, test_stream);
}

TEST(LeaseAttach, RegionsThatCannotBeMappedEndTheLeaseAndTheBackoffGrows) {
  LeaseHarness h;
  for (const base::Nanos delay : {100 * ms, 200 * ms, 400 * ms}) {
    const auto asked = h.timer();
    ASSERT_NE(find<SendAttach>(asked), nullptr);
    (void)h.response(h.ok(find<SendAttach>(asked)->message.correlation_id));
    h.core.on_map_failed(h.now, test_lease + 1, Error(Code::path_rejected, "map_stream", "x"),
                         h.list);
    EXPECT_TRUE(h.list.empty()) << "of another lease";
    h.core.on_map_failed(h.now, test_lease, Error(Code::path_rejected, "map_stream", "x"), h.list);
    const auto done = h.list.take();
    EXPECT_EQ(LeaseHarness::end_in(done), LeaseEnd::unmappable);
    EXPECT_NE(find<SendDetach>(done), nullptr);
    EXPECT_EQ(h.core.state(), LeaseState::connecting);
    EXPECT_EQ(h.core.deadline() - h.now.monotonic, delay);
    h.advance(delay);
  }
}

// Proves: CON-43
TEST(LeaseAttach, WithoutReattachTheFirstFailureIsFinal) {
  LeaseSettings settings = lease_settings();
  settings.reattach = false;
  {
    LeaseHarness h(settings);
    const auto asked = h.timer();
    (void)h.response(h.no(find<SendAttach>(asked)->message.correlation_id));
    EXPECT_EQ(h.core.state(), LeaseState::ended);
    EXPECT_EQ(h.core.deadline(), INT64_MAX);
  }
  {
    LeaseHarness h(settings);
    (void)h.timer();
    h.advance(5 * second);
    EXPECT_NE(find<AttachFailed>(h.timer()), nullptr);
    EXPECT_EQ(h.core.state(), LeaseState::ended);
    EXPECT_EQ(h.core.deadline(), INT64_MAX);
  }
  LeaseHarness h(settings);
  (void)h.attach();
  EXPECT_EQ(LeaseHarness::end_in(h.revoked(h.notice())), LeaseEnd::revoked);
  EXPECT_EQ(h.core.state(), LeaseState::ended);
  EXPECT_EQ(h.core.deadline(), INT64_MAX);
}

TEST(LeaseAttach, WhatIsGrantedAfterTheCloseIsGivenBack) {
  LeaseHarness h;
  const auto asked = h.timer();
  const std::int64_t id = find<SendAttach>(asked)->message.correlation_id;
  EXPECT_TRUE(h.close().empty());
  EXPECT_EQ(h.core.state(), LeaseState::closing);
  const auto done = h.response(h.ok(id));
  ASSERT_EQ(done.size(), 1U);
  ASSERT_NE(find<SendDetach>(done), nullptr);
  EXPECT_EQ(find<SendDetach>(done)->message.lease_id, test_lease);
  EXPECT_EQ(h.core.state(), LeaseState::closed);
  EXPECT_EQ(h.core.deadline(), INT64_MAX);

  LeaseHarness silent;
  (void)silent.timer();
  (void)silent.close();
  silent.advance(5 * second);
  EXPECT_TRUE(silent.timer().empty());
  EXPECT_EQ(silent.core.state(), LeaseState::closed) << "and nobody waits for ever";
}

}  // namespace
}  // namespace tensorpool::protocol
