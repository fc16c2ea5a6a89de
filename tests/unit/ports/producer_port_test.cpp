// The producer's frame path inside one session: what a claim does, what a commit does in which
// order, and who is told (docs/internals/concurrency.md section 3).
#include "agents/producer_port.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;

std::vector<std::uint64_t> seqs(const FakePublication& link) {
  std::vector<std::uint64_t> list;
  for (const wire::FrameDescriptor& descriptor : link.sent) list.push_back(descriptor.seq);
  return list;
}

// --- Claims ------------------------------------------------------------------------------------

// Proves: STR-108
TEST(ProducerClaim, IsRefusedWithoutMappedRegionsAndTouchesNothing) {
  TestRegions regions(epoch);
  ProducerRig rig;
  const auto refused_with = [&](Code code) {
    const auto claimed = rig.port.claim(bytes_spec(10));
    ASSERT_FALSE(claimed);
    EXPECT_EQ(claimed.error().code(), code);
    EXPECT_EQ(rig.port.open_pins(), 0U);
  };
  EXPECT_EQ(rig.port.state(), PortState::connecting);
  refused_with(Code::connecting);
  rig.post(PortState::connecting, Code::not_attached, nullptr, {&rig.link});
  refused_with(Code::not_attached);
  rig.post(PortState::reattaching, Code::reattaching, &regions, {&rig.link});
  refused_with(Code::reattaching);
  EXPECT_EQ(rig.port.state(), PortState::reattaching);
  rig.post(PortState::shutdown, Code::shutdown, &regions, {&rig.link});
  refused_with(Code::shutdown);
  rig.port.close();
  refused_with(Code::closed);
  EXPECT_EQ(rig.port.state(), PortState::closed);
  EXPECT_EQ(rig.cell().producer.claimed.get(), 0U);
  EXPECT_EQ(regions.word(0), 0U);
  EXPECT_EQ(rig.link.tries, 0);
}

// As many shapes as claims can be open, and whoever asks for more is told so.
TEST(ProducerClaim, OpenClaimsMayEachHaveAShapeOfTheirOwn) {
  TestRegions regions(epoch, 256);
  ProducerPortOptions options = ProducerRig::default_options();
  options.max_claims = 64;
  ProducerRig rig(options);
  rig.attach(regions);
  std::vector<ClaimedSlot> open;
  for (std::int64_t i = 0; i < 64; ++i) open.push_back(rig.claim(10 + i));
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto more = rig.port.claim(bytes_spec(100 + i));
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code(), Code::claims_exhausted);
  }
  for (const ClaimedSlot& claim : open) {
    (void)rig.commit(claim);
    EXPECT_EQ(regions.fields(claim.seq).values_len_bytes, 10 + claim.seq);
  }
}

// Proves: SHM-178, SHM-169
TEST(ProducerClaim, MarksTheSlotBeforeTheMemoryIsHandedOut) {
  TestRegions regions(epoch, 2);
  ProducerRig rig;
  rig.attach(regions);
  (void)rig.send();
  (void)rig.send();
  bool seen = false;
  const shm::SlotFields before = regions.fields(2);
  const OnStep hook([&](Step step) {
    if (step != Step::claimed) return;
    seen = true;
    EXPECT_EQ(regions.word(2), shm::in_progress_word(2));
    // Nothing else of the old frame 0 has changed yet.
    EXPECT_EQ(regions.fields(2), before);
    EXPECT_TRUE(is_frame({regions.payload(1, 2), 100}, epoch, 0));
  });
  const ClaimedSlot claimed = rig.claim();
  EXPECT_TRUE(seen);
  EXPECT_EQ(claimed.data, regions.payload(1, 2));
  (void)rig.commit(claimed);
}

TEST(ProducerClaim, TakesTheSmallestPoolThatFits) {
  TestRegions regions(epoch, 8, {{9, 1024, {}}, {3, 256, {}}});
  ProducerRig rig;
  rig.attach(regions);
  for (const auto& [size, pool] : {std::pair{1, 3}, {256, 3}, {257, 9}, {1024, 9}}) {
    const ClaimedSlot claimed = rig.claim(size);
    EXPECT_EQ(claimed.pool_id, pool) << size;
    EXPECT_EQ(claimed.data, regions.payload(claimed.pool_id, claimed.seq));
    EXPECT_EQ(claimed.size, static_cast<std::uint64_t>(size));
    (void)rig.commit(claimed);
    EXPECT_EQ(regions.fields(claimed.seq).pool_id, pool);
  }
}

