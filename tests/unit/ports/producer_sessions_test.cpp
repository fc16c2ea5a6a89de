// A producer whose mapping or links change under its claims: nothing moves the new session, nothing
// is unmapped under a claim, and the books balance whatever happens.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

// Proves: STR-92, STR-93, SHM-260
TEST(ProducerSession, ANewEpochStartsItsSequenceAnew) {
  TestRegions first(5);
  TestRegions second(6);
  ProducerRig rig;
  rig.attach(first);
  for (int i = 0; i < 3; ++i) (void)rig.send();
  rig.attach(second);
  EXPECT_EQ(rig.send().seq, 0U);
  EXPECT_EQ(rig.link.sent.back().epoch, 6U);
  EXPECT_EQ(second.word(0), shm::committed_word(0));
  EXPECT_EQ(rig.cell().producer.sessions.get(), 2U);
  EXPECT_EQ(rig.cell().producer.epoch.get(), 6U);
  EXPECT_EQ(rig.cell().producer.next_seq.get(), 1U);
}

// Proves: STR-108
TEST(ProducerSession, AClaimOfAnEndedSessionIsRefusedAndMovesNothing) {
  auto first = std::make_unique<TestRegions>(5);
  TestRegions second(6);
  ProducerRig rig;
  rig.attach(*first);
  const ClaimedSlot old = rig.claim();
  const ClaimedSlot old_too = rig.claim();
  rig.attach(second);
  const ClaimedSlot fresh = rig.claim();
  EXPECT_EQ(fresh.seq, 0U);
  (void)rig.lender.collect();
  EXPECT_EQ(first->uses, 1);  // the old claims keep their memory
  fill({old.data, old.size}, 5, old.seq);
  const auto committed = rig.port.commit(old, {});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), Code::lease_ended);
  EXPECT_EQ(first->word(0), shm::in_progress_word(0));  // not written any more
  EXPECT_TRUE(rig.link.sent.empty());
  (void)rig.lender.collect();
  EXPECT_EQ(first->uses, 1);
  const auto aborted = rig.port.abort(old_too);
  ASSERT_FALSE(aborted);
  EXPECT_EQ(aborted.error().code(), Code::lease_ended);
  (void)rig.lender.collect();
  EXPECT_EQ(first->uses, 0);  // and gone with the last of them
  first.reset();
  EXPECT_EQ(rig.cell().producer.refused.get(), 2U);
  EXPECT_EQ(rig.open(), 1U);
  EXPECT_EQ(rig.commit(fresh).told, Told::consumers);
  EXPECT_EQ(rig.link.sent[0].epoch, 6U);
  EXPECT_EQ(rig.open(), 0U);
}

TEST(ProducerSession, HeldCommitsOfAnEndedSessionAreToldToNobody) {
  TestRegions first(5);
  TestRegions second(6);
  ProducerRig rig;
  rig.attach(first);
  const ClaimedSlot oldest = rig.claim();
  EXPECT_EQ(rig.commit(rig.claim()).told, Told::held);
  EXPECT_EQ(rig.commit(rig.claim()).told, Told::held);
  EXPECT_TRUE(rig.port.abort(rig.claim()));
  rig.attach(second);
  EXPECT_FALSE(rig.port.commit(oldest, {}));
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_EQ(rig.cell().producer.not_announced.get(), 2U);
  EXPECT_EQ(rig.cell().producer.aborted.get(), 1U);
  EXPECT_EQ(rig.cell().producer.refused.get(), 1U);
  EXPECT_EQ(rig.open(), 0U);
  EXPECT_EQ(rig.send().seq, 0U);
}

TEST(ProducerSession, AnotherWiringOfTheSameSessionKeepsClaimsAndOrder) {
  TestRegions regions(5);
  FakePublication replaced;
  ProducerRig rig;
  rig.attach(regions);
  (void)rig.send();
  const ClaimedSlot claimed = rig.claim();
  EXPECT_EQ(rig.commit(rig.claim()).told, Told::held);
  rig.attach(regions, {&replaced});
  EXPECT_EQ(rig.commit(claimed).told, Told::consumers);
  EXPECT_EQ(rig.link.sent.size(), 1U);
  ASSERT_EQ(replaced.sent.size(), 2U);
  EXPECT_EQ(replaced.sent[0].seq, 1U);
  EXPECT_EQ(replaced.sent[1].seq, 2U);
  EXPECT_EQ(rig.cell().producer.sessions.get(), 1U);
}

