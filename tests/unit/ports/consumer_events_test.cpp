// Events of a consumer: told in order with the frames, on the port's thread; their handler is the
// application's and may close the port, look at its state (which adopts news), or throw.
#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;
using Visit = ConsumerRig::Visit;
using Seqs = std::vector<std::uint64_t>;

struct Told {
  EventKind kind;
  std::uint64_t first;
  std::uint64_t last;
  friend bool operator==(const Told&, const Told&) = default;
};

TEST(ConsumerEvents, AreToldInOrderWithTheFrames) {
  TestRegions regions(epoch, 32);
  ConsumerRig rig;
  std::vector<Told> told;
  rig.port.on_event(
      [&](const Event& event) { told.push_back({event.kind, event.first, event.last}); });
  rig.attach(regions);
  rig.send(regions, {3, 7, 8});
  rig.subscription.push(ConsumerRig::descriptor_of(regions, 9));
  (void)rig.port.poll([&](const OpenFrame& frame) {
    told.push_back({EventKind::state, frame.info.seq, 0});
    return frame.info.seq == 8 ? Visit::skip : Visit::unproved;
  });
  const std::vector<Told> expected = {{EventKind::mapped, 0, 0},  {EventKind::state, 0, 0},
                                      {EventKind::state, 3, 0},   {EventKind::gap, 4, 6},
                                      {EventKind::state, 7, 0},   {EventKind::state, 8, 0},
                                      {EventKind::skipped, 8, 8}, {EventKind::overwritten, 9, 9}};
  EXPECT_EQ(told, expected);
}

TEST(ConsumerEvents, StateAndMappingAreToldOncePerChange) {
  TestRegions regions(epoch);
  TestRegions second(epoch + 1);
  ConsumerRig rig;
  std::vector<Event> told;
  rig.port.on_event([&](const Event& event) { told.push_back(event); });
  (void)rig.poll();
  EXPECT_TRUE(told.empty());
  rig.attach(regions);
  for (int i = 0; i < 3; ++i) (void)rig.poll();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].kind, EventKind::mapped);
  EXPECT_EQ(told[0].epoch, epoch);
  EXPECT_EQ(told[1].state, PortState::active);
  rig.detach();
  for (int i = 0; i < 3; ++i) (void)rig.poll();
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[2].state, PortState::reattaching);
  rig.attach(second);
  for (int i = 0; i < 3; ++i) (void)rig.poll();
  ASSERT_EQ(told.size(), 5U);
  EXPECT_EQ(told[3].kind, EventKind::mapped);
  EXPECT_EQ(told[3].epoch, epoch + 1);
}

// A frame whose port is closed in the gap event before it is never read.
TEST(ConsumerEvents, TheHandlerMayCloseThePort) {
  for (const bool pull : {false, true}) {
    TestRegions regions(epoch);
    ConsumerRig rig;
    rig.attach(regions);
    rig.port.on_event([&](const Event& event) {
      if (event.kind == EventKind::gap) rig.port.close();
    });
    rig.send(regions, {0, 2, 3});
    Polled polled;
    if (pull) {
      EXPECT_EQ(rig.port.latest(polled), nullptr);
      EXPECT_EQ(polled.ended, 2U);  // 0 was the newest until then
    } else {
      polled = rig.poll();
      EXPECT_EQ(rig.seen, (Seqs{0}));
      EXPECT_EQ(polled.ended, 1U);
    }
    EXPECT_EQ(polled.lost, 1U);
    EXPECT_EQ(rig.port.state(), PortState::closed);
    EXPECT_TRUE(rig.balanced());
  }
}

TEST(ConsumerEvents, TheHandlerMayCloseThePortWhenItIsMapped) {
  TestRegions regions(epoch);
  ConsumerRig rig;
  rig.attach(regions);
  rig.port.on_event([&](const Event&) { rig.port.close(); });
  rig.send(regions, 0);
  (void)rig.poll();
  EXPECT_TRUE(rig.seen.empty());
  EXPECT_TRUE(rig.balanced());
}

