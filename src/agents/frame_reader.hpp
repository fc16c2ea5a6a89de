// Step d of the consumer's side of the frame path: a slot's commit word and header (R1, R2), and which frame they
// describe. The order of checks is that of docs/internals/concurrency.md section 3; R1 to R6 are the steps of
// shm/seqlock.hpp.
//
// Nothing here allocates, locks, calls the system or throws.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "agents/env.hpp"
#include "agents/open_frame.hpp"
#include "agents/wiring.hpp"
#include "base/limits.hpp"
#include "shm/header_cache.hpp"
#include "shm/seqlock.hpp"
#include "shm/slot_image.hpp"
#include "shm/tensor_rules.hpp"

namespace tensorpool::agents {

// What of a descriptor is needed behind the filters.
struct Arrived {
  std::uint64_t seq = 0;
  std::uint64_t epoch = 0;
  std::uint64_t timestamp_ns = 0;
  std::uint64_t trace_id = 0;
};

// Opens one frame at a time, and remembers the last few headers that it validated in a mapping, so that a stream
// that alternates between a few shapes costs little more than one of a single shape. One thread: the port's.
template <class Env>
class FrameReader {
 public:
  FrameReader() = default;
  FrameReader(const FrameReader&) = delete;  // points into itself
  FrameReader& operator=(const FrameReader&) = delete;

  // Another mapping: what was valid there need not be here. An open frame stays what it is.
  void clear() noexcept {
    for (Known& known : known_) known.cache.clear();
  }

  // The frame that open() gave last.
  OpenFrame& frame() noexcept { return latest_->frame; }
  const OpenFrame& frame() const noexcept { return latest_->frame; }

  // R1, R2, validation of the copy. Null: the frame was overwritten, or is none. The result stays what it is until
  // the next call. SHM-189 needs no memory of its own: R1 accepts only the commit word of this seq, and seq rises
  // within a session, so a stale word of the slot never equals it.
  // REQUIRES an active Wiring of the mapping since clear(), and a descriptor of its epoch.
  [[gnu::always_inline]] OpenFrame* open(Wiring& wiring, const Arrived& arrived) noexcept {
    const std::uint64_t seq = arrived.seq;
    const std::uint32_t index = wiring.geometry.header_index(seq);
    const shm::ConstSlotRef slot = wiring.slot_at(index);
    const std::uint64_t committed = shm::load_commit_acquire(slot);  // R1
    Env::template step<Step::commit_word_loaded>();
    if (committed != shm::committed_word(seq)) [[unlikely]]
      return nullptr;
    const shm::FrameWords now = shm::HeaderCache::load_changing(slot);  // R2
    // Written down before the comparison, so that it need not be kept; whoever has another header writes it anew.
    Known* known = latest_;
    known->frame.wiring = &wiring;
    describe(known->frame, slot, index, arrived, now);
    if (known->cache.matches(slot, index, now)) [[likely]] {
      Env::template step<Step::header_copied>();
    } else {
      known = read_anew(wiring, slot, index, arrived);
      if (known == nullptr) return nullptr;
    }
    known->frame.payload =
        known->payloads +
        shm::payload_slot_offset(known->frame.info.slot, known->cache.pool().stride_bytes);
    return &known->frame;
  }

 private:
  // A header that was validated, and a frame that has it.
  struct Known {
    OpenFrame frame;
    shm::HeaderCache cache;
    const std::byte* payloads = nullptr;  // start of its mapped pool
  };

  // Another header than the last one: R1 and R2 anew, into a copy, and all that follows looks at that.
  [[gnu::noinline]] Known* read_anew(Wiring& wiring, shm::ConstSlotRef slot, std::uint32_t index,
                                     const Arrived& arrived) noexcept {
    if (shm::load_commit_acquire(slot) != shm::committed_word(arrived.seq)) return nullptr;  // R1
    shm::HeaderImage image;
    shm::copy_header(slot, image);  // R2
    Env::template step<Step::header_copied>();
    const shm::FrameWords now{image.words[1], image.words[2], image.words[3], image.words[4]};
    Known* const known = find(image, index, now) ? latest_ : validate(wiring, image, index);
    if (known == nullptr) return nullptr;
    known->frame.wiring = &wiring;
    describe(known->frame, slot, index, arrived, now);
    return known;
  }
  // Whether the copy is one of those that are known: that is the latest then.
  bool find(const shm::HeaderImage& image, std::uint32_t index,
            const shm::FrameWords& now) noexcept {
    for (Known& known : known_) {
      if (!known.cache.matches(shm::ConstSlotRef(image.words.data()), index, now)) continue;
      latest_ = &known;
      return true;
    }
    return false;
  }
  // One that is not known: all rules, and what they say is kept for the next.
  [[gnu::noinline]] Known* validate(const Wiring& wiring, const shm::HeaderImage& image,
                                    std::uint32_t index) noexcept {
    const shm::SlotFields fields = shm::parse(image);
    shm::ValidSlot valid;
    if (shm::validate(fields, wiring.geometry, index, valid) != shm::SlotFault::none)
      return nullptr;
    Known& known = known_[turn_];
    turn_ = (turn_ + 1) % known_.size();
    known.cache.keep(image, fields.ndims, *valid.pool);
    known.payloads = wiring.pools[valid.pool->index];
    describe(known.frame.info, wiring.epoch, fields, valid);
    return latest_ = &known;
  }
  // What is a frame's own.
  [[gnu::always_inline]] static void describe(OpenFrame& frame, shm::ConstSlotRef slot,
                                              std::uint32_t index, const Arrived& arrived,
                                              const shm::FrameWords& now) noexcept {
    const std::uint64_t seq = arrived.seq;
    frame.slot = slot;
    frame.committed = shm::committed_word(seq);
    FrameInfo& info = frame.info;
    info.seq = seq;
    info.publish_time_ns = arrived.timestamp_ns;
    info.trace_id = arrived.trace_id;
    info.capture_time_ns = shm::timestamp_of(now.pool_and_time, now.time_and_meta);
    info.meta_version = shm::meta_version_of(now.time_and_meta, now.meta_and_pad);
    info.slot = index;
  }
  // What frames with the same header have in common.
  static void describe(FrameInfo& info, std::uint64_t epoch, const shm::SlotFields& fields,
                       const shm::ValidSlot& valid) noexcept {
    info.epoch = epoch;
    info.size_bytes = fields.values_len_bytes;
    info.pool_id = fields.pool_id;
    info.dtype = fields.dtype;
    info.order = fields.order;
    info.ndims = fields.ndims;
    info.progress_unit = fields.progress_unit;
    for (std::size_t i = 0; i < max_dims; ++i) {
      const bool used = i < fields.ndims;
      info.dims[i] = used ? fields.dims[i] : 0;
      info.strides[i] = used ? static_cast<std::int64_t>(valid.strides.bytes[i]) : 0;
    }
  }

  std::array<Known, base::limits::shapes_at_hand> known_;
  Known* latest_ = known_.data();
  std::size_t turn_ = 0;  // whose header is forgotten next
};

}  // namespace tensorpool::agents
