// Headers that repeat: what a producer leaves out of a slot, and what a consumer does not look at again, must
// make no difference to anybody.
#include <gtest/gtest.h>

#include <cstring>

#include "base/prng.hpp"
#include "unit/ports/support.hpp"

namespace tensorpool::agents::test {
namespace {

constexpr std::uint64_t epoch = 5;

// More of them than a port has at hand.
constexpr std::uint64_t spec_numbers = base::limits::shapes_at_hand + 3;

TensorSpec spec_number(std::uint64_t which) {
  TensorSpec spec = bytes_spec(which == 0 ? 100 : 300 + static_cast<std::int64_t>(which));
  if (which == 2) {
    spec.dtype = DType::u16;
    spec.shape = {4, 3};
    spec.strides = {8, 2};
  }
  if (which == 4) spec.shape = {1, 2, 3, 4, 5};
  return spec;
}

shm::HeaderImage header_of(TestRegions& regions, std::uint64_t seq) {
  shm::HeaderImage image;
  shm::copy_header(regions.slot(seq), image);
  return image;
}

// The header of `seq` as all 31 stores would leave it.
shm::HeaderImage expected_header(TestRegions& regions, std::uint64_t seq, const TensorSpec& spec,
                                 const CommitOptions& options) {
  shm::ResolvedStrides strides;
  EXPECT_EQ(shm::resolve(spec, strides), shm::SlotFault::none);
  shm::SlotFields fields;
  fields.dtype = spec.dtype;
  fields.order = spec.order;
  fields.ndims = static_cast<std::uint8_t>(spec.shape.size());
  for (std::size_t i = 0; i < fields.ndims; ++i) {
    fields.dims[i] = spec.shape[i];
    fields.strides[i] = static_cast<std::int32_t>(strides.bytes[i]);
  }
  fields.values_len_bytes = static_cast<std::uint32_t>(strides.extent_bytes);
  fields.payload_slot = regions.geometry.header_index(seq);
  fields.pool_id = regions.geometry.smallest_fitting(strides.extent_bytes)->pool_id;
  fields.timestamp_ns = options.timestamp_ns;
  fields.meta_version = options.meta_version;
  shm::HeaderImage image;
  shm::build(image, fields);
  return image;
}

// Whatever was claimed, committed and aborted before, in whatever shape and order: after each commit the slot
// holds every byte of the header of its frame.
// Proves: SHM-37, SHM-46, SHM-198
TEST(HeaderLaps, a_slot_holds_all_bytes_of_its_header_after_each_commit) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    base::Prng random(seed);
    TestRegions regions(epoch, 4);
    ProducerRig rig;
    rig.attach(regions);
    std::uint64_t which = 0;
    for (int frame = 0; frame < 200; ++frame) {
      if (random.below(seed % 2 == 0 ? 12 : 2) == 0) which = random.below(spec_numbers);
      const TensorSpec spec = spec_number(which);
      auto claimed = rig.port.claim(spec);
      ASSERT_TRUE(claimed);
      if (random.below(10) == 0) {
        (void)rig.port.abort(*claimed);
        continue;
      }
      // Another claim, of another shape, between claim and commit.
      const bool second = random.below(4) == 0;
      const TensorSpec other_spec = spec_number(random.below(spec_numbers));
      Result<ClaimedSlot> other = second ? rig.port.claim(other_spec) : *claimed;
      ASSERT_TRUE(other);
      const CommitOptions options{.timestamp_ns = random.next() | 1U,
                                  .meta_version = static_cast<std::uint32_t>(random.next())};
      ASSERT_TRUE(rig.port.commit(*claimed, options));
      ASSERT_EQ(header_of(regions, claimed->seq).words,
                expected_header(regions, claimed->seq, spec, options).words)
          << "seed " << seed << ", seq " << claimed->seq;
      if (!second) continue;
      ASSERT_TRUE(rig.port.commit(*other, options));
      ASSERT_EQ(header_of(regions, other->seq).words,
                expected_header(regions, other->seq, other_spec, options).words)
          << "seed " << seed << ", seq " << other->seq;
    }
  }
}

