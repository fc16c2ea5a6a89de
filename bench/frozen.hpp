// One frozen consumer and one forgotten one among others, at a high rate: does anybody else notice?
#pragma once

#include <cstdint>

#include "stage.hpp"

namespace tensorpool::bench {

struct FrozenOptions {
  std::uint64_t frames_per_second = 100'000;
  std::int64_t duration_ns = 60'000'000'000;
  std::uint64_t frame_bytes = 64;
  std::uint32_t slots = 16384;  // of the ring: what the healthy consumer may be late by
};

struct Frozen {
  double frames_per_second = 0;      // that were published
  std::uint64_t frames = 0;          // published while one consumer was stopped
  std::uint64_t back_pressured = 0;  // of them, not announced because the stream was held up
  // The healthy consumer, in the same time.
  std::uint64_t delivered = 0;
  std::uint64_t lost = 0;  // descriptors that did not arrive, the back-pressured ones included
  std::uint64_t overwritten = 0;  // read too late
  // The frozen one, once it was let go on.
  bool rejoined = false;
  std::uint64_t missed = 0;
};

// A producer, a healthy consumer, one that is stopped (SIGSTOP) after its first frames and continued at the end, and
// one that is never polled, each in a process of its own. Descriptor terms are those of the library, 16 MiB.
Frozen measure_frozen(const Stage& stage, const Cpus& cpus, const FrozenOptions& options);

}  // namespace tensorpool::bench
