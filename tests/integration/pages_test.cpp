// What the first pass over new memory costs: no page fault, neither where frames are written nor where they are
// read, neither in the rings nor in the logs of descriptors. Counted on the thread that publishes and polls.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <cstring>
#include <numeric>

#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool instrumented = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool instrumented = true;
#else
constexpr bool instrumented = false;
#endif
#else
constexpr bool instrumented = false;
#endif

constexpr std::uint32_t stream = 970;
constexpr std::uint32_t slots = 128;
constexpr std::uint32_t large = 65536;
constexpr std::int64_t term_bytes = 1 << 20;
constexpr std::int64_t descriptor_bytes = 96;  // with the header of its transport
// Past the third term, where the log begins anew.
constexpr std::uint64_t frames = 3 * term_bytes / descriptor_bytes + 1000;

std::int64_t faults_of_this_thread() {
  rusage usage{};
  EXPECT_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
  return usage.ru_minflt + usage.ru_majflt;
}

ClientOptions invoked(const Folder& folder) {
  ClientOptions options = client_options(folder, "1m");
  options.threading = Threading::invoked;
  return options;
}

class Pages : public ::testing::Test {
 protected:
  void SetUp() override {
    if (instrumented) GTEST_SKIP() << "sanitizers have memory of their own";
    auto making = sender_.producer(producer_options(world_.folder(), stream, slots, {64, large}));
    auto reading = receiver_.consumer(consumer_options(stream));
    ASSERT_TRUE(eventually([&] {
      turn();
      if (auto made = making.poll(); made && made->has_value())
        producer_.emplace(std::move(**made));
      if (auto made = reading.poll(); made && made->has_value())
        consumer_.emplace(std::move(**made));
      return producer_ && consumer_ && consumer_->state() == PortState::active;
    }));
    ASSERT_TRUE(eventually([&] {
      turn();
      return until_linked_now();
    }));
    // Prefaults are work in each turn until they are done. The turns follow each other at once: over a longer time
    // timers, which are work, too, would fall among them.
    ASSERT_TRUE(eventually([&] {
      for (int idle = 0; idle < 100; ++idle)
        if (turn() != 0) return false;
      return true;
    }));
  }
  int turn() { return sender_.do_work() + receiver_.do_work(); }
  bool until_linked_now() {
    const auto told = publish(64);
    (void)consumer_->poll([](const Frame&) {});
    return told == Told::consumers;
  }
  Told publish(std::int32_t bytes) {
    auto slot = producer_->claim(DType::u8, {bytes});
    if (!slot) return Told::nobody;
    std::memset(slot->bytes().data(), 5, slot->bytes().size());
    return slot->commit().value().told;
  }
  void read_all() {
    while (consumer_
               ->poll([&](const Frame& frame) {
                 const std::span<const std::byte> bytes = frame.bytes();
                 for (std::size_t at = 0; at < bytes.size(); at += 64)
                   sum_ += static_cast<unsigned>(bytes[at]);
                 (void)frame.intact();
               })
               .work() != 0) {
    }
  }

  World world_;
  Client sender_ = connect(invoked(world_.folder()));
  Client receiver_ = connect(invoked(world_.folder()));
  std::optional<Producer> producer_;
  std::optional<Consumer> consumer_;
  std::uint64_t sum_ = 0;
};

TEST_F(Pages, the_first_pass_over_rings_and_logs_meets_no_page_fault) {
  // The code itself, its stack and its counters have been touched.
  for (int i = 0; i < 3; ++i) (void)publish(64);
  read_all();
  std::int64_t writing = 0, reading = 0;
  std::uint64_t sent = 0;
  ASSERT_TRUE(eventually([&] {
    for (int batch = 0; batch < 20; ++batch) {
      const std::int64_t before = faults_of_this_thread();
      for (int i = 0; i < 50; ++i)
        if (publish(sent < 2 * slots ? large : 64) == Told::consumers) ++sent;
      const std::int64_t between = faults_of_this_thread();
      read_all();
      reading += faults_of_this_thread() - between;
      writing += between - before;
    }
    (void)turn();
    return sent >= frames;
  }));
  EXPECT_EQ(writing, 0);
  EXPECT_EQ(reading, 0);
  EXPECT_GE(consumer_->statistics().delivered, sent / 2);
  EXPECT_GT(sum_, 0U);
}

}  // namespace
}  // namespace tensorpool::integration
