// Regions as the two ports use them: files of this test, mapped for writing by the producer's port
// and read-only by the consumer's, with what a descriptor would say passed by hand.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "agents/consumer_port.hpp"
#include "agents/lender.hpp"
#include "agents/lent_regions.hpp"
#include "agents/producer_port.hpp"
#include "shm/create.hpp"
#include "shm/map.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents {
namespace {

using shm::test::FaultyFileSystem;
using shm::test::now_ns;
using shm::test::Op;
using shm::test::options_in;
using shm::test::small_layout;
using shm::test::TempDir;

constexpr std::uint64_t epoch = 77;

// Descriptors that a test put there.
class Descriptors final : public transport::Subscription {
 public:
  int poll(transport::FragmentHandler handler, int limit) override {
    int count = 0;
    for (; count < limit && !waiting.empty(); ++count) {
      std::array<std::byte, wire::descriptor_bytes> bytes;
      wire::encode_descriptor(bytes.data(), waiting.front());
      waiting.pop_front();
      handler(transport::Fragment{bytes, 1, true, true});
    }
    return count;
  }
  int poll_assembled(transport::FragmentHandler handler, int limit) override {
    return poll(handler, limit);
  }
  int image_count() const noexcept override { return 1; }
  std::int32_t stream_id() const noexcept override { return 1100; }

  std::deque<wire::FrameDescriptor> waiting;
};

class FramePathTest : public testing::Test {
 protected:
  using Producer = ProducerPort<VirtualEnv>;
  using Consumer = ConsumerPort<VirtualEnv>;
  using Visit = Consumer::Visit;

  void SetUp() override {
    auto created = create_stream(file_system_, options_in(dir_), small_layout(epoch), now_ns);
    TP_ASSERT_OK(created);
    auto mapped = map_stream(file_system_, shm::test::policy_for(file_system_, dir_.path()),
                             created->regions);
    TP_ASSERT_OK(mapped);
    written_ = std::make_unique<LentRegions>(std::move(created->mapped), 1);
    read_ = std::make_unique<LentRegions>(std::move(*mapped), 1);
    post(producer_lender_, *written_, nullptr);
    post(consumer_lender_, *read_, &descriptors_);
  }
  void TearDown() override {
    producer_.close();
    consumer_.close();
    producer_lender_.drain();
    consumer_lender_.drain();
  }

  static void post(Lender& lender, LentRegions& regions, transport::Subscription* subscription) {
    auto wiring = std::make_unique<Wiring>();
    wiring->state = PortState::active;
    wiring->reason = Code::ok;
    regions.wire(*wiring);
    wiring->subscription = subscription;
    lender.publish(std::move(wiring));
  }

  // A frame of `size` bytes, all of them `value`, and its descriptor.
  void send(std::int64_t size, std::byte value) {
    TensorSpec spec;
    spec.dtype = DType::u8;
    spec.shape = {size};
    auto claim = producer_.claim(spec);
    TP_ASSERT_OK(claim);
    std::memset(claim->data, std::to_integer<int>(value), claim->size);
    TP_ASSERT_OK(producer_.commit(*claim, {}));
    wire::FrameDescriptor descriptor;
    descriptor.stream_id = 10000;
    descriptor.epoch = epoch;
    descriptor.seq = claim->seq;
    descriptor.timestamp_ns = wire::null_u64;
    descriptor.meta_version = wire::null_u32;
    descriptors_.waiting.push_back(descriptor);
  }

  // Everything of a slot and its payload but the commit word, as if another frame were half there.
  void spoil(std::uint32_t index, std::size_t pool, std::byte value) {
    shm::MappedStream& stream = written_->stream;
    auto* header = static_cast<std::byte*>(static_cast<void*>(stream.slot(index).words));
    std::memset(header + 8, std::to_integer<int>(value), shm::header_slot_bytes - 8);
    std::memset(stream.payload(pool, index), std::to_integer<int>(value),
                stream.layout.pools[pool].stride_bytes);
  }