// Proves: STR-108
TEST(ProducerSession, ACommitWhileTheSessionRestsIsAborted) {
  TestRegions regions(5);
  ProducerRig rig;
  rig.attach(regions);
  const ClaimedSlot first = rig.claim();
  const ClaimedSlot second = rig.claim();
  EXPECT_EQ(rig.commit(rig.claim()).told, Told::held);
  rig.post(PortState::reattaching, Code::reattaching, &regions, {});
  const auto committed = rig.port.commit(first, {});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), Code::reattaching);
  EXPECT_EQ(regions.word(0), shm::in_progress_word(0));
  EXPECT_FALSE(rig.port.commit(second, {}));
  EXPECT_EQ(rig.cell().producer.aborted.get(), 2U);
  EXPECT_EQ(rig.cell().producer.not_announced.get(), 1U);  // the one that was held
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_EQ(rig.open(), 0U);
  // The same session comes back: numbers go on.
  rig.attach(regions);
  EXPECT_EQ(rig.send().seq, 3U);
  EXPECT_EQ(rig.cell().producer.sessions.get(), 1U);
}

TEST(ProducerSession, AMediaDriverThatWasAwayMakesNoNewSession) {
  TestRegions regions(5);
  ProducerRig rig;
  rig.attach(regions);
  (void)rig.send();
  rig.post(PortState::reattaching, Code::reattaching, nullptr, {});
  EXPECT_EQ(rig.port.state(), PortState::reattaching);
  rig.attach(regions);
  EXPECT_EQ(rig.send().seq, 1U);
}

TEST(ProducerSession, OnlyTheNewestOfSeveralWiringsIsAdopted) {
  TestRegions first(5);
  TestRegions second(6);
  TestRegions third(7);
  ProducerRig rig;
  rig.attach(first);
  rig.attach(second);
  rig.attach(third);
  EXPECT_EQ(first.uses, 0);  // never adopted: back at once
  EXPECT_EQ(second.uses, 0);
  EXPECT_EQ(rig.lender.out(), 1U);
  (void)rig.send();
  EXPECT_EQ(rig.cell().producer.epoch.get(), 7U);
  EXPECT_EQ(rig.cell().producer.sessions.get(), 1U);
}

TEST(ProducerClose, OpenClaimsKeepTheirMemoryAndAreRefused) {
  TestRegions regions(5);
  ProducerRig rig;
  rig.attach(regions);
  const ClaimedSlot first = rig.claim();
  const ClaimedSlot second = rig.claim();
  EXPECT_EQ(rig.commit(rig.claim()).told, Told::held);
  rig.port.close();
  EXPECT_TRUE(rig.cell().closed.load());
  (void)rig.lender.collect();
  EXPECT_EQ(regions.uses, 1);
  EXPECT_FALSE(rig.port.finished());
  fill({first.data, first.size}, 5, first.seq);
  const auto committed = rig.port.commit(first, {});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), Code::closed);
  rig.port.orphan();
  EXPECT_FALSE(rig.port.finished());
  const auto aborted = rig.port.abort(second);
  ASSERT_FALSE(aborted);
  EXPECT_EQ(aborted.error().code(), Code::closed);
  EXPECT_TRUE(rig.port.finished());
  (void)rig.lender.collect();
  EXPECT_EQ(regions.uses, 0);
  EXPECT_EQ(rig.cell().producer.refused.get(), 2U);
  EXPECT_EQ(rig.cell().producer.not_announced.get(), 1U);
  EXPECT_EQ(rig.open(), 0U);
  EXPECT_TRUE(rig.link.sent.empty());
}

TEST(ProducerClose, GivesBackTheMailThatWaits) {
  TestRegions first(5);
  TestRegions second(6);
  ProducerRig rig;
  rig.attach(first);
  (void)rig.send();
  rig.attach(second);
  rig.port.close();
  rig.port.close();  // twice is once
  (void)rig.lender.collect();
  EXPECT_EQ(rig.lender.out(), 0U);
  // What the conductor posts before it sees the flag stays its own.
  rig.attach(first);
  EXPECT_FALSE(rig.port.claim(bytes_spec(1)));
  rig.lender.take_mail();
  EXPECT_EQ(rig.lender.out(), 0U);
}

