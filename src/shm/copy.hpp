// How the bytes of a frame are copied into and out of slots.
//
// An ordinary store first fetches its line, and a slot's lines lie in the caches of whoever read the slot last. Stores
// that go around the caches fetch nothing. Measured on a two-core EPYC (Zen 4), one thread that copies into a ring and
// one that adds up every byte, GB/s, ordinary / streaming (`./run bench --workload copy-in` shows what streaming
// reaches, and what ordinary stores do once streaming_smallest_bytes is out of reach):
//
//                                  reader beside us      reader behind another L3
//   16 slots of 64 KiB                 12 / 22                  2 / 20
//   128 slots of 64 KiB                27 / 23                  2 / 22
//   128 slots of 640 KiB               16 / 22                 10 / 14
//   16 slots of 8 MiB                  18 / 25                 10 / 13
//
// So frames from 64 KiB on are streamed: it costs a fifth where a ring just fits a cache that both share, and wins up
// to tenfold where nobody chose the cores. (On a virtual machine nobody does.)
// The C library's memcpy decides by the size of one copy alone, and above some KiB uses an instruction (rep movsb) that
// falls from 39 to 2 GB/s in the worst place of source and destination within a page (bench/memcpy_places.py).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace tensorpool::shm {

enum class CopyKind : std::uint8_t {
  ordinary,  // leaves the bytes in this core's caches
  // Past the caches. Its stores are not ordered by C++ fences: the caller makes a store fence before it
  // (SHM-231) and one behind it (SHM-232), as the recipe of seqlock.hpp does.
  streaming,
};

inline constexpr std::uint64_t streaming_smallest_bytes = 64U << 10U;

constexpr CopyKind copy_kind(std::uint64_t frame_bytes) noexcept {
  return frame_bytes >= streaming_smallest_bytes ? CopyKind::streaming : CopyKind::ordinary;
}

namespace detail {

// Below this the C library's copy has nothing to lose.
inline constexpr std::size_t small_copy_bytes = 1024;

#if defined(__x86_64__)
// Whole lines of 64 bytes, `to` aligned to 16; gives how many bytes were copied.
// Opaque to the compiler where it is used (SHM-235), like the C library's.
template <CopyKind Kind>
[[gnu::noinline]] std::size_t copy_lines(std::byte* to, const std::byte* from,
                                         std::size_t bytes) noexcept {
  const auto load = [](const std::byte* at) {
    return _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(at)));
  };
  const auto store = [](std::byte* at, __m128i value) {
    auto* const place = static_cast<__m128i*>(static_cast<void*>(at));
    if constexpr (Kind == CopyKind::streaming) {
      _mm_stream_si128(place, value);
    } else {
      _mm_store_si128(place, value);
    }
  };
  std::size_t done = 0;
  for (; bytes - done >= 64; done += 64) {
    const __m128i a = load(from + done);
    const __m128i b = load(from + done + 16);
    const __m128i c = load(from + done + 32);
    const __m128i d = load(from + done + 48);
    store(to + done, a);
    store(to + done + 16, b);
    store(to + done + 32, c);
    store(to + done + 48, d);
  }
  return done;
}
#endif

}  // namespace detail

// Copies `bytes` bytes that do not overlap; any addresses.
inline void copy_bytes(std::byte* to, const std::byte* from, std::size_t bytes,
                       CopyKind kind) noexcept {
#if defined(__x86_64__)
  if (bytes >= detail::small_copy_bytes) {
    const std::size_t lead = (16 - reinterpret_cast<std::uintptr_t>(to) % 16) % 16;
    std::memcpy(to, from, lead);
    to += lead;
    from += lead;
    bytes -= lead;
    const std::size_t done = kind == CopyKind::streaming
                                 ? detail::copy_lines<CopyKind::streaming>(to, from, bytes)
                                 : detail::copy_lines<CopyKind::ordinary>(to, from, bytes);
    to += done;
    from += done;
    bytes -= done;
  }
#else
  static_cast<void>(kind);
#endif
  if (bytes != 0) std::memcpy(to, from, bytes);
}

}  // namespace tensorpool::shm
