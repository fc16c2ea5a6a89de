// Node ids (docs/protocol/04-driver.md A3).
#include "protocol/driver/node_ids.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "base/limits.hpp"
#include "unit/protocol/driver/support.hpp"

namespace tensorpool::protocol::driver {
namespace {

// Proves: DRV-39, DRV-40, DRV-45
TEST(DriverNodeIds, GoUpwardFromOneAndNoTwoLeasesHoldTheSame) {
  NodeIds ids(second);
  for (std::uint32_t expected = 1; expected <= 1023; ++expected)
    EXPECT_EQ(ids.take(0, expected + 5000, {}), expected);
  EXPECT_EQ(ids.take(0, 1, {}), std::nullopt);
  EXPECT_EQ(ids.in_use(), 1023U);
  ids.release(0, 500);
  EXPECT_EQ(ids.take(second - 1, 1, {}), std::nullopt);  // it rests
  EXPECT_EQ(ids.take(second, 1, {}), 500U);
}

TEST(DriverNodeIds, AFreedOneIsNotTheNextOne) {
  NodeIds ids(0);
  EXPECT_EQ(ids.take(0, 7, {}), 1U);
  ids.release(0, 1);
  EXPECT_EQ(ids.take(0, 8, {}), 2U);
  for (std::uint32_t client = 100; client < 100 + 1021; ++client) (void)ids.take(0, client, {});
  EXPECT_EQ(ids.take(0, 9, {}), 1U);  // round the end
}

// Proves: DRV-43
TEST(DriverNodeIds, RestForTheCooldownButNotForTheirFormerHolder) {
  NodeIds ids(second);
  EXPECT_EQ(ids.take(0, 7, 40), 40U);
  EXPECT_FALSE(ids.available(0, 8, 40));
  EXPECT_FALSE(ids.available(0, 7, 40));  // held is held
  ids.release(10, 40);
  EXPECT_FALSE(ids.available(10 + second - 1, 8, 40));
  EXPECT_TRUE(ids.available(10 + second - 1, 7, 40));
  EXPECT_TRUE(ids.available(10 + second, 8, 40));
}

// Proves: DRV-44
TEST(DriverNodeIds, AClientThatComesBackGetsItsFormerOne) {
  NodeIds ids(second);
  (void)ids.take(0, 6, {});
  EXPECT_EQ(ids.take(0, 7, {}), 2U);
  ids.release(0, 2);
  EXPECT_EQ(ids.take(0, 8, {}), 3U);
  EXPECT_EQ(ids.take(1, 7, {}), 2U);
  ids.release(1, 2);
  // Unless it was given to another since, also when that one has left.
  EXPECT_EQ(ids.take(2 * second, 9, 2), 2U);
  EXPECT_EQ(ids.take(2 * second, 7, {}), 4U);
  ids.release(2 * second, 4);
  ids.release(2 * second, 2);
  EXPECT_EQ(ids.take(9 * second, 7, {}), 4U);
}

TEST(DriverNodeIds, WhatAFailedAttachTookIsAsBefore) {
  NodeIds ids(second);
  EXPECT_EQ(ids.take(0, 7, {}), 1U);
  ids.give_back(1);
  EXPECT_EQ(ids.remembered(), 0U);
  EXPECT_TRUE(ids.available(0, 8, 1));
  EXPECT_EQ(ids.take(0, 7, 5000), 5000U);
  ids.release(0, 5000);
  EXPECT_EQ(ids.take(1, 7, 5000), 5000U);
  ids.give_back(5000);
  EXPECT_FALSE(ids.available(second - 1, 8, 5000));  // the rest goes on
  EXPECT_TRUE(ids.available(second, 8, 5000));
}

TEST(DriverNodeIds, LargeOnesAreForgottenAfterTheirRestAndBounded) {
  NodeIds ids(second);
  for (std::uint32_t id = 2000; id < 12000; ++id) {
    (void)ids.take(0, id, id);
    ids.release(0, id);
  }
  EXPECT_EQ(ids.remembered(), 10000U);
  EXPECT_TRUE(ids.available(second, 1, 2000));
  EXPECT_EQ(ids.remembered(), 0U);
  std::uint32_t next = 2000;
  while (ids.remembered() < base::limits::driver_node_ids) {
    (void)ids.take(second, next, next);
    ids.release(second, next++);
  }
  EXPECT_FALSE(ids.available(second, 1, next));
  EXPECT_TRUE(ids.take(second, 1, {}).has_value());
}

// Proves: DRV-39, DRV-65, MSG-110
TEST(DriverNodeIds, AreGrantedInTheResponseAndReturnWithTheLease) {
  Harness d;
  const auto done = d.created(d.attach(d.request(Role::producer, 5)));
  EXPECT_EQ(Harness::answer_in(done)->node_id, 1U);
  const LeaseKey key{*Harness::answer_in(done)->lease_id, test_stream, 5, Role::producer};
  EXPECT_EQ(*Harness::answer_in(d.attach(d.request(Role::consumer, 6)))->node_id, 2U);
  (void)d.created(d.detach(key));
  EXPECT_EQ(*Harness::answer_in(d.attach(d.request(Role::consumer, 7)))->node_id, 3U);
  EXPECT_EQ(*Harness::answer_in(d.attach(d.request(Role::consumer, 5)))->node_id, 1U);
}

TEST(DriverNodeIds, WithoutAFreeOneTheLeaseIsGrantedAndItIsReportedOnce) {
  Harness d;
  LeaseKey some;
  for (std::uint32_t client = 1; client <= 1023; ++client) some = *d.lease(Role::consumer, client);
  auto done = d.attach(d.request(Role::consumer, 2000));
  EXPECT_EQ(Harness::answer_in(done)->code, ResponseCode::ok);
  EXPECT_EQ(Harness::answer_in(done)->node_id, std::nullopt);
  EXPECT_EQ(Harness::events(done, Event::node_ids_exhausted), 1U);
  done = d.attach(d.request(Role::consumer, 2001));
  EXPECT_EQ(Harness::events(done, Event::node_ids_exhausted), 0U);
  EXPECT_EQ(d.count_of(Count::node_ids_exhausted), 2U);
  (void)d.detach(some);
  d.advance(second);
  EXPECT_EQ(Harness::answer_in(d.attach(d.request(Role::consumer, 2002)))->node_id, 1023U);
  EXPECT_EQ(Harness::events(d.attach(d.request(Role::consumer, 2003)), Event::node_ids_exhausted),
            1U);
}

}  // namespace
}  // namespace tensorpool::protocol::driver