  TempDir dir_;
  FaultyFileSystem file_system_;
  std::unique_ptr<LentRegions> written_;
  std::unique_ptr<LentRegions> read_;
  Descriptors descriptors_;
  Lender producer_lender_;
  Lender consumer_lender_;
  Producer producer_{{.stream_id = 10000}, producer_lender_.cell(), nullptr};
  Consumer consumer_{{.stream_id = 10000}, consumer_lender_.cell(), nullptr};
};

// The slot is full of other bytes before: a writer relies on nothing that was there.
// Proves: SHM-37, SHM-57, SHM-60, SHM-65, SHM-208
TEST_F(FramePathTest, the_producer_writes_every_field_of_a_slot) {
  for (std::uint32_t i = 0; i < 4; ++i) spoil(i, 0, std::byte{0xEE});
  for (const std::int64_t size : {std::int64_t{64}, std::int64_t{65}, std::int64_t{0}}) {
    const std::uint64_t seq = descriptors_.waiting.size();
    send(size, std::byte{1});
    const auto index = static_cast<std::uint32_t>(seq);
    shm::HeaderImage image;
    shm::copy_header(std::as_const(read_->stream).slot(index), image);
    const shm::SlotFields fields = shm::parse(image);
    EXPECT_EQ(fields.payload_offset, 0U);
    EXPECT_EQ(fields.payload_slot, index);
    EXPECT_EQ(fields.pool_id, size > 64 ? 1 : 2);
    EXPECT_EQ(fields.values_len_bytes, static_cast<std::uint64_t>(size));
    EXPECT_EQ(shm::validate(fields, read_->stream.geometry, index), shm::SlotFault::none);
    shm::HeaderImage again;
    shm::build(again, fields);
    EXPECT_EQ(again.words, image.words);  // the pads as well
  }
}

// Whatever the payload says, a frame is what its header says.
// Proves: SHM-236
TEST_F(FramePathTest, payload_bytes_decide_nothing) {
  for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
    send(4000, static_cast<std::byte>(value));
    int visits = 0;
    const Polled polled = consumer_.poll([&](const OpenFrame& frame) {
      ++visits;
      EXPECT_EQ(frame.info.size_bytes, 4000U);
      EXPECT_EQ(frame.info.dims[0], 4000);
      EXPECT_EQ(frame.info.strides[0], 1);
      EXPECT_EQ(frame.info.pool_id, 1);
      EXPECT_EQ(frame.payload, read_->stream.payload(0, frame.info.slot));
      return Visit::unproved;
    });
    EXPECT_EQ(visits, 1);
    EXPECT_EQ(polled.delivered, 1U);
  }
}

// A view's shape and bounds come from the private copy: the bytes under it may change at any time.
// Proves: SHM-226, SHM-236, SHM-237, SHM-238
TEST_F(FramePathTest, bytes_that_change_under_a_view_change_nothing_but_their_values) {
  send(60, std::byte{1});
  const Polled polled = consumer_.poll([&](const OpenFrame& frame) {
    const FrameInfo before = frame.info;
    EXPECT_TRUE(frame.intact());
    auto view = detail::make_view<std::uint8_t, 1>(frame.info, frame.payload);
    EXPECT_TRUE(view.has_value());
    if (!view) return Visit::unproved;
    EXPECT_EQ((*view)(59), 1);
    for (const int value : {0x00, 0xFF, 0x7F}) {
      spoil(0, 1, static_cast<std::byte>(value));
      EXPECT_EQ((*view)(59), value);  // a second read of the same byte
      EXPECT_EQ(view->extent(0), 60);
      EXPECT_EQ(view->stride_bytes(0), 1);
      EXPECT_EQ(frame.info.size_bytes, before.size_bytes);
      EXPECT_EQ(frame.info.dims, before.dims);
      EXPECT_EQ(frame.info.strides, before.strides);
    }
    // No writer of the protocol changes bytes before the mark; with it, the proof fails.
    shm::mark_in_progress(written_->stream.slot(0), 4);
    EXPECT_FALSE(frame.intact());
    return Visit::unproved;
  });
  EXPECT_EQ(polled.delivered, 0U);
  EXPECT_EQ(polled.overwritten, 1U);
}

