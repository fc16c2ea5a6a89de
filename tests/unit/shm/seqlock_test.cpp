// The production recipe with real threads. What these tests look for is found by luck and load; what
// the recipe guarantees is proved by tests/model. They end by counts, never by time.
#include "shm/seqlock.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
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

void write_frame(Ring& ring, std::uint64_t seq, std::vector<std::uint64_t>& scratch) {
  mark_in_progress(ring.slot(seq), seq);
  for (std::size_t i = 0; i < scratch.size(); ++i) scratch[i] = payload_word(seq, i);
  const auto bytes = static_cast<std::uint32_t>(scratch.size() * 8);
  store_payload(ring.payload(seq),
                static_cast<const std::byte*>(static_cast<const void*>(scratch.data())), bytes);
  HeaderImage image;
  build(image, fields_of(seq, ring.index(seq), bytes));
  store_header(ring.slot(seq), image);
  commit(ring.slot(seq), seq);
}

enum class Read { accepted, not_committed, overwritten, torn };

// Steps 3 to 10 of "Reading a frame". `torn` is an accepted frame with a word that is not its own:
// what must never happen.
Read read_frame(Ring& ring, std::uint64_t seq, std::vector<std::uint64_t>& scratch) {
  const ConstSlotRef slot = ring.slot(seq);
  const std::uint64_t first = load_commit_acquire(slot);
  if (first != committed_word(seq))
    return is_committed(first) ? Read::overwritten : Read::not_committed;
  HeaderImage image;
  copy_header(slot, image);
  load_payload(static_cast<std::byte*>(static_cast<void*>(scratch.data())), ring.payload(seq),
               scratch.size() * 8);
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
        if (count == 0) continue;
        // Now the newest frame, now the one whose slot is written next: both fates happen.
        const std::uint64_t back = (++turn % 2) == 0 ? 0 : nslots - 1;
        if (count - 1 < back) continue;
        tally.count(read_frame(ring, count - 1 - back, scratch));
        if (turn % 64 == 0) std::this_thread::yield();
      }
      busy.fetch_sub(1, std::memory_order_release);
    });
  }
  std::vector<std::uint64_t> scratch(words);
  std::uint64_t seq = 0;
  while (busy.load(std::memory_order_acquire) != 0) {
    write_frame(ring, seq, scratch);
    published.store(++seq, std::memory_order_release);
    // Lets readers on the same core win now and then; they need to, to accept a frame.
    if (seq % 16 == 0) std::this_thread::yield();
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
TEST(SeqlockThreads, one_slot_is_enough_for_a_ring) { race(1, 8, 1, 500); }

// Frames large enough that the C library may copy them with non-temporal stores.
// Proves: SHM-231, SHM-232, SHM-235
TEST(SeqlockThreads, large_frames_are_proved_as_well) { race(2, 512U << 10U, 1, 5); }

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
  FenceFree::store_header(other.data(), image.words.data(), header_words);
  FenceFree::commit(other.data(), 9);
#if !defined(TENSORPOOL_TSAN)
  Fenced::mark_in_progress(one.data(), 9);
  Fenced::store_header(one.data(), image.words.data(), header_words);
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
