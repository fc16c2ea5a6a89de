#include "transport/flow.hpp"

#include <aeronc.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "connect_now.hpp"
#include "support.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "transport/aeron/media_driver.hpp"
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

TEST(Flow, positions_that_cannot_be_are_no_trouble) {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(distance(most, -1), most);
  EXPECT_EQ(distance(least, 1), least);
  EXPECT_EQ(distance(7, 9), -2);
  const Flow low = flow_of(0, least, {least, most});
  EXPECT_FALSE(low.held_up());
  const Flow high = flow_of(most, most, {least, most});
  EXPECT_TRUE(high.held_up());
  EXPECT_FALSE(high.subscribers[0].holds);
  EXPECT_TRUE(high.subscribers[1].holds);
  // A window that is not known: everybody counts.
  Flow all = high;
  all.window_bytes = 0;
  find_holders(all);
  EXPECT_TRUE(all.subscribers[0].holds);
  EXPECT_FALSE(all.subscribers[1].holds);
}

// A copy of the media driver's file in which the label that begins with `begin` claims to have `length` bytes.
void forge_label(const std::string& from, const std::string& to, const std::string& begin,
                 std::int32_t length) {
  std::string bytes(std::filesystem::file_size(from), '\0');
  std::ifstream(from, std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const std::size_t label = bytes.find(begin);
  ASSERT_NE(label, bytes.npos);
  std::memcpy(bytes.data() + label - sizeof length, &length, sizeof length);
  std::ofstream(to, std::ios::binary) << bytes;
}

TEST(Flow, lengths_of_labels_are_not_believed) {
  const test::Folder folder;
  aeron::EmbeddedDriverOptions options;
  options.directory = folder / "aeron";
  options.sparse_terms = true;
  const auto driver = aeron::EmbeddedMediaDriver::launch(options).value();
  const auto transport = aeron::make_transport();
  ConnectOptions connect;
  connect.directory = options.directory;
  const auto connection = connect_now(*transport, connect).value();
  const auto add = connection
                       ->add_publication("aeron:ipc?term-length=64k", 1100,
                                         base::SystemClock::monotonic() + 60'000'000'000)
                       .value();
  std::unique_ptr<Publication> publication;
  while (publication == nullptr) publication = add->poll().value();
  const std::string copy = folder / "copy";
  std::filesystem::create_directory(copy);
  for (const std::int32_t length : {std::numeric_limits<std::int32_t>::min(), -1, 381,
                                    std::numeric_limits<std::int32_t>::max()}) {
    forge_label(options.directory + "/cnc.dat", copy + "/cnc.dat", "pub-lmt: ", length);
    const auto counters = aeron::list_counters(copy);
    ASSERT_TRUE(counters) << counters.error().message();
    const auto limit = std::ranges::find(*counters, 1, &aeron::CounterView::type_id);
    ASSERT_NE(limit, counters->end());
    EXPECT_EQ(limit->label.size(), length < 0 ? 0U : AERON_COUNTER_MAX_LABEL_LENGTH);
    const auto flows = aeron::list_flows(copy);
    ASSERT_TRUE(flows) << flows.error().message();
    ASSERT_EQ(flows->size(), 1U);
    EXPECT_EQ(flows->front().session_id, publication->session_id());
  }
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
