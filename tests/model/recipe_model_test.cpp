// The recipe of src/shm/seqlock.hpp under the C++11 memory model, reorderings included: Relacy runs
// the very template that production code uses, over words of its own, and every load may return any
// value that the model allows, not only the newest.
//
// What is searched. The positive tests and all negative controls but the last few are exhaustive:
// every schedule of one writer and one reader, and for every load the newest and the next older
// value. That is enough to find a missing fence, because every wrong acceptance needs one load that
// is one store behind: a body word of the frame before (W6, R1) or a commit word from before the
// mark (W2, R4). One reader is enough, because readers store nothing and cannot see each other. One
// attempt is enough, because what a reader learnt in earlier attempts only takes choices away.
// The random test has what does not fit an exhaustive search: more laps, several attempts, looking
// again after a look, abandoned claims, and loads that are two stores behind.
//
// Relacy knows the release sequences of C++11, which C++20 shortened. That makes no difference here:
// a reader that meets a mark stops, and every other store that a reader synchronises with carries
// its own release or follows the fence W2.
//
// Readers get no hint which frames exist: they ask for any of them, with no ordering from a
// descriptor. Nothing is proved here about non-temporal stores (SHM-231) and DMA (SHM-233); they
// are outside the memory model.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

#include "shm/seqlock.hpp"

// Last, because of its macros.
#include "model/search.hpp"

namespace tensorpool::shm {
namespace {

using model::model_order;
using model::Verdict;

// The Memory of the recipe: words of the model. Payload and header words are relaxed atomics, as in
// the protocol's formulation.
struct ModelMemory {
  using Word = rl::atomic<std::uint64_t>;

  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    word.store(value, model_order(order), RL_INFO);
  }
  static std::uint64_t load(const Word& word, std::memory_order order) noexcept {
    return word.load(model_order(order), RL_INFO);
  }
  static void release_fence() noexcept { rl::atomic_thread_fence(rl::mo_release, RL_INFO); }
  static void acquire_fence() noexcept { rl::atomic_thread_fence(rl::mo_acquire, RL_INFO); }
  static void drain_non_temporal() noexcept {}
};

// How a test departs from the recipe in what is not an order; nothing by default.
struct AsWritten {
  static constexpr bool mark_first = true;   // W1, W2 before W3 (SHM-169)
  static constexpr bool look_again = true;   // R4 … R6 (SHM-185)
  static constexpr bool compare_seq = true;  // R6: whose frame it is (SHM-185)
  static constexpr bool commit_bit = true;   // R1: whether it is complete (SHM-183)
};

constexpr std::size_t header_model_words = 2;  // the commit word and one of the 31 others
constexpr std::size_t payload_words = 2;

// Every word names its frame and its place. Never 0, which is what a fresh ring holds.
constexpr std::uint64_t body_word(std::uint64_t seq, std::size_t place) noexcept {
  return (seq + 1) * 16 + place;
}

// How often a reader accepted and refused a slot, over all executions of a test. Written outside of
// the model, read by nobody inside.
struct Fates {
  std::uint64_t accepted = 0;
  std::uint64_t not_there = 0;
  std::uint64_t overwritten = 0;
  // Words accepted by mistake: of a later frame than the one asked for, or of an earlier one.
  std::uint64_t newer_words = 0;
  std::uint64_t older_words = 0;
};
Fates fates;

// A ring of `slots` slots with its pool, and the steps of both sides on it.
template <class Orders, class Habit, std::size_t slots>
class ModelRing {
  using Steps = Recipe<ModelMemory, Orders>;
  using Word = ModelMemory::Word;

 public:
  // A fresh ring: all zero.
  void clear() {
    for (Slot& slot : slots_) {
      for (Word& word : slot.header) word.store(0, rl::mo_relaxed, RL_INFO);
      for (Word& word : slot.payload) word.store(0, rl::mo_relaxed, RL_INFO);
    }
  }

  void mark(std::uint64_t seq) { Steps::mark_in_progress(at(seq).header, seq); }

  void write(std::uint64_t seq) {
    Slot& slot = at(seq);
    if (Habit::mark_first) mark(seq);
    for (std::size_t i = 0; i < payload_words; ++i)
      Steps::store_body(slot.payload[i], body_word(seq, i));
    if (!Habit::mark_first) mark(seq);
    const std::uint64_t image[header_model_words] = {0, body_word(seq, payload_words)};
    Steps::template store_header<header_model_words>(slot.header, image);
    Steps::commit(slot.header, seq);
  }

