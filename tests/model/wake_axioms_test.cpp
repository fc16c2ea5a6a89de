// What Relacy cannot show about the wake-up recipe (wake_model_test.cpp): whether C++20's axioms allow an execution
// in which somebody falls asleep beside work and nobody wakes it. Each test writes down one execution, who reads
// from whom, and asks.
//
// The axioms for programs without fences ([intro.races], [atomics.order]): with `eco` the order of accesses to one
// word that follows from who reads from whom, nothing happens before itself, happens-before and eco do not
// contradict each other, and the seq_cst operations have one order that contains eco and
// strongly-happens-before.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <vector>

#include "protocol/frame/wake.hpp"

namespace tensorpool::protocol {
namespace {

enum class Word { sent, bell, armed, mail, asleep, kick };

// An access of the execution; `from` names whom it reads from, 0 and up, or the word's first value.
constexpr int first_value = -1;
constexpr int reads_nothing = -2;
struct Access {
  int thread;
  Word word;
  std::memory_order order;
  bool writes;
  int from = reads_nothing;
};
constexpr Access store(int thread, Word word, std::memory_order order) {
  return {thread, word, order, true};
}
constexpr Access load(int thread, Word word, std::memory_order order, int from) {
  return {thread, word, order, false, from};
}
constexpr Access change(int thread, Word word, std::memory_order order, int from) {
  return {thread, word, order, true, from};
}

bool releases(std::memory_order order) {
  return order == std::memory_order::release || order == std::memory_order::acq_rel ||
         order == std::memory_order::seq_cst;
}
bool acquires(std::memory_order order) {
  return order == std::memory_order::acquire || order == std::memory_order::acq_rel ||
         order == std::memory_order::seq_cst;
}

class Relation {
 public:
  explicit Relation(std::size_t size) : size_(size), pairs_(size * size, false) {}
  bool has(std::size_t a, std::size_t b) const { return pairs_[a * size_ + b]; }
  void add(std::size_t a, std::size_t b) { pairs_[a * size_ + b] = true; }
  Relation closed() const {
    Relation all = *this;
    for (std::size_t via = 0; via < size_; ++via)
      for (std::size_t a = 0; a < size_; ++a)
        for (std::size_t b = 0; b < size_; ++b)
          if (all.has(a, via) && all.has(via, b)) all.add(a, b);
    return all;
  }
  bool cyclic() const {
    const Relation all = closed();
    for (std::size_t a = 0; a < size_; ++a)
      if (all.has(a, a)) return true;
    return false;
  }

