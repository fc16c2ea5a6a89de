// The production recipe with real threads. What these tests look for is found by luck and load; what
// the recipe guarantees is proved by tests/model. They end by counts, never by time.
#include "shm/seqlock.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <type_traits>
#include <vector>

#include "shm/geometry.hpp"
#include "shm/tensor_rules.hpp"

namespace tensorpool::shm {
namespace {

// A ring and one pool in private memory, shared between threads instead of processes.
class Ring {
 public:
  Ring(std::uint32_t nslots, std::uint32_t stride_bytes)
      : nslots_(nslots),
        stride_(stride_bytes),
        header_((*header_ring_bytes(nslots) + 7) / 8),
        pool_((*pool_bytes(nslots, stride_bytes) + 7) / 8) {}

  SlotRef slot(std::uint64_t seq) { return SlotRef::at(bytes(header_), index(seq)); }
  std::byte* payload(std::uint64_t seq) {
    return bytes(pool_) + payload_slot_offset(index(seq), stride_);
  }
  std::uint32_t index(std::uint64_t seq) const {
    return static_cast<std::uint32_t>(seq & (nslots_ - 1));
  }
  std::uint32_t nslots() const { return nslots_; }

 private:
  static std::byte* bytes(std::vector<std::uint64_t>& words) {
    return static_cast<std::byte*>(static_cast<void*>(words.data()));
  }
  std::uint32_t nslots_;
  std::uint32_t stride_;
  std::vector<std::uint64_t> header_;
  std::vector<std::uint64_t> pool_;
};

// Every word of a payload names its frame and its place, so that one strange word betrays a torn or
// foreign frame.
constexpr std::uint64_t payload_word(std::uint64_t seq, std::size_t index) {
  return (seq + 1) * 0x9E3779B97F4A7C15U + index * 0xBF58476D1CE4E5B9U;
}

SlotFields fields_of(std::uint64_t seq, std::uint32_t index, std::uint32_t bytes) {
  SlotFields fields;
  fields.values_len_bytes = bytes;
  fields.payload_slot = index;
  fields.pool_id = 1;
  fields.timestamp_ns = seq + 1;
  fields.meta_version = static_cast<std::uint32_t>(seq);
  fields.dtype = DType::u64;
  fields.order = MajorOrder::row;
  fields.ndims = 1;
  fields.dims[0] = static_cast<std::int32_t>(bytes / 8);
  return fields;
}

// Whether a side rests in the middle of its frame, so that the other side is seen half done even
// where all threads share one core.
enum class Pace { steady, rests };

void write_frame(Ring& ring, std::uint64_t seq, std::vector<std::uint64_t>& scratch,
                 Pace pace = Pace::steady) {
  mark_in_progress(ring.slot(seq), seq);
  for (std::size_t i = 0; i < scratch.size(); ++i) scratch[i] = payload_word(seq, i);
  const auto bytes = static_cast<std::uint32_t>(scratch.size() * 8);
  const std::size_t half = scratch.size() / 2 * 8;
  const auto* from = static_cast<const std::byte*>(static_cast<const void*>(scratch.data()));
  store_payload(ring.payload(seq), from, half);
  if (pace == Pace::rests) std::this_thread::yield();
  store_payload(ring.payload(seq) + half, from + half, bytes - half);
  HeaderImage image;
  build(image, fields_of(seq, ring.index(seq), bytes));
  store_header(ring.slot(seq), image);
  commit(ring.slot(seq), seq);
}

enum class Read { accepted, not_committed, overwritten, torn };

// Steps 3 to 10 of "Reading a frame". `torn` is an accepted frame with a word that is not its own:
// what must never happen.
Read read_frame(Ring& ring, std::uint64_t seq, std::vector<std::uint64_t>& scratch,
                Pace pace = Pace::steady) {
  const ConstSlotRef slot = ring.slot(seq);
  const std::uint64_t first = load_commit_acquire(slot);
  if (first != committed_word(seq))
    return is_committed(first) ? Read::overwritten : Read::not_committed;
  HeaderImage image;
  copy_header(slot, image);
  const std::size_t half = scratch.size() / 2 * 8;
  auto* to = static_cast<std::byte*>(static_cast<void*>(scratch.data()));
  load_payload(to, ring.payload(seq), half);
  if (pace == Pace::rests) std::this_thread::yield();
  load_payload(to + half, ring.payload(seq) + half, scratch.size() * 8 - half);
  if (!still(slot, first)) return Read::overwritten;
  if (!(parse(image) ==
        fields_of(seq, ring.index(seq), static_cast<std::uint32_t>(scratch.size() * 8))))
    return Read::torn;
  for (std::size_t i = 0; i < scratch.size(); ++i) {
    if (scratch[i] != payload_word(seq, i)) return Read::torn;
  }
  return Read::accepted;
}

struct Tally {
  std::uint64_t accepted = 0;
  std::uint64_t not_committed = 0;
  std::uint64_t overwritten = 0;
  std::uint64_t torn = 0;