// Proves: STR-105
TEST(ProducerClaim, AFrameThatFitsNoPoolIsRefusedAndSpendsNoSequence) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  const auto claimed = rig.port.claim(bytes_spec(1025));
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().code(), Code::too_large);
  EXPECT_EQ(rig.cell().producer.too_large.get(), 1U);
  EXPECT_EQ(regions.word(0), 0U);
  EXPECT_EQ(rig.send().seq, 0U);
}

TEST(ProducerClaim, ATensorThatReadersWouldRefuseIsRefusedFirst) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  const auto refuse = [&](auto&& spoil) {
    TensorSpec spec = bytes_spec(10);
    spoil(spec);
    const auto claimed = rig.port.claim(spec);
    ASSERT_FALSE(claimed);
    EXPECT_EQ(claimed.error().code(), Code::invalid_spec);
  };
  refuse([](TensorSpec& s) { s.dtype = DType::unknown; });
  refuse([](TensorSpec& s) { s.order = MajorOrder::unknown; });
  refuse([](TensorSpec& s) { s.shape = {}; });
  refuse([](TensorSpec& s) { s.shape = {-1}; });
  refuse([](TensorSpec& s) { s.shape = {1, 1, 1, 1, 1, 1, 1, 1, 1}; });
  refuse([](TensorSpec& s) { s.strides = {1, 1}; });
  refuse([](TensorSpec& s) { s.progress_unit = ProgressUnit::columns; });
  EXPECT_EQ(rig.cell().producer.claimed.get(), 0U);
  EXPECT_EQ(rig.send().seq, 0U);
}

TEST(ProducerClaim, TheWindowBoundsOpenClaims) {
  TestRegions regions(epoch, 8);
  ProducerRig rig;  // 8 claims asked for, half of 8 slots allowed
  rig.attach(regions);
  std::vector<ClaimedSlot> open;
  for (int i = 0; i < 4; ++i) open.push_back(rig.claim());
  const auto fifth = rig.port.claim(bytes_spec(1));
  ASSERT_FALSE(fifth);
  EXPECT_EQ(fifth.error().code(), Code::claims_exhausted);
  EXPECT_EQ(rig.cell().producer.exhausted.get(), 1U);
  EXPECT_EQ(rig.open(), 4U);
  // A later one that is done does not help: the window begins at the oldest.
  (void)rig.commit(open[1]);
  EXPECT_FALSE(rig.port.claim(bytes_spec(1)));
  (void)rig.commit(open[0]);
  open.erase(open.begin(), open.begin() + 2);
  for (const std::uint64_t seq : {4U, 5U}) {  // the refusals spent none
    open.push_back(rig.claim());
    EXPECT_EQ(open.back().seq, seq);
  }
  EXPECT_FALSE(rig.port.claim(bytes_spec(1)));
  for (const ClaimedSlot& claimed : open) EXPECT_TRUE(rig.port.abort(claimed));
}

// --- Commit ------------------------------------------------------------------------------------

// Proves: STR-87, STR-103, SHM-171, SHM-174, MSG-76
TEST(ProducerCommit, TheHeaderComesBeforeTheCommitWordAndThatBeforeTheDescriptor) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  std::vector<Step> steps;
  const OnStep hook([&](Step step) {
    if (step == Step::adopted) return;
    steps.push_back(step);
    const bool header = regions.fields(0).values_len_bytes == 100;
    const bool committed = regions.word(0) == shm::committed_word(0);
    EXPECT_EQ(header, step != Step::claimed);
    EXPECT_EQ(committed, step != Step::claimed && step != Step::before_commit_word);
    EXPECT_EQ(rig.link.sent.size(), step == Step::after_descriptor ? 1U : 0U);
    if (step != Step::claimed) {
      EXPECT_TRUE(is_frame({regions.payload(1, 0), 100}, epoch, 0));
    }
  });
  (void)rig.send();
  EXPECT_EQ(steps,
            (std::vector<Step>{Step::claimed, Step::before_commit_word, Step::after_commit_word,
                               Step::before_descriptor, Step::after_descriptor}));
}