 private:
  std::size_t size_;
  std::vector<bool> pairs_;
};

// Whether `reader` reads from `from`, or from what others have changed it to since: its release sequence.
bool reads_behind(const std::vector<Access>& all, std::size_t from, std::size_t reader) {
  for (int at = all[reader].from; at >= 0 && all[static_cast<std::size_t>(at)].writes;
       at = all[static_cast<std::size_t>(at)].from) {
    if (static_cast<std::size_t>(at) == from) return true;
  }
  return false;
}

// In these executions each word is stored to once at most, besides its first value, and changed from there on.
bool allowed(const std::vector<Access>& all) {
  const std::size_t size = all.size();
  Relation sequenced(size);
  Relation happens(size);
  Relation eco(size);
  for (std::size_t a = 0; a < size; ++a) {
    for (std::size_t b = 0; b < size; ++b) {
      if (a < b && all[a].thread == all[b].thread) {
        sequenced.add(a, b);
        happens.add(a, b);
      }
      if (a == b || all[a].word != all[b].word) continue;
      if (all[b].from == static_cast<int>(a)) eco.add(a, b);
      if (reads_behind(all, a, b) && releases(all[a].order) && acquires(all[b].order))
        happens.add(a, b);
      // Whoever read the first value did so before the store.
      if (all[a].from == first_value && all[b].writes) eco.add(a, b);
    }
  }
  happens = happens.closed();
  eco = eco.closed();
  Relation one_order(size);
  for (std::size_t a = 0; a < size; ++a) {
    if (happens.has(a, a)) return false;
    for (std::size_t b = 0; b < size; ++b) {
      if (happens.has(a, b) && eco.has(b, a)) return false;
      if (all[a].order != std::memory_order::seq_cst || all[b].order != std::memory_order::seq_cst)
        continue;
      if (eco.has(a, b) || sequenced.has(a, b)) one_order.add(a, b);
      for (std::size_t c = 0; c < size; ++c)
        for (std::size_t d = 0; d < size; ++d)
          if (sequenced.has(a, c) && happens.has(c, d) && sequenced.has(d, b)) one_order.add(a, b);
    }
  }
  return !one_order.cyclic();
}

constexpr int producer = 0;
constexpr int conductor = 0;
constexpr int consumer = 1;
constexpr int somebody = 2;

// The accesses of one frame and one sleep, in the order of the recipe: 0 the descriptor, 1 P1, 2 P2, 3 C1, 4 C2,
// 5 C4, which finds nothing.
template <class Orders>
bool falls_asleep_beside_a_frame(bool seen_armed, bool bell_seen) {
  return allowed({store(producer, Word::sent, std::memory_order::release),
                  store(producer, Word::bell, Orders::p1_bell),
                  load(producer, Word::armed, Orders::p2_armed, seen_armed ? 3 : first_value),
                  store(consumer, Word::armed, Orders::c1_armed),
                  load(consumer, Word::bell, Orders::c2_bell, bell_seen ? 1 : first_value),
                  load(consumer, Word::sent, std::memory_order::acquire, first_value)});
}
// Of one mail: 0 K0, 1 K1, 2 K2, 3 C1, 4 C3, 5 C4.
template <class Orders>
bool falls_asleep_beside_a_kick() {
  return allowed({change(conductor, Word::mail, Orders::k0_mail, first_value),
                  load(conductor, Word::asleep, Orders::k1_asleep, 3),
                  change(conductor, Word::kick, Orders::k2_kick, first_value),
                  store(consumer, Word::asleep, Orders::c1_asleep),
                  load(consumer, Word::kick, Orders::c3_kick, 2),
                  load(consumer, Word::mail, Orders::c4_mail, first_value)});
}
// The same behind the kick of somebody else, who adds to ours: 0 K0, 1 K1, 2 K2, 3 another's K2, 4 C1, 5 C3, 6 C4.
template <class Orders>
bool falls_asleep_beside_two_kicks(std::memory_order another) {
  return allowed({change(conductor, Word::mail, Orders::k0_mail, first_value),
                  load(conductor, Word::asleep, Orders::k1_asleep, 4),
                  change(conductor, Word::kick, Orders::k2_kick, first_value),
                  change(somebody, Word::kick, another, 2),
                  store(consumer, Word::asleep, Orders::c1_asleep),
                  load(consumer, Word::kick, Orders::c3_kick, 3),
                  load(consumer, Word::mail, Orders::c4_mail, first_value)});
}
// The same without a kick: 0 K0, 1 K1, 2 C1, 3 C4.
template <class Orders>
bool falls_asleep_beside_mail() {
  return allowed({change(conductor, Word::mail, Orders::k0_mail, first_value),
                  load(conductor, Word::asleep, Orders::k1_asleep, first_value),
                  store(consumer, Word::asleep, Orders::c1_asleep),
                  load(consumer, Word::mail, Orders::c4_mail, first_value)});
}

TEST(WakeAxioms, nobody_falls_asleep_beside_a_frame) {
  EXPECT_FALSE(falls_asleep_beside_a_frame<WakeOrders>(false, false));
  // Behind a bell that was seen, no ring ends the sleep: the frame must have been.
  EXPECT_FALSE(falls_asleep_beside_a_frame<WakeOrders>(false, true));
  EXPECT_FALSE(falls_asleep_beside_a_frame<WakeOrders>(true, true));
  // A bell that was not seen ends it.
  EXPECT_TRUE(falls_asleep_beside_a_frame<WakeOrders>(true, false));
}

TEST(WakeAxioms, nobody_falls_asleep_beside_mail) {
  EXPECT_FALSE(falls_asleep_beside_mail<WakeOrders>());
  EXPECT_FALSE(falls_asleep_beside_a_kick<WakeOrders>());
  EXPECT_FALSE(falls_asleep_beside_two_kicks<WakeOrders>(WakeOrders::k2_kick));
}

// Controls: without its order, each allows what the tests above exclude.

struct WeakKick : WakeOrders {
  static constexpr std::memory_order k2_kick = std::memory_order::relaxed;
};
struct WeakLookAtKick : WakeOrders {
  static constexpr std::memory_order c3_kick = std::memory_order::relaxed;
};
TEST(WakeAxioms, a_kick_needs_its_release_and_its_acquire) {
  EXPECT_TRUE(falls_asleep_beside_a_kick<WeakKick>());
  EXPECT_TRUE(falls_asleep_beside_a_kick<WeakLookAtKick>());
  // Another's kick carries ours, but cannot stand for it.
  EXPECT_FALSE(falls_asleep_beside_two_kicks<WakeOrders>(std::memory_order::relaxed));
  EXPECT_TRUE(falls_asleep_beside_two_kicks<WeakKick>(WakeOrders::k2_kick));
}

struct WeakMail : WakeOrders {
  static constexpr std::memory_order k0_mail = std::memory_order::acq_rel;
};
struct WeakLookAtAsleep : WakeOrders {
  static constexpr std::memory_order k1_asleep = std::memory_order::acquire;
};
struct WeakAsleep : WakeOrders {
  static constexpr std::memory_order c1_asleep = std::memory_order::release;
};
struct WeakLookAtMail : WakeOrders {
  static constexpr std::memory_order c4_mail = std::memory_order::acquire;
};
TEST(WakeAxioms, mail_and_asleep_need_the_one_order) {
  EXPECT_TRUE(falls_asleep_beside_mail<WeakMail>());
  EXPECT_TRUE(falls_asleep_beside_mail<WeakLookAtAsleep>());
  EXPECT_TRUE(falls_asleep_beside_mail<WeakAsleep>());
  EXPECT_TRUE(falls_asleep_beside_mail<WeakLookAtMail>());
}

struct WeakBell : WakeOrders {
  static constexpr std::memory_order p1_bell = std::memory_order::release;
};
struct WeakLookAtArmed : WakeOrders {
  static constexpr std::memory_order p2_armed = std::memory_order::acquire;
};
struct WeakArm : WakeOrders {
  static constexpr std::memory_order c1_armed = std::memory_order::release;
};
struct WeakLookAtBell : WakeOrders {
  static constexpr std::memory_order c2_bell = std::memory_order::acquire;
};
struct BlindLookAtBell : WakeOrders {
  static constexpr std::memory_order c2_bell = std::memory_order::relaxed;
};
TEST(WakeAxioms, bell_and_armed_need_the_one_order) {
  EXPECT_TRUE(falls_asleep_beside_a_frame<WeakBell>(false, false));
  EXPECT_TRUE(falls_asleep_beside_a_frame<WeakLookAtArmed>(false, false));
  EXPECT_TRUE(falls_asleep_beside_a_frame<WeakArm>(false, false));
  EXPECT_TRUE(falls_asleep_beside_a_frame<WeakLookAtBell>(false, false));
  EXPECT_TRUE(falls_asleep_beside_a_frame<BlindLookAtBell>(true, true));
}

// The checker itself, on what everybody knows: store buffering and message passing.
TEST(WakeAxioms, the_axioms_are_those_of_the_books) {
  const auto buffering = [](std::memory_order write, std::memory_order read) {
    return allowed({store(0, Word::bell, write), load(0, Word::armed, read, first_value),
                    store(1, Word::armed, write), load(1, Word::bell, read, first_value)});
  };
  EXPECT_TRUE(buffering(std::memory_order::release, std::memory_order::acquire));
  EXPECT_TRUE(buffering(std::memory_order::seq_cst, std::memory_order::acquire));
  EXPECT_FALSE(buffering(std::memory_order::seq_cst, std::memory_order::seq_cst));
  const auto passing = [](std::memory_order write, std::memory_order read) {
    return allowed({store(0, Word::sent, std::memory_order::relaxed), store(0, Word::bell, write),
                    load(1, Word::bell, read, 1),
                    load(1, Word::sent, std::memory_order::relaxed, first_value)});
  };
  EXPECT_TRUE(passing(std::memory_order::relaxed, std::memory_order::acquire));
  EXPECT_TRUE(passing(std::memory_order::release, std::memory_order::relaxed));
  EXPECT_FALSE(passing(std::memory_order::release, std::memory_order::acquire));
}

}  // namespace
}  // namespace tensorpool::protocol
