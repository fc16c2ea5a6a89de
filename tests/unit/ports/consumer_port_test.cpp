// The consumer's frame path in poll: which descriptors go on to their slot, which slots are a frame,
// and how each ends in the books (docs/internals/concurrency.md section 3, letters a to g).
#include "agents/consumer_port.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;
using Visit = ConsumerRig::Visit;
using Seqs = std::vector<std::uint64_t>;

// --- Whole frames ------------------------------------------------------------------------------

// Proves: STR-109, SHM-190, STR-100, SHM-253
TEST(ConsumerPoll, AFrameArrivesAsItsSlotDescribesIt) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  ConsumerRig::write(regions, 3, 300, 4'000);
  wire::FrameDescriptor descriptor = ConsumerRig::descriptor_of(regions, 3);
  descriptor.timestamp_ns = 9'000;  // below or above the slot's time: both are as they were sent
  descriptor.trace_id = 77;
  rig.subscription.push(descriptor);
  int calls = 0;
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    ++calls;
    EXPECT_EQ(frame.info.seq, 3U);
    EXPECT_EQ(frame.info.epoch, epoch);
    EXPECT_EQ(frame.info.publish_time_ns, 9'000U);
    EXPECT_EQ(frame.info.capture_time_ns, 4'000U);
    EXPECT_EQ(frame.info.trace_id, 77U);
    EXPECT_EQ(frame.info.size_bytes, 300U);
    EXPECT_EQ(frame.info.pool_id, 2);
    EXPECT_EQ(frame.info.dtype, DType::u8);
    EXPECT_EQ(frame.info.shape().size(), 1U);
    EXPECT_EQ(frame.info.dims[0], 300);
    EXPECT_EQ(frame.payload, regions.payload(2, 3));
    EXPECT_TRUE(is_frame({frame.payload, 300}, epoch, 3));
    EXPECT_TRUE(frame.intact());
    return Visit::unproved;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(polled.state, PortState::active);
  EXPECT_EQ(polled.work(), 1);
  EXPECT_EQ(rig.cell().consumer.bytes.get(), 300U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-118
TEST(ConsumerPoll, AFrameWithoutPayloadIsDelivered) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 0, 0);
  std::uint64_t size = 1;
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    size = frame.info.size_bytes;
    return Visit::unproved;
  });
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(size, 0U);
}

TEST(ConsumerPoll, TakesABoundedBatchAndAsksTheTransportOnlyWhenItIsUsedUp) {
  TestRegions regions(epoch, 64);
  ConsumerRig rig;
  rig.attach(regions);
  for (std::uint64_t seq = 0; seq < 25; ++seq) rig.send(regions, seq);
  EXPECT_EQ(rig.poll().delivered, 10U);
  EXPECT_EQ(rig.subscription.polls, 1);
  EXPECT_EQ(rig.poll().delivered, 10U);
  EXPECT_EQ(rig.poll().delivered, 5U);
  EXPECT_EQ(rig.poll().work(), 0);
  EXPECT_EQ(rig.seen.size(), 25U);
  EXPECT_EQ(rig.cell().consumer.last_seq.get(), 24U);
}

// --- Not mapped --------------------------------------------------------------------------------

// Proves: STR-117, SHM-157
TEST(ConsumerPoll, WithoutAMappingEverythingIsDrainedAndDropped) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.send(regions, {0, 1});
  EXPECT_EQ(rig.poll().state, PortState::connecting);
  EXPECT_EQ(rig.subscription.waiting(), 2U);  // not even a subscription yet
  rig.detach(PortState::connecting);
  Polled polled = rig.poll();
  EXPECT_EQ(polled.state, PortState::connecting);
  EXPECT_EQ(polled.work(), 0);
  EXPECT_EQ(rig.subscription.waiting(), 0U);
  // Mapped, but not active.
  rig.post(PortState::reattaching, Code::reattaching, &regions, {}, &rig.subscription);
  rig.send(regions, 2);
  EXPECT_EQ(rig.poll().work(), 0);
  EXPECT_EQ(rig.subscription.waiting(), 0U);
  EXPECT_TRUE(rig.seen.empty());
  EXPECT_EQ(rig.cell().consumer.seen.get(), 0U);
  // The first one after the mapping is the baseline.
  rig.attach(regions);
  rig.send(regions, 3);
  polled = rig.poll();
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(polled.lost, 0U);
}