// Proves: STR-89, STR-93, STR-94, MSG-75, SHM-166
TEST(ProducerCommit, TheDescriptorNamesTheSlotsSequenceAndEpochAndNullsWhatIsAbsent) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  for (std::uint64_t seq = 0; seq < 20; ++seq) {
    (void)rig.send();
    ASSERT_EQ(rig.link.sent.size(), seq + 1);
    const wire::FrameDescriptor& descriptor = rig.link.sent.back();
    EXPECT_EQ(descriptor.seq, regions.word(seq) >> 1U);
    EXPECT_EQ(descriptor.seq, seq);
    EXPECT_EQ(descriptor.epoch, epoch);
    EXPECT_EQ(descriptor.stream_id, test_stream);
    EXPECT_EQ(descriptor.timestamp_ns, UINT64_MAX);
    EXPECT_EQ(descriptor.meta_version, UINT32_MAX);
    EXPECT_EQ(descriptor.trace_id, 0U);
  }
}

// Proves: SHM-181, STR-98
TEST(ProducerCommit, WhatTheApplicationSaysGoesIntoSlotAndDescriptor) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  CommitOptions options;
  options.timestamp_ns = 123'456;
  options.meta_version = 9;
  options.trace_id = 77;
  (void)rig.commit(rig.claim(), options);
  EXPECT_EQ(regions.fields(0).timestamp_ns, 123'456U);
  EXPECT_EQ(regions.fields(0).meta_version, 9U);
  EXPECT_EQ(rig.link.sent[0].meta_version, 9U);
  EXPECT_EQ(rig.link.sent[0].trace_id, 77U);
  // Nothing of it stays for the next frame.
  (void)rig.send();
  EXPECT_EQ(regions.fields(1).meta_version, 0U);
  EXPECT_EQ(rig.link.sent[1].trace_id, 0U);
}

// Proves: SHM-251, SHM-252, STR-99
TEST(ProducerCommit, CaptureIsTheClaimAndPublishingIsAfterTheCommit) {
  TestRegions regions(epoch);
  ProducerPortOptions options = ProducerRig::default_options();
  options.descriptor_timestamps = true;
  ProducerRig rig(options);
  rig.attach(regions);
  TestEnv::time = 1'000;
  const ClaimedSlot claimed = rig.claim();
  TestEnv::time = 2'000;
  {
    const OnStep hook([](Step step) {
      if (step == Step::after_commit_word) TestEnv::time = 3'000;
    });
    (void)rig.commit(claimed);
  }
  EXPECT_EQ(regions.fields(0).timestamp_ns, 1'000U);
  EXPECT_EQ(rig.link.sent[0].timestamp_ns, 3'000U);
}

// Proves: SHM-250, STR-101
TEST(ProducerCommit, BothTimesRiseWithTheSequenceWhateverTheOrderOfCommits) {
  TestRegions regions(epoch, 16);
  ProducerPortOptions options = ProducerRig::default_options();
  options.descriptor_timestamps = true;
  ProducerRig rig(options);
  rig.attach(regions);
  std::vector<ClaimedSlot> open;
  for (int i = 0; i < 6; ++i) {
    open.push_back(rig.claim());
    TestEnv::time += 10;
  }
  for (const std::size_t at : {5U, 2U, 0U, 3U, 1U, 4U}) {
    (void)rig.commit(open[at]);
    TestEnv::time += 10;
  }
  ASSERT_EQ(rig.link.sent.size(), 6U);
  for (std::uint64_t seq = 1; seq < 6; ++seq) {
    EXPECT_GT(regions.fields(seq).timestamp_ns, regions.fields(seq - 1).timestamp_ns);
    EXPECT_GE(rig.link.sent[seq].timestamp_ns, rig.link.sent[seq - 1].timestamp_ns);
  }
}

// Proves: STR-107
TEST(ProducerCommit, AFrameWithoutPayloadIsCommittedAndAnnouncedLikeAnyOther) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  const Committed committed = rig.send(0);
  EXPECT_EQ(committed.told, Told::consumers);
  EXPECT_EQ(regions.word(0), shm::committed_word(0));
  EXPECT_EQ(regions.fields(0).values_len_bytes, 0U);
  EXPECT_EQ(seqs(rig.link), (std::vector<std::uint64_t>{0}));
}

TEST(ProducerCommit, TheSlotSaysWhatReadersNeed) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  TensorSpec spec;
  spec.dtype = DType::u16;
  spec.shape = {4, 6};
  spec.strides = {16, 2};  // rows with a gap
  spec.progress_unit = ProgressUnit::rows;
  auto claimed = rig.port.claim(spec);
  ASSERT_TRUE(claimed);
  EXPECT_EQ(claimed->size, 3U * 16 + 12);
  (void)rig.commit(*claimed);
  const shm::SlotFields fields = regions.fields(0);
  EXPECT_EQ(shm::validate(fields, regions.geometry, 0), shm::SlotFault::none);
  EXPECT_EQ(fields.values_len_bytes, 60U);
  EXPECT_EQ(fields.dims[1], 6);
  EXPECT_EQ(fields.strides[0], 16);
  EXPECT_EQ(fields.strides[1], 2);
  EXPECT_EQ(fields.progress_stride_bytes, 16U);
}

