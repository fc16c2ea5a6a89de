// Laps whose header words stay: the writer leaves out the store of a word that it stored with the same value in
// this very slot before (src/shm/header_template.hpp), under the C++11 memory model as in recipe_model_test.cpp.
//
// The slot has a commit word, a word that changes with every frame and a word that stays while the shape does.
// The first frame stores both; the second, of the same shape, only the one that changes; the third has another
// shape and stores both. Every execution of one writer and one reader is searched, for each load the newest
// and the next older value.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "shm/seqlock.hpp"

// Last, because of its macros.
#include "model/relacy.hpp"

namespace tensorpool::shm {
namespace {

constexpr rl::memory_order model_order(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order::relaxed:
      return rl::mo_relaxed;
    case std::memory_order::consume:
      return rl::mo_consume;
    case std::memory_order::acquire:
      return rl::mo_acquire;
    case std::memory_order::release:
      return rl::mo_release;
    case std::memory_order::acq_rel:
      return rl::mo_acq_rel;
    case std::memory_order::seq_cst:
      break;
  }
  return rl::mo_seq_cst;
}

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

constexpr std::uint64_t frames = 3;
constexpr std::uint64_t shape_of(std::uint64_t seq) noexcept { return seq < 2 ? 1 : 2; }
constexpr std::uint64_t stamp_of(std::uint64_t seq) noexcept { return 10 + seq; }

// By default the writer stores the shape unless the frame before had the same.
struct AsWritten {
  static constexpr bool stores_shape(std::uint64_t seq) noexcept {
    return seq == 0 || shape_of(seq) != shape_of(seq - 1);
  }
};

std::uint64_t accepted = 0;

template <class Orders, class Habit>
struct Laps : rl::test_suite<Laps<Orders, Habit>, 2> {
  using Steps = Recipe<ModelMemory, Orders>;
  ModelMemory::Word slot[3];  // commit word, what changes, shape

  void before() {
    for (auto& word : slot) word.store(0, rl::mo_relaxed, RL_INFO);
  }
  void write(std::uint64_t seq) {
    Steps::mark_in_progress(slot, seq);
    Steps::store_body(slot[1], stamp_of(seq));
    if (Habit::stores_shape(seq)) Steps::store_body(slot[2], shape_of(seq));
    Steps::commit(slot, seq);
  }
  void read(std::uint64_t seq) {
    const std::uint64_t first = Steps::load_commit(slot);
    if (first != committed_word(seq)) return;
    const std::uint64_t stamp = Steps::load_body(slot[1]);
    const std::uint64_t shape = Steps::load_body(slot[2]);
    if (!Steps::still(slot, first)) return;
    RL_ASSERT(stamp == stamp_of(seq));
    RL_ASSERT(shape == shape_of(seq));
    ++accepted;
  }
  void thread(unsigned index) {
    if (index == 0) {
      for (std::uint64_t seq = 0; seq < frames; ++seq) write(seq);
    } else {
      read(rl::rand(frames));
    }
  }
};

template <class Orders, class Habit = AsWritten>
rl::test_result_e search() {
  rl::ostringstream report;
  rl::test_params params;
  params.search_type = rl::sched_full;
  params.output_stream = &report;
  params.progress_stream = &report;
  accepted = 0;
  rl::simulate<Laps<Orders, Habit>>(params);
  return params.test_result;
}

// Proves: SHM-170, SHM-184, SHM-185, SHM-217, SHM-221
TEST(LapModel, every_execution_with_words_that_stay) {
  EXPECT_EQ((search<FencedOrders>()), rl::test_result_success);
  EXPECT_GT(accepted, 0U);
  EXPECT_EQ((search<FenceFreeOrders>()), rl::test_result_success);
  EXPECT_GT(accepted, 0U);
}

// Negative controls.

struct KeepsTheShape : AsWritten {
  static constexpr bool stores_shape(std::uint64_t seq) noexcept { return seq == 0; }
};
TEST(LapControl, a_shape_that_changed_and_was_not_stored) {
  EXPECT_EQ((search<FencedOrders, KeepsTheShape>()), rl::test_result_user_assert_failed);
}

struct WithoutW2 : FencedOrders {
  static constexpr bool w2_fence = false;
};
TEST(LapControl, without_the_release_fence_w2) {
  EXPECT_EQ((search<WithoutW2>()), rl::test_result_user_assert_failed);
}

struct WithoutW6 : FencedOrders {
  static constexpr std::memory_order w6_commit = std::memory_order::relaxed;
};
TEST(LapControl, without_the_release_of_w6) {
  EXPECT_EQ((search<WithoutW6>()), rl::test_result_user_assert_failed);
}

}  // namespace
}  // namespace tensorpool::shm