// A header that differs from the last accepted one in one byte, whichever, is accepted exactly when the rules
// accept it by itself, and says what it says by itself; and so does the good one after it.
// Proves: SHM-186, SHM-45, SHM-199, SHM-226
TEST(HeaderLaps, each_byte_that_differs_is_judged_as_if_it_were_the_first) {
  for (const unsigned ndims : {1U, 3U, 4U, 8U}) {
    TestRegions regions(epoch, 8);
    ConsumerRig rig;
    rig.attach(regions);
    std::uint64_t seq = 0;
    std::uint64_t refused = 0;
    const auto send = [&](std::size_t byte, unsigned flip) {
      shm::SlotFields fields = ConsumerRig::fields_of(regions, seq, 64, 1'000 + seq);
      fields.ndims = static_cast<std::uint8_t>(ndims);
      fields.dims = {64};
      fields.strides = {1};
      for (std::size_t i = 1; i < ndims; ++i) {
        fields.dims[i] = 1;
        fields.strides[i] = 1;
      }
      fields.meta_version = static_cast<std::uint32_t>(seq * 65'537);
      shm::HeaderImage image;
      shm::build(image, fields);
      image.bytes()[byte] ^= static_cast<std::byte>(flip);
      shm::mark_in_progress(regions.slot(seq), seq);
      shm::store_header(regions.slot(seq), image);
      shm::commit(regions.slot(seq), seq);
      rig.subscription.push(ConsumerRig::descriptor_of(regions, seq));
      const shm::SlotFields said = shm::parse(image);
      shm::ValidSlot valid;
      const bool good = shm::validate(said, regions.geometry, regions.geometry.header_index(seq),
                                      valid) == shm::SlotFault::none;
      bool seen = false;
      const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
        seen = true;
        const FrameInfo& info = frame.info;
        EXPECT_EQ(info.seq, seq);
        EXPECT_EQ(info.slot, said.payload_slot);
        EXPECT_EQ(info.size_bytes, said.values_len_bytes);
        EXPECT_EQ(info.pool_id, said.pool_id);
        EXPECT_EQ(info.capture_time_ns, said.timestamp_ns);
        EXPECT_EQ(info.meta_version, said.meta_version);
        EXPECT_EQ(info.dtype, said.dtype);
        EXPECT_EQ(info.order, said.order);
        EXPECT_EQ(info.ndims, said.ndims);
        EXPECT_EQ(info.progress_unit, said.progress_unit);
        for (std::size_t i = 0; i < said.ndims; ++i) {
          EXPECT_EQ(info.dims[i], said.dims[i]);
          EXPECT_EQ(info.strides[i], static_cast<std::int64_t>(valid.strides.bytes[i]));
        }
        EXPECT_EQ(frame.payload, regions.payload(said.pool_id, seq));
        return ConsumerRig::Visit::unproved;
      });
      EXPECT_EQ(seen, good) << "byte " << byte << " of a header of " << ndims
                            << " dimensions, flipped by " << flip;
      EXPECT_EQ(polled.overwritten, good ? 0U : 1U);
      refused += polled.overwritten;
      ++seq;
    };
    for (std::size_t byte = 8; byte < shm::header_slot_bytes; ++byte) {
      for (const unsigned flip : {0x01U, 0x02U, 0x80U, 0xFFU}) {
        send(byte, 0);
        send(byte, flip);
      }
    }
    EXPECT_GT(refused, 100U);
    EXPECT_TRUE(rig.balanced());
  }
}

// What was valid in one mapping need not be in the next: a pool may be gone.
TEST(HeaderLaps, another_mapping_forgets_the_header) {
  TestRegions first(epoch, 8);
  TestRegions second(epoch + 1, 8, {{1, 512, {}}});
  ConsumerRig rig;
  rig.attach(first);
  rig.send(first, 0, 300);  // of pool 2
  EXPECT_EQ(rig.poll().delivered, 1U);
  rig.attach(second);
  shm::HeaderImage image;
  shm::SlotFields fields = ConsumerRig::fields_of(first, 0, 300);
  shm::build(image, fields);
  shm::mark_in_progress(second.slot(0), 0);
  shm::store_header(second.slot(0), image);
  shm::commit(second.slot(0), 0);
  rig.subscription.push(ConsumerRig::descriptor_of(second, 0));
  EXPECT_EQ(rig.poll().overwritten, 1U);
}

// Frames of several shapes in turns, as many as are remembered and more, each say what they say by themselves.
// Proves: SHM-186, SHM-226
TEST(HeaderLaps, shapes_in_turns_are_each_read_as_what_they_are) {
  for (std::uint64_t shapes = 1; shapes <= spec_numbers; ++shapes) {
    TestRegions regions(epoch, 8);
    ProducerRig producer;
    producer.attach(regions);
    ConsumerRig rig;
    rig.attach(regions);
    for (std::uint64_t seq = 0; seq < 40; ++seq) {
      const TensorSpec spec = spec_number(seq % shapes);
      auto claimed = producer.port.claim(spec);
      ASSERT_TRUE(claimed);
      const CommitOptions options{.timestamp_ns = 1'000 + seq,
                                  .meta_version = static_cast<std::uint32_t>(seq)};
      ASSERT_TRUE(producer.port.commit(*claimed, options));
      rig.subscription.push(ConsumerRig::descriptor_of(regions, seq));
      const Polled polled = rig.port.poll([&](const OpenFrame& frame) {
        EXPECT_EQ(frame.info.seq, seq);
        EXPECT_EQ(frame.info.dtype, spec.dtype);
        EXPECT_EQ(frame.info.ndims, spec.shape.size());
        for (std::size_t i = 0; i < spec.shape.size(); ++i)
          EXPECT_EQ(frame.info.dims[i], spec.shape[i]);
        EXPECT_EQ(frame.info.size_bytes, claimed->size);
        EXPECT_EQ(frame.info.capture_time_ns, options.timestamp_ns);
        EXPECT_EQ(frame.info.meta_version, options.meta_version);
        EXPECT_EQ(frame.payload, claimed->data);
        return ConsumerRig::Visit::unproved;
      });
      ASSERT_EQ(polled.delivered, 1U) << seq << " of " << shapes << " shapes";
    }
    EXPECT_TRUE(rig.balanced());
  }
}

// A limit of 1 hands out one frame a call, in order, though more were received at once.
TEST(HeaderLaps, what_is_received_beyond_the_limit_waits_for_the_next_call) {
  TestRegions regions(epoch, 8);
  ConsumerPortOptions options = ConsumerRig::default_options();
  options.fragment_limit = 1;
  ConsumerRig rig(options);
  rig.attach(regions);
  rig.send(regions, {0, 1, 2});
  for (std::uint64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(rig.poll().delivered, 1U);
    EXPECT_EQ(rig.seen.size(), i);
  }
  EXPECT_EQ(rig.seen, (std::vector<std::uint64_t>{0, 1, 2}));
  EXPECT_EQ(rig.poll().work(), 0);
  EXPECT_EQ(rig.subscription.polls, 2);
}

}  // namespace
}  // namespace tensorpool::agents::test