  // One attempt, which looks `looks` times at the payload, each time with a proof of its own.
  void read(std::uint64_t seq, int looks) const {
    const Slot& slot = at(seq);
    const std::uint64_t first = Steps::load_commit(slot.header);
    if (Habit::commit_bit && !is_committed(first)) return count(fates.not_there);
    if (Habit::compare_seq && seq_of(first) != seq) return count(fates.not_there);
    std::uint64_t image[header_model_words] = {};
    Steps::template copy_header<header_model_words>(slot.header, image);
    for (int look = 0; look < looks; ++look) {
      std::uint64_t payload[payload_words];
      for (std::size_t i = 0; i < payload_words; ++i)
        payload[i] = Steps::load_body(slot.payload[i]);
      if (Habit::look_again && !Steps::still(slot.header, first)) return count(fates.overwritten);
      // Delivered; from here on the reader believes what it has.
      for (std::size_t i = 0; i < payload_words; ++i) believe(payload[i], body_word(seq, i));
      believe(image[1], body_word(seq, payload_words));
    }
    count(fates.accepted);
  }

 private:
  struct Slot {
    Word header[header_model_words];
    Word payload[payload_words];
  };
  static void count(std::uint64_t& fate) { ++fate; }
  // Ends the search when the word is not the right one.
  static void believe(std::uint64_t word, std::uint64_t right) {
    if (word > right) ++fates.newer_words;
    if (word < right) ++fates.older_words;
    RL_ASSERT(word == right);
  }
  Slot& at(std::uint64_t seq) { return slots_[seq % slots]; }
  const Slot& at(std::uint64_t seq) const { return slots_[seq % slots]; }

  std::array<Slot, slots> slots_;
};

// One writer, one reader, one attempt at any frame; for an exhaustive search.
template <class Orders, class Habit, std::size_t slots, unsigned frames>
struct OneAttempt : rl::test_suite<OneAttempt<Orders, Habit, slots, frames>, 2> {
  ModelRing<Orders, Habit, slots> ring;

  void before() { ring.clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint64_t seq = 0; seq < frames; ++seq) ring.write(seq);
    } else {
      ring.read(rl::rand(frames), 1);
    }
  }
};

// One writer that now and then abandons a claim, two readers that try again and look twice; for a
// random search.
template <class Orders>
struct ManyAttempts : rl::test_suite<ManyAttempts<Orders>, 3> {
  static constexpr unsigned frames = 8;
  ModelRing<Orders, AsWritten, 2> ring;

  void before() { ring.clear(); }
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint64_t seq = 0; seq < frames; ++seq) {
        if (rl::rand(8) == 0) {
          ring.mark(seq);
        } else {
          ring.write(seq);
        }
      }
    } else {
      for (int attempt = 0; attempt < 4; ++attempt) ring.read(rl::rand(frames), 2);
    }
  }
};

template <rl::scheduler_type_e kind, class Suite>
Verdict search(std::uint64_t executions) {
  fates = Fates{};
  return model::search_by<kind, Suite>(executions);
}

template <class Orders, class Habit, std::size_t slots, unsigned frames>
Verdict search_all() {
  return search<rl::sched_full, OneAttempt<Orders, Habit, slots, frames>>(0);
}

// Nothing wrong was accepted, and something right was, so that the search was not idle.
void expect_proved(const Verdict& verdict, std::uint64_t at_least) {
  EXPECT_EQ(verdict.result, rl::test_result_success) << verdict.report;
  EXPECT_GE(verdict.executions, at_least);
  EXPECT_GT(fates.accepted, 0U);
  EXPECT_GT(fates.not_there, 0U);
  EXPECT_GT(fates.overwritten, 0U);
  testing::Test::RecordProperty("executions", std::to_string(verdict.executions));
}

// What a reader accepts by mistake when something is missing: bytes of a later frame (a tear), or
// bytes from before the frame was complete.
enum class Mistake { later, earlier };

// The torn or foreign frame was found, and is of the expected kind: a failed check of the reader,
// not a complaint of Relacy about the test.
template <class Orders, class Habit = AsWritten>
void expect_caught(Mistake mistake) {
  const Verdict verdict = search_all<Orders, Habit, 1, 2>();
  EXPECT_EQ(verdict.result, rl::test_result_user_assert_failed) << verdict.report;
  EXPECT_EQ(fates.older_words != 0, mistake == Mistake::earlier);
  EXPECT_EQ(fates.newer_words != 0, mistake == Mistake::later);
}

