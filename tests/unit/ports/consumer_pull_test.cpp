// The pull forms: next() and latest() hand out one view at a time, whose proof is finish().
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;
using Visit = ConsumerRig::Visit;

// Proves: STR-110, STR-109
TEST(ConsumerNext, HandsOutOneViewThatIsProvedAtItsEnd) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  Polled polled;
  EXPECT_EQ(rig.port.next(polled), nullptr);
  rig.send(regions, {0, 1, 2});
  const OpenFrame* view = rig.port.next(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 0U);
  EXPECT_TRUE(rig.port.view_open());
  EXPECT_TRUE(is_frame({view->payload, 100}, epoch, 0));
  EXPECT_EQ(rig.port.next(polled), nullptr);  // one at a time
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  EXPECT_TRUE(rig.port.view_intact());
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_FALSE(rig.port.view_open());
  view = rig.port.next(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 1U);
  ConsumerRig::write(regions, 9);
  EXPECT_FALSE(rig.port.view_intact());
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::overwritten);
  // The answer that the application got counts.
  view = rig.port.next(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_TRUE(rig.port.view_intact());
  ConsumerRig::write(regions, 10);
  EXPECT_EQ(rig.port.finish(Visit::intact), Outcome::delivered);
  EXPECT_EQ(rig.port.open_pins(), 0U);
  EXPECT_TRUE(rig.balanced());
}

// Whoever goes to sleep believes what this says.
TEST(ConsumerNext, TheEndOfATermIsNotTakenForSilence) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  Polled polled;
  EXPECT_EQ(rig.port.next(polled), nullptr);
  EXPECT_FALSE(rig.port.anything_waiting());
  rig.subscription.paddings = 1;
  rig.send(regions, {0});
  EXPECT_TRUE(rig.port.anything_waiting());
  EXPECT_NE(rig.port.next(polled), nullptr);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
}

TEST(ConsumerNext, PassesOverWhatIsNoFrame) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 0));
  rig.send(regions, 3);
  Polled polled;
  const OpenFrame* view = rig.port.next(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 3U);
  EXPECT_EQ(polled.overwritten, 1U);
  EXPECT_EQ(polled.lost, 2U);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-205
TEST(ConsumerNext, AViewOfAMappingThatEndedKeepsItsMemoryAndIsNotDelivered) {
  auto first = std::make_unique<TestRegions>(epoch);
  TestRegions second(epoch + 1);
  ConsumerRig rig;
  rig.attach(*first);
  rig.send(*first, 0);
  Polled polled;
  const OpenFrame* view = rig.port.next(polled);
  ASSERT_NE(view, nullptr);
  rig.attach(second);
  EXPECT_EQ(rig.port.state(), PortState::active);
  (void)rig.lender.collect();
  EXPECT_EQ(first->uses, 1);
  EXPECT_TRUE(is_frame({view->payload, 100}, epoch, 0));
  EXPECT_EQ(rig.port.finish(Visit::intact), Outcome::ended);
  (void)rig.lender.collect();
  EXPECT_EQ(first->uses, 0);
  first.reset();
  rig.send(second, 0);
  EXPECT_NE(rig.port.next(polled), nullptr);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_TRUE(rig.balanced());
}

