// What outlives what: slots and views beyond their ports, ports beyond their client, and a forked
// child beside its parent.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <type_traits>

#include "unit/client/support.hpp"

namespace tensorpool::client_test {
namespace {

// Views cannot be kept, resources cannot be doubled; tests/compile_fail has the sources.
// Proves: CON-35
TEST(Types, ThatEndWithACallbackCannotLeaveIt) {
  static_assert(!std::is_copy_constructible_v<Frame> && !std::is_move_constructible_v<Frame>);
  static_assert(!std::is_copy_assignable_v<Frame> && !std::is_move_assignable_v<Frame>);
  static_assert(!std::is_default_constructible_v<Frame>);
  static_assert(!std::is_copy_constructible_v<FrameView> && !std::is_move_assignable_v<FrameView>);
  static_assert(!std::is_copy_constructible_v<Slot> && !std::is_copy_assignable_v<Slot>);
  static_assert(!std::is_copy_constructible_v<Producer> && !std::is_copy_assignable_v<Producer>);
  static_assert(!std::is_copy_constructible_v<Consumer> && !std::is_copy_assignable_v<Consumer>);
  static_assert(!std::is_copy_constructible_v<Client> && !std::is_copy_assignable_v<Client>);
  static_assert(!std::is_copy_constructible_v<Pending<Producer>>);
}

class Lifetimes : public testing::Test {
 protected:
  Lifetimes() {
    deployment.start();
    client.emplace(deployment.connect());
    pair.emplace(deployment, *client);
  }
  Deployment deployment;
  std::optional<Client> client;
  std::optional<Pair> pair;
};

TEST_F(Lifetimes, PortsSayClosedAfterTheirClient) {
  (void)deliver(*client, pair->producer, pair->consumer, 1).finish();
  client.reset();
  EXPECT_EQ(pair->producer.state(), PortState::closed);
  EXPECT_EQ(pair->consumer.state(), PortState::closed);
  EXPECT_EQ(pair->producer.claim(DType::u8, {4}).error().code(), Code::closed);
  EXPECT_EQ(send(pair->producer, 1).error().code(), Code::closed);
  EXPECT_EQ(pair->consumer.next(patience).error().code(), Code::closed);
  EXPECT_EQ(pair->consumer.latest(patience).error().code(), Code::closed);
  const Polled polled = pair->consumer.poll([](const Frame&) {});
  EXPECT_EQ(polled.state, PortState::closed);
  EXPECT_EQ(polled.work(), 0);
  EXPECT_GE(pair->consumer.statistics().delivered, 1U);  // still counted
  EXPECT_EQ(deployment.files.region_files(), 0);
}

TEST_F(Lifetimes, ASlotOutlivesItsProducerAndItsClient) {
  auto slot = pair->producer.claim(spec_of(64)).value();
  const auto abandoned = std::make_unique<Slot>(pair->producer.claim(spec_of(64)).value());
  {
    const Producer gone = std::move(pair->producer);
  }
  client.reset();
  for (std::byte& b : slot.bytes()) b = std::byte{1};
  const auto sent = slot.commit();
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code(), Code::closed);
}

TEST_F(Lifetimes, ASlotIsUsedUpOnce) {
  auto slot = pair->producer.claim(spec_of(64)).value();
  EXPECT_EQ(slot.bytes().size(), 64U);
  Slot moved = std::move(slot);
  EXPECT_TRUE(slot.bytes().empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(slot.commit().error().code(), Code::consumed);
  ASSERT_TRUE(moved.as<std::uint8_t>());
  EXPECT_EQ(moved.as<float>().error().code(), Code::dtype_mismatch);
  ASSERT_TRUE(moved.commit());
  EXPECT_TRUE(moved.bytes().empty());
  EXPECT_EQ(moved.as<std::uint8_t>().error().code(), Code::consumed);
  EXPECT_EQ(moved.commit().error().code(), Code::consumed);
  EXPECT_EQ(moved.abort().error().code(), Code::consumed);
  {
    auto dropped = pair->producer.claim(spec_of(64)).value();
    auto over = pair->producer.claim(spec_of(64)).value();
    dropped = std::move(over);  // aborts what it held
  }
  const ProducerStatistics s = pair->producer.statistics();
  EXPECT_EQ(s.aborted, 2U);
  EXPECT_TRUE(s.balanced());
  EXPECT_EQ(s.open, 0U);
}

TEST_F(Lifetimes, AViewOutlivesItsConsumerAndItsClient) {
  auto view = deliver(*client, pair->producer, pair->consumer, 7);
  const std::uint64_t seq = view.seq();
  {
    const Consumer gone = std::move(pair->consumer);
  }
  client.reset();
  EXPECT_EQ(view.bytes().size(), 64U);
  EXPECT_EQ(view.bytes()[63], std::byte{7});  // still mapped
  EXPECT_EQ(view.finish(), Outcome::ended);
  EXPECT_EQ(view.seq(), seq);  // the description is the view's own
  EXPECT_TRUE(view.bytes().empty());
  EXPECT_EQ((view.view<std::uint8_t, 1>().error().code()), Code::consumed);
}

// Proves: CON-36
TEST_F(Lifetimes, AViewIsOneAtATimeAndItsContentIsProvedLast) {
  auto view = deliver(*client, pair->producer, pair->consumer, 1);
  EXPECT_TRUE(view.intact());
  const auto second = pair->consumer.next();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::claims_exhausted);
  EXPECT_EQ(pair->consumer.latest().error().code(), Code::claims_exhausted);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(pair->producer, 2));  // four slots: over it
  EXPECT_FALSE(view.intact());
  EXPECT_EQ(view.finish(), Outcome::overwritten);
  EXPECT_FALSE(view.intact());
  EXPECT_TRUE(pair->consumer.next(patience));
  const ConsumerStatistics s = pair->consumer.statistics();
  EXPECT_GE(s.overwritten, 1U);
  EXPECT_TRUE(s.balanced());
}

