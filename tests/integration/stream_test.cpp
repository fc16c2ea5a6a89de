// What one producer and its consumers promise each other, through the public interface and a real
// media driver, in one process.
#include <gtest/gtest.h>

#include <vector>

#include "integration/frames.hpp"
#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 800;

class Streams : public ::testing::Test {
 protected:
  void make(std::uint32_t slots, ConsumerOptions wanted = consumer_options(stream),
            bool timestamps = false) {
    ProducerOptions options = producer_options(world_.folder(), stream, slots, frame_strides);
    options.descriptor_timestamps = timestamps;
    producer_.emplace(make_producer(sender_, options));
    consumer_.emplace(make_consumer(receiver_, std::move(wanted)));
    ASSERT_TRUE(until_active(*consumer_));
    ASSERT_TRUE(until_linked(world_.folder()));
  }

  Committed publish(std::uint64_t seq) {
    auto slot = producer_->claim(spec_of(seq)).value();
    EXPECT_EQ(slot.seq(), seq);
    EXPECT_EQ(slot.pool_id(), kind_of(seq).pool_id);
    fill(slot.bytes(), seq);
    return slot.commit().value();
  }

  // Reads until `count` frames in all were delivered, each of them right.
  bool delivered(std::uint64_t count) {
    return eventually([&] {
      bool right = true;
      (void)consumer_->poll([&](const Frame& frame) {
        right = right && is_right(frame.info(), frame.bytes());
        if (!frame.intact()) right = true;
        seqs_.push_back(frame.seq());
      });
      EXPECT_TRUE(right);
      return consumer_->statistics().delivered >= count;
    });
  }

  World world_;
  Client sender_ = connect(client_options(world_.folder()));
  Client receiver_ = connect(client_options(world_.folder()));
  std::optional<Producer> producer_;
  std::optional<Consumer> consumer_;
  std::vector<std::uint64_t> seqs_;
};

// All kinds of frames: exactly a stride and a byte more, empty ones, eight dimensions.
// Proves: STR-107, STR-118
TEST_F(Streams, every_kind_of_frame_arrives_from_the_smallest_pool_that_fits) {
  make(64);
  std::uint64_t empty = 0;
  for (std::uint64_t seq = 0; seq < 2 * kinds.size(); ++seq) {
    EXPECT_EQ(publish(seq).told, Told::consumers);
    const std::uint64_t before = consumer_->statistics().bytes;
    ASSERT_TRUE(delivered(seq + 1));
    empty += consumer_->statistics().bytes == before ? 1U : 0U;
  }
  EXPECT_EQ(empty, 4U);
  EXPECT_EQ(consumer_->statistics().lost, 0U);
  EXPECT_TRUE(consumer_->statistics().balanced());
}

// Proves: STR-105
TEST_F(Streams, a_frame_that_fits_no_pool_is_refused_and_leaves_no_gap) {
  make(64);
  (void)publish(0);
  const auto refused = producer_->claim(DType::u8, {8193});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::too_large);
  EXPECT_NE(refused.error().message().find("8193"), std::string::npos);
  EXPECT_NE(refused.error().message().find("8192"), std::string::npos);
  (void)publish(1);
  ASSERT_TRUE(delivered(2));
  EXPECT_EQ(consumer_->statistics().lost, 0U);
  EXPECT_EQ(producer_->statistics().too_large, 1U);
}

// Proves: STR-90
TEST_F(Streams, commits_out_of_order_are_told_in_order) {
  make(64);
  std::vector<Slot> slots;
  for (std::uint64_t seq = 0; seq < 4; ++seq) {
    slots.push_back(producer_->claim(spec_of(seq)).value());
    fill(slots.back().bytes(), seq);
  }
  EXPECT_EQ(slots[3].commit()->told, Told::held);
  EXPECT_EQ(slots[1].commit()->told, Told::held);
  EXPECT_EQ(producer_->statistics().open, 4U);
  EXPECT_EQ(slots[0].commit()->told, Told::consumers);
  ASSERT_TRUE(delivered(2));
  EXPECT_TRUE(slots[2].abort());
  ASSERT_TRUE(delivered(3));
  EXPECT_EQ(seqs_, (std::vector<std::uint64_t>{0, 1, 3}));
  EXPECT_EQ(consumer_->statistics().lost, 1U);
  EXPECT_EQ(producer_->statistics().open, 0U);
}