// --- What is no descriptor of ours ----------------------------------------------------------------

// Proves: STR-7, STR-8, STR-9, STR-10
TEST(ConsumerPoll, WhatIsNoDescriptorIsIgnored) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  ConsumerRig::write(regions, 0);
  std::vector<std::byte> good(wire::descriptor_bytes);
  wire::encode_descriptor(good.data(), ConsumerRig::descriptor_of(regions, 0));
  const auto spoilt = [&](std::size_t at, int value) {
    std::vector<std::byte> bad = good;
    bad[at] = static_cast<std::byte>(value);
    return bad;
  };
  rig.subscription.push(spoilt(0, 39));                   // block length
  rig.subscription.push(spoilt(2, 1));                    // template id
  rig.subscription.push(spoilt(4, 0x85));                 // schema id
  rig.subscription.push(spoilt(6, 2));                    // version above ours
  rig.subscription.push({good.begin(), good.end() - 1});  // runs past what was received
  rig.subscription.push(std::vector<std::byte>(3));
  rig.subscription.push(std::vector<std::byte>());
  rig.subscription.push(good, true, false);  // a part of a longer message
  rig.subscription.push(good, false, true);
  EXPECT_EQ(rig.poll().work(), 0);
  EXPECT_EQ(rig.cell().consumer.malformed.get(), 9U);
  EXPECT_EQ(rig.cell().consumer.seen.get(), 0U);
  rig.subscription.push(good);
  EXPECT_EQ(rig.poll().delivered, 1U);
}

// Proves: STR-236
TEST(ConsumerPoll, OnlyADescriptorSaysThatAFrameIsThere) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  ConsumerRig::write(regions, 0);  // committed, complete, and not announced
  wire::FrameProgress progress;
  progress.stream_id = test_stream;
  progress.epoch = epoch;
  progress.payload_bytes_filled = 100;
  progress.state = wire::FrameProgressState::complete;
  std::vector<std::byte> bytes(wire::progress_bytes);
  wire::encode_progress(bytes.data(), progress);
  rig.subscription.push(bytes);
  bytes.resize(64);  // also when there is more of it
  rig.subscription.push(bytes);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rig.poll().work(), 0);
  Polled polled;
  EXPECT_EQ(rig.port.next(polled), nullptr);
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 0));
  EXPECT_EQ(rig.poll().delivered, 1U);
}

// Proves: STR-11
TEST(ConsumerPoll, OtherStreamsAreDroppedBeforeTheirEpochAndSequenceCount) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 7);
  wire::FrameDescriptor foreign = ConsumerRig::descriptor_of(regions, 3);
  foreign.stream_id = test_stream + 1;
  rig.subscription.push(foreign);  // would be a regression
  foreign.epoch = epoch + 1;
  foreign.seq = 8;
  rig.subscription.push(foreign);  // would be a hard boundary
  rig.send(regions, 8);
  const Polled polled = rig.poll();
  EXPECT_EQ(polled.delivered, 2U);
  EXPECT_EQ(polled.lost, 0U);
  EXPECT_EQ(rig.cell().consumer.foreign.get(), 2U);
  EXPECT_EQ(rig.note(NoteKind::higher_epoch).count, 0U);
  EXPECT_EQ(rig.note(NoteKind::regression).count, 0U);
}

// --- Epochs ------------------------------------------------------------------------------------

