// Both ports over the simulated network, with loss, duplicates, delays, back-pressure, lost images and
// remaps: whatever happens, delivered bytes are right and both books balance.
#include "sim/network.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "unit/ports/support.hpp"
#include "unit/sim/support.hpp"

namespace tensorpool::agents::test {
namespace {

using Visit = ConsumerRig::Visit;

sim::NetworkOptions network_options(std::uint64_t seed) {
  sim::NetworkOptions options;
  options.seed = seed;
  options.term_bytes = std::size_t{4} << 10U;  // small: a slow reader meets its end
  options.faults.loss_per_million = 20'000;
  options.faults.duplicate_per_million = 20'000;
  options.faults.back_pressure_per_million = 20'000;
  options.faults.delay_max_ns = 50'000;
  return options;
}

class Stream {
 public:
  explicit Stream(std::uint64_t seed)
      : prng_(seed), world_(network_options(seed)), client_(world_.connect()) {
    publication_ = world_.publish(*client_);
    subscription_ = world_.subscribe(*client_);
    remap();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      const std::uint64_t what = prng_.below(1000);
      if (what < 500) {
        produce();
      } else if (what < 800) {
        consume();
      } else if (what < 990) {
        world_.network.advance(static_cast<base::Nanos>(prng_.below(100'000)));
      } else if (what < 994) {
        world_.network.disconnect(publication_->session_id(),
                                  static_cast<base::Nanos>(prng_.below(5'000'000)));
      } else if (what < 995) {
        remap();
      }
      if (halted()) remap();
      ASSERT_TRUE(consumer_.balanced());
    }
    // Everybody finishes.
    for (int i = 0; i < 50; ++i) {
      world_.network.advance(1'000'000);
      (void)consumer_.poll();
    }
    while (!open_.empty()) produce_end();
    EXPECT_EQ(producer_.open(), 0U);
    EXPECT_TRUE(consumer_.balanced());
  }

  std::uint64_t delivered() { return consumer_.cell().consumer.delivered.get(); }
  std::uint64_t count(const Stat ConsumerCounts::* which) {
    return (consumer_.cell().consumer.*which).get();
  }

 private:
  // A note that the port left since the last look: the conductor would map anew.
  bool halted() {
    const std::uint64_t notes =
        consumer_.note(NoteKind::regression).count + consumer_.note(NoteKind::higher_epoch).count;
    return std::exchange(notes_, notes) != notes;
  }
  // The producer moves first, as a restarted one does; the consumer follows with its next poll.
  void remap() {
    regions_.push_back(std::make_unique<TestRegions>(++epoch_, 16));
    producer_.attach(*regions_.back(), {publication_.get()});
    consumer_.post(PortState::active, Code::ok, regions_.back().get(), {}, subscription_.get());
  }
  void produce() {
    if (prng_.chance(300'000) || !produce_begin()) produce_end();
  }
  bool produce_begin() {
    const auto size = static_cast<std::int64_t>(prng_.below(1025));
    auto claimed = producer_.port.claim(bytes_spec(size));
    if (!claimed) return false;
    fill({claimed->data, claimed->size}, claimed->session, claimed->seq);
    open_.push_back(*claimed);
    return true;
  }
  void produce_end() {
    if (open_.empty()) return;
    const auto at = static_cast<std::ptrdiff_t>(prng_.below(open_.size()));
    const ClaimedSlot claimed = open_[static_cast<std::size_t>(at)];
    open_.erase(open_.begin() + at);
    if (prng_.chance(50'000)) {
      (void)producer_.port.abort(claimed);
    } else {
      (void)producer_.port.commit(claimed, {});
    }
  }
  void consume() {
    Polled polled;
    OpenFrame* view = nullptr;
    switch (prng_.below(3)) {
      case 0:
        view = consumer_.port.next(polled);
        break;
      case 1:
        view = consumer_.port.latest(polled);
        break;
      default:
        (void)consumer_.port.poll([&](const OpenFrame& frame) {
          // The producer goes on while the handler looks.
          if (prng_.chance(300'000)) produce();
          if (prng_.chance(5'000)) remap();
          const bool right = look(frame);
          const bool intact = frame.intact();
          EXPECT_TRUE(right || !intact);
          return intact ? Visit::intact : Visit::overwritten;
        });
        return;
    }
    if (view == nullptr) return;
    for (std::uint64_t i = prng_.below(12); i > 0; --i) produce();
    const bool right = look(*view);
    EXPECT_TRUE(consumer_.port.finish(Visit::unproved) != Outcome::delivered || right);
  }
  static bool look(const OpenFrame& frame) {
    return is_frame({frame.payload, frame.info.size_bytes}, frame.info.epoch, frame.info.seq);
  }

  base::Prng prng_;
  std::uint64_t epoch_ = 0;
  std::uint64_t notes_ = 0;
  sim::World world_;
  std::unique_ptr<transport::Connection> client_;
  std::unique_ptr<transport::Publication> publication_;
  std::unique_ptr<transport::Subscription> subscription_;
  std::vector<std::unique_ptr<TestRegions>> regions_;
  ProducerRig producer_;
  ConsumerRig consumer_;
  std::vector<ClaimedSlot> open_;
};

// Proves: SHM-187, STR-109, STR-205
TEST(PortsOverANetwork, DeliverRightBytesAndBalanceWhateverHappens) {
  std::uint64_t delivered = 0;
  std::uint64_t overwritten = 0;
  std::uint64_t lost = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t ended = 0;
  std::uint64_t wrong_epoch = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Stream stream(seed);
    stream.run(2'000);
    if (::testing::Test::HasFailure()) return;
    delivered += stream.delivered();
    overwritten += stream.count(&ConsumerCounts::overwritten);
    lost += stream.count(&ConsumerCounts::lost);
    duplicates += stream.count(&ConsumerCounts::duplicates);
    ended += stream.count(&ConsumerCounts::ended);
    wrong_epoch += stream.count(&ConsumerCounts::wrong_epoch);
  }
  // Each of these was met.
  EXPECT_GT(delivered, 1'000U);
  EXPECT_GT(overwritten, 50U);
  EXPECT_GT(lost, 50U);
  EXPECT_GT(duplicates, 5U);
  EXPECT_GT(ended, 0U);
  EXPECT_GT(wrong_epoch, 5U);
}

// Proves: STR-90
TEST(PortsOverANetwork, WithoutFaultsEveryFrameArrivesOnce) {
  sim::World world;
  auto client = world.connect();
  auto publication = world.publish(*client);
  auto subscription = world.subscribe(*client);
  TestRegions regions(5, 64);
  ProducerRig producer;
  ConsumerRig consumer;
  producer.attach(regions, {publication.get()});
  consumer.post(PortState::active, Code::ok, &regions, {}, subscription.get());
  world.network.advance(1'000'000);
  for (std::uint64_t seq = 0; seq < 200; ++seq) {
    ASSERT_EQ(producer.send().told, Told::consumers);
    if (seq % 5 == 4) {
      while (consumer.poll().work() != 0) {
      }
    }
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t seq = 0; seq < 200; ++seq) all.push_back(seq);
  EXPECT_EQ(consumer.seen, all);
  EXPECT_EQ(consumer.cell().consumer.delivered.get(), 200U);
}

}  // namespace
}  // namespace tensorpool::agents::test
