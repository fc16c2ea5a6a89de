// Who holds a producer up is found out also where the producer sends seldom, and at what cost: virtual time, and a
// media driver whose counters say what the test wants.
#include "agents/laggards.hpp"

#include <gtest/gtest.h>

#include "unit/agents/support.hpp"

namespace tensorpool::agents::test {
namespace {

struct Scene {
  transport::Flow flow;
  int looks = 0;
  int probes = 0;
};

class FakePublication final : public transport::Publication {
 public:
  transport::Position try_claim(std::size_t, transport::Claim&) noexcept override { return 0; }
  void commit(transport::Claim&) noexcept override {}
  void abort(transport::Claim&) noexcept override {}
  transport::Position offer(std::span<const std::byte>) noexcept override { return 0; }
  bool is_connected() const noexcept override { return true; }
  std::size_t max_claim_bytes() const noexcept override { return 0; }
  std::size_t max_message_bytes() const noexcept override { return 0; }
  std::int32_t session_id() const noexcept override { return 5; }
  std::int32_t stream_id() const noexcept override { return 1100; }
};

class FakeConnection final : public transport::Connection {
 public:
  explicit FakeConnection(Scene& scene) : scene_(scene) {}
  Result<std::unique_ptr<transport::Add<transport::Publication>>> add_publication(
      const std::string&, std::int32_t, base::Nanos) override {
    return fail(Error::hot(Code::closed, "add"));
  }
  Result<std::unique_ptr<transport::Add<transport::Subscription>>> add_subscription(
      const std::string&, std::int32_t, base::Nanos, transport::ImageLog*) override {
    return fail(Error::hot(Code::closed, "add"));
  }
  Result<std::unique_ptr<transport::Add<transport::Counter>>> add_counter(
      const transport::CounterSpec&, base::Nanos) override {
    return fail(Error::hot(Code::closed, "add"));
  }
  void find_counters(std::int32_t,
                     FunctionRef<void(const transport::FoundCounter&)>) const override {}
  int do_work() override { return 0; }
  bool is_closed() const noexcept override { return false; }
  std::int64_t client_id() const noexcept override { return 1; }
  std::optional<transport::Flow> flow(std::int32_t, std::int32_t) const override {
    ++scene_.looks;
    transport::find_holders(scene_.flow);
    return scene_.flow;
  }

 private:
  Scene& scene_;
};

class FakeTransport final : public transport::Transport {
 public:
  explicit FakeTransport(Scene& scene) : scene_(scene) {}
  transport::MediaDriverState probe(const transport::ConnectOptions&) override {
    ++scene_.probes;
    return {};
  }
  std::string directory(const transport::ConnectOptions&) const override { return {}; }
  Result<std::unique_ptr<transport::Connection>> connect(
      const transport::ConnectOptions&) override {
    return fail(Error::hot(Code::closed, "connect"));
  }

 private:
  Scene& scene_;
};

class LaggardsOfASlowProducer : public ::testing::Test {
 protected:
  LaggardsOfASlowProducer() {
    options_.on_notice = [this](const Notice& notice) { told_.emplace_back(notice.text); };
    scene_.flow.window_bytes = 32768;
    scene_.flow.limit = scene_.flow.position = 32768;
    scene_.flow.subscribers.resize(1);
    scene_.flow.subscribers[0].subscription_id = 12;
    context_.generation = std::make_shared<Generation>();
    context_.generation->connection = std::make_unique<FakeConnection>(scene_);
    laggards_.watch(publication_);
  }
  static shm::MapPolicy policy(base::FileSystem& files) {
    shm::MapPolicy::Settings settings;
    settings.allowed_base_dirs = {"/dev/shm"};
    return shm::MapPolicy::make(files, settings).value();
  }
  // A refusal, and the conductor at work for `time` from then on.
  void refused_once_in(base::Nanos time) {
    ++refusals_;
    work_for(time);
  }
  void work_for(base::Nanos time) {
    for (base::Nanos at = 0; at < time; at += 10 * ms) {
      (void)laggards_.do_work(context_, stream, refusals_);
      clock_.advance(10 * ms);
    }
  }
  transport::FlowSubscriber& reader() { return scene_.flow.subscribers[0]; }

  Scene scene_;
  std::vector<std::string> told_;
  ClientOptions options_;
  base::PosixFileSystem files_;
  shm::MapPolicy policy_ = policy(files_);
  base::ManualClock clock_{100 * sec};
  FakeTransport transport_{scene_};
  AgentContext context_{{transport_, files_, clock_}, options_, policy_, {}, {}, {}};
  FakePublication publication_;
  Laggards laggards_;
  std::uint64_t refusals_ = 0;
};

TEST_F(LaggardsOfASlowProducer, who_stands_still_is_named_at_the_second_refusal) {
  refused_once_in(2 * sec);
  EXPECT_TRUE(told_.empty());
  refused_once_in(2 * sec);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_NE(told_[0].find("subscription 12"), std::string::npos) << told_[0];
  EXPECT_NE(told_[0].find("stands still"), std::string::npos) << told_[0];
}

TEST_F(LaggardsOfASlowProducer, who_went_on_meanwhile_is_not) {
  for (int i = 0; i < 30; ++i) {
    refused_once_in(sec);
    scene_.flow.limit += 1000;  // room between two refusals
    work_for(200 * ms);
    scene_.flow.position = scene_.flow.limit;
    reader().position += 1000;
  }
  EXPECT_TRUE(told_.empty()) << told_[0];
}

TEST_F(LaggardsOfASlowProducer, who_was_seen_long_ago_is_forgotten_and_not_looked_at_any_more) {
  refused_once_in(11 * sec);
  const int looks = scene_.looks;
  work_for(5 * sec);
  EXPECT_EQ(scene_.looks, looks);
  refused_once_in(sec);
  EXPECT_TRUE(told_.empty());
}

TEST_F(LaggardsOfASlowProducer, the_media_driver_is_looked_at_only_to_tell_somebody_new) {
  for (int i = 0; i < 1000; ++i) refused_once_in(10 * ms);
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(scene_.probes, 2);
  // A reader that comes and goes: at most once a second.
  for (int i = 0; i < 1000; ++i) {
    if (i % 30 == 0) reader().subscription_id = 1000 + i;
    reader().position = i;
    refused_once_in(10 * ms);
  }
  EXPECT_EQ(told_.size(), 1U);
  EXPECT_LE(scene_.probes, 2 + 11);
}

}  // namespace
}  // namespace tensorpool::agents::test