// Proves: STR-111, STR-113, SHM-158
TEST(ConsumerEpochs, ALowerEpochIsDroppedWithoutAnyOtherEffect) {
  TestRegions regions(epoch);
  TestRegions old(epoch - 1);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 3);
  rig.subscription.push(ConsumerRig::descriptor_of(old, 4));
  rig.subscription.push(ConsumerRig::descriptor_of(old, 1));
  rig.send(regions, 4);
  const Polled polled = rig.poll();
  EXPECT_EQ(rig.seen, (Seqs{3, 4}));
  EXPECT_EQ(polled.delivered, 2U);
  EXPECT_EQ(rig.cell().consumer.wrong_epoch.get(), 2U);
  EXPECT_EQ(rig.cell().consumer.seen.get(), 2U);
  for (const NoteKind kind : {NoteKind::higher_epoch, NoteKind::regression})
    EXPECT_EQ(rig.note(kind).count, 0U);
}

// Proves: STR-111, STR-112, STR-206, SHM-155, SHM-156, SHM-158
TEST(ConsumerEpochs, AHigherEpochIsAHardBoundary) {
  TestRegions regions(epoch);
  TestRegions next(epoch + 1);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 0);
  ConsumerRig::write(next, 1);
  rig.subscription.push(ConsumerRig::descriptor_of(next, 1));
  rig.send(regions, 1);  // good, but behind the boundary
  EXPECT_EQ(rig.poll().delivered, 1U);
  const Note::Value note = rig.note(NoteKind::higher_epoch);
  EXPECT_EQ(note.count, 1U);
  EXPECT_EQ(note.session, epoch);
  EXPECT_EQ(note.argument, epoch + 1);
  // Nothing of either epoch until the new regions are mapped, not even after a new Wiring of the
  // same session.
  rig.send(regions, 2);
  rig.send(next, 2);
  EXPECT_EQ(rig.poll().work(), 0);
  rig.attach(regions);
  rig.send(regions, 3);
  EXPECT_EQ(rig.poll().work(), 0);
  EXPECT_EQ(rig.seen, (Seqs{0}));
  EXPECT_EQ(rig.subscription.waiting(), 0U);
  EXPECT_EQ(rig.note(NoteKind::higher_epoch).count, 1U);  // told once
  rig.attach(next);
  rig.send(next, 3);
  EXPECT_EQ(rig.poll().delivered, 1U);
  EXPECT_EQ(rig.seen, (Seqs{0, 3}));
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-209, SHM-159, STR-124, STR-205
TEST(ConsumerEpochs, ARemapForgetsSequenceAndBatch) {
  TestRegions first(epoch);
  TestRegions second(epoch + 1);
  ConsumerRig rig;
  rig.attach(first);
  rig.send(first, {100, 101, 102, 103});
  // The new mapping is adopted in the middle of the batch: the rest of it belongs to the past.
  Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    rig.seen.push_back(frame.info.seq);
    if (frame.info.seq == 101) rig.attach(second);
    return Visit::unproved;
  });
  EXPECT_EQ(rig.seen, (Seqs{100, 101}));
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(polled.ended, 1U);
  // A lower number than before is no regression, a higher one no gap.
  rig.send(second, {2, 3});
  polled = rig.poll();
  EXPECT_EQ(polled.delivered, 2U);
  EXPECT_EQ(polled.lost, 0U);
  EXPECT_EQ(rig.note(NoteKind::regression).count, 0U);
  EXPECT_EQ(rig.cell().consumer.sessions.get(), 2U);
  EXPECT_TRUE(rig.balanced());
}

// --- Sequences ---------------------------------------------------------------------------------