  void count(Read read) {
    switch (read) {
      case Read::accepted:
        ++accepted;
        break;
      case Read::not_committed:
        ++not_committed;
        break;
      case Read::overwritten:
        ++overwritten;
        break;
      case Read::torn:
        ++torn;
        break;
    }
  }
};

// One writer that never waits (SHM-176) and some readers that follow what was committed last, until
// every reader has accepted and has lost `wanted` frames each.
void race(std::uint32_t nslots, std::size_t words, int reader_count, std::uint64_t wanted) {
  Ring ring(nslots, static_cast<std::uint32_t>((words * 8 + 63) / 64 * 64));
  std::atomic<std::uint64_t> published{0};  // frames committed so far; what descriptors would say
  std::atomic<int> busy{reader_count};
  std::vector<Tally> tallies(static_cast<std::size_t>(reader_count));
  std::vector<std::thread> readers;
  for (int r = 0; r < reader_count; ++r) {
    readers.emplace_back([&, r] {
      Tally& tally = tallies[static_cast<std::size_t>(r)];
      std::vector<std::uint64_t> scratch(words);
      std::uint64_t turn = 0;
      while (tally.torn == 0 && (tally.accepted < wanted || tally.overwritten < wanted)) {
        const std::uint64_t count = published.load(std::memory_order_acquire);
        if (count == 0) {
          std::this_thread::yield();
          continue;
        }
        // Now the newest frame, now the one whose slot is written next: both fates happen.
        const std::uint64_t back = (++turn % 2) == 0 ? 0 : nslots - 1;
        if (count - 1 < back) continue;
        const Pace pace = turn % 4 < 2 ? Pace::steady : Pace::rests;
        tally.count(read_frame(ring, count - 1 - back, scratch, pace));
      }
      busy.fetch_sub(1, std::memory_order_release);
    });
  }
  std::vector<std::uint64_t> scratch(words);
  std::uint64_t seq = 0;
  while (busy.load(std::memory_order_acquire) != 0) {
    write_frame(ring, seq, scratch, seq % 8 == 0 ? Pace::rests : Pace::steady);
    published.store(++seq, std::memory_order_release);
    // Lets readers on the same core win now and then; they need to, to accept a frame.
    if (seq % 8 == 4) std::this_thread::yield();
  }
  for (std::thread& reader : readers) reader.join();
  for (const Tally& tally : tallies) {
    EXPECT_EQ(tally.torn, 0U);
    EXPECT_GE(tally.accepted, wanted);
    EXPECT_GE(tally.overwritten, wanted);
  }
  EXPECT_GT(seq, nslots);  // the ring went round
}

// Proves: SHM-169, SHM-173, SHM-176, SHM-184, SHM-185, SHM-217
TEST(SeqlockThreads, a_lapped_reader_never_accepts_a_torn_frame) { race(4, 64, 2, 500); }

// Proves: SHM-176, SHM-185
TEST(SeqlockThreads, one_slot_is_enough_for_a_ring) { race(1, 8, 1, 50); }

// Frames large enough that the C library may copy them with non-temporal stores; thread sanitizers
// copy in words, where that is only slow.
// Proves: SHM-231, SHM-232, SHM-235
TEST(SeqlockThreads, large_frames_are_proved_as_well) {
  race(2, (payload_in_words ? 16U : 512U) << 10U, 1, 5);
}

// The formulation that thread-sanitizer builds use, in every build: one slot, one writer, one reader,
// word by word.
// Proves: SHM-176, SHM-184, SHM-185, SHM-217
TEST(SeqlockThreads, the_recipe_without_fences_never_accepts_a_torn_frame) {
  using Steps = Recipe<HostMemory, FenceFreeOrders>;
  constexpr std::size_t words = 32;  // the commit word and a body
  constexpr std::uint64_t wanted = 50;
  alignas(64) std::array<std::uint64_t, words> slot{};
  std::atomic<std::uint64_t> published{0};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::array<std::uint64_t, words> image{};
    for (std::uint64_t seq = 0; !done.load(std::memory_order_acquire); ++seq) {
      Steps::mark_in_progress(slot.data(), seq);
      for (std::size_t i = 1; i < words; ++i) image[i] = payload_word(seq, i);
      Steps::store_header<words>(slot.data(), image.data());
      if (seq % 8 == 0) std::this_thread::yield();
      Steps::commit(slot.data(), seq);
      published.store(seq + 1, std::memory_order_release);
      if (seq % 8 == 4) std::this_thread::yield();
    }
  });
  Tally tally;
  std::uint64_t turn = 0;
  while (tally.torn == 0 && (tally.accepted < wanted || tally.overwritten < wanted)) {
    const std::uint64_t count = published.load(std::memory_order_acquire);
    if (count == 0) {
      std::this_thread::yield();
      continue;
    }
    const std::uint64_t seq = count - 1;
    const std::uint64_t first = Steps::load_commit(slot.data());
    if (first != committed_word(seq)) {
      tally.count(is_committed(first) ? Read::overwritten : Read::not_committed);
      continue;
    }
    std::array<std::uint64_t, words> copy{};
    Steps::copy_header<words>(slot.data(), copy.data());
    if (++turn % 4 < 2) {  // half of it again, later
      std::this_thread::yield();
      Steps::copy_header<words / 2>(slot.data(), copy.data());
    }
    Read read = Steps::still(slot.data(), first) ? Read::accepted : Read::overwritten;
    for (std::size_t i = 1; i < words && read == Read::accepted; ++i) {
      if (copy[i] != payload_word(seq, i)) read = Read::torn;
    }
    tally.count(read);
  }
  done.store(true, std::memory_order_release);
  writer.join();
  EXPECT_EQ(tally.torn, 0U);
}

