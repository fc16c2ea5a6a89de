// The table of A4.2, row by row and in its order, and what an OK response holds.
#include <gtest/gtest.h>

#include <string>

#include "base/limits.hpp"
#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

constexpr auto rejected = ResponseCode::rejected;
constexpr auto invalid = ResponseCode::invalid_params;
constexpr auto unsupported = ResponseCode::unsupported;

// Proves: DRV-17, DRV-35, DRV-56, MSG-23, MSG-98
TEST(DriverAttach, Row1AnotherSchemaVersionIsUnsupported) {
  Harness d;
  d.core.on_attach_version(d.now, -17, d.list);
  ShmAttachRequest request;
  request.correlation_id = -17;
  EXPECT_TRUE(is_refusal(d.list.take(), request, unsupported, "unsupported driver schema version"));
  EXPECT_EQ(d.refused(AttachRefusal::schema_version), 1U);
}

// Proves: DRV-26, DRV-56, DRV-57, DRV-66, DRV-67, DRV-68
TEST(DriverAttach, Rows3To6ReadTheRequestItself) {
  Harness d;
  ShmAttachRequest r = d.request(static_cast<Role>(7), 0);
  r.publish_mode = static_cast<PublishMode>(9);
  r.require_hugepages = static_cast<HugepagesPolicy>(5);
  // All of them are wrong: the order decides.
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "invalid role"));
  r.role = static_cast<Role>(0);
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "invalid role"));
  r.role = Role::consumer;
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "client_id must be non-zero"));
  r.client_id = 5;
  EXPECT_TRUE(is_refusal(d.attach(r), r, unsupported, "unsupported publish_mode"));
  r.publish_mode = static_cast<PublishMode>(0);
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "unknown hugepages policy"));
  EXPECT_EQ(d.core.leases().size(), 0U);
  EXPECT_EQ(d.core.pending(), 0U);
}

// Proves: MSG-96
TEST(DriverAttach, AModeOfZeroMeansRequireExisting) {
  Harness d(dynamic_settings());
  ShmAttachRequest r = d.request(Role::consumer, 5, range_first);
  r.publish_mode = static_cast<PublishMode>(0);
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "stream not provisioned"));
  r.publish_mode.reset();
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "stream not provisioned"));
  EXPECT_NE(find<CreateRegions>(d.attach(d.request(Role::consumer, 5))), nullptr);
}

TEST(DriverAttach, Row7ACopyIsAnsweredWithTheSameLeaseAgain) {
  Harness d;
  const ShmAttachRequest r = d.request(Role::producer, 5);
  const ShmAttachResponse first = *Harness::answer_in(d.created(d.attach(r)));
  d.advance(second);
  (void)d.keepalive({*first.lease_id, test_stream, 5, Role::producer});
  const auto done = d.attach(r);
  ASSERT_EQ(done.size(), 1U);
  ShmAttachResponse expected = first;
  expected.lease_expiry_timestamp_ns = d.clock() + 3'000'000'000;
  EXPECT_EQ(*Harness::answer_in(done), expected);  // as the stream is now
  EXPECT_EQ(d.core.leases().size(), 1U);
  // Any difference makes it another request.
  for (int field = 0; field < 3; ++field) {
    ShmAttachRequest other = r;
    if (field == 0) ++other.correlation_id;
    if (field == 1) other.role = Role::consumer;
    if (field == 2) other.stream_id = other_stream;
    EXPECT_TRUE(is_refusal(d.attach(other), other, rejected, "client_id already attached"))
        << field;
  }
}

TEST(DriverAttach, Row7ACopyOfARequestForANewStreamIsKnownByItsZero) {
  Harness d(dynamic_settings());
  ShmAttachRequest r = d.request(Role::producer, 5, 0);
  r.publish_mode = PublishMode::existing_or_create;
  const ShmAttachResponse first = *Harness::answer_in(d.created(d.attach(r)));
  EXPECT_EQ(first.stream_id, range_first);
  EXPECT_EQ(*Harness::answer_in(d.attach(r)), first);
  r.stream_id = range_first;
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "client_id already attached"));
}