TEST_F(Lifetimes, ADroppedViewCountsAsOverwritten) {
  std::uint64_t before = 0;
  {
    const auto view = deliver(*client, pair->producer, pair->consumer, 1);
    before = pair->consumer.statistics().overwritten;
  }
  EXPECT_EQ(pair->consumer.statistics().overwritten, before + 1);
  EXPECT_TRUE(pair->consumer.statistics().balanced());
}

TEST_F(Lifetimes, MovedPortsLeaveAnEmptyOneBehind) {
  Producer producer = std::move(pair->producer);
  Consumer consumer = std::move(pair->consumer);
  EXPECT_EQ(pair->producer.state(), PortState::closed);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(pair->producer.claim(spec_of(1)).error().code(), Code::closed);
  EXPECT_EQ(pair->producer.stream(), 0U);
  EXPECT_EQ(pair->producer.statistics().claimed, 0U);
  pair->producer.close();
  EXPECT_EQ(pair->consumer.state(), PortState::closed);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(pair->consumer.next().error().code(), Code::closed);
  EXPECT_EQ(pair->consumer.statistics().seen, 0U);
  pair->consumer.close();
  EXPECT_EQ(producer.stream(), stream);
  EXPECT_EQ(deliver(*client, producer, consumer, 1).finish(), Outcome::delivered);
}

TEST_F(Lifetimes, AHandlerMayCloseEverything) {
  int frames = 0;
  EXPECT_TRUE(until(*client, [&] {
    (void)send(pair->producer, 3);
    (void)pair->consumer.poll([&](const Frame& frame) {
      ++frames;
      EXPECT_EQ(frame.bytes()[0], std::byte{3});
      pair->producer.close();
      ASSERT_TRUE(client->close());
      const Consumer gone = std::move(pair->consumer);
    });
    return frames > 0;
  }));
  EXPECT_EQ(frames, 1);
  EXPECT_EQ(pair->consumer.state(), PortState::closed);
}

// Replacing the handler of events inside it: the old one hears the call to its end.
// Proves: CON-37
TEST_F(Lifetimes, AnEventHandlerIsReplacedBetweenPolls) {
  (void)deliver(*client, pair->producer, pair->consumer, 1).finish();
  int old_events = 0;
  int new_events = 0;
  pair->consumer.on_event([&, padding = std::string(100, 'x')](const Event&) {
    ++old_events;
    pair->consumer.on_event([&](const Event&) { ++new_events; });
    EXPECT_EQ(padding.size(), 100U);  // this handler is still there
  });
  // Ten frames in a ring of four: several are overwritten, so one call brings several events.
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send(pair->producer, 2));
  EXPECT_TRUE(until(*client, [&] {
    (void)pair->consumer.poll([](const Frame&) {});
    return old_events > 0;
  }));
  EXPECT_GT(old_events, 1);
  EXPECT_EQ(new_events, 0);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send(pair->producer, 2));
  const int before = old_events;
  EXPECT_TRUE(until(*client, [&] {
    (void)pair->consumer.poll([](const Frame&) {});
    return new_events > 0;
  }));
  EXPECT_EQ(old_events, before);
}

// Nothing holds the port any more when the end of a view tells of it: the view is over, the handle closed.
TEST_F(Lifetimes, TheEndOfAViewMayCloseItsConsumer) {
  for (const bool dropped : {false, true}) {
    pair.emplace(deployment, *client);
    int events = 0;
    {
      auto view = deliver(*client, pair->producer, pair->consumer, 1);
      pair->consumer.on_event([&](const Event& event) {
        EXPECT_EQ(event.kind, EventKind::overwritten);
        ++events;
        pair->consumer.close();
        EXPECT_EQ(events, 1);  // this handler is still there
      });
      for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(pair->producer, 2));  // four slots: over it
      if (!dropped) {
        EXPECT_EQ(view.finish(), Outcome::overwritten);
      }
    }
    EXPECT_EQ(events, 1);
    EXPECT_EQ(pair->consumer.state(), PortState::closed);
    pair.reset();
  }
}

TEST_F(Lifetimes, AHandlerMayThrow) {
  const auto throwing = [](const Frame&) { throw std::runtime_error("no"); };
  EXPECT_TRUE(until(*client, [&] {
    (void)send(pair->producer, 1);
    try {
      (void)pair->consumer.poll(throwing);
    } catch (const std::runtime_error&) {
      return true;
    }
    return false;
  }));
  EXPECT_GE(pair->consumer.statistics().ended, 1U);
  EXPECT_EQ(deliver(*client, pair->producer, pair->consumer, 2).finish(), Outcome::delivered);
}

#ifndef TENSORPOOL_TSAN  // which does not follow a fork of a process with threads
// The child lets go of everything that it inherited; the parent's links and files are not its.
TEST_F(Lifetimes, AForkedChildLeavesTheParentAlone) {
  (void)deliver(*client, pair->producer, pair->consumer, 1).finish();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool refused =
        client->close().error().code() == Code::forked && client->do_work() == 0 &&
        client->consumer({.stream = stream}).poll()->error().code() == Code::forked;
    client.reset();
    pair.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(deployment.files.region_files(), 2);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(deliver(*client, pair->producer, pair->consumer, 2).finish(), Outcome::delivered);
  EXPECT_EQ(client->state(), ClientState::connected);
}
#endif

}  // namespace
}  // namespace tensorpool::client_test