// One thread from here on: each step alone.
class SeqlockSteps : public testing::Test {
 protected:
  Ring ring_{4, 64};
  std::vector<std::uint64_t> scratch_ = std::vector<std::uint64_t>(8);
};

// Proves: SHM-168, SHM-169, SHM-178, SHM-219
TEST_F(SeqlockSteps, a_mark_makes_the_slot_unreadable_at_once) {
  write_frame(ring_, 0, scratch_);
  EXPECT_EQ(read_frame(ring_, 0, scratch_), Read::accepted);
  mark_in_progress(ring_.slot(4), 4);  // the same slot, one lap later
  EXPECT_EQ(load_commit_acquire(ring_.slot(0)), in_progress_word(4));
  EXPECT_EQ(read_frame(ring_, 0, scratch_), Read::not_committed);
  EXPECT_EQ(read_frame(ring_, 4, scratch_), Read::not_committed);
}

// Proves: SHM-182, SHM-183, SHM-217
TEST_F(SeqlockSteps, a_fresh_ring_holds_no_frame) {
  for (std::uint64_t seq = 0; seq < 4; ++seq)
    EXPECT_EQ(read_frame(ring_, seq, scratch_), Read::not_committed);
}

// Proves: SHM-168, SHM-171, SHM-173, SHM-220
TEST_F(SeqlockSteps, a_commit_makes_header_and_payload_readable) {
  write_frame(ring_, 2, scratch_);
  EXPECT_EQ(load_commit_acquire(ring_.slot(2)), committed_word(2));
  EXPECT_EQ(read_frame(ring_, 2, scratch_), Read::accepted);
}