// The header is the same, and its pool another: what was valid for one mapping says nothing about the next, neither to
// the pull forms nor to poll(), and an open view keeps its own.
TEST(ConsumerNext, AHeaderThatRepeatsInAnotherMappingIsReadAnew) {
  using Pools = std::vector<shm::PoolSpec>;
  const auto pool_two_of_two = Pools{{2, 64, {}}, {1, 256, {}}};
  const auto larger = Pools{{1, 512, {}}};
  const auto smaller = Pools{{1, 128, {}}};
  TestRegions first(epoch, 8, pool_two_of_two);
  TestRegions second(epoch + 1, 8, larger);
  TestRegions third(epoch + 2, 8, smaller);
  ConsumerRig rig;
  Polled polled;
  const auto polls = [&](TestRegions& regions, std::uint64_t seq) {
    const auto before = polled.delivered;
    rig.send(regions, seq);
    polled.delivered += rig.port
                            .poll([&](const OpenFrame& frame) {
                              EXPECT_EQ(frame.payload, regions.payload(1, seq));
                              EXPECT_TRUE(is_frame({frame.payload, 100}, regions.epoch, seq));
                              EXPECT_EQ(frame.info.epoch, regions.epoch);
                              return Visit::unproved;
                            })
                            .delivered;
    EXPECT_EQ(polled.delivered, before + 1);
  };
  const auto pulls = [&](TestRegions& regions, std::uint64_t seq) {
    rig.send(regions, seq);
    const OpenFrame* view = rig.port.next(polled);
    ASSERT_NE(view, nullptr);
    EXPECT_EQ(view->payload, regions.payload(1, seq));
    EXPECT_TRUE(is_frame({view->payload, 100}, regions.epoch, seq));
    EXPECT_EQ(view->info.epoch, regions.epoch);
  };
  rig.attach(first);
  polls(first, 1);
  pulls(first, 2);
  rig.attach(second);
  polls(second, 1);
  EXPECT_TRUE(is_frame({first.payload(1, 2), 100}, epoch, 2));
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::ended);
  pulls(second, 2);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  rig.attach(third);
  pulls(third, 1);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  polls(third, 2);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerNext, AViewOutlivesTheClosingOfItsPort) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 0);
  Polled polled;
  const OpenFrame* view = rig.port.next(polled);
  ASSERT_NE(view, nullptr);
  rig.port.close();
  rig.port.orphan();
  (void)rig.lender.collect();
  EXPECT_EQ(regions.uses, 1);
  EXPECT_FALSE(rig.port.finished());
  EXPECT_TRUE(is_frame({view->payload, 100}, epoch, 0));
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::ended);
  EXPECT_TRUE(rig.port.finished());
  (void)rig.lender.collect();
  EXPECT_EQ(regions.uses, 0);
  EXPECT_TRUE(rig.balanced());
}