// Proves: STR-114, STR-121, SHM-240
TEST(ConsumerSequence, GapsAreLostAndRepeatsAreNothing) {
  TestRegions regions(epoch, 32);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {5, 6});
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 6));
  rig.send(regions, {10, 11});
  const Polled polled = rig.poll();
  EXPECT_EQ(rig.seen, (Seqs{5, 6, 10, 11}));
  EXPECT_EQ(polled.delivered, 4U);
  EXPECT_EQ(polled.lost, 3U);
  EXPECT_EQ(rig.cell().consumer.duplicates.get(), 1U);
  EXPECT_EQ(rig.cell().consumer.seen.get(), 7U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-115, SHM-163, STR-207
TEST(ConsumerSequence, AStepBackStopsTheSession) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {5, 6, 4, 7});
  EXPECT_EQ(rig.poll().delivered, 2U);
  const Note::Value note = rig.note(NoteKind::regression);
  EXPECT_EQ(note.count, 1U);
  EXPECT_EQ(note.session, epoch);
  EXPECT_EQ(note.argument, 4U);
  rig.send(regions, 8);
  EXPECT_EQ(rig.poll().work(), 0);
  EXPECT_EQ(rig.seen, (Seqs{5, 6}));
  // The same epoch mapped again is another session.
  regions.session = 99;
  rig.attach(regions);
  rig.send(regions, 9);
  EXPECT_EQ(rig.poll().delivered, 1U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: SHM-244, STR-127
TEST(ConsumerSequence, AGapAboveTheLimitSkipsToTheLatest) {
  TestRegions regions(epoch, 64);
  ConsumerPortOptions options = ConsumerRig::default_options();
  options.max_gap = 10;
  ConsumerRig rig(options);
  rig.attach(regions);
  rig.send(regions, {0, 11, 22, 34, 40});
  const Polled polled = rig.poll();
  EXPECT_EQ(rig.seen, (Seqs{0, 11, 22, 40}));  // 34 revealed a gap of 11
  EXPECT_EQ(polled.lost, 10U + 10 + 11);
  EXPECT_EQ(polled.skipped, 1U + 5);
  EXPECT_EQ(rig.cell().consumer.resyncs.get(), 1U);
  EXPECT_TRUE(rig.balanced());
}

// --- The checks of the slot --------------------------------------------------------------------

// Proves: STR-119, STR-234, SHM-188, SHM-183, SHM-217, SHM-191
TEST(ConsumerSlot, ASlotInProgressIsDroppedAndNotWaitedFor) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  ConsumerRig::write(regions, 0);
  shm::mark_in_progress(regions.slot(0), 0);  // and nobody ever commits it
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 0));
  rig.send(regions, 1);
  const Polled polled = rig.poll();
  EXPECT_EQ(polled.overwritten, 1U);
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(rig.seen, (Seqs{1}));
  // A later commit does not bring it back: it was dropped.
  shm::commit(regions.slot(0), 0);
  EXPECT_EQ(rig.poll().work(), 0);
}

