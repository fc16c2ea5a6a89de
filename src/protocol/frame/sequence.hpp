// What a consumer knows of the sequence numbers of one session (one mapping): which descriptor is
// fresh, which repeats, which goes back, and what was never announced. Pure arithmetic; the books
// of docs/internals/concurrency.md balance because every number passes here once.
#pragma once

#include <cstdint>

namespace tensorpool::protocol {

enum class SeqVerdict : std::uint8_t {
  fresh,       // above the last one: goes on to the slot
  duplicate,   // equal to the last one: discarded, counted nowhere (STR-114)
  regression,  // below the last one: the stream needs a remap (SHM-163, STR-115)
  resync,      // a gap above the limit: lost up to here, this one is skipped (SHM-244)
};

struct SeqStep {
  SeqVerdict verdict = SeqVerdict::fresh;
  std::uint64_t lost = 0;     // numbers behind a gap, never announced to us
  std::uint64_t skipped = 0;  // numbers given up by a resynchronisation
};

class SequenceTracker {
 public:
  // A new mapping: the next descriptor is the baseline (STR-124). 0 is a sequence number like any
  // other, so "none yet" is a flag.
  void reset() noexcept { *this = SequenceTracker{}; }

  // Takes the seq of a descriptor of the mapped epoch. `max_gap` 0 disables the limit. Gaps are
  // taken here, before the slot is looked at, so that one lost frame counts once.
  SeqStep see(std::uint64_t seq, std::uint64_t max_gap) noexcept {
    const SeqStep step = judge(seq, max_gap);
    expected_ = any_ && !unchecked_ ? last_ + 1 : nothing;
    return step;
  }

  // see() for the common case: true, and taken, when `seq` is the one after the last and nothing is peculiar.
  // False: nothing was done, see() has to look.
  bool follows(std::uint64_t seq) noexcept {
    if (seq != expected_) return false;
    last_ = seq;
    expected_ = seq + 1;
    return true;
  }

  bool any() const noexcept { return any_; }
  std::uint64_t last() const noexcept { return last_; }
  // last - first + 1 of this session.
  std::uint64_t seen() const noexcept { return any_ ? last_ - first_ + 1 : 0; }

 private:
  static constexpr std::uint64_t nothing = UINT64_MAX;  // no seq: they are below 2^63

  SeqStep judge(std::uint64_t seq, std::uint64_t max_gap) noexcept {
    if (!any_) {
      any_ = true;
      first_ = last_ = seq;
      return {};
    }
    if (seq == last_) return {SeqVerdict::duplicate, 0, 0};
    if (seq < last_) return {SeqVerdict::regression, 0, 0};
    const std::uint64_t gap = seq - last_ - 1;
    last_ = seq;
    if (gap == 0) {
      unchecked_ = false;
      return {};
    }
    if (unchecked_) {
      // The descriptor after a resynchronisation is not checked for a gap: what lies before it was
      // given up on purpose.
      unchecked_ = false;
      return {SeqVerdict::fresh, 0, gap};
    }
    if (max_gap != 0 && gap > max_gap) {
      unchecked_ = true;
      return {SeqVerdict::resync, gap, 1};
    }
    return {SeqVerdict::fresh, gap, 0};
  }

  std::uint64_t expected_ = nothing;
  std::uint64_t last_ = 0;
  std::uint64_t first_ = 0;
  bool any_ = false;
  bool unchecked_ = false;
};

}  // namespace tensorpool::protocol