TEST(DriverAttach, Row7TheCopyOfARequestInProgressGetsNoAnswerOfItsOwn) {
  Harness d;
  const ShmAttachRequest r = d.request(Role::producer, 5);
  const auto first = d.attach(r);
  EXPECT_TRUE(d.attach(r).empty());
  EXPECT_EQ(d.count_of(Count::copies_dropped), 1U);
  ShmAttachRequest other = r;
  ++other.correlation_id;
  EXPECT_TRUE(is_refusal(d.attach(other), other, rejected, "attach already in progress"));
  EXPECT_EQ(count<SendAttachResponse>(d.created(first)), 1U);
}

TEST(DriverAttach, Row7ACopyIsNotAnsweredWithRegionsThatAreNotThere) {
  Harness d;
  const LeaseKey producer = *d.lease(Role::producer, 5);
  const ShmAttachRequest r = d.request(Role::consumer, 6);
  ASSERT_TRUE(d.lease(r));
  const auto ended = d.detach(producer);
  EXPECT_TRUE(d.attach(r).empty());
  (void)d.created(ended);
  EXPECT_EQ(Harness::answer_in(d.attach(r))->code, ResponseCode::ok);
}

// Proves: DRV-23, DRV-24, DRV-58
TEST(DriverAttach, Row8AClientIdHasOneLeaseWhateverItsStreamAndRole) {
  Harness d;
  ASSERT_TRUE(d.lease(Role::consumer, 5));
  const ShmAttachRequest r = d.request(Role::producer, 5, other_stream);
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "client_id already attached"));
}

// Proves: DRV-48, DRV-50
TEST(DriverAttach, Row9AnUnknownStreamIsNotProvisioned) {
  Harness d;
  for (const std::uint32_t id : {0U, 1U, 4294967295U}) {
    ShmAttachRequest r = d.request(Role::producer, 5, id);
    EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "stream not provisioned"));
    r.publish_mode = PublishMode::require_existing;
    EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "stream not provisioned"));
    r.publish_mode = PublishMode::existing_or_create;  // asked for, but not allowed
    EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "stream not provisioned"));
  }
}

// Proves: DRV-157, DRV-158, DRV-162
TEST(DriverAttach, Rows10To12AskTheRange) {
  Settings settings = dynamic_settings();
  settings.stream_id_range.clear();
  Harness none(settings);
  ShmAttachRequest r = none.request(Role::producer, 5, range_first);
  r.publish_mode = PublishMode::existing_or_create;
  EXPECT_TRUE(is_refusal(none.attach(r), r, invalid, "stream_id_range not configured"));

  Harness d(dynamic_settings());
  r.stream_id = range_last + 1;
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "stream_id outside stream_id_range"));
  r.stream_id = 0;
  for (std::uint32_t client = 10; client < 13; ++client) {
    r.client_id = client;
    ASSERT_TRUE(d.lease(r));
  }
  r.client_id = 13;
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "stream_id_range exhausted"));
}

// Proves: DRV-46, DRV-47, DRV-54
TEST(DriverAttach, Rows13To15AskTheProfile) {
  Settings settings = test_settings();
  settings.streams = {{1, "nowhere"}, {2, "bare"}, {3, "small"}};
  Harness d(settings);
  ShmAttachRequest r = d.request(Role::producer, 5, 1);
  r.expected_layout_version = 2;
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "profile not found"));
  r.stream_id = 2;
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "layout_version mismatch"));
  r.expected_layout_version = 1;
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "stream has no payload pools"));
  r.stream_id = 3;
  EXPECT_EQ(Harness::answer_in(d.created(d.attach(r)))->layout_version, 1U);
  r.client_id = 6;
  r.role = Role::consumer;
  r.expected_layout_version = 0;
  EXPECT_EQ(Harness::answer_in(d.attach(r))->layout_version, 1U);
}