// Proves: SHM-185, SHM-166
TEST_F(SeqlockSteps, a_frame_of_another_lap_is_not_the_expected_one) {
  write_frame(ring_, 6, scratch_);
  EXPECT_EQ(read_frame(ring_, 2, scratch_), Read::overwritten);
  EXPECT_EQ(read_frame(ring_, 6, scratch_), Read::accepted);
}

// Proves: SHM-184, SHM-185, SHM-222, SHM-237
TEST_F(SeqlockSteps, the_second_look_finds_every_kind_of_change) {
  write_frame(ring_, 1, scratch_);
  const ConstSlotRef slot = ring_.slot(1);
  const std::uint64_t first = load_commit_acquire(slot);
  EXPECT_TRUE(still(slot, first));
  EXPECT_TRUE(still(slot, first));  // may be asked again
  mark_in_progress(ring_.slot(5), 5);
  EXPECT_FALSE(still(slot, first));
  write_frame(ring_, 5, scratch_);  // a whole lap
  EXPECT_FALSE(still(slot, first));
}

// Proves: SHM-179
TEST_F(SeqlockSteps, an_abandoned_claim_stays_in_progress_until_the_next_lap) {
  mark_in_progress(ring_.slot(3), 3);
  EXPECT_EQ(read_frame(ring_, 3, scratch_), Read::not_committed);
  write_frame(ring_, 7, scratch_);
  EXPECT_EQ(read_frame(ring_, 3, scratch_), Read::overwritten);
  EXPECT_EQ(read_frame(ring_, 7, scratch_), Read::accepted);
}

// Proves: SHM-226, SHM-227
TEST_F(SeqlockSteps, header_words_go_out_and_come_back_and_the_commit_word_is_untouched) {
  HeaderImage image;
  for (std::size_t i = 0; i < header_words; ++i) image.words[i] = 0x1000 + i;
  mark_in_progress(ring_.slot(0), 8);
  store_header(ring_.slot(0), image);
  EXPECT_EQ(load_commit_acquire(ring_.slot(0)), in_progress_word(8));
  HeaderImage copy;
  copy_header(ring_.slot(0), copy);
  EXPECT_EQ(copy.words[0], 0U);
  for (std::size_t i = 1; i < header_words; ++i) EXPECT_EQ(copy.words[i], 0x1000 + i);
}

// Proves: SHM-223, SHM-224
TEST_F(SeqlockSteps, commit_words_are_lock_free_and_aligned) {
  static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);
  static_assert(std::atomic_ref<std::uint64_t>::required_alignment <= 8);
  for (std::uint64_t seq = 0; seq < 4; ++seq) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(ring_.slot(seq).words) % 8, 0U);
  }
}

TEST_F(SeqlockSteps, payloads_of_any_length_are_copied_exactly) {
  std::array<std::byte, 64> source;
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i + 1);
  for (std::size_t bytes = 0; bytes <= source.size(); ++bytes) {
    Ring ring(1, 64);
    store_payload(ring.payload(0), source.data(), bytes);
    std::array<std::byte, 64> target{};
    load_payload(target.data(), ring.payload(0), bytes);
    for (std::size_t i = 0; i < target.size(); ++i)
      EXPECT_EQ(target[i], i < bytes ? source[i] : std::byte{0}) << bytes;
  }
}

// Counts and orders the accesses of the recipe, by the index of the word in one slot.
struct RecordingMemory {
  using Word = std::uint64_t;
  struct Access {
    char kind;
    std::size_t word;
    friend bool operator==(const Access&, const Access&) = default;
  };
  static inline const Word* slot = nullptr;
  static inline std::vector<Access> log;

