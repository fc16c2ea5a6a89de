// A reader's memory of the last header that it accepted in a mapping: headers that say the same are not parsed
// and validated again.
//
// The first look compares: R2 loads the words that matter, once each, and what differs from frame to frame is
// kept. When anything else differs, nothing of it is used, and the slot is read anew from R1 on, into a copy
// that is validated in full (SHM-186, SHM-226).
//
// One thread.
#pragma once

#include <array>
#include <cstdint>

#include "shm/header_template.hpp"
#include "shm/seqlock.hpp"
#include "shm/slot_image.hpp"
#include "shm/tensor_rules.hpp"

namespace tensorpool::shm {

class HeaderCache {
 public:
  // Another mapping: what was valid there need not be here.
  void clear() noexcept { kept_ = Kept::nothing; }

  // Keeps an image that validate() accepted, with the fields and the pool that it led to.
  void keep(const HeaderImage& image, std::uint8_t ndims, const PoolGeometry& pool) noexcept {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] = image.words[i];
    words_[1] &= 0xFFFFFFFFU;  // without payload_slot, which the index of the frame stands for
    pool_ = pool;
    kept_ = ndims <= few_dims ? Kept::few : Kept::many;
  }

  // R2, the words that may change, each loaded once.
  static FrameWords load_changing(ConstSlotRef slot) noexcept {
    return {load(slot, 1), load(slot, 2), load(slot, 3), load(slot, 4)};
  }
  // R2, the others that matter, each loaded once. True: with `now` they say what the kept header says, for the
  // slot `index`. Whole words of pads are not looked at (SHM-45), nor are dimensions behind ndims (SHM-199); a
  // pad inside a compared word that differs only means that the header is parsed.
  [[gnu::always_inline]] bool matches(ConstSlotRef slot, std::uint32_t index,
                                      const FrameWords& now) const noexcept {
    std::uint64_t differs = now.slot_and_length ^ (words_[1] | std::uint64_t{index} << 32U);
    differs |= (now.pool_and_time ^ words_[2]) << 16U;  // without the time
    differs |= compare<7, 8, 9, 10, 11, 14, 15>(slot);
    if (kept_ != Kept::few) [[unlikely]]
      return kept_ == Kept::many && (differs | compare<12, 13, 16, 17, 18>(slot)) == 0;
    return differs == 0;
  }

  const PoolGeometry& pool() const noexcept { return pool_; }

 private:
  // dims[0 … 2] end in word 11, strides[0 … 2] in word 15.
  static constexpr std::uint8_t few_dims = 3;
  static constexpr std::size_t kept_words = 19;
  static_assert(slot_at::pool_id.offset == 16 && slot_at::payload_offset.end() == 22);
  static_assert(slot_at::header_length.offset / 8 == 7 && slot_at::ndims.offset / 8 == 9);
  static_assert(slot_at::dims.offset + few_dims * 4 <= 12 * 8);
  static_assert(slot_at::strides.offset / 8 == 14 && slot_at::strides.offset + few_dims * 4 <= 128);
  static_assert(slot_at::strides.end() <= kept_words * 8);

  static std::uint64_t load(ConstSlotRef slot, std::size_t word) noexcept {
    return HostRecipe::load_body(slot.words[word]);
  }
  // Written out: compilers keep a loop of atomic loads. One after the other, for want of registers.
  template <std::size_t... Words>
  [[gnu::always_inline]] std::uint64_t compare(ConstSlotRef slot) const noexcept {
    return (... | (load(slot, Words) ^ words_[Words]));
  }

  enum class Kept : std::uint8_t { nothing, few, many };
  Kept kept_ = Kept::nothing;
  PoolGeometry pool_;
  std::array<std::uint64_t, kept_words> words_{};
};

}  // namespace tensorpool::shm