// --- Who is told -------------------------------------------------------------------------------

// Proves: STR-88
TEST(ProducerLinks, EveryFrameIsToldOnceOnEveryLink) {
  TestRegions regions(epoch);
  FakePublication second;
  ProducerRig rig;
  rig.attach(regions, {&rig.link, &second});
  for (int i = 0; i < 12; ++i) (void)rig.send();
  std::vector<std::uint64_t> all;
  for (std::uint64_t seq = 0; seq < 12; ++seq) all.push_back(seq);
  EXPECT_EQ(seqs(rig.link), all);
  EXPECT_EQ(seqs(second), all);
  EXPECT_EQ(rig.cell().producer.published.get(), 12U);
  EXPECT_EQ(rig.cell().producer.bytes.get(), 1200U);
}

TEST(ProducerLinks, ATermRotationIsRetriedThreeTimes) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  rig.link.outcomes.assign(3, transport::admin_action);
  EXPECT_EQ(rig.send().told, Told::consumers);
  EXPECT_EQ(rig.link.tries, 4);
  rig.link.outcomes.assign(20, transport::admin_action);
  EXPECT_EQ(rig.send().told, Told::back_pressured);
  EXPECT_EQ(rig.link.tries, 8);
  EXPECT_EQ(rig.cell().producer.back_pressured.get(), 1U);
}

// Proves: STR-91, STR-95, STR-233, SHM-177, SHM-165
TEST(ProducerLinks, AStandingSubscriberIsNotWaitedForAndTheSequenceIsSpent) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  for (int i = 0; i < 30; ++i) {  // more frames than slots
    const bool refused = i % 3 == 1;
    if (refused) rig.link.outcomes.push_back(transport::back_pressured);
    const Committed committed = rig.send();
    EXPECT_EQ(committed.seq, static_cast<std::uint64_t>(i));
    EXPECT_EQ(committed.told, refused ? Told::back_pressured : Told::consumers);
    EXPECT_EQ(regions.word(committed.seq), shm::committed_word(committed.seq));
    EXPECT_EQ(rig.link.tries, i + 1);  // one try each
  }
  EXPECT_EQ(rig.cell().producer.published.get(), 20U);
  EXPECT_EQ(rig.cell().producer.not_announced.get(), 10U);
  EXPECT_EQ(rig.cell().producer.back_pressured.get(), 10U);
  EXPECT_EQ(rig.open(), 0U);
}

// Proves: STR-14, STR-91
TEST(ProducerLinks, NobodySubscribedIsAnOrdinaryOutcome) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  rig.link.outcomes.push_back(transport::not_connected);
  EXPECT_EQ(rig.send().told, Told::nobody);
  EXPECT_EQ(rig.cell().producer.back_pressured.get(), 0U);
  EXPECT_EQ(rig.cell().producer.not_announced.get(), 1U);
  const Committed next = rig.send();
  EXPECT_EQ(next.seq, 1U);
  EXPECT_EQ(next.told, Told::consumers);
  rig.attach(regions, {});  // no link at all
  EXPECT_EQ(rig.send().told, Told::nobody);
}

TEST(ProducerLinks, ADeadLinkIsNotedForTheConductor) {
  TestRegions regions(epoch);
  FakePublication second;
  ProducerRig rig;
  rig.attach(regions, {&rig.link, &second});
  std::uint64_t notes = 0;
  for (const transport::Position dead :
       {transport::publication_closed, transport::max_position_exceeded,
        transport::publication_error}) {
    second.outcomes.push_back(dead);
    EXPECT_EQ(rig.send().told, Told::consumers);  // the other one took it
    const Note::Value note = rig.cell().note(NoteKind::link_failed).read();
    EXPECT_EQ(note.count, ++notes);
    EXPECT_EQ(note.session, epoch);
    EXPECT_EQ(note.argument, 1U);
    EXPECT_EQ(second.tries, static_cast<int>(notes));
  }
  rig.link.outcomes.push_back(transport::publication_closed);
  second.outcomes.push_back(transport::back_pressured);
  EXPECT_EQ(rig.send().told, Told::link_down);
  EXPECT_EQ(rig.cell().note(NoteKind::link_failed).read().argument, 0U);
}