// A hard boundary seen while the view is open: what is in flight is dropped.
// Proves: STR-112, SHM-155
TEST(ConsumerNext, AHigherEpochSeenMeanwhileEndsTheView) {
  TestRegions regions(epoch);
  TestRegions next(epoch + 1);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 0);
  Polled polled;
  ASSERT_NE(rig.port.next(polled), nullptr);
  rig.subscription.push(ConsumerRig::descriptor_of(next, 0));
  (void)rig.poll();
  EXPECT_EQ(rig.note(NoteKind::higher_epoch).count, 1U);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::ended);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, GivesTheNewestAndSkipsTheRest) {
  TestRegions regions(epoch, 64);
  ConsumerRig rig;
  rig.attach(regions);
  Polled polled;
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  for (std::uint64_t seq = 0; seq < 35; ++seq) {
    if (seq != 20) rig.send(regions, seq);
  }
  const OpenFrame* view = rig.port.latest(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 34U);
  EXPECT_EQ(polled.skipped, 33U);
  EXPECT_EQ(polled.lost, 1U);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, BeginsWithWhatAPollLeftBehind) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1, 2});
  Polled polled;
  ASSERT_NE(rig.port.next(polled), nullptr);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  const OpenFrame* view = rig.port.latest(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 2U);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, LooksABoundedNumberOfTimes) {
  TestRegions regions(epoch, 1024);
  ConsumerRig rig;
  rig.attach(regions);
  for (std::uint64_t seq = 0; seq < 700; ++seq) rig.send(regions, seq);
  Polled polled;
  const OpenFrame* view = rig.port.latest(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 639U);  // 64 polls of 10
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, AnOverwrittenNewestIsNoFrame) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1});
  shm::mark_in_progress(regions.slot(9), 9);
  Polled polled;
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  EXPECT_EQ(polled.skipped, 1U);
  EXPECT_EQ(polled.overwritten, 1U);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, TheRateGateDecidesOnTheNewest) {
  TestRegions regions(epoch);
  ConsumerPortOptions options = ConsumerRig::default_options();
  options.max_rate_hz = 1'000'000;
  ConsumerRig rig(options);
  rig.attach(regions);
  const auto send = [&](std::uint64_t seq, std::uint64_t time) {
    ConsumerRig::write(regions, seq);
    wire::FrameDescriptor descriptor = ConsumerRig::descriptor_of(regions, seq);
    descriptor.timestamp_ns = time;
    rig.subscription.push(descriptor);
  };
  Polled polled;
  send(0, 1'000);
  ASSERT_NE(rig.port.latest(polled), nullptr);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  send(1, 1'500);
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  EXPECT_EQ(polled.skipped, 1U);
  send(2, 2'000);
  ASSERT_NE(rig.port.latest(polled), nullptr);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-206, SHM-156, STR-112
TEST(ConsumerLatest, AHigherEpochBehindTheNewestEndsIt) {
  TestRegions regions(epoch);
  TestRegions next(epoch + 1);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1});
  rig.subscription.push(ConsumerRig::descriptor_of(next, 0));
  Polled polled;
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  EXPECT_EQ(polled.skipped, 1U);
  EXPECT_EQ(polled.ended, 1U);
  EXPECT_EQ(rig.note(NoteKind::higher_epoch).count, 1U);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, AMappingThatEndsInTheMiddleEndsWhatWasSeenOfIt) {
  TestRegions first(epoch);
  TestRegions second(epoch + 1);
  ConsumerRig rig;
  rig.attach(first);
  for (std::uint64_t seq = 0; seq < 12; ++seq) rig.send(first, seq);  // more than one batch
  // The conductor posts the new mapping between two batches.
  rig.subscription.before_poll = [&] {
    if (rig.subscription.polls != 2) return;
    rig.attach(second);
    rig.send(second, {4, 5});
  };
  Polled polled;
  const OpenFrame* view = rig.port.latest(polled);
  // Frames of the second epoch that came in the batch during which it was adopted are dropped.
  EXPECT_EQ(view, nullptr);
  EXPECT_EQ(polled.ended, 1U);
  EXPECT_EQ(polled.skipped, 9U);
  EXPECT_TRUE(rig.balanced());
  rig.subscription.before_poll = nullptr;
  rig.send(second, {6, 7});
  view = rig.port.latest(polled);
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.seq, 7U);
  EXPECT_EQ(view->info.epoch, epoch + 1);
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerLatest, FramesOfTheNextMappingReplaceThoseOfTheEndedOne) {
  TestRegions first(epoch);
  TestRegions second(epoch + 1);
  ConsumerRig rig;
  rig.attach(first);
  rig.send(first, {0, 1});
  rig.subscription.before_poll = [&] {
    if (rig.subscription.polls == 2) {
      rig.attach(second);
      rig.subscription.push(ConsumerRig::descriptor_of(first, 2));  // adopts it
    }
    if (rig.subscription.polls == 3) rig.send(second, {4, 5});
  };
  Polled polled;
  const OpenFrame* view = rig.port.latest(polled);
  rig.subscription.before_poll = nullptr;
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->info.epoch, epoch + 1);
  EXPECT_EQ(view->info.seq, 5U);
  EXPECT_TRUE(is_frame({view->payload, 100}, epoch + 1, 5));
  EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
  EXPECT_EQ(polled.ended, 1U);    // 1 of the first mapping
  EXPECT_EQ(polled.skipped, 2U);  // 0 of the first, 4 of the second
  EXPECT_TRUE(rig.balanced());
}

}  // namespace
}  // namespace tensorpool::agents::test
