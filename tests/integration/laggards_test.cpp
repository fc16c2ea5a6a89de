// Who holds a producer up is said by name: a stranger whose subscription is tethered, one of ours that is forgotten,
// and a media driver that is slow to let go of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>

#include "integration/support.hpp"
#include "transport/aeron/media_driver.hpp"
#include "transport/aeron/positions.hpp"
#include "unit/transport/connect_now.hpp"

namespace tensorpool::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint32_t stream = 980;
constexpr std::int32_t descriptors = 1100;
constexpr const char* term = "64k";

// What was told of back-pressure, from any thread.
class Told {
 public:
  void hear(const Notice& notice) {
    const std::lock_guard lock(mutex_);
    if (notice.kind != NoticeKind::back_pressure) return;
    texts_.emplace_back(notice.text);
    EXPECT_EQ(notice.stream_id, stream);
  }
  std::vector<std::string> texts() const {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

// A client of somebody else, as far as the media driver can tell: no counters of ours.
class Stranger {
 public:
  Stranger(const std::string& aeron_dir, const std::string& channel) {
    transport::ConnectOptions options;
    options.directory = aeron_dir;
    options.client_name = "stranger";
    options.driver_timeout_ns = driver_timeout_ns;
    connection_ = transport::connect_now(*transport_, options).value();
    auto add = connection_
                   ->add_subscription(channel, descriptors,
                                      base::SystemClock::monotonic() + driver_timeout_ns, nullptr)
                   .value();
    EXPECT_TRUE(eventually([&] {
      auto polled = add->poll();
      if (polled) subscription_ = std::move(*polled);
      return subscription_ != nullptr;
    }));
  }

 private:
  std::unique_ptr<transport::Transport> transport_ = transport::aeron::make_transport();
  std::unique_ptr<transport::Connection> connection_;
  std::unique_ptr<transport::Subscription> subscription_;
};

class Laggards : public ::testing::Test {
 protected:
  void launch(std::int64_t timer_interval_ns) {
    transport::aeron::EmbeddedDriverOptions options;
    options.directory = folder_.aeron();
    options.timer_interval_ns = timer_interval_ns;
    options.untethered_timeout_ns = 10 * timer_interval_ns;
    driver_ = transport::aeron::EmbeddedMediaDriver::launch(options).value();
    ClientOptions sending = client_options(folder_, term);
    sending.on_notice = [this](const Notice& notice) { told_.hear(notice); };
    sender_.emplace(connect(sending));
    receiver_.emplace(connect(client_options(folder_, term)));
    producer_.emplace(make_producer(*sender_, producer_options(folder_, stream, 1024, {64})));
    consumer_.emplace(make_consumer(*receiver_, consumer_options(stream)));
    ASSERT_TRUE(until_active(*consumer_));
    ASSERT_TRUE(eventually([&] { return turn() && consumer_->statistics().delivered > 0; }));
  }
  // A few frames, written and read; false where one was not announced.
  bool turn() {
    bool announced = true;
    for (int i = 0; i < 20; ++i) {
      auto slot = producer_->claim(DType::u8, {8});
      announced &= slot && slot->commit().value().told == tensorpool::Told::consumers;
      (void)consumer_->poll([](const Frame&) {});
    }
    return announced;
  }
  bool until_told(std::size_t count) {
    return eventually([&] {
      (void)turn();
      return told_.texts().size() >= count;
    });
  }

  Folder folder_;
  std::unique_ptr<transport::aeron::EmbeddedMediaDriver> driver_;
  Told told_;
  std::optional<Client> sender_, receiver_;
  std::optional<Producer> producer_;
  std::optional<Consumer> consumer_;
};

constexpr std::int64_t ours_ns = 10'000'000;
constexpr std::int64_t aerons_ns = 1'000'000'000;

// A tethered subscription that nobody polls stops a shared stream, with any media driver. It is told once, and the
// stream goes on when it has left.
TEST_F(Laggards, a_tethered_stranger_stops_the_stream_and_is_named) {
  ASSERT_NO_FATAL_FAILURE(launch(ours_ns));
  std::optional<Stranger> stranger(std::in_place, folder_.aeron(), "aeron:ipc?tether=true");
  ASSERT_TRUE(until_told(1));
  EXPECT_GT(producer_->statistics().back_pressured, 0U);
  const std::string text = told_.texts().front();
  EXPECT_THAT(text, HasSubstr("\"stranger\""));
  EXPECT_THAT(text, HasSubstr("stands still"));
  EXPECT_THAT(text, HasSubstr("it is tethered"));
  EXPECT_THAT(text, Not(HasSubstr("(process")));
  // From outside.
  const auto flows = transport::aeron::list_flows(folder_.aeron()).value();
  int holders = 0;
  for (const transport::Flow& flow : flows) {
    if (flow.stream_id != descriptors) continue;
    EXPECT_TRUE(flow.held_up());
    EXPECT_EQ(flow.window_bytes, 32768);
    EXPECT_EQ(flow.client.process_id, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(flow.subscribers.size(), 2U);
    for (const transport::FlowSubscriber& who : flow.subscribers) {
      EXPECT_EQ(who.holds, who.tethered);
      EXPECT_EQ(who.client.name == "stranger", who.tethered);
      holders += who.holds ? 1 : 0;
    }
  }
  EXPECT_EQ(holders, 1);
  stranger.reset();
  ASSERT_TRUE(eventually([&] {
    const std::uint64_t before = consumer_->statistics().delivered;
    return turn() && consumer_->statistics().delivered > before;
  }));
  EXPECT_EQ(told_.texts().size(), 1U);
}

TEST_F(Laggards, of_our_own_clients_the_process_is_known) {
  ASSERT_NO_FATAL_FAILURE(launch(ours_ns));
  ClientOptions options = client_options(folder_, term);
  options.client_name = "viewer";
  options.descriptor.channel += "|tether=true";
  Client forgetful = connect(options);
  const Consumer forgotten = make_consumer(forgetful, consumer_options(stream));
  ASSERT_TRUE(until_told(1));
  const std::string text = told_.texts().front();
  EXPECT_THAT(text, HasSubstr("\"viewer\""));
  EXPECT_THAT(text, HasSubstr("(process " + std::to_string(::getpid()) + ")"));
}

// Aeron's own timer interval, with the timeouts that our channels name: a forgotten subscriber of ours is let go of,
// but not at once.
TEST_F(Laggards, a_media_driver_that_is_slow_to_let_go_is_named) {
  ASSERT_NO_FATAL_FAILURE(launch(aerons_ns));
  const Consumer forgotten = make_consumer(*receiver_, consumer_options(stream));
  ASSERT_TRUE(until_told(1));
  const std::string text = told_.texts().front();
  EXPECT_THAT(text, HasSubstr("it is untethered, but the media driver"));
  EXPECT_THAT(text, HasSubstr("AERON_TIMER_INTERVAL"));
  ASSERT_TRUE(eventually([&] {
    const std::uint64_t before = consumer_->statistics().delivered;
    return turn() && consumer_->statistics().delivered > before;
  }));
}

}  // namespace
}  // namespace tensorpool::integration