// Proves: DRV-7, DRV-8
TEST(DriverAttach, Row16AStreamHasOneProducer) {
  Harness d;
  const auto first = d.attach(d.request(Role::producer, 5));
  ShmAttachRequest r = d.request(Role::producer, 6);
  // Also while the regions of the first are being created.
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "producer already attached"));
  (void)d.created(first);
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "producer already attached"));
  EXPECT_TRUE(d.lease(Role::producer, 6, other_stream));
}

// Proves: DRV-51, DRV-52, DRV-53
TEST(DriverAttach, Rows17And18AskForPages) {
  const auto ask = [](bool hugetlbfs, bool policy, HugepagesPolicy wanted) {
    Settings settings = test_settings();
    settings.hugetlbfs = hugetlbfs;
    settings.require_hugepages = policy;
    Harness d(settings);
    ShmAttachRequest r = d.request(Role::producer, 5);
    r.require_hugepages = wanted;
    const auto done = d.attach(r);
    if (const CreateRegions* create = find<CreateRegions>(done)) {
      return std::string(create->require_hugepages ? "huge" : "plain");
    }
    EXPECT_EQ(Harness::answer_in(done)->code, rejected);
    return Harness::answer_in(done)->error_message;
  };
  EXPECT_EQ(ask(false, false, HugepagesPolicy::unspecified), "plain");
  EXPECT_EQ(ask(false, false, HugepagesPolicy::standard), "plain");
  EXPECT_EQ(ask(false, false, HugepagesPolicy::hugepages), "hugepages not available");
  EXPECT_EQ(ask(true, false, HugepagesPolicy::hugepages), "huge");
  EXPECT_EQ(ask(true, false, HugepagesPolicy::standard), "standard pages requested");
  EXPECT_EQ(ask(true, true, HugepagesPolicy::unspecified), "huge");
  EXPECT_EQ(ask(true, false, HugepagesPolicy::unspecified), "plain");
  EXPECT_EQ(ask(false, true, HugepagesPolicy::unspecified), "hugepages not available");
}

// Proves: DRV-40, DRV-42
TEST(DriverAttach, Rows19And20AskForTheNodeId) {
  Harness d;
  ShmAttachRequest r = d.request(Role::consumer, 5);
  r.desired_node_id = 0;
  EXPECT_TRUE(is_refusal(d.attach(r), r, invalid, "desired node_id invalid"));
  r.desired_node_id = 70000;
  const LeaseKey key = *d.lease(r);
  ShmAttachRequest other = d.request(Role::consumer, 6);
  other.desired_node_id = 70000;
  EXPECT_TRUE(is_refusal(d.attach(other), other, rejected, "desired node_id unavailable"));
  (void)d.detach(key);
  EXPECT_TRUE(
      is_refusal(d.attach(other), other, rejected, "desired node_id unavailable"));  // it rests
  d.advance(second);
  EXPECT_TRUE(d.lease(other));
}

TEST(DriverAttach, Row21TheNumberOfLeasesIsLimitedWaitingOnesIncluded) {
  Settings settings = test_settings();
  settings.max_leases = 2;
  Harness d(settings);
  const LeaseKey key = *d.lease(Role::consumer, 5);
  const auto waiting = d.attach(d.request(Role::producer, 6));
  ShmAttachRequest r = d.request(Role::consumer, 7);
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "too many leases"));
  (void)d.created(waiting);
  EXPECT_TRUE(is_refusal(d.attach(r), r, rejected, "too many leases"));
  (void)d.detach(key);
  EXPECT_TRUE(d.lease(r));
}

// Proves: DRV-59, DRV-185
TEST(DriverAttach, Row22RegionsThatCannotBeCreated) {
  Harness d;
  const ShmAttachRequest r = d.request(Role::producer, 5);
  const auto done = d.create_failed(d.attach(r));
  EXPECT_TRUE(
      is_refusal(done, r, ResponseCode::internal_error,
                 "failed to provision SHM: create_stream: system_error: the disk is on fire"));
  EXPECT_EQ(d.core.leases().size(), 0U);
  EXPECT_EQ(d.core.node_ids().in_use(), 0U);
  EXPECT_EQ(d.core.pending(), 0U);
  EXPECT_TRUE(d.lease(r));
}