// Proves: SHM-218, STR-120, STR-123
TEST(ConsumerSlot, ADroppedFrameIsACountAndNoError) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 0));  // an empty slot
  const Polled polled = rig.poll();
  EXPECT_EQ(polled.overwritten, 1U);
  EXPECT_EQ(polled.state, PortState::active);
  EXPECT_EQ(rig.port.state(), PortState::active);
  EXPECT_EQ(rig.cell().consumer.overwritten.get(), 1U);
  EXPECT_EQ(rig.cell().consumer.lost.get(), 0U);
  for (const NoteKind kind : {NoteKind::higher_epoch, NoteKind::regression, NoteKind::link_failed})
    EXPECT_EQ(rig.note(kind).count, 0U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-116, SHM-189, SHM-166, SHM-185
TEST(ConsumerSlot, ACommitWordOfAnotherFrameIsNoFrame) {
  TestRegions regions(epoch, 4);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {4, 5, 6, 7});
  EXPECT_EQ(rig.poll().delivered, 4U);
  // Slot 0 still holds the frame that was accepted before, slot 1 an older one than that, slot 2 a
  // newer one.
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 8));
  ConsumerRig::write(regions, 1);
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 9));
  ConsumerRig::write(regions, 14);
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 10));
  const Polled polled = rig.poll();
  EXPECT_EQ(polled.overwritten, 3U);
  EXPECT_EQ(polled.delivered, 0U);
  EXPECT_EQ(rig.seen, (Seqs{4, 5, 6, 7}));
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-109, SHM-186, SHM-191, STR-123
TEST(ConsumerSlot, AHeaderThatIsNoneIsDroppedBeforeAnybodyLooksAtIt) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  std::uint64_t seq = 0;
  const auto refuse = [&](auto&& spoil) {
    shm::SlotFields fields = ConsumerRig::fields_of(regions, seq, 100);
    spoil(fields);
    shm::HeaderImage image;
    shm::build(image, fields);
    shm::mark_in_progress(regions.slot(seq), seq);
    shm::store_header(regions.slot(seq), image);
    shm::commit(regions.slot(seq), seq);
    rig.subscription.push(ConsumerRig::descriptor_of(regions, seq));
    EXPECT_EQ(rig.poll().overwritten, 1U) << seq;
    ++seq;
  };
  refuse([](shm::SlotFields& f) { f.header_length = 191; });
  refuse([](shm::SlotFields& f) { f.template_id = 1; });
  refuse([](shm::SlotFields& f) { f.schema_id = 901; });
  refuse([](shm::SlotFields& f) { f.version = 2; });
  refuse([](shm::SlotFields& f) { f.block_length = 183; });
  refuse([](shm::SlotFields& f) { f.payload_slot ^= 1U; });
  refuse([](shm::SlotFields& f) { f.payload_offset = 64; });
  refuse([](shm::SlotFields& f) { f.pool_id = 3; });
  refuse([](shm::SlotFields& f) { f.values_len_bytes = 257; });
  refuse([](shm::SlotFields& f) { f.dtype = static_cast<DType>(12); });
  refuse([](shm::SlotFields& f) { f.order = MajorOrder::unknown; });
  refuse([](shm::SlotFields& f) { f.ndims = 0; });
  refuse([](shm::SlotFields& f) { f.ndims = 9; });
  refuse([](shm::SlotFields& f) { f.dims[0] = -1; });
  refuse([](shm::SlotFields& f) { f.strides[0] = -1; });
  refuse([](shm::SlotFields& f) { f.progress_unit = ProgressUnit::columns; });
  EXPECT_TRUE(rig.seen.empty());
  EXPECT_TRUE(rig.balanced());
}

// --- The proof ---------------------------------------------------------------------------------

// Proves: STR-122, SHM-242, SHM-187, STR-235, STR-109
TEST(ConsumerProof, AFrameThatChangesUnderTheHandlerIsNotDelivered) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1, 2});
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    if (frame.info.seq == 0) shm::mark_in_progress(regions.slot(8), 8);  // the next lap begins
    if (frame.info.seq == 1) ConsumerRig::write(regions, 9);             // a whole lap
    return Visit::unproved;
  });
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(polled.overwritten, 2U);
  EXPECT_EQ(rig.cell().consumer.overwritten.get(), 2U);
  EXPECT_EQ(rig.cell().consumer.bytes.get(), 100U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-122
TEST(ConsumerProof, IsMadeAfterTheHandlerHasReturned) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, 0);
  const OnStep hook([&](Step step) {
    if (step == Step::before_proof) shm::mark_in_progress(regions.slot(8), 8);
  });
  EXPECT_EQ(rig.poll().overwritten, 1U);
}

// The payload is not touched after the handler's own last question, so its answer counts.
TEST(ConsumerProof, TheHandlersOwnAnswerDecides) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1});
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    const Visit answer = frame.intact() ? Visit::intact : Visit::overwritten;
    ConsumerRig::write(regions, frame.info.seq + 8);  // too late to matter
    return frame.info.seq == 0 ? answer : Visit::overwritten;
  });
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(polled.overwritten, 1U);
}

TEST(ConsumerProof, AFrameThatTheVisitorDoesNotWantIsSkipped) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1});
  const Polled polled = rig.port.poll(
      [](const OpenFrame& frame) { return frame.info.seq == 0 ? Visit::skip : Visit::unproved; });
  EXPECT_EQ(polled.skipped, 1U);
  EXPECT_EQ(polled.delivered, 1U);
  EXPECT_EQ(rig.port.open_pins(), 0U);
  EXPECT_TRUE(rig.balanced());
}