wire::ShmPoolAnnounce announce_of(const shm::StreamRegions& regions) {
  wire::ShmPoolAnnounce message;
  message.stream_id = regions.layout.stream_id;
  message.epoch = regions.layout.epoch;
  message.layout_version = regions.layout.layout_version;
  message.header_nslots = regions.layout.nslots;
  message.header_slot_bytes = 256;
  message.header_region_uri = regions.header_uri;
  for (std::size_t i = 0; i < regions.pool_uris.size(); ++i) {
    message.payload_pools.push_back({regions.layout.pools[i].pool_id, regions.layout.nslots,
                                     regions.layout.pools[i].stride_bytes, regions.pool_uris[i]});
  }
  return message;
}

// A message about a layout that nobody here knows is a good message; a message of another schema
// version is none, whatever layout it tells of.
// Proves: SHM-31, SHM-32, SHM-138
TEST(Description, layouts_and_messages_are_judged_by_their_own_versions) {
  const TempDir dir;
  base::PosixFileSystem file_system;
  auto created = create_stream(file_system, options_in(dir), small_layout(epoch), now_ns);
  TP_ASSERT_OK(created);
  for (const std::uint32_t layout_version : {0U, 1U, 2U, 900U}) {
    shm::StreamRegions regions = created->regions;
    regions.layout.layout_version = layout_version;
    const wire::ShmPoolAnnounce announce = announce_of(regions);
    std::vector<std::byte> bytes(wire::encoded_size(announce));
    TP_ASSERT_OK(wire::encode(announce, bytes));
    const auto message = wire::decode<wire::ShmPoolAnnounce>(bytes);
    TP_ASSERT_OK(message);
    EXPECT_EQ(message->layout_version, layout_version);
    const auto mapped =
        map_stream(file_system, shm::test::policy_for(file_system, dir.path()), regions);
    EXPECT_EQ(mapped.has_value(), layout_version == 1);

    for (const std::size_t field : {std::size_t{4}, std::size_t{6}}) {  // schema id, version
      auto other = bytes;
      other[field] = static_cast<std::byte>(std::to_integer<int>(other[field]) + 1);
      EXPECT_FALSE(wire::decode<wire::ShmPoolAnnounce>(other).has_value()) << field;
    }
  }
}

// A reader knows nothing of a region before it has a description that is good in itself.
// Proves: SHM-111, SHM-112, SHM-229
TEST(Description, comes_before_any_look_at_a_region) {
  const TempDir dir;
  base::PosixFileSystem plain;
  auto created = create_stream(plain, options_in(dir), small_layout(epoch), now_ns);
  TP_ASSERT_OK(created);
  FaultyFileSystem file_system;
  const shm::MapPolicy policy = shm::test::policy_for(file_system, dir.path());
  shm::StreamRegions bad = created->regions;
  bad.layout.pools[1].stride_bytes = 65;
  EXPECT_FALSE(map_stream(file_system, policy, bad).has_value());
  EXPECT_EQ(file_system.opened_files, 0);
  EXPECT_EQ(file_system.calls[Op::map], 0);

  // One that is good opens the files that it names and no other.
  TP_ASSERT_OK(map_stream(file_system, policy, created->regions));
  EXPECT_EQ(file_system.opened_files, 3);
  EXPECT_EQ(file_system.calls[Op::map], 3);
  EXPECT_EQ(file_system.calls[Op::list], 0);
}

}  // namespace
}  // namespace tensorpool::agents