// Proves: DRV-69, MSG-109, DRV-70
TEST(DriverAttach, ALongOrUnprintableReasonIsMadeSendable) {
  Harness d;
  const auto asked = d.attach(d.request(Role::producer, 5));
  std::string reason(5000, 'x');
  reason[0] = '\n';
  d.core.on_create_failed(d.now, find<CreateRegions>(asked)->request_id,
                          Error(Code::system_error, "create_stream", reason), d.list);
  const auto done = d.list.take();
  const std::string text = Harness::answer_in(done)->error_message;
  EXPECT_EQ(text.size(), 1024U);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_NE(text.find("?xxx"), std::string::npos);
}

// Proves: DRV-55, DRV-63, DRV-64, DRV-65, DRV-73, DRV-74
TEST(DriverAttach, AnOkResponseIsCompleteAndComesAfterTheRegions) {
  Harness d;
  ShmAttachRequest r = d.request(Role::producer, 5);
  r.desired_node_id = 12;
  const auto asked = d.attach(r);
  EXPECT_EQ(Harness::answer_in(asked), nullptr);
  EXPECT_EQ(d.core.leases().size(), 0U);
  const auto done = d.created(asked);
  EXPECT_EQ(d.core.leases().size(), 1U);
  const wire::ShmPoolAnnounce regions = regions_of(find<CreateRegions>(asked)->layout);
  ShmAttachResponse expected;
  expected.correlation_id = r.correlation_id;
  expected.code = ResponseCode::ok;
  expected.lease_id = first_lease;
  expected.lease_expiry_timestamp_ns = d.clock() + 3'000'000'000;
  expected.stream_id = test_stream;
  expected.epoch = d.clock();
  expected.layout_version = 1;
  expected.header_nslots = 8;
  expected.header_slot_bytes = 256;
  expected.node_id = 12;
  expected.payload_pools = regions.payload_pools;
  expected.header_region_uri = regions.header_region_uri;
  EXPECT_EQ(*Harness::answer_in(done), expected);
  EXPECT_EQ(expected.payload_pools.size(), 2U);
}

// Proves: DRV-87, MSG-99, MSG-100, MSG-101, MSG-110
TEST(DriverAttach, ManyConsumersAttachToOneStream) {
  Harness d;
  ASSERT_TRUE(d.lease(Role::producer, 5));
  for (std::uint32_t client = 6; client < 40; ++client) {
    const auto done = d.attach(d.request(Role::consumer, client));
    const ShmAttachResponse* response = Harness::answer_in(done);
    ASSERT_NE(response, nullptr);
    EXPECT_EQ(response->lease_id, first_lease + client - 5);
    EXPECT_TRUE(response->node_id.has_value());
    EXPECT_EQ(response->payload_pools.size(), 2U);
    EXPECT_FALSE(response->header_region_uri.empty());
    EXPECT_EQ(find<CreateRegions>(done), nullptr);
  }
}

TEST(DriverAttach, AFloodIsRefusedAndCountedAndNobodyElseNotices) {
  Settings settings = dynamic_settings();
  settings.max_leases = 65536;
  Harness d(settings);
  const LeaseKey key = *d.lease(Role::producer, 1);
  const std::size_t limit = base::limits::driver_pending_attaches;
  for (std::uint32_t client = 2; client < 2 + limit + 50; ++client) {
    (void)d.attach(d.request(Role::consumer, client, other_stream));
  }
  EXPECT_EQ(d.core.pending(), limit);
  EXPECT_EQ(d.refused(AttachRefusal::too_many_pending), 50U);
  EXPECT_TRUE(d.keepalive(key).empty());
  EXPECT_EQ(d.count_of(Count::keepalives), 1U);
  d.advance(second);
  EXPECT_EQ(count<SendAnnounce>(d.timer()), 1U);
  EXPECT_NE(d.core.leases().all().find(key.lease_id), d.core.leases().all().end());
}

}  // namespace
}  // namespace tensorpool::protocol::driver
