// Frames per second with every byte written by one process and read by another, beside memcpy.
#pragma once

#include <cstdint>

#include "stage.hpp"

namespace tensorpool::bench {

struct ThroughputOptions {
  std::uint64_t frame_bytes = 0;
  std::uint32_t slots = 0;
  std::int64_t duration_ns = 1'000'000'000;
};

// One round.
struct Throughput {
  double frames_per_second = 0;
  std::uint64_t delivered = 0;
  std::uint64_t overwritten = 0;
  std::uint64_t lost = 0;
  std::uint64_t wrong = 0;  // delivered with another sum than was written: must stay 0
};

// The producer copies a frame from private memory into each slot; the consumer adds up all 8-byte
// words in place. The producer stays at most half a ring ahead of the consumer, so the rate is one
// at which nothing needs to be lost.
Throughput measure_stream(const Stage& stage, const Cpus& cpus, const ThroughputOptions& options);

// memcpy from the same kind of source into a ring of as many buffers, in one process, on one CPU:
// copies per second.
double measure_memcpy(const Stage& stage, const Cpus& cpus, const ThroughputOptions& options);

}  // namespace tensorpool::bench
