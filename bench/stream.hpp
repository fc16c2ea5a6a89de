// As many frames as the slower side can take: what the workloads of throughput share.
#pragma once

#include "workload.hpp"

namespace tensorpool::bench {

enum class Write {
  copied,     // from private memory, by the subject's own copying call
  in_place,   // words written into the claimed memory in a loop
  untouched,  // nothing written and nothing read
};

// The sender stays at most half a ring ahead of the reader, so the rate is one at which nothing needs to be
// lost. `sizes`: payload bytes of successive frames, again and again.
Outcome stream(const Arena& arena, const Case& one, Write write,
               const std::vector<std::uint32_t>& sizes);

// Rings of about 4 MiB, with at least 8 slots and at most 64.
std::uint32_t slots_for(std::uint64_t frame_bytes);

// Private memory of the sender: cache-line aligned, at byte 2112 of a page. Copies of glibc collapse on
// some AMD processors where the destination lies a little above the source modulo 4096; payloads of all
// subjects with one ring begin at byte 64, and are spared by this.
class Source {
 public:
  explicit Source(std::uint64_t bytes);
  std::byte* data() const noexcept { return data_; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  std::byte* data_;
  std::uint64_t size_;
};

}  // namespace tensorpool::bench