// --- Order -------------------------------------------------------------------------------------

// Proves: STR-90
TEST(ProducerOrder, DescriptorsOfCommitsOutOfOrderLeaveInOrder) {
  TestRegions regions(epoch, 16);
  ProducerRig rig;
  rig.attach(regions);
  std::vector<ClaimedSlot> open;
  for (int i = 0; i < 5; ++i) open.push_back(rig.claim());
  EXPECT_EQ(rig.commit(open[2]).told, Told::held);
  EXPECT_EQ(rig.commit(open[4]).told, Told::held);
  EXPECT_EQ(regions.word(2), shm::committed_word(2));  // committed, but nobody knows
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_EQ(rig.open(), 5U);
  EXPECT_EQ(rig.commit(open[0]).told, Told::consumers);
  EXPECT_EQ(seqs(rig.link), (std::vector<std::uint64_t>{0}));
  EXPECT_TRUE(rig.port.abort(open[1]));
  EXPECT_EQ(seqs(rig.link), (std::vector<std::uint64_t>{0, 2}));
  EXPECT_EQ(rig.commit(open[3]).told, Told::consumers);
  EXPECT_EQ(seqs(rig.link), (std::vector<std::uint64_t>{0, 2, 3, 4}));
  EXPECT_EQ(rig.open(), 0U);
}

TEST(ProducerOrder, EachHeldFrameKeepsItsOwnValues) {
  TestRegions regions(epoch, 16);
  ProducerRig rig;
  rig.attach(regions);
  std::vector<ClaimedSlot> open;
  for (int i = 0; i < 4; ++i) open.push_back(rig.claim(10 + i));
  for (int i = 3; i >= 0; --i) {
    CommitOptions options;
    options.trace_id = static_cast<std::uint64_t>(100 + i);
    options.meta_version = static_cast<std::uint32_t>(1 + i);
    (void)rig.commit(open[static_cast<std::size_t>(i)], options);
  }
  ASSERT_EQ(rig.link.sent.size(), 4U);
  for (std::uint64_t seq = 0; seq < 4; ++seq) {
    EXPECT_EQ(rig.link.sent[seq].seq, seq);
    EXPECT_EQ(rig.link.sent[seq].trace_id, 100 + seq);
    EXPECT_EQ(rig.link.sent[seq].meta_version, 1 + seq);
    EXPECT_EQ(regions.fields(seq).values_len_bytes, 10 + seq);
  }
  EXPECT_EQ(rig.cell().producer.bytes.get(), 10U + 11 + 12 + 13);
}

// Proves: SHM-179
TEST(ProducerOrder, AnAbortedSlotStaysInProgressAndIsNotTold) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  EXPECT_TRUE(rig.port.abort(rig.claim()));
  EXPECT_EQ(regions.word(0), shm::in_progress_word(0));
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_EQ(rig.send().seq, 1U);
  EXPECT_EQ(rig.cell().producer.aborted.get(), 1U);
  EXPECT_EQ(rig.open(), 0U);
}

// --- Offer -------------------------------------------------------------------------------------

TEST(ProducerOffer, ClaimsCopiesAndCommits) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  std::vector<std::byte> payload(77);
  fill(payload, epoch, 0);
  const auto committed = rig.port.offer(bytes_spec(77), payload, {});
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->told, Told::consumers);
  EXPECT_TRUE(is_frame({regions.payload(1, 0), 77}, epoch, 0));
  EXPECT_EQ(rig.port.open_pins(), 0U);
}

TEST(ProducerOffer, AnotherSizeThanTheTensorsAborts) {
  TestRegions regions(epoch);
  ProducerRig rig;
  rig.attach(regions);
  const std::vector<std::byte> payload(76);
  const auto committed = rig.port.offer(bytes_spec(77), payload, {});
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), Code::extent_mismatch);
  EXPECT_EQ(rig.cell().producer.aborted.get(), 1U);
  EXPECT_EQ(rig.port.open_pins(), 0U);
  EXPECT_TRUE(rig.link.sent.empty());
  EXPECT_FALSE(rig.port.offer(bytes_spec(4096), payload, {}));
}

}  // namespace
}  // namespace tensorpool::agents::test
