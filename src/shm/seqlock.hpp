// THE recipe by which one writer and any number of readers share a slot, and the only one in this
// project. It is the one of "Memory ordering" in docs/protocol/01-shared-memory.md; the step names
// W1 … W6 and R1 … R6 are those used there.
//
// Invariants
// 1. Word 0 of a slot is the commit word: (seq << 1) in progress, (seq << 1) | 1 committed. Only the
//    writer stores it, and its values strictly increase within an epoch.
// 2. Completeness. W6 (release) pairs with R1 (acquire): a reader that saw COMMITTED(S) sees
//    everything the writer stored before it, so frame S or something newer, never something older.
// 3. Tear detection. Fence W2 (release) pairs with fence R4 (acquire): if any load of R2 or R3 saw a
//    store of W3 or W4 of a later frame, then W1 of that frame happens before R5, and by coherence
//    R5 cannot see COMMITTED(S) any more.
// 4. No reader ever stores anything, waits, or is waited for.
// tests/model proves 2 and 3 on this very text under the C++11 memory model, and that each of W2,
// R4, W6 and R1 is needed.
//
// Payload contract (SHM-235 … SHM-239): until R6 has succeeded, payload bytes are arbitrary and may
// change between two reads. They are not used as a size, index, pointer, loop bound or format
// string and cause nothing that cannot be undone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "shm/copy.hpp"
#include "shm/layout.hpp"
#include "shm/slot_image.hpp"

namespace tensorpool::shm {

// The orders of the recipe, step by step.
struct FencedOrders {
  static constexpr std::memory_order w1_mark = std::memory_order_relaxed;
  static constexpr bool w2_fence = true;
  static constexpr std::memory_order w3_w4_body = std::memory_order_relaxed;
  static constexpr std::memory_order w6_commit = std::memory_order_release;
  static constexpr std::memory_order r1_first = std::memory_order_acquire;
  static constexpr std::memory_order r2_r3_body = std::memory_order_relaxed;
  static constexpr bool r4_fence = true;
  static constexpr std::memory_order r5_second = std::memory_order_relaxed;
};

// The same guarantee for tools that do not model fences: every body store is a release, which
// orders it after W1, and every body load is an acquire, which orders R5 after it.
struct FenceFreeOrders : FencedOrders {
  static constexpr bool w2_fence = false;
  static constexpr std::memory_order w3_w4_body = std::memory_order_release;
  static constexpr std::memory_order r2_r3_body = std::memory_order_acquire;
  static constexpr bool r4_fence = false;
};

// The steps, over a Memory that performs single accesses to words of the slot: the mapped memory of
// this host (HostMemory below), or a model of the C++ memory model (tests/model).
template <class Memory, class Orders>
struct Recipe {
  using Word = typename Memory::Word;

  // W1, W2. From here on the slot's payload and header may be stored to. No reader that starts now
  // accepts the slot, and no reader that sees a later store accepts what it holds (SHM-169,
  // SHM-219).
  static void mark_in_progress(Word* slot, std::uint64_t seq) noexcept {
    Memory::store(slot[0], in_progress_word(seq), Orders::w1_mark);  // W1
    if constexpr (Orders::w2_fence) Memory::release_fence();         // W2, pairs with R4
    Memory::drain_non_temporal();                                    // SHM-231
  }

  // W3 (payload) or W4 (header): one word.
  static void store_body(Word& word, std::uint64_t value) noexcept {
    Memory::store(word, value, Orders::w3_w4_body);
  }

