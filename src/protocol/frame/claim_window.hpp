// Which claims of a producer are open, done, and may be announced. Descriptors leave in order of
// seq whatever order the claims are committed in (STR-90).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/assert.hpp"
#include "base/limits.hpp"

namespace tensorpool::protocol {

class ClaimWindow {
 public:
  // min(max_claims, max(1, nslots / 2), 64): open claims never wrap onto one another.
  static constexpr std::uint64_t size_for(std::uint64_t max_claims, std::uint64_t nslots) noexcept {
    return std::min({max_claims, std::max<std::uint64_t>(1, nslots / 2),
                     static_cast<std::uint64_t>(base::limits::claims_per_producer)});
  }

  // A new session: seq starts at 0 again (STR-92, SHM-260).
  void reset(std::uint64_t size) noexcept {
    size_ = size;
    head_ = next_ = done_ = announce_ = 0;
  }

  bool full() const noexcept { return next_ - head_ >= size_; }
  std::uint64_t next() const noexcept { return next_; }
  std::uint64_t head() const noexcept { return head_; }
  std::uint64_t size() const noexcept { return size_; }

  // Spends the next sequence number. REQUIRES !full(), which every claim asks just before.
  std::uint64_t take() noexcept { return next_++; }

  // Marks an open claim as done: committed (to be announced) or aborted. REQUIRES an open seq.
  void finish(std::uint64_t seq, bool announce) noexcept {
    TP_ASSERT(seq >= head_ && seq < next_ && (done_ & bit(seq)) == 0);
    done_ |= bit(seq);
    if (announce) announce_ |= bit(seq);
  }

  // finish(seq, true) and drain() in one, when nothing but `seq` is passed by that: the common case, claims
  // that end in their order. False: nothing was done. The caller announces `seq` itself.
  bool pass(std::uint64_t seq) noexcept {
    if (seq != head_ || done_ != 0) return false;
    TP_ASSERT(seq < next_);
    head_ = seq + 1;
    return true;
  }

  // Takes finished entries off the head in order of seq; `publish(seq)` for those to be announced.
  template <class Publish>
  void drain(Publish&& publish) {
    while (head_ != next_ && (done_ & bit(head_)) != 0) {
      const std::uint64_t mask = bit(head_);
      const bool announce = (announce_ & mask) != 0;
      done_ &= ~mask;
      announce_ &= ~mask;
      const std::uint64_t seq = head_++;
      if (announce) publish(seq);
    }
  }

  // Committed entries that still wait for an earlier claim.
  std::uint32_t held() const noexcept {
    return announce_ == 0 ? 0 : count(announce_);  // mostly none
  }

  static constexpr std::size_t entry(std::uint64_t seq) noexcept {
    return static_cast<std::size_t>(seq % base::limits::claims_per_producer);
  }

 private:
  // A call of the compiler's library where the CPU may lack the instruction.
  [[gnu::noinline, gnu::cold]] static std::uint32_t count(std::uint64_t bits) noexcept {
    return static_cast<std::uint32_t>(__builtin_popcountll(bits));
  }
  static constexpr std::uint64_t bit(std::uint64_t seq) noexcept {
    return std::uint64_t{1} << entry(seq);
  }

  std::uint64_t size_ = 0;
  std::uint64_t head_ = 0;  // oldest seq that is not yet told
  std::uint64_t next_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t announce_ = 0;
};

static_assert(base::limits::claims_per_producer == 64, "the masks hold 64 claims");

}  // namespace tensorpool::protocol
