// The inline rules of the frame path: which descriptor is fresh, which frames a rate limit wants, in
// which order descriptors leave.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/prng.hpp"
#include "protocol/frame/claim_window.hpp"
#include "protocol/frame/rate_gate.hpp"
#include "protocol/frame/sequence.hpp"

namespace tensorpool::protocol {
namespace {

// Proves: STR-124, SHM-240, STR-121
TEST(SequenceTracker, TheFirstDescriptorIsTheBaselineAndLaterGapsCount) {
  SequenceTracker tracker;
  EXPECT_EQ(tracker.see(0, 256).lost, 0U);  // 0 is a sequence number like any other
  EXPECT_EQ(tracker.see(1, 256).lost, 0U);
  const SeqStep step = tracker.see(5, 256);
  EXPECT_EQ(step.verdict, SeqVerdict::fresh);
  EXPECT_EQ(step.lost, 3U);
  tracker.reset();
  EXPECT_EQ(tracker.see(1000, 256).lost, 0U);
  EXPECT_EQ(tracker.seen(), 1U);
}

// Proves: STR-114, STR-115, SHM-163
TEST(SequenceTracker, ARepeatIsDiscardedAndAStepBackNeedsARemap) {
  SequenceTracker tracker;
  (void)tracker.see(7, 256);
  EXPECT_EQ(tracker.see(7, 256).verdict, SeqVerdict::duplicate);
  EXPECT_EQ(tracker.seen(), 1U);
  EXPECT_EQ(tracker.see(6, 256).verdict, SeqVerdict::regression);
  EXPECT_EQ(tracker.last(), 7U);
}

// Proves: SHM-243, SHM-244, SHM-245, STR-126, STR-127
TEST(SequenceTracker, AGapAboveTheLimitResynchronises) {
  SequenceTracker tracker;
  (void)tracker.see(0, 256);
  EXPECT_EQ(tracker.see(257, 256).verdict, SeqVerdict::fresh);  // a gap of exactly the limit
  const SeqStep step = tracker.see(257 + 258, 256);
  EXPECT_EQ(step.verdict, SeqVerdict::resync);
  EXPECT_EQ(step.lost, 257U);
  EXPECT_EQ(step.skipped, 1U);
  // The next one is not checked for a gap: what lies before it was given up.
  const SeqStep after = tracker.see(1000, 256);
  EXPECT_EQ(after.verdict, SeqVerdict::fresh);
  EXPECT_EQ(after.lost, 0U);
  EXPECT_EQ(after.skipped, 1000U - 515U - 1U);
}

TEST(SequenceTracker, ALimitOfZeroNeverResynchronises) {
  SequenceTracker tracker;
  (void)tracker.see(0, 0);
  const SeqStep step = tracker.see(1'000'000, 0);
  EXPECT_EQ(step.verdict, SeqVerdict::fresh);
  EXPECT_EQ(step.lost, 999'999U);
}

TEST(SequenceTracker, EveryNumberBetweenFirstAndLastEndsInExactlyOneCount) {
  base::Prng prng(4711);
  for (int round = 0; round < 200; ++round) {
    SequenceTracker tracker;
    std::uint64_t seq = prng.below(1000);
    const std::uint64_t first = seq;
    std::uint64_t fresh = 0;
    std::uint64_t lost = 0;
    std::uint64_t skipped = 0;
    for (int i = 0; i < 500; ++i) {
      const SeqStep step = tracker.see(seq, 16);
      lost += step.lost;
      skipped += step.skipped;
      if (step.verdict == SeqVerdict::fresh) ++fresh;
      seq += prng.chance(100'000) ? prng.below(40) : 1;
    }
    EXPECT_EQ(fresh + lost + skipped, tracker.last() - first + 1);
    EXPECT_EQ(tracker.seen(), tracker.last() - first + 1);
  }
}

TEST(SequenceTracker, AfterAResynchronisationAGapWithoutDescriptorsBetweenIsNotLost) {
  SequenceTracker tracker;
  (void)tracker.see(10, 4);
  EXPECT_EQ(tracker.see(100, 4).verdict, SeqVerdict::resync);
  // The very next number: nothing to give up, and the limit counts again from here.
  EXPECT_EQ(tracker.see(101, 4).verdict, SeqVerdict::fresh);
  const SeqStep step = tracker.see(104, 4);
  EXPECT_EQ(step.lost, 2U);
  EXPECT_EQ(tracker.see(200, 4).verdict, SeqVerdict::resync);
  // Repeats and steps back are what they always are.
  EXPECT_EQ(tracker.see(200, 4).verdict, SeqVerdict::duplicate);
  EXPECT_EQ(tracker.see(199, 4).verdict, SeqVerdict::regression);
  EXPECT_EQ(tracker.last(), 200U);
}

TEST(SequenceTracker, ARegressionMovesNothing) {
  SequenceTracker tracker;
  (void)tracker.see(7, 0);
  (void)tracker.see(9, 0);
  const std::uint64_t seen = tracker.seen();
  EXPECT_EQ(tracker.see(0, 0).verdict, SeqVerdict::regression);
  EXPECT_EQ(tracker.seen(), seen);
  EXPECT_EQ(tracker.last(), 9U);
  EXPECT_TRUE(tracker.any());
  tracker.reset();
  EXPECT_FALSE(tracker.any());
  EXPECT_EQ(tracker.seen(), 0U);
}

// Proves: STR-195, STR-197
TEST(RateGate, AcceptsAtMostOneFrameInAPeriod) {
  RateGate gate(1000);
  EXPECT_TRUE(gate.wants(GateSource::descriptor, 5));
  gate.accept(GateSource::descriptor, 5);
  EXPECT_FALSE(gate.wants(GateSource::descriptor, 5 + 999'999));
  EXPECT_TRUE(gate.wants(GateSource::descriptor, 5 + 1'000'000));
  // A clock that goes back and another source start anew.
  EXPECT_TRUE(gate.wants(GateSource::descriptor, 4));
  EXPECT_TRUE(gate.wants(GateSource::slot, 6));
}

TEST(RateGate, TheReferenceMovesOnlyWhenAFrameIsAccepted) {
  RateGate gate(10);
  gate.accept(GateSource::slot, 0);
  EXPECT_TRUE(gate.wants(GateSource::slot, 100'000'000));
  EXPECT_TRUE(gate.wants(GateSource::slot, 100'000'001));
  EXPECT_FALSE(RateGate(0).enabled());
}

// Proves: STR-195
TEST(RateGate, AcceptedFramesAreAPeriodApartWhateverTheArrivals) {
  base::Prng prng(7);
  RateGate gate(333);  // 3003003 ns, rounded down
  std::uint64_t time = 1;
  std::uint64_t last = 0;
  std::size_t accepted = 0;
  for (int i = 0; i < 10'000; ++i) {
    time += prng.below(2'000'000);
    if (!gate.wants(GateSource::slot, time)) {
      ASSERT_LT(time - last, 3'003'003U);
      continue;
    }
    if (accepted != 0) {
      ASSERT_GE(time - last, 3'003'003U);
    }
    gate.accept(GateSource::slot, time);
    last = time;
    ++accepted;
  }
  EXPECT_GT(accepted, 1000U);
}

TEST(RateGate, AfterAResetTheFirstFrameIsWanted) {
  RateGate gate(1);
  gate.accept(GateSource::descriptor, 1000);
  EXPECT_FALSE(gate.wants(GateSource::descriptor, 1001));
  gate.reset();
  EXPECT_TRUE(gate.wants(GateSource::descriptor, 1001));
}

// Proves: STR-90, STR-92, SHM-260
TEST(ClaimWindow, DescriptorsLeaveInOrderOfSeqWhateverTheOrderOfCommits) {
  base::Prng prng(99);
  ClaimWindow window;
  window.reset(ClaimWindow::size_for(8, 1024));
  std::vector<std::uint64_t> open;
  std::vector<std::uint64_t> told;
  std::uint64_t aborted = 0;
  for (int i = 0; i < 10'000; ++i) {
    if (!window.full() && prng.chance(600'000)) {
      open.push_back(window.take());
    } else if (!open.empty()) {
      const auto at = static_cast<std::ptrdiff_t>(prng.below(open.size()));
      const bool announce = !prng.chance(200'000);
      if (!announce) ++aborted;
      window.finish(open[static_cast<std::size_t>(at)], announce);
      open.erase(open.begin() + at);
      window.drain([&](std::uint64_t seq) { told.push_back(seq); });
    }
    ASSERT_LE(window.next() - window.head(), window.size());
  }
  ASSERT_FALSE(told.empty());
  for (std::size_t i = 1; i < told.size(); ++i) ASSERT_LT(told[i - 1], told[i]);
  EXPECT_EQ(told.size() + aborted + open.size() + window.held(), window.next());
  window.reset(4);
  EXPECT_EQ(window.take(), 0U);
}

TEST(ClaimWindow, HeldCountsOnlyWhatIsToBeAnnounced) {
  ClaimWindow window;
  window.reset(8);
  for (int i = 0; i < 4; ++i) (void)window.take();
  window.finish(1, true);
  window.finish(2, false);
  window.finish(3, true);
  EXPECT_EQ(window.held(), 2U);
  std::vector<std::uint64_t> told;
  const auto note = [&](std::uint64_t seq) { told.push_back(seq); };
  window.drain(note);
  EXPECT_TRUE(told.empty());
  window.finish(0, false);
  window.drain(note);
  EXPECT_EQ(told, (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(window.held(), 0U);
  EXPECT_EQ(window.head(), window.next());
}

TEST(ClaimWindow, OpenClaimsNeverWrapOntoOneAnother) {
  EXPECT_EQ(ClaimWindow::size_for(8, 1), 1U);
  EXPECT_EQ(ClaimWindow::size_for(8, 2), 1U);
  EXPECT_EQ(ClaimWindow::size_for(8, 4), 2U);
  EXPECT_EQ(ClaimWindow::size_for(64, 64), 32U);
  EXPECT_EQ(ClaimWindow::size_for(1000, 1U << 20U), 64U);
}

}  // namespace
}  // namespace tensorpool::protocol
