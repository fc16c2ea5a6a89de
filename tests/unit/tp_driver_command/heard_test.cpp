// A listener without streams: messages in, tables out.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "support/folder.hpp"
#include "tp/driver_heard.hpp"
#include "tp/json.hpp"
#include "wire/codec.hpp"

namespace tensorpool::cli {
namespace {

namespace driver = wire::driver;
constexpr base::Nanos ms = 1'000'000;
constexpr base::Nanos start = 1'000'000 * ms;

class Hears : public ::testing::Test {
 protected:
  template <class M>
  void say(const M& message, std::int32_t session = 1) {
    std::vector<std::byte> bytes(wire::encoded_size(message));
    ASSERT_TRUE(wire::try_encode(message, bytes));
    heard.hear(bytes, session, now, now);
  }
  wire::ShmPoolAnnounce announce(std::uint32_t stream, std::uint64_t epoch = 1,
                                 std::uint32_t producer = 7) const {
    wire::ShmPoolAnnounce announce;
    announce.stream_id = stream;
    announce.producer_id = producer;
    announce.epoch = epoch;
    announce.announce_timestamp_ns = static_cast<std::uint64_t>(now);
    announce.layout_version = 1;
    announce.header_nslots = 8;
    announce.header_slot_bytes = 256;
    announce.payload_pools = {{1, 8, 4096, "shm:file?path=/nowhere/1.pool"}};
    announce.header_region_uri = "shm:file?path=/nowhere/header.ring";
    return announce;
  }