// Frames above the rate are seen and not wanted; that is no drop.
// Proves: STR-125
TEST_F(Streams, a_rate_limited_consumer_skips_and_loses_nothing) {
  ConsumerOptions wanted = consumer_options(stream);
  wanted.mode = DeliveryMode::rate_limited;
  wanted.max_rate_hz = 1;
  make(64, wanted, true);
  for (std::uint64_t seq = 0; seq < 20; ++seq) {
    (void)publish(seq);
    ASSERT_TRUE(eventually([&] {
      (void)consumer_->poll([](const Frame&) {});
      return consumer_->statistics().seen == seq + 1;
    }));
  }
  const ConsumerStatistics books = consumer_->statistics();
  EXPECT_GE(books.delivered, 1U);
  EXPECT_GT(books.skipped, 0U);
  EXPECT_EQ(books.lost + books.overwritten, 0U);
  EXPECT_TRUE(books.balanced());
}

// Nobody reads, and the producer goes round its ring of four as if nobody were there.
// Proves: STR-233, SHM-177, STR-91
TEST_F(Streams, a_producer_never_waits_for_a_consumer) {
  make(4);
  for (std::uint64_t seq = 0; seq < 100; ++seq) {
    const Committed committed = publish(seq);
    EXPECT_EQ(committed.seq, seq);
    EXPECT_EQ(committed.told, Told::consumers);
  }
  ASSERT_TRUE(delivered(4));
  EXPECT_EQ(seqs_, (std::vector<std::uint64_t>{96, 97, 98, 99}));
  EXPECT_EQ(consumer_->statistics().overwritten, 96U);
  EXPECT_TRUE(consumer_->statistics().balanced());
}

// A slot that is being written is passed over; the frames behind it are not held up.
// Proves: STR-234, STR-119
TEST_F(Streams, a_consumer_never_waits_for_a_commit) {
  make(4);
  for (std::uint64_t seq = 0; seq < 4; ++seq) (void)publish(seq);
  auto slot = producer_->claim(spec_of(4)).value();  // over frame 0, and stays open
  ASSERT_TRUE(delivered(3));
  EXPECT_EQ(seqs_, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(consumer_->statistics().overwritten, 1U);
  (void)slot.abort();
}

TEST_F(Streams, regions_are_gone_after_a_clean_close_and_claims_outlive_them) {
  make(4);
  auto slot = producer_->claim(spec_of(0)).value();
  producer_->close();
  ASSERT_TRUE(eventually([&] { return test::count_files(world_.folder().regions()) == 0; }));
  fill(slot.bytes(), 0);
  EXPECT_EQ(slot.commit().error().code(), Code::closed);
  ASSERT_TRUE(eventually([&] { return consumer_->state() == PortState::reattaching; }));
}

TEST_F(Streams, a_media_driver_that_ends_is_survived_and_its_successor_found) {
  make(64);
  (void)publish(0);
  ASSERT_TRUE(delivered(1));
  world_.end_media_driver();
  ASSERT_TRUE(eventually([&] {
    return sender_.state() == ClientState::connecting &&
           receiver_.state() == ClientState::connecting;
  }));
  // The port hears of it a moment later than whoever asks the client.
  EXPECT_TRUE(eventually([&] {
    const auto slot = producer_->claim(spec_of(producer_->statistics().next_seq));
    return !slot && slot.error().code() == Code::reattaching;
  }));
  world_.start_media_driver();
  ASSERT_TRUE(eventually([&] {
    return producer_->state() == PortState::active && consumer_->state() == PortState::active;
  }));
  ASSERT_TRUE(eventually([&] {
    (void)publish(producer_->statistics().next_seq);
    (void)consumer_->poll([](const Frame&) {});
    return consumer_->statistics().delivered > 1;
  }));
  EXPECT_TRUE(consumer_->statistics().balanced());
}

}  // namespace
}  // namespace tensorpool::integration