// Three frames in one slot: fresh, first lap, and a slot that is overwritten twice.
// Proves: SHM-170, SHM-184, SHM-185, SHM-187, SHM-217, SHM-221
TEST(RecipeModel, every_execution_of_three_laps_of_one_slot) {
  expect_proved(search_all<FencedOrders, AsWritten, 1, 3>(), 100'000);
}

// Four frames in two slots: neighbours do not mix either.
// Proves: SHM-170, SHM-184, SHM-185, SHM-191, SHM-217, SHM-221
TEST(RecipeModel, every_execution_of_two_laps_of_two_slots) {
  expect_proved(search_all<FencedOrders, AsWritten, 2, 4>(), 100'000);
}

// The formulation of thread-sanitizer builds.
// Proves: SHM-170, SHM-184, SHM-185, SHM-187, SHM-217, SHM-221
TEST(RecipeModel, every_execution_without_fences) {
  expect_proved(search_all<FenceFreeOrders, AsWritten, 1, 3>(), 100'000);
}

// Proves: SHM-179, SHM-185, SHM-188, SHM-191, SHM-237
TEST(RecipeModel, many_random_executions_of_many_laps) {
  expect_proved(search<rl::sched_random, ManyAttempts<FencedOrders>>(40'000), 40'000);
  expect_proved(search<rl::sched_random, ManyAttempts<FenceFreeOrders>>(40'000), 40'000);
}

// Negative controls, one for each order and fence: without it the search must find a torn frame.
// They are also what shows that the searches above could have found one.

struct WithoutW2 : FencedOrders {
  static constexpr bool w2_fence = false;
};
// Proves: SHM-170, SHM-219
TEST(RecipeControl, without_the_release_fence_w2) { expect_caught<WithoutW2>(Mistake::later); }

struct WithoutW6 : FencedOrders {
  static constexpr std::memory_order w6_commit = std::memory_order::relaxed;
};
// Proves: SHM-173, SHM-220
TEST(RecipeControl, without_the_release_of_w6) { expect_caught<WithoutW6>(Mistake::earlier); }

struct WithoutR1 : FencedOrders {
  static constexpr std::memory_order r1_first = std::memory_order::relaxed;
};
// Proves: SHM-182, SHM-221
TEST(RecipeControl, without_the_acquire_of_r1) { expect_caught<WithoutR1>(Mistake::earlier); }

struct WithoutR4 : FencedOrders {
  static constexpr bool r4_fence = false;
};
// Proves: SHM-184, SHM-222
TEST(RecipeControl, without_the_acquire_fence_r4) { expect_caught<WithoutR4>(Mistake::later); }

struct PlainReleaseAcquire : FencedOrders {
  static constexpr std::memory_order w1_mark = std::memory_order::release;
  static constexpr bool w2_fence = false;
  static constexpr bool r4_fence = false;
  static constexpr std::memory_order r5_second = std::memory_order::acquire;
};
// "Why release/acquire on the commit word alone is not enough".
TEST(RecipeControl, with_release_and_acquire_on_the_commit_word_alone) {
  expect_caught<PlainReleaseAcquire>(Mistake::later);
}

struct FenceFreeWithoutReleases : FenceFreeOrders {
  static constexpr std::memory_order w3_w4_body = std::memory_order::relaxed;
};
TEST(RecipeControl, fence_free_without_the_releases_of_the_body) {
  expect_caught<FenceFreeWithoutReleases>(Mistake::later);
}

struct FenceFreeWithoutAcquires : FenceFreeOrders {
  static constexpr std::memory_order r2_r3_body = std::memory_order::relaxed;
};
TEST(RecipeControl, fence_free_without_the_acquires_of_the_body) {
  expect_caught<FenceFreeWithoutAcquires>(Mistake::later);
}

struct FenceFreeWithoutW6 : FenceFreeOrders {
  static constexpr std::memory_order w6_commit = std::memory_order::relaxed;
};
TEST(RecipeControl, fence_free_without_the_release_of_w6) {
  expect_caught<FenceFreeWithoutW6>(Mistake::earlier);
}

struct FenceFreeWithoutR1 : FenceFreeOrders {
  static constexpr std::memory_order r1_first = std::memory_order::relaxed;
};
TEST(RecipeControl, fence_free_without_the_acquire_of_r1) {
  expect_caught<FenceFreeWithoutR1>(Mistake::earlier);
}

// Controls of the steps that are no orders.

struct MarksLate : AsWritten {
  static constexpr bool mark_first = false;
};
TEST(RecipeControl, with_the_mark_after_the_payload) {
  expect_caught<FencedOrders, MarksLate>(Mistake::later);
}

struct NeverLooksAgain : AsWritten {
  static constexpr bool look_again = false;
};
TEST(RecipeControl, without_the_second_look) {
  expect_caught<FencedOrders, NeverLooksAgain>(Mistake::later);
}

struct TakesAnyFrame : AsWritten {
  static constexpr bool compare_seq = false;
};
TEST(RecipeControl, without_the_comparison_of_the_sequence) {
  expect_caught<FencedOrders, TakesAnyFrame>(Mistake::later);
}

struct IgnoresTheCommitBit : AsWritten {
  static constexpr bool commit_bit = false;
};
TEST(RecipeControl, without_the_commit_bit) {
  expect_caught<FencedOrders, IgnoresTheCommitBit>(Mistake::earlier);
}

}  // namespace
}  // namespace tensorpool::shm