// The books and the order, whatever happens in whatever order. The model counts on its own.
class RandomProducer {
 public:
  explicit RandomProducer(std::uint64_t seed) : prng_(seed) { next_session(); }

  void step() {
    const std::uint64_t what = prng_.below(100);
    if (what < 40) {
      claim();
    } else if (what < 75) {
      finish(true);
    } else if (what < 85) {
      finish(false);
    } else if (what < 90) {
      rig_.link.outcomes.push_back(static_cast<transport::Position>(-1) -
                                   static_cast<std::int64_t>(prng_.below(6)));
    } else if (what < 94) {
      rig_.attach(*regions_.back());
      resting_ = false;
    } else if (what < 96) {
      rig_.post(PortState::reattaching, Code::reattaching, regions_.back().get());
      resting_ = true;
    } else if (what < 98) {
      next_session();
    }
    check();
  }

  void end() {
    if (prng_.chance(500'000)) rig_.port.close();
    while (!open_.empty()) finish(true);
    check();
    EXPECT_EQ(rig_.port.open_pins(), 0U);
    rig_.port.close();
    EXPECT_EQ(rig_.open(), 0U);
    (void)rig_.lender.collect();
    for (const auto& regions : regions_) EXPECT_EQ(regions->uses, 0);
  }

 private:
  void next_session() {
    const std::uint32_t slots = 1U << prng_.below(6);
    regions_.push_back(std::make_unique<TestRegions>(++epoch_, slots));
    rig_.attach(*regions_.back());
    resting_ = false;
  }
  void claim() {
    auto claimed = rig_.port.claim(bytes_spec(static_cast<std::int64_t>(prng_.below(1100))));
    if (!claimed) {
      const Code code = claimed.error().code();
      EXPECT_TRUE(code == Code::too_large || code == Code::claims_exhausted ||
                  (resting_ && code == Code::reattaching))
          << claimed.error().message();
      return;
    }
    EXPECT_FALSE(resting_);
    EXPECT_EQ(claimed->session, epoch_);
    ++claims_;
    fill({claimed->data, claimed->size}, claimed->session, claimed->seq);
    open_.push_back(*claimed);
  }
  void finish(bool commit) {
    if (open_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(prng_.below(open_.size()));
    const ClaimedSlot claimed = open_[static_cast<std::size_t>(at)];
    open_.erase(open_.begin() + at);
    fill({claimed.data, claimed.size}, claimed.session, claimed.seq);  // still ours
    if (!commit) {
      (void)rig_.port.abort(claimed);
      return;
    }
    const auto committed = rig_.port.commit(claimed, {});
    if (committed) {
      EXPECT_EQ(claimed.session, epoch_);
      EXPECT_EQ(committed->seq, claimed.seq);
    }
  }
  void check() {
    const ProducerCounts& counts = rig_.cell().producer;
    ASSERT_EQ(counts.claimed.get(), claims_);
    ASSERT_EQ(counts.published.get(), rig_.link.sent.size());
    ASSERT_GE(rig_.open(), open_.size());  // open, and held behind an open one
    const auto& sent = rig_.link.sent;
    for (; checked_ < sent.size(); ++checked_) {
      if (checked_ == 0) continue;
      const wire::FrameDescriptor& before = sent[checked_ - 1];
      const wire::FrameDescriptor& now = sent[checked_];
      ASSERT_TRUE(now.epoch > before.epoch || (now.epoch == before.epoch && now.seq > before.seq));
    }
  }

  base::Prng prng_;
  std::uint64_t epoch_ = 0;
  bool resting_ = false;
  std::uint64_t claims_ = 0;
  std::size_t checked_ = 0;
  std::vector<std::unique_ptr<TestRegions>> regions_;
  std::vector<ClaimedSlot> open_;
  ProducerRig rig_;
};

// Proves: STR-90
TEST(ProducerBooks, BalanceWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomProducer producer(seed);
    for (int i = 0; i < 500; ++i) producer.step();
    producer.end();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tensorpool::agents::test
