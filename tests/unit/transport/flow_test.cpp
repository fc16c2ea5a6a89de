#include "transport/flow.hpp"

#include <gtest/gtest.h>

#include "support.hpp"
#include "transport/aeron/positions.hpp"

namespace tensorpool::transport {
namespace {

Flow flow_of(std::int64_t position, std::int64_t limit, std::vector<std::int64_t> readers) {
  Flow flow;
  flow.position = position;
  flow.limit = limit;
  flow.window_bytes = 32768;
  for (const std::int64_t reader : readers) {
    flow.subscribers.emplace_back();
    flow.subscribers.back().position = reader;
  }
  find_holders(flow);
  return flow;
}

TEST(Flow, nobody_holds_a_publication_that_has_room) {
  const Flow flow = flow_of(1000, 32768, {0, 1000});
  EXPECT_FALSE(flow.held_up());
  for (const FlowSubscriber& one : flow.subscribers) EXPECT_FALSE(one.holds);
}

TEST(Flow, who_is_a_window_behind_holds_it_and_not_who_was_given_up_before) {
  const Flow flow = flow_of(132768, 132768, {100'000, 132'768, 103'000, 500, 110'000});
  EXPECT_TRUE(flow.held_up());
  const std::vector<bool> wanted{true, false, true, false, false};
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_EQ(flow.subscribers[i].holds, wanted[i]) << i;
}

TEST(Flow, a_publication_without_readers_has_no_holder) {
  EXPECT_FALSE(flow_of(0, 0, {}).held_up());
  EXPECT_TRUE(flow_of(64, 64, {}).held_up());
}

TEST(Flow, files_of_no_media_driver_are_an_error) {
  const test::Folder folder;
  const auto flows = aeron::list_flows(folder / "nothing");
  ASSERT_FALSE(flows);
  EXPECT_EQ(flows.error().code(), Code::no_media_driver);
  EXPECT_EQ(aeron::list_flows("relative").error().code(), Code::invalid_argument);
}

}  // namespace
}  // namespace tensorpool::transport
