// Subscribers that stand still: one stopped inside its handler, one that forgot to poll. Neither holds
// up the producer. TENSORPOOL_FAULT_SECONDS says for how long (60).
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cstdlib>

#include "fault/support.hpp"

namespace tensorpool::fault {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int usual_seconds = 5;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr int usual_seconds = 5;
#else
constexpr int usual_seconds = 60;
#endif
#else
constexpr int usual_seconds = 60;
#endif

int seconds() {
  const char* text = std::getenv("TENSORPOOL_FAULT_SECONDS");
  return text == nullptr ? usual_seconds : std::atoi(text);
}

class Standing : public FaultTest {};

// Proves: STR-233, SHM-177
TEST_F(Standing, subscribers_do_not_hold_up_the_producer) {
  constexpr std::uint64_t wanted_rate = 100'000;
  Setting wide = setting();
  wide.term = "16m";
  Peer healthy = consumer(wide);
  Peer frozen = consumer(wide, {"in_handler", 40, SIGSTOP, "frames"});
  Peer forgotten("forgotten", wide);
  ASSERT_TRUE(forgotten.ready());
  Peer producer("producer", wide, 1);
  ASSERT_TRUE(producer.ready());
  ASSERT_TRUE(active(healthy) && active(frozen) && active(forgotten));
  ASSERT_FALSE(producer.ask("run").empty());
  ASSERT_TRUE(frozen.struck_by(SIGSTOP));
  ASSERT_FALSE(producer.ask("pause").empty());
  const std::uint64_t before = healthy.ask("stats")["delivered"];
  Peer::Books books = producer.ask(fmt::format("flood {} {}", wanted_rate, seconds()),
                                   patience + std::chrono::seconds(seconds()));
  ASSERT_FALSE(books.empty());
  EXPECT_EQ(books["back_pressured"], 0U);
  EXPECT_EQ(books["not_announced"], 0U);
  EXPECT_EQ(books["refused"], 0U);
  Peer::Books heard = healthy.ask("stats");
  EXPECT_GT(heard["delivered"], before + 1000);
  std::printf("%d s at %lu descriptors a second, %lu published; healthy consumer: %s\n", seconds(),
              static_cast<unsigned long>(books["rate"]),
              static_cast<unsigned long>(books["published"]),
              list(heard, {"delivered", "overwritten", "lost", "skipped"}).c_str());
  // All three are there again.
  frozen.signal(SIGCONT);
  ASSERT_FALSE(producer.ask("run").empty());
  EXPECT_TRUE(hears(healthy, 1));
  EXPECT_TRUE(hears(frozen, 1));
  expect_free(producer);
  for (Peer* reader : {&healthy, &frozen, &forgotten}) {
    Peer::Books last = reader->close();
    expect_right(last);
  }
  EXPECT_EQ(clean_up(), 0U);
}

}  // namespace
}  // namespace tensorpool::fault