  static void store(Word& word, std::uint64_t value, std::memory_order) noexcept {
    word = value;
    log.push_back({'s', static_cast<std::size_t>(&word - slot)});
  }
  static std::uint64_t load(const Word& word, std::memory_order) noexcept {
    log.push_back({'l', static_cast<std::size_t>(&word - slot)});
    return word;
  }
  static void release_fence() noexcept { log.push_back({'R', 0}); }
  static void acquire_fence() noexcept { log.push_back({'A', 0}); }
  static void drain_non_temporal() noexcept { log.push_back({'D', 0}); }
};

// Proves: SHM-36, SHM-219, SHM-222, SHM-226, SHM-227, SHM-232
TEST(Recipe, touches_each_word_once_and_in_the_order_of_the_steps) {
  using Steps = Recipe<RecordingMemory, FencedOrders>;
  using Log = std::vector<RecordingMemory::Access>;
  static_assert(header_slot_bytes % 64 == 0 && superblock_bytes % 64 == 0);  // one cache line
  alignas(64) std::array<std::uint64_t, header_words> slot{};
  std::array<std::uint64_t, header_words> image{};
  RecordingMemory::slot = slot.data();
  const auto steps_of = [](auto&& call) {
    RecordingMemory::log.clear();
    call();
    return RecordingMemory::log;
  };
  const auto body = [](char kind) {
    Log log;
    for (std::size_t word = 1; word < header_words; ++word) log.push_back({kind, word});
    return log;
  };
  EXPECT_EQ(steps_of([&] { Steps::mark_in_progress(slot.data(), 5); }),
            (Log{{'s', 0}, {'R', 0}, {'D', 0}}));
  EXPECT_EQ(steps_of([&] { Steps::store_header<header_words>(slot.data(), image.data()); }),
            body('s'));
  EXPECT_EQ(steps_of([&] { Steps::commit(slot.data(), 5); }), (Log{{'D', 0}, {'s', 0}}));
  EXPECT_EQ(steps_of([&] { (void)Steps::load_commit(slot.data()); }), (Log{{'l', 0}}));
  EXPECT_EQ(steps_of([&] { Steps::copy_header<header_words>(slot.data(), image.data()); }),
            body('l'));
  EXPECT_EQ(steps_of([&] { (void)Steps::still(slot.data(), 11); }), (Log{{'A', 0}, {'l', 0}}));
}

#if defined(__SANITIZE_THREAD__)
constexpr bool under_thread_sanitizer = true;
#elif defined(__has_feature)
constexpr bool under_thread_sanitizer = __has_feature(thread_sanitizer);
#else
constexpr bool under_thread_sanitizer = false;
#endif

// Thread sanitizers do not model fences: such a build uses the other formulation, payload included.
static_assert(std::is_same_v<HostOrders, FenceFreeOrders> == under_thread_sanitizer);
static_assert(std::is_same_v<HostOrders, FencedOrders> != under_thread_sanitizer);
static_assert(payload_in_words == under_thread_sanitizer);

// Both formulations store the same bytes.
// Proves: SHM-230
TEST(Recipe, with_and_without_fences_leaves_the_same_bytes) {
  using Fenced [[maybe_unused]] = Recipe<HostMemory, FencedOrders>;
  using FenceFree = Recipe<HostMemory, FenceFreeOrders>;
  alignas(64) std::array<std::uint64_t, header_words> one{};
  alignas(64) std::array<std::uint64_t, header_words> other{};
  HeaderImage image;
  build(image, fields_of(9, 1, 64));
  FenceFree::mark_in_progress(other.data(), 9);
  FenceFree::store_header<header_words>(other.data(), image.words.data());
  FenceFree::commit(other.data(), 9);
#if !defined(TENSORPOOL_TSAN)
  Fenced::mark_in_progress(one.data(), 9);
  Fenced::store_header<header_words>(one.data(), image.words.data());
  Fenced::commit(one.data(), 9);
  EXPECT_EQ(one, other);
  EXPECT_TRUE(Fenced::still(one.data(), committed_word(9)));
#else
  static_cast<void>(one);
#endif
  EXPECT_TRUE(FenceFree::still(other.data(), committed_word(9)));
}

}  // namespace
}  // namespace tensorpool::shm
