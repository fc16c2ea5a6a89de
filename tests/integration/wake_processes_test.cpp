// Waiters that are dead, frozen or lying: what they cost a producer, and what they do to others.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "integration/wake_watch.hpp"
#include "support/child.hpp"

namespace tensorpool::integration {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t stream = 995;

class Waiters : public ::testing::Test {
 protected:
  Waiters() : sender_(connect(client_options(world_.folder()))) {
    ProducerOptions options = producer_options(world_.folder(), stream, 256, {64});
    options.wake_waiters = true;
    producer_.emplace(make_producer(sender_, options));
    reader_.emplace(make_consumer(sender_, consumer_options(stream)));
  }
  void SetUp() override { ASSERT_TRUE(until_active(*reader_) && until_linked(world_.folder())); }

  std::unique_ptr<test::Child> peer(const char* role) {
    auto child = std::make_unique<test::Child>(
        "wake_peer", std::vector<std::string>{role, world_.folder().aeron(),
                                              world_.folder().regions(), std::to_string(stream)});
    EXPECT_FALSE(child->read_line().empty()) << role;
    return child;
  }
  // True when it was sent: without a reader that is awake, a frozen one would be the only one there is.
  bool publish() {
    auto slot = producer_->claim(DType::u8, {8});
    if (!slot) return false;
    const auto committed = slot->commit();
    (void)reader_->poll([](const Frame&) {});
    return committed && committed->told == Told::consumers;
  }
  std::int64_t count(const char* name) {
    return counted(world_.folder(), "producer", name, stream);
  }
  bool asleep() { return waiters(world_.folder(), stream, true) > 0; }
  // Publishes one frame after the other, each for a consumer that sleeps, until the producer has woken some.
  bool woken(std::int64_t times) {
    const std::int64_t before = counted(world_.folder(), "consumer", "woken", stream);
    return eventually([&] {
      if (asleep()) (void)publish();
      return counted(world_.folder(), "consumer", "woken", stream) >= before + times;
    });
  }
  // Stops it while its counter says that it sleeps, as it goes on to say.
  bool freeze(test::Child& child) {
    return eventually([&] {
      int status = 0;
      child.signal(SIGSTOP);
      if (!child.changed(status)) return false;
      if (asleep()) return true;
      child.signal(SIGCONT);
      return false;
    });
  }
  // As fast as it can. Few of the commits may cost a call: for a tenth of a second at first, then in ever
  // longer intervals.
  void expect_bounded_calls() {
    const std::int64_t before = count("wakes");
    std::int64_t commits = 0;
    for (const auto until = Clock::now() + 5s; Clock::now() < until;) commits += publish() ? 1 : 0;
    const auto until = Clock::now() + 300ms;  // the counters are mirrored now and then
    ASSERT_TRUE(eventually([&] { return Clock::now() > until; }));
    const std::int64_t wakes = count("wakes") - before;
    EXPECT_GE(wakes, static_cast<std::int64_t>(base::limits::empty_wakes));
    EXPECT_LT(wakes, commits / 3) << "of " << commits;
  }

  World world_;
  Client sender_;
  std::optional<Producer> producer_;
  std::optional<Consumer> reader_;  // polls, and never sleeps
};

TEST_F(Waiters, one_that_was_killed_asleep_costs_few_calls) {
  auto waiter = peer("wait");
  ASSERT_TRUE(woken(3));
  ASSERT_TRUE(freeze(*waiter));
  waiter->signal(SIGKILL);
  (void)waiter->reap();
  ASSERT_TRUE(asleep());
  expect_bounded_calls();
}

TEST_F(Waiters, one_that_was_frozen_asleep_costs_few_calls_and_is_woken_again_once_it_goes_on) {
  auto waiter = peer("wait");
  ASSERT_TRUE(woken(3));
  ASSERT_TRUE(freeze(*waiter));
  expect_bounded_calls();
  waiter->signal(SIGCONT);
  EXPECT_TRUE(woken(3));
}

TEST_F(Waiters, one_that_lies_costs_few_calls_and_keeps_nobody_asleep) {
  auto liar = peer("lie");
  ASSERT_TRUE(eventually([&] { return publish() && count("wakes") > 0; }));
  expect_bounded_calls();
  auto waiter = peer("wait");
  EXPECT_TRUE(woken(3));
  EXPECT_GT(waiter->ask("stats")["delivered"], 0U);
  EXPECT_FALSE(liar->close().empty());
}

}  // namespace
}  // namespace tensorpool::integration