  // W4: all header words behind the commit word, `Words` of them with it. Written out, because
  // compilers leave loops of atomic accesses as they are: 31 words cost 62 instructions, not 155.
  template <std::size_t Words>
  static void store_header(Word* slot, const std::uint64_t* image) noexcept {
    store_words<1, Words>(slot, image);
  }
  // Words First … End - 1 of them.
  template <std::size_t First, std::size_t End>
  static void store_words(Word* slot, const std::uint64_t* image) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (store_body(slot[I + First], image[I + First]), ...);
    }(std::make_index_sequence<End - First>());
  }

  template <std::size_t First, std::size_t End>
  static void store_zeros(Word* slot) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (store_body(slot[I + First], 0), ...);
    }(std::make_index_sequence<End - First>());
  }

  // W5, W6. Follows every store of the frame (SHM-220).
  static void commit(Word* slot, std::uint64_t seq) noexcept {
    Memory::drain_non_temporal();                                    // W5, SHM-232
    Memory::store(slot[0], committed_word(seq), Orders::w6_commit);  // W6, pairs with R1
  }

  // R1.
  static std::uint64_t load_commit(const Word* slot) noexcept {
    return Memory::load(slot[0], Orders::r1_first);  // R1, pairs with W6
  }

  // R2 (header) or R3 (payload): one word.
  static std::uint64_t load_body(const Word& word) noexcept {
    return Memory::load(word, Orders::r2_r3_body);
  }

  // R2: each header word is read once, into a private copy.
  template <std::size_t Words>
  static void copy_header(const Word* slot, std::uint64_t* image) noexcept {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((image[I + 1] = load_body(slot[I + 1])), ...);
    }(std::make_index_sequence<Words - 1>());
  }

  // R4, R5 and the comparison of R6: whether the slot still held what R1 saw when the last load
  // before this call was made (SHM-222).
  static bool still(const Word* slot, std::uint64_t first) noexcept {
    if constexpr (Orders::r4_fence) Memory::acquire_fence();   // R4, pairs with W2
    return Memory::load(slot[0], Orders::r5_second) == first;  // R5, R6
  }
};

// Words of a mapped region. A load never writes, so it is safe on a read-only mapping (SHM-225).
struct HostMemory {
  using Word = std::uint64_t;
  static_assert(std::atomic_ref<Word>::is_always_lock_free);      // SHM-223
  static_assert(std::atomic_ref<Word>::required_alignment <= 8);  // SHM-224

  static void store(Word& word, std::uint64_t value, std::memory_order order) noexcept {
    std::atomic_ref<Word>(word).store(value, order);
  }
  static std::uint64_t load(const Word& word, std::memory_order order) noexcept {
    // C++20 has no atomic_ref of a const object; only load() is called on it.
    return std::atomic_ref<Word>(const_cast<Word&>(word)).load(order);
  }
  static void release_fence() noexcept { fence(std::memory_order_release); }
  static void acquire_fence() noexcept { fence(std::memory_order_acquire); }

  // C++ fences do not order non-temporal stores, and nobody can tell who uses them: the memcpy of
  // common C libraries does for large frames, and fences only at its end. One sfence costs about a
  // nanosecond on the frame path, so it is made for every frame. Elsewhere such stores are ordered
  // by the fences of W2 and W6 like any others.
  static void drain_non_temporal() noexcept {
#if defined(__x86_64__)
    _mm_sfence();
#endif
  }

 private:
  static void fence(std::memory_order order) noexcept {
#if defined(TENSORPOOL_TSAN)
    static_cast<void>(order);  // never reached: thread sanitizers use FenceFreeOrders
#else
    std::atomic_thread_fence(order);
#endif
  }
};

#if defined(TENSORPOOL_TSAN)
using HostOrders = FenceFreeOrders;
inline constexpr bool payload_in_words = true;
#else
using HostOrders = FencedOrders;
inline constexpr bool payload_in_words = false;
#endif
using HostRecipe = Recipe<HostMemory, HostOrders>;

// One header slot of a mapped ring, for the writer.
struct SlotRef {
  std::uint64_t* words = nullptr;

  // `region` is the start of a mapped header ring, `index` below its number of slots.
  static SlotRef at(std::byte* region, std::uint32_t index) noexcept {
    return {static_cast<std::uint64_t*>(static_cast<void*>(region + header_slot_offset(index)))};
  }
};

// The same for a reader; its mapping may be read-only.
struct ConstSlotRef {
  const std::uint64_t* words = nullptr;

  constexpr ConstSlotRef() noexcept = default;
  constexpr explicit ConstSlotRef(const std::uint64_t* at) noexcept : words(at) {}
  // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read
  constexpr ConstSlotRef(SlotRef slot) noexcept : words(slot.words) {}
  static ConstSlotRef at(const std::byte* region, std::uint32_t index) noexcept {
    return ConstSlotRef(static_cast<const std::uint64_t*>(
        static_cast<const void*>(region + header_slot_offset(index))));
  }
};

// W1, W2: before anything else of the frame, at claim time (SHM-178). `seq` is below seq_limit.
inline void mark_in_progress(SlotRef slot, std::uint64_t seq) noexcept {
  HostRecipe::mark_in_progress(slot.words, seq);
}