  Heard heard;
  base::Nanos now = start;
};

TEST_F(Hears, streams_and_how_often_they_are_announced) {
  for (int i = 0; i < 5; ++i) {
    say(announce(10, 3));
    now += 500 * ms;
  }
  say(announce(11, 1, 0));
  ASSERT_EQ(heard.streams().size(), 2U);
  const StreamHeard& stream = heard.streams().at(10);
  const Json json = stream_json(stream, now, {});
  EXPECT_EQ(json["epoch"], 3);
  EXPECT_EQ(json["producer_id"], 7);
  EXPECT_EQ(json["announces"], 5);
  EXPECT_DOUBLE_EQ(json["announces_per_s"].get<double>(), 2.0);
  EXPECT_EQ(json["heard_ms_ago"], 500);
  EXPECT_EQ(json["pools"][0]["stride_bytes"], 4096);
  EXPECT_TRUE(stream_json(heard.streams().at(11), now, {})["producer_id"].is_null());
  EXPECT_EQ(heard.announces_without_producer(), 1U);
  EXPECT_EQ(heard.driver_messages(), 0U);
  EXPECT_NE(stream_line(stream_json(heard.streams().at(11), now, {})).find("none"),
            std::string::npos);
}

TEST_F(Hears, what_changed_and_nothing_else) {
  say(announce(10));
  say(announce(11));
  EXPECT_EQ(heard.take_changed(), (std::set<std::uint32_t>{10, 11}));
  now += 1000 * ms;
  say(announce(10));  // another time only
  EXPECT_TRUE(heard.take_changed().empty());
  say(announce(10, 2));
  EXPECT_EQ(heard.take_changed(), (std::set<std::uint32_t>{10}));
}

TEST_F(Hears, two_publishers_that_take_turns_but_not_one_that_came_anew) {
  say(announce(10), 1);
  say(announce(10), 2);
  EXPECT_FALSE(heard.streams().at(10).two_publishers);
  say(announce(10), 2);
  EXPECT_FALSE(heard.streams().at(10).two_publishers);
  say(announce(10), 1);
  EXPECT_TRUE(heard.streams().at(10).two_publishers);
}

TEST_F(Hears, clocks_that_are_not_its_own) {
  auto late = announce(10);
  late.announce_timestamp_ns -= 60'000'000'000;
  say(late);
  auto early = announce(11);
  early.announce_timestamp_ns = UINT64_MAX;
  say(early);
  EXPECT_NE(stream_faults(heard.streams().at(10)).at(0).find("60.00 s old"), std::string::npos);
  EXPECT_NE(stream_faults(heard.streams().at(11)).at(0).find("ahead"), std::string::npos);
}

TEST_F(Hears, layouts_that_consumers_refuse) {
  auto odd = announce(10);
  odd.payload_pools[0].stride_bytes = 65;
  say(odd);
  EXPECT_NE(stream_faults(heard.streams().at(10)).at(0).find("consumers refuse it: a stride"),
            std::string::npos);
}

TEST_F(Hears, malformed_messages_with_their_reasons) {
  auto bad = announce(10);
  bad.payload_pools.clear();
  say(bad);
  say(bad);
  std::vector<std::byte> cut(wire::encoded_size(announce(11)));
  ASSERT_TRUE(wire::try_encode(announce(11), cut));
  cut.resize(30);
  heard.hear(cut, 1, now, now);
  heard.hear({cut.data(), 3}, 1, now, now);
  EXPECT_TRUE(heard.streams().empty());
  EXPECT_EQ(heard.malformed(), 4U);
  EXPECT_EQ(heard.malformed_reasons().size(), 3U);
  // Other protocols may share the stream.
  std::vector<std::byte> foreign(64, std::byte{0x7F});
  heard.hear(foreign, 1, now, now);
  EXPECT_EQ(heard.malformed(), 4U);
}

TEST_F(Hears, no_more_reasons_and_streams_than_it_keeps) {
  for (std::uint32_t i = 1; i <= heard_reasons_max + 5; ++i) {
    auto bad = announce(i);
    bad.payload_pools.clear();
    say(bad);
  }
  EXPECT_EQ(heard.malformed(), heard_reasons_max + 5);
  EXPECT_EQ(heard.malformed_reasons().size(), heard_reasons_max);
  for (std::uint32_t i = 1; i <= heard_streams_max + 3; ++i) say(announce(i));
  EXPECT_EQ(heard.streams().size(), heard_streams_max);
  EXPECT_EQ(heard.left_out(), 3U);
  say(announce(1, 2));  // a known one goes on
  EXPECT_EQ(heard.streams().at(1).last.epoch, 2U);
}

TEST_F(Hears, leases_from_request_to_end) {
  driver::ShmAttachRequest request;
  request.correlation_id = 5;
  request.client_id = 70;
  request.stream_id = 10;
  request.role = driver::Role::producer;
  say(request);
  driver::ShmAttachResponse response;
  response.correlation_id = 5;
  response.lease_id = 900;
  response.stream_id = 10;
  response.epoch = 1;
  response.layout_version = 1;
  response.header_nslots = 8;
  response.header_slot_bytes = 256;
  response.payload_pools = announce(10).payload_pools;
  response.header_region_uri = announce(10).header_region_uri;
  say(response);
  ASSERT_EQ(heard.leases().size(), 1U);
  const LeaseHeard& lease = heard.leases().at(900);
  EXPECT_EQ(lease.client_id, 70U);
  EXPECT_EQ(lease.role, driver::Role::producer);
  EXPECT_TRUE(lease_json(lease, now)["keepalive_ms_ago"].is_null());
  now += 20 * ms;
  say(driver::ShmLeaseKeepalive{900, 10, 70, driver::Role::producer, 1});
  now += 30 * ms;
  EXPECT_EQ(lease_json(lease, now)["keepalive_ms_ago"], 30);
  EXPECT_EQ(lease_json(lease, now)["keepalives"], 1);
  say(driver::ShmLeaseRevoked{1, 900, 10, 70, driver::Role::producer,
                              driver::LeaseRevokeReason::expired, "too late"});
  EXPECT_EQ(lease_json(lease, now)["ended"], "EXPIRED");
  EXPECT_NE(lease_line(lease_json(lease, now)).find("ended: EXPIRED (too late)"),
            std::string::npos);
  EXPECT_EQ(heard.driver_messages(), 2U);
  EXPECT_EQ(heard.attach_answers().at("OK"), 1U);
}

TEST_F(Hears, an_answer_whose_question_it_did_not_hear) {
  driver::ShmAttachResponse response;
  response.correlation_id = 6;
  response.code = wire::ResponseCode::rejected;
  response.error_message = "producer already attached";
  say(response);
  EXPECT_EQ(heard.attach_answers().at("REJECTED"), 1U);
  EXPECT_TRUE(heard.leases().empty());
  say(driver::ShmLeaseRevoked{1, 901, 10, 71, driver::Role::consumer,
                              driver::LeaseRevokeReason::detached, ""});
  EXPECT_EQ(heard.leases().at(901).client_id, 71U);
}

// Free text may hold any bytes (MSG-43).
TEST_F(Hears, nothing_that_steers_a_terminal) {
  driver::ShmLeaseRevoked notice{
      1, 900, 10, 70, driver::Role::producer, driver::LeaseRevokeReason::revoked, "XXXX"};
  std::vector<std::byte> bytes(wire::encoded_size(notice));
  ASSERT_TRUE(wire::try_encode(notice, bytes));
  bytes[bytes.size() - 1] = std::byte{0x1B};
  bytes[bytes.size() - 2] = std::byte{0xFF};
  heard.hear(bytes, 1, now, now);
  EXPECT_EQ(heard.leases().at(900).text, "XX??");
}

TEST_F(Hears, the_end_of_a_driver) {
  EXPECT_FALSE(heard.shutdown());
  say(driver::ShmDriverShutdown{1, driver::ShutdownReason::admin, "night"});
  ASSERT_TRUE(heard.shutdown());
  EXPECT_EQ(heard.shutdown()->reason, driver::ShutdownReason::admin);
}

TEST(RegionFault, tells_why_a_file_cannot_be_seen) {
  const test::Places places("heard");
  const std::string file = places.regions() + "/header.ring";
  EXPECT_NE(region_fault("shm:file?path=" + file).find("No such file"), std::string::npos);
  std::ofstream(file) << "x";
  EXPECT_EQ(region_fault("shm:file?path=" + file), "");
  EXPECT_NE(region_fault("shm:file?path=" + places.regions()).find("no regular file"),
            std::string::npos);
  EXPECT_NE(region_fault("http://x").find("invalid_uri"), std::string::npos);
}

}  // namespace
}  // namespace tensorpool::cli
