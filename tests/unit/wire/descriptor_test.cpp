// The hand-written frame-path functions against the generated codec.
#include "wire/descriptor.hpp"

#include "shm_tensorpool_control/FrameDescriptor.h"
#include "shm_tensorpool_control/FrameProgress.h"
#include "unit/wire/support.hpp"

namespace tensorpool::wire::test {
namespace {

namespace sbe = ::shm_tensorpool_control;

// The message with a sequence number that slots can have.
template <class M>
M usable(M message) {
  message.seq %= seq_end;
  return message;
}

TEST(Descriptor, HasTheOffsetsOfTheGeneratedCodec) {
  using D = sbe::FrameDescriptor;
  EXPECT_EQ(at::stream_id, message_header_bytes + D::streamIdEncodingOffset());
  EXPECT_EQ(at::epoch, message_header_bytes + D::epochEncodingOffset());
  EXPECT_EQ(at::seq, message_header_bytes + D::seqEncodingOffset());
  EXPECT_EQ(at::timestamp_ns, message_header_bytes + D::timestampNsEncodingOffset());
  EXPECT_EQ(at::meta_version, message_header_bytes + D::metaVersionEncodingOffset());
  EXPECT_EQ(at::trace_id, message_header_bytes + D::traceIdEncodingOffset());
  EXPECT_EQ(descriptor_bytes, D::sbeBlockAndHeaderLength());
  using P = sbe::FrameProgress;
  EXPECT_EQ(at::payload_bytes_filled, message_header_bytes + P::payloadBytesFilledEncodingOffset());
  EXPECT_EQ(at::state, message_header_bytes + P::stateEncodingOffset());
  EXPECT_EQ(progress_bytes, P::sbeBlockAndHeaderLength());
  EXPECT_EQ(D::traceIdNullValue(), no_trace_id);
  EXPECT_EQ(D::timestampNsNullValue(), null_u64);
  EXPECT_EQ(D::metaVersionNullValue(), null_u32);
}

// Proves: MSG-1, MSG-3, MSG-4, MSG-5, MSG-29
TEST(Descriptor, IsEncodedAsByTheGeneratedCodec) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const auto message =
        usable(seed % 2 == 0 ? filled<FrameDescriptor>(seed) : cleared<FrameDescriptor>(seed));
    const Buffer expected = encoded(message);
    for (std::size_t shift = 0; shift < 8; ++shift) {
      Buffer bytes(descriptor_bytes + 16, std::byte{0xEE});
      encode_descriptor(bytes.data() + shift, message);
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                             bytes.begin() + static_cast<std::ptrdiff_t>(shift)));
      EXPECT_EQ(bytes[shift + descriptor_bytes], std::byte{0xEE});
      FrameDescriptor back;
      ASSERT_TRUE(decode_descriptor(bytes.data() + shift, descriptor_bytes, back));
      EXPECT_EQ(back, message);
    }
    Buffer bytes(descriptor_bytes, std::byte{0xEE});
    DescriptorTemplate(message.stream_id, message.epoch)
        .encode(bytes.data(), message.seq, message.timestamp_ns, message.meta_version,
                message.trace_id);
    EXPECT_EQ(bytes, expected);
  }
}

// Proves: MSG-1, MSG-3, MSG-4, MSG-5
TEST(Descriptor, ProgressIsEncodedAsByTheGeneratedCodec) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const auto message = usable(filled<FrameProgress>(seed));
    Buffer bytes(progress_bytes, std::byte{0xEE});
    encode_progress(bytes.data(), message);
    EXPECT_EQ(bytes, encoded(message));
    FrameProgress back;
    ASSERT_TRUE(decode_progress(bytes.data(), bytes.size(), back));
    EXPECT_EQ(back, message);
    bytes[at::state] = static_cast<std::byte>(4 + seed % 250);
    ASSERT_TRUE(decode_progress(bytes.data(), bytes.size(), back));
    EXPECT_EQ(back.state, FrameProgressState::unknown);
  }
}

// The commit word of a slot has no room for the top bit: such a number would pass for that of a
// frame 2^63 earlier.
// Proves: SHM-167
TEST(Descriptor, IsRefusedWithASequenceThatNoSlotHas) {
  for (const std::uint64_t seq : {seq_end, seq_end + 42, null_u64, seq_end - 1}) {
    const bool fits = seq < seq_end;
    FrameDescriptor descriptor;
    Buffer bytes = encoded(FrameDescriptor{.seq = seq});
    EXPECT_EQ(decode_descriptor(bytes.data(), bytes.size(), descriptor), fits);
    EXPECT_EQ(descriptor.seq, fits ? seq : 0);
    FrameProgress progress;
    bytes = encoded(FrameProgress{.seq = seq});
    EXPECT_EQ(decode_progress(bytes.data(), bytes.size(), progress), fits);
    EXPECT_EQ(progress.seq, fits ? seq : 0);
  }
}

// But for that, the hot decoder takes and refuses exactly what the checked one does.
// Proves: MSG-9, MSG-10, MSG-14, MSG-15, MSG-16, MSG-17
TEST(Descriptor, IsRefusedAsByTheCheckedDecoder) {
  const Buffer good = encoded(usable(filled<FrameDescriptor>(1)));
  const Buffer progress = encoded(usable(filled<FrameProgress>(1)));
  FrameDescriptor untouched = usable(filled<FrameDescriptor>(2));
  const FrameDescriptor before = untouched;
  FrameProgress other;
  for (std::size_t length = 0; length < descriptor_bytes; ++length)
    EXPECT_FALSE(decode_descriptor(good.data(), length, untouched));
  for (std::size_t length = 0; length < progress_bytes; ++length)
    EXPECT_FALSE(decode_progress(progress.data(), length, other));
  EXPECT_FALSE(decode_descriptor(progress.data(), progress.size(), untouched));
  EXPECT_FALSE(decode_progress(good.data(), good.size(), other));
  for (std::size_t byte = 0; byte < message_header_bytes; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      Buffer changed = good;
      changed[byte] ^= static_cast<std::byte>(1 << bit);
      EXPECT_FALSE(decode_descriptor(changed.data(), changed.size(), untouched));
      EXPECT_FALSE(try_decode<FrameDescriptor>(changed).has_value());
    }
  }
  EXPECT_EQ(untouched, before);

  // Bytes after it are ignored.
  Buffer longer = good;
  longer.resize(64);
  EXPECT_TRUE(decode_descriptor(longer.data(), longer.size(), untouched));
}

}  // namespace
}  // namespace tensorpool::wire::test
