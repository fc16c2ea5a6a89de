// The two messages that are sent per frame, for the frame path: inline, no check that a caller has
// made already, no allocation, no Error. Written by hand to the tables of FrameDescriptor and
// FrameProgress in docs/protocol/02-messages.md; tests prove them equal to the generated codec.
//
// Any thread; the objects here hold no state beyond their own bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/bytes.hpp"
#include "wire/messages.hpp"

namespace tensorpool::wire {

inline constexpr std::size_t descriptor_bytes = FrameDescriptor::smallest_size;
inline constexpr std::size_t progress_bytes = FrameProgress::smallest_size;

namespace at {

// Offsets in the message, header included.
inline constexpr std::size_t stream_id = 8;
inline constexpr std::size_t epoch = 12;
inline constexpr std::size_t seq = 20;
inline constexpr std::size_t timestamp_ns = 28;          // FrameDescriptor
inline constexpr std::size_t meta_version = 36;          // FrameDescriptor
inline constexpr std::size_t trace_id = 40;              // FrameDescriptor
inline constexpr std::size_t payload_bytes_filled = 28;  // FrameProgress
inline constexpr std::size_t state = 36;                 // FrameProgress

}  // namespace at

// The eight header bytes of a message as one little-endian word.
template <class M>
inline constexpr std::uint64_t header_word = static_cast<std::uint64_t>(M::block_length) |
                                             static_cast<std::uint64_t>(M::template_id) << 16U |
                                             static_cast<std::uint64_t>(M::schema_id) << 32U |
                                             static_cast<std::uint64_t>(schema_version) << 48U;

static_assert(at::trace_id + sizeof(std::uint64_t) == descriptor_bytes);
static_assert(at::state + sizeof(FrameProgressState) == progress_bytes);

// REQUIRES: descriptor_bytes at `to`.
inline void encode_descriptor(std::byte* to, const FrameDescriptor& descriptor) noexcept {
  store(to, header_word<FrameDescriptor>);
  store(to + at::stream_id, descriptor.stream_id);
  store(to + at::epoch, descriptor.epoch);
  store(to + at::seq, descriptor.seq);
  store(to + at::timestamp_ns, descriptor.timestamp_ns);
  store(to + at::meta_version, descriptor.meta_version);
  store(to + at::trace_id, descriptor.trace_id);
}

// What does not change from frame to frame, encoded once: a producer makes one per epoch and then
// only stores what differs.
class DescriptorTemplate {
 public:
  DescriptorTemplate(std::uint32_t stream_id, std::uint64_t epoch) noexcept {
    encode_descriptor(bytes_.data(), FrameDescriptor{.stream_id = stream_id, .epoch = epoch});
  }

  // An absent value is given as null_u64, null_u32 and no_trace_id.
  // REQUIRES: descriptor_bytes at `to`.
  void encode(std::byte* to, std::uint64_t seq, std::uint64_t timestamp_ns,
              std::uint32_t meta_version, std::uint64_t trace_id) const noexcept {
    std::memcpy(to, bytes_.data(), at::seq);
    store(to + at::seq, seq);
    store(to + at::timestamp_ns, timestamp_ns);
    store(to + at::meta_version, meta_version);
    store(to + at::trace_id, trace_id);
  }

 private:
  alignas(8) std::array<std::byte, descriptor_bytes> bytes_{};
};

// Whether the bytes begin with exactly the header of M and hold its fixed block.
template <class M>
inline bool has_header(const std::byte* from, std::size_t length) noexcept {
  return length >= M::smallest_size && load<std::uint64_t>(from) == header_word<M>;
}

// False, with `descriptor` untouched, for anything but a FrameDescriptor of version 1 with all of
// its bytes and a sequence number below seq_end: another one would name the slot, and match the
// commit word, of a frame 2^63 earlier. Bytes after it are ignored (MSG-39).
inline bool decode_descriptor(const std::byte* from, std::size_t length,
                              FrameDescriptor& descriptor) noexcept {
  if (!has_header<FrameDescriptor>(from, length)) return false;
  // Once: the log that it lies in may be overwritten while a process stands still here.
  const auto seq = load<std::uint64_t>(from + at::seq);
  if (seq >= seq_end) return false;
  descriptor.stream_id = load<std::uint32_t>(from + at::stream_id);
  descriptor.epoch = load<std::uint64_t>(from + at::epoch);
  descriptor.seq = seq;
  descriptor.timestamp_ns = load<std::uint64_t>(from + at::timestamp_ns);
  descriptor.meta_version = load<std::uint32_t>(from + at::meta_version);
  descriptor.trace_id = load<std::uint64_t>(from + at::trace_id);
  return true;
}

// REQUIRES: progress_bytes at `to`.
inline void encode_progress(std::byte* to, const FrameProgress& progress) noexcept {
  store(to, header_word<FrameProgress>);
  store(to + at::stream_id, progress.stream_id);
  store(to + at::epoch, progress.epoch);
  store(to + at::seq, progress.seq);
  store(to + at::payload_bytes_filled, progress.payload_bytes_filled);
  store(to + at::state, static_cast<std::uint8_t>(progress.state));
}

// As decode_descriptor. An unlisted state is read as unknown.
inline bool decode_progress(const std::byte* from, std::size_t length,
                            FrameProgress& progress) noexcept {
  if (!has_header<FrameProgress>(from, length)) return false;
  if (load<std::uint64_t>(from + at::seq) >= seq_end) return false;
  progress.stream_id = load<std::uint32_t>(from + at::stream_id);
  progress.epoch = load<std::uint64_t>(from + at::epoch);
  progress.seq = load<std::uint64_t>(from + at::seq);
  progress.payload_bytes_filled = load<std::uint64_t>(from + at::payload_bytes_filled);
  const auto state = static_cast<FrameProgressState>(load<std::uint8_t>(from + at::state));
  progress.state = listed(state) ? state : FrameProgressState::unknown;
  return true;
}

}  // namespace tensorpool::wire
