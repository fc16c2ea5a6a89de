#include "agents/lender.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "agents/env.hpp"
#include "agents/port_base.hpp"

namespace tensorpool::agents {
namespace {

// Counts its steps of letting go, and its end.
struct Thing final : Lent {
  explicit Thing(int* alive, int steps = 1) : alive_(alive), steps_(steps) { ++*alive_; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  ~Thing() override { --*alive_; }
  bool release_step() override { return --steps_ <= 0; }

 private:
  int* alive_;
  int steps_;
};

std::unique_ptr<Wiring> wiring(Lent* thing, std::uint64_t session = 1) {
  auto w = std::make_unique<Wiring>();
  w->state = PortState::active;
  w->session = session;
  w->lent[w->lent_count++] = thing;
  return w;
}

class Port final : public PortBase<VirtualEnv> {
 public:
  explicit Port(std::shared_ptr<Cell> cell) : PortBase(std::move(cell), nullptr) {}
  Wiring& current() { return *wiring_; }
  using PortBase::close_port;
  using PortBase::pin;
  using PortBase::unpin;

 private:
  void on_new_session() noexcept override {}
};

TEST(Lender, TakesBackAWiringThatWasNeverAdopted) {
  Lender lender;
  int alive = 0;
  Thing a(&alive);
  lender.publish(wiring(&a));
  EXPECT_EQ(a.uses, 1);
  lender.publish(wiring(&a));
  lender.publish(wiring(&a));
  EXPECT_EQ(a.uses, 1);  // only the newest is out
  EXPECT_EQ(lender.out(), 1U);
  lender.take_mail();
  EXPECT_EQ(a.uses, 0);
  EXPECT_EQ(lender.out(), 0U);
}

TEST(Lender, CountsWhatThePortHoldsUntilItComesBack) {
  Lender lender;
  int alive = 0;
  Thing a(&alive);
  Thing b(&alive);
  Port port(lender.cell());
  lender.publish(wiring(&a, 1));
  EXPECT_EQ(port.state(), PortState::active);
  Wiring& old = port.current();
  port.pin(old);
  port.pin(old);
  lender.publish(wiring(&b, 2));
  EXPECT_EQ(port.state(), PortState::active);  // adopts; the old one is pinned
  EXPECT_EQ(lender.collect(), 0);
  EXPECT_EQ(a.uses, 1);
  port.unpin(old);
  EXPECT_EQ(lender.collect(), 0);
  port.unpin(old);
  EXPECT_EQ(lender.collect(), 1);
  EXPECT_EQ(a.uses, 0);
  EXPECT_EQ(b.uses, 1);
  port.close_port();
  EXPECT_EQ(lender.collect(), 1);
  EXPECT_EQ(b.uses, 0);
  EXPECT_EQ(lender.out(), 0U);
}

// A port that sleeps holds its Wiring and leaves the mail alone, however often there is news.
TEST(Lender, NeverHasMoreOutThanThePortPinsAndTwo) {
  Lender lender;
  int alive = 0;
  Thing a(&alive);
  Port port(lender.cell());
  lender.publish(wiring(&a));
  (void)port.state();
  for (int i = 0; i < 100; ++i) {
    lender.publish(wiring(&a));
    EXPECT_LE(lender.out(), 2U);
  }
  port.close_port();
  lender.drain();
  EXPECT_EQ(lender.out(), 0U);
}

TEST(Graveyard, WaitsForTheLastUseAndLetsGoInSteps) {
  int alive = 0;
  auto thing = std::make_unique<Thing>(&alive, 3);
  Thing* lent = thing.get();
  lent->uses = 1;
  Graveyard graveyard;
  graveyard.bury(nullptr);
  EXPECT_TRUE(graveyard.empty());
  graveyard.bury(std::move(thing));
  EXPECT_TRUE(lent->doomed);
  EXPECT_EQ(graveyard.do_work(), 0);
  EXPECT_EQ(alive, 1);
  lent->uses = 0;
  EXPECT_GT(graveyard.do_work(), 0);
  EXPECT_GT(graveyard.do_work(), 0);
  EXPECT_EQ(alive, 1);
  EXPECT_GT(graveyard.do_work(), 0);
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(graveyard.empty());
  EXPECT_EQ(graveyard.do_work(), 0);
}

}  // namespace
}  // namespace tensorpool::agents
