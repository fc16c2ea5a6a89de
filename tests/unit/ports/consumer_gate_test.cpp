// The local rate limit of the consumer's frame path: which time of a frame it goes by, and which frames
// move its reference.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "agents/consumer_port.hpp"
#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;
using Visit = ConsumerRig::Visit;
using Seqs = std::vector<std::uint64_t>;

class ConsumerGate : public ::testing::Test {
 protected:
  static ConsumerPortOptions options() {
    ConsumerPortOptions options = ConsumerRig::default_options();
    options.max_rate_hz = 1'000'000;  // 1000 ns apart
    return options;
  }
  ConsumerGate() : rig(options()) { rig.attach(regions); }
  void send(std::uint64_t seq, std::uint64_t descriptor_ns, std::uint64_t slot_ns) {
    ConsumerRig::write(regions, seq, 100, slot_ns);
    wire::FrameDescriptor descriptor = ConsumerRig::descriptor_of(regions, seq);
    descriptor.timestamp_ns = descriptor_ns;
    rig.subscription.push(descriptor);
  }
  TestRegions regions{epoch, 64};
  TestRegions other{epoch + 1};
  ConsumerRig rig;
};

// Proves: STR-194, STR-195, STR-196, STR-125
TEST_F(ConsumerGate, GoesByTheDescriptorsTimeFirst) {
  std::uint64_t seq = 0;
  for (const std::uint64_t time : {10'000U, 10'999U, 11'000U, 11'500U, 12'100U})
    send(seq++, time, 1);  // the slots' times never move
  const Polled polled = rig.poll();
  EXPECT_EQ(rig.seen, (Seqs{0, 2, 4}));
  EXPECT_EQ(polled.skipped, 2U);
  // No drops, and the numbers of the skipped ones are known: no gap.
  EXPECT_EQ(polled.lost + polled.overwritten, 0U);
  EXPECT_EQ(rig.cell().consumer.last_seq.get(), 4U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-194, STR-195
TEST_F(ConsumerGate, ThenByTheSlotsTime) {
  std::uint64_t seq = 0;
  for (const std::uint64_t time : {10'000U, 10'999U, 11'000U}) send(seq++, wire::null_u64, time);
  EXPECT_EQ(rig.poll().skipped, 1U);
  EXPECT_EQ(rig.seen, (Seqs{0, 2}));
  // Only a proved slot says what time it is.
  send(3, wire::null_u64, 50'000);
  shm::mark_in_progress(regions.slot(3), 3);
  EXPECT_EQ(rig.poll().overwritten, 1U);
  send(4, wire::null_u64, 12'000);
  EXPECT_EQ(rig.poll().delivered, 1U);
  EXPECT_TRUE(rig.balanced());
}

// Proves: STR-194, STR-195
TEST_F(ConsumerGate, ThenByTheLocalClock) {
  TestEnv::time = 100'000;
  send(0, wire::null_u64, 0);
  EXPECT_EQ(rig.poll().delivered, 1U);
  TestEnv::time = 100'999;
  send(1, wire::null_u64, UINT64_MAX);
  EXPECT_EQ(rig.poll().skipped, 1U);
  TestEnv::time = 101'000;
  send(2, wire::null_u64, 0);
  EXPECT_EQ(rig.poll().delivered, 1U);
}

// Proves: STR-197
TEST_F(ConsumerGate, AnotherSourceOrATimeThatGoesBackStartsAnew) {
  send(0, 10'000, 1);
  send(1, wire::null_u64, 10'001);  // another source
  send(2, wire::null_u64, 10'002);
  send(3, wire::null_u64, 9'000);  // back
  send(4, wire::null_u64, 9'999);
  EXPECT_EQ(rig.poll().delivered, 3U);
  EXPECT_EQ(rig.seen, (Seqs{0, 1, 3}));
}

TEST_F(ConsumerGate, OnlyADeliveredFrameMovesTheReference) {
  send(0, 10'000, 1);
  send(1, 11'000, 1);
  send(2, 11'500, 1);
  Seqs seen;
  const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
    seen.push_back(frame.info.seq);
    if (frame.info.seq == 1) shm::mark_in_progress(regions.slot(65), 65);
    return Visit::unproved;
  });
  EXPECT_EQ(seen, (Seqs{0, 1, 2}));  // 2 is a period behind 0, the last one delivered
  EXPECT_EQ(polled.delivered, 2U);
  EXPECT_EQ(polled.overwritten, 1U);
}

// Proves: STR-209
TEST_F(ConsumerGate, ARemapStartsItAnew) {
  send(0, 10'000, 1);
  EXPECT_EQ(rig.poll().delivered, 1U);
  rig.attach(other);
  ConsumerRig::write(other, 0);
  wire::FrameDescriptor descriptor = ConsumerRig::descriptor_of(other, 0);
  descriptor.timestamp_ns = 10'001;
  rig.subscription.push(descriptor);
  EXPECT_EQ(rig.poll().delivered, 1U);
}

}  // namespace
}  // namespace tensorpool::agents::test