// What Consumer::poll_copy does: copy, prove, and only then show.
// Proves: STR-235, SHM-187
TEST(ConsumerProof, ACopyIsShownOnlyAfterItWasProved) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1, 2});
  std::vector<std::byte> buffer(100);
  Seqs shown;
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    if (buffer.size() < frame.info.size_bytes) return Visit::skip;
    if (frame.info.seq == 1) fill({regions.payload(1, 1), 50}, epoch, 9);
    if (frame.info.seq == 1) shm::mark_in_progress(regions.slot(9), 9);
    shm::load_payload(buffer.data(), frame.payload, frame.info.size_bytes);
    if (!frame.intact()) return Visit::overwritten;
    shown.push_back(frame.info.seq);
    EXPECT_TRUE(is_frame(buffer, epoch, frame.info.seq));
    return Visit::intact;
  });
  EXPECT_EQ(shown, (Seqs{0, 2}));
  EXPECT_EQ(polled.delivered, 2U);
  EXPECT_EQ(polled.overwritten, 1U);
}

// --- The application in the handler ------------------------------------------------------------

// Proves: STR-205, SHM-155
TEST(ConsumerHandler, AMappingThatEndsUnderItLeavesMemoryButNoFrame) {
  auto first = std::make_unique<TestRegions>(epoch);
  TestRegions second(epoch + 1);
  ConsumerRig rig;
  rig.attach(*first);
  rig.send(*first, 0);
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    rig.attach(second);
    EXPECT_EQ(rig.port.state(), PortState::active);  // adopts it
    (void)rig.lender.collect();
    EXPECT_EQ(first->uses, 1);  // still readable
    EXPECT_TRUE(is_frame({frame.payload, 100}, epoch, 0));
    return frame.intact() ? Visit::intact : Visit::overwritten;
  });
  EXPECT_EQ(polled.ended, 1U);
  EXPECT_EQ(polled.delivered, 0U);
  (void)rig.lender.collect();
  EXPECT_EQ(first->uses, 0);
  first.reset();
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerHandler, MayClose) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1});
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    rig.port.close();
    (void)rig.lender.collect();
    EXPECT_EQ(regions.uses, 1);
    EXPECT_TRUE(is_frame({frame.payload, 100}, epoch, 0));
    return Visit::unproved;
  });
  EXPECT_EQ(polled.ended, 1U);
  EXPECT_EQ(polled.delivered, 0U);
  EXPECT_EQ(polled.state, PortState::closed);
  (void)rig.lender.collect();
  EXPECT_EQ(regions.uses, 0);
  EXPECT_EQ(rig.lender.out(), 0U);
  EXPECT_EQ(rig.poll().state, PortState::closed);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerHandler, MayThrow) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1, 2});
  EXPECT_THROW((void)rig.port.poll([](const OpenFrame&) -> Visit {
    throw std::runtime_error("the application's own");
  }),
               std::runtime_error);
  EXPECT_EQ(rig.cell().consumer.ended.get(), 1U);
  EXPECT_EQ(rig.port.open_pins(), 0U);
  EXPECT_FALSE(rig.port.busy());
  // The rest of the batch is still there.
  EXPECT_EQ(rig.poll().delivered, 2U);
  EXPECT_EQ(rig.seen, (Seqs{1, 2}));
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerHandler, APollInsideIsRefusedAndSaysTheState) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.send(regions, {0, 1});
  const Polled polled = rig.port.poll([&](const OpenFrame&) {
    const Polled inner = rig.poll();
    EXPECT_EQ(inner.work(), 0);
    EXPECT_EQ(inner.state, PortState::active);
    Polled pulled;
    EXPECT_EQ(rig.port.next(pulled), nullptr);
    EXPECT_EQ(rig.port.latest(pulled), nullptr);
    return Visit::unproved;
  });
  EXPECT_EQ(polled.delivered, 2U);
}

}  // namespace
}  // namespace tensorpool::agents::test