// The handler asks for the state, and that adopts another mapping: the descriptor at hand belongs to
// the old one and must not be looked up in the new one, whose slot may hold the same number.
// Proves: STR-111, STR-205
TEST(ConsumerEvents, AMappingAdoptedInTheHandlerEndsTheFrameAtHand) {
  for (const int form : {0, 1, 2}) {
    TestRegions first(epoch, 8);
    TestRegions second(epoch + 1, 8);
    ConsumerRig rig;
    rig.attach(first);
    for (std::uint64_t seq = 0; seq < 8; ++seq) ConsumerRig::write(second, seq);
    rig.port.on_event([&](const Event& event) {
      if (event.kind != EventKind::gap) return;
      rig.attach(second);
      EXPECT_EQ(rig.port.state(), PortState::active);
    });
    rig.send(first, {0, 2, 3});
    Polled polled;
    if (form == 0) {
      polled = rig.poll();
      EXPECT_EQ(rig.seen, (Seqs{0}));
      EXPECT_EQ(polled.ended, 1U);
    } else if (form == 1) {
      ASSERT_NE(rig.port.next(polled), nullptr);
      EXPECT_EQ(rig.port.finish(Visit::unproved), Outcome::delivered);
      EXPECT_EQ(rig.port.next(polled), nullptr);
      EXPECT_EQ(polled.ended, 1U);
    } else {
      EXPECT_EQ(rig.port.latest(polled), nullptr);
      EXPECT_EQ(polled.ended, 2U);
    }
    EXPECT_TRUE(rig.balanced());
  }
}

TEST(ConsumerEvents, AMappingAdoptedWhileLatestSkipsEndsTheNewest) {
  TestRegions first(epoch, 8);
  TestRegions second(epoch + 1, 8);
  ConsumerRig rig;
  rig.attach(first);
  for (std::uint64_t seq = 0; seq < 8; ++seq) ConsumerRig::write(second, seq);
  rig.port.on_event([&](const Event& event) {
    if (event.kind != EventKind::skipped) return;
    rig.attach(second);
    (void)rig.port.state();
  });
  rig.send(first, {0, 1});
  Polled polled;
  EXPECT_EQ(rig.port.latest(polled), nullptr);
  EXPECT_EQ(polled.skipped, 1U);
  EXPECT_EQ(polled.ended, 1U);
  EXPECT_TRUE(rig.balanced());
}

TEST(ConsumerEvents, TheHandlerMayThrowAndTheBooksStillBalance) {
  for (const EventKind kind : {EventKind::gap, EventKind::skipped, EventKind::overwritten}) {
    for (const bool newest : {false, true}) {
      TestRegions regions(epoch, 64);
      ConsumerPortOptions options = ConsumerRig::default_options();
      options.max_gap = 10;
      ConsumerRig rig(options);
      rig.attach(regions);
      bool armed = true;
      rig.port.on_event([&](const Event& event) {
        if (event.kind == kind && std::exchange(armed, false)) throw std::runtime_error("mine");
      });
      rig.send(regions, {0, 2, 20, 30});
      rig.subscription.push(ConsumerRig::descriptor_of(regions, 31));
      Polled polled;
      const auto act = [&] {
        if (!newest) {
          (void)rig.poll();
        } else if (rig.port.latest(polled) != nullptr) {
          (void)rig.port.finish(Visit::unproved);
        }
      };
      EXPECT_THROW(act(), std::runtime_error);
      EXPECT_FALSE(rig.port.busy());
      EXPECT_EQ(rig.port.open_pins(), 0U);
      act();  // goes on with the rest
      EXPECT_TRUE(rig.balanced()) << static_cast<int>(kind) << newest;
      EXPECT_EQ(rig.cell().consumer.last_seq.get(), 31U);
    }
  }
}

}  // namespace
}  // namespace tensorpool::agents::test