// Asks for the line of the commit word before it is written to, so that W1 and W2 of a later frame do not wait
// for the reader that has it. No effect but on speed.
inline void expect_to_write(SlotRef slot) noexcept {
#if defined(__x86_64__)
  // Part of every x86-64 since 2005 at least as an instruction that does nothing; compilers make it only for
  // newer ones.
  __asm__ volatile("prefetchw %0" : : "m"(*slot.words));
#else
  __builtin_prefetch(slot.words, 1);
#endif
}

// W4: bytes 8 … 255 as 31 aligned 8-byte stores (SHM-227).
inline void store_header(SlotRef slot, const HeaderImage& image) noexcept {
  HostRecipe::store_header<header_words>(slot.words, image.words.data());
}

// W5, W6: after the payload and the header.
inline void commit(SlotRef slot, std::uint64_t seq) noexcept {
  HostRecipe::commit(slot.words, seq);
}

// R1.
inline std::uint64_t load_commit_acquire(ConstSlotRef slot) noexcept {
  return HostRecipe::load_commit(slot.words);
}

// R2: bytes 8 … 255 into a private copy.
inline void copy_header(ConstSlotRef slot, HeaderImage& image) noexcept {
  image.words[0] = 0;
  HostRecipe::copy_header<header_words>(slot.words, image.words.data());
}

// R4, R5, R6. True: everything loaded from the slot and its payload between R1, which gave `first`,
// and this call is frame seq_of(first), complete and untorn. The caller has already checked that
// `first` is committed_word(seq) of the frame it wants (SHM-185). May be asked again at any time:
// it is the re-validation of a zero-copy view (SHM-237).
inline bool still(ConstSlotRef slot, std::uint64_t first) noexcept {
  return HostRecipe::still(slot.words, first);
}

// W3, the one routine that copies into a slot: `bytes` to `payload`, an 8-byte aligned place inside
// a payload slot, between W2 and W6.
//
// Racy by contract: readers may load these bytes while they are stored, and discard what they
// loaded. The copy is an opaque call to the compiler and of a size that makes word-wise atomics too
// slow. Thread sanitizers get it word by word; the last word may then be stored whole, which stays
// inside the slot because strides are multiples of 64. Streaming copies need no fence of their own: W2 and W5 are
// store fences.
inline void store_payload(std::byte* payload, const std::byte* source, std::size_t bytes,
                          CopyKind kind = CopyKind::ordinary) noexcept {
  if constexpr (payload_in_words) {
    auto* words = static_cast<std::uint64_t*>(static_cast<void*>(payload));
    for (std::size_t done = 0; done < bytes; done += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, source + done, bytes - done < 8 ? bytes - done : 8);
      HostRecipe::store_body(words[done / 8], word);
    }
  } else {
    copy_bytes(payload, source, bytes, kind);
  }
}

// R3, the one routine that copies out of a slot, between R1 and R4; the counterpart of
// store_payload with the same contract. What it delivers is arbitrary until still() has said yes
// (SHM-236).
inline void load_payload(std::byte* target, const std::byte* payload, std::size_t bytes) noexcept {
  if constexpr (payload_in_words) {
    const auto* words = static_cast<const std::uint64_t*>(static_cast<const void*>(payload));
    for (std::size_t done = 0; done < bytes; done += 8) {
      const std::uint64_t word = HostRecipe::load_body(words[done / 8]);
      std::memcpy(target + done, &word, bytes - done < 8 ? bytes - done : 8);
    }
  } else {
    copy_bytes(target, payload, bytes, CopyKind::ordinary);  // whoever copies is about to read
  }
}

// The two superblock fields that change while others look (SHM-228): relaxed, aligned, 8 bytes.
inline std::uint64_t load_superblock_word(const std::byte* region, FieldAt at) noexcept {
  return HostMemory::load(
      *static_cast<const std::uint64_t*>(static_cast<const void*>(region + at.offset)),
      std::memory_order_relaxed);
}
inline void store_superblock_word(std::byte* region, FieldAt at, std::uint64_t value) noexcept {
  HostMemory::store(*static_cast<std::uint64_t*>(static_cast<void*>(region + at.offset)), value,
                    std::memory_order_relaxed);
}

}  // namespace tensorpool::shm
