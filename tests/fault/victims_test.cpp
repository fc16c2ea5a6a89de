// Producers and consumers that are killed (-9) or stopped and continued at every named point, beside
// others that must not notice. The tables of outcomes are printed, a line a case.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <vector>

#include "fault/support.hpp"

namespace tensorpool::fault {
namespace {

struct Case {
  const char* point;
  std::uint64_t visit;
  const char* when;
  int signal;
};
std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return std::string(info.param.point) + "_" + name_of(info.param.signal);
}
std::vector<Case> with_both_signals(std::vector<Case> cases) {
  const std::size_t kills = cases.size();
  for (std::size_t i = 0; i < kills; ++i) {
    cases.push_back(cases[i]);
    cases.back().signal = SIGSTOP;
  }
  return cases;
}
class Victims : public FaultTest, public ::testing::WithParamInterface<Case> {
 protected:
  Fault fault() const {
    return {GetParam().point, GetParam().visit, GetParam().signal, GetParam().when};
  }
  bool stops() const { return GetParam().signal == SIGSTOP; }
  bool at_start() const { return std::string(GetParam().when) == "start"; }
};

const std::vector<Case> producer_points{{"claimed", 40, "frames", SIGKILL},
                                        {"filling", 40, "frames", SIGKILL},
                                        {"before_commit_word", 40, "frames", SIGKILL},
                                        {"after_commit_word", 40, "frames", SIGKILL},
                                        {"before_descriptor", 40, "frames", SIGKILL},
                                        {"after_descriptor", 40, "frames", SIGKILL},
                                        {"adopted", 1, "start", SIGKILL},
                                        {"mapping", 2, "start", SIGKILL}};

class ProducerVictim : public Victims {
 protected:
  // A producer that stops or dies while both consumers listen, where it lives so long.
  Peer struck_producer(Peer& first, Peer& second) {
    Peer victim("producer", setting(), 1, fault());
    if (!at_start()) {
      EXPECT_TRUE(victim.ready());
      EXPECT_TRUE(active(first) && active(second));
      EXPECT_FALSE(victim.ask("run").empty());
    }
    EXPECT_TRUE(victim.struck_by(GetParam().signal));
    return victim;
  }
  // The stream under another producer; says after how long the first consumer heard of it.
  static std::int64_t goes_on_with(Peer& next, std::uint64_t sender, Peer& first, Peer& second) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(next.ready());
    EXPECT_FALSE(next.ask("run").empty());
    EXPECT_TRUE(hears(first, sender, 1));
    const auto heard = std::chrono::steady_clock::now() - begin;
    EXPECT_TRUE(hears(first, sender) && hears(second, sender));
    return std::chrono::duration_cast<std::chrono::milliseconds>(heard).count();
  }
};

// Proves: STR-1, STR-204, STR-215
TEST_P(ProducerVictim, hurts_nobody) {
  Peer first = consumer(setting());
  Peer second = consumer(setting());
  Peer victim = struck_producer(first, second);
  std::string outcome;
  if (!stops()) {
    Peer next("producer", setting(), 2);  // at once: the lock died with its holder
    outcome = fmt::format("next producer heard after {} ms;", goes_on_with(next, 2, first, second));
    expect_free(next);
  } else {
    // Nobody takes the stream from a producer that stands still.
    const std::string refusal = Peer("producer", setting(), 2).refusal();
    EXPECT_NE(refusal.find("stream_in_use"), std::string::npos) << refusal;
    EXPECT_NE(refusal.find(std::to_string(victim.pid())), std::string::npos) << refusal;
    if (!at_start()) {
      EXPECT_TRUE(active(first, false) && active(second, false));
    }
    victim.signal(SIGCONT);
    if (at_start()) {
      EXPECT_TRUE(victim.ready());
      EXPECT_FALSE(victim.ask("run").empty());
    }
    EXPECT_TRUE(hears(first, 1) && hears(second, 1));
    outcome = "second producer refused, noticed by consumers, goes on after SIGCONT;";
    expect_free(victim);
  }
  const Peer::Books one = expect_whole(first);
  const Peer::Books two = expect_whole(second);
  const std::size_t left = clean_up();
  EXPECT_EQ(left, stops() ? 0U : 1U);
  tell_outcome(GetParam().point, GetParam().signal, "producer",
               fmt::format("{} consumers: {}; {}; epochs left: {}", outcome,
                           list(one, {"delivered", "wrong", "lost"}),
                           list(two, {"delivered", "wrong", "lost"}), left));
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, ProducerVictim,
                         ::testing::ValuesIn(with_both_signals(producer_points)), case_name);

// A producer that wakes up after another took its place (in another namespace, where no lock keeps
// it out) writes its own old epoch and nothing else.
class ProducerReplaced : public ProducerVictim {};
// Proves: SHM-76
TEST_P(ProducerReplaced, never_publishes_into_the_next_epoch) {
  Peer first = consumer(setting());
  Peer second = consumer(setting());
  Peer victim = struck_producer(first, second);
  Setting elsewhere = setting();
  elsewhere.space = "second";
  Peer next("producer", elsewhere, 2);
  (void)goes_on_with(next, 2, first, second);
  const std::uint64_t epoch = first.ask("stats")["epoch"];
  victim.signal(SIGCONT);
  if (at_start()) {
    EXPECT_TRUE(victim.ready());
    EXPECT_FALSE(victim.ask("run").empty());
  }
  const std::uint64_t before = victim.ask("stats")["claimed"];
  EXPECT_TRUE(eventually([&] { return victim.ask("stats")["claimed"] >= before + 100; }));
  EXPECT_TRUE(hears(first, 2, 100) && hears(second, 2, 100));
  EXPECT_NE(victim.ask("stats")["epoch"], epoch);
  expect_free(victim);
  EXPECT_TRUE(hears(first, 2) && hears(second, 2));
  expect_free(next);
  const Peer::Books one = expect_whole(first);
  EXPECT_EQ(one.at("epoch"), epoch);
  expect_whole(second);
  EXPECT_EQ(clean_up(), 0U);
  tell_outcome(GetParam().point, GetParam().signal, "producer",
               fmt::format("replaced meanwhile: {}",
                           list(one, {"delivered", "wrong", "lost", "wrong_epoch", "sessions"})));
}
std::vector<Case> only_stopped(std::vector<Case> cases) {
  for (Case& one : cases) one.signal = SIGSTOP;
  return cases;
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, ProducerReplaced,
                         ::testing::ValuesIn(only_stopped(producer_points)), case_name);

const std::vector<Case> reading_points{{"commit_word_loaded", 40, "frames", SIGKILL},
                                       {"header_copied", 40, "frames", SIGKILL},
                                       {"in_handler", 40, "frames", SIGKILL},
                                       {"reading", 40, "frames", SIGKILL},
                                       {"before_proof", 40, "frames", SIGKILL}};
const std::vector<Case> remap_points{{"adopted", 1, "frames", SIGKILL},
                                     {"mapping", 2, "frames", SIGKILL}};

class ConsumerVictim : public Victims {};
// Proves: STR-233, SHM-177
TEST_P(ConsumerVictim, hurts_nobody) {
  const bool remaps =
      std::string(GetParam().point) == "adopted" || std::string(GetParam().point) == "mapping";
  Peer healthy = consumer(setting());
  Peer victim = consumer(setting(), fault());
  std::optional<Peer> producer(std::in_place, "producer", setting(), 1);
  ASSERT_TRUE(producer->ready());
  ASSERT_TRUE(active(healthy));
  if (remaps) {
    ASSERT_TRUE(active(victim));
    ASSERT_FALSE(producer->ask("run").empty());
    ASSERT_TRUE(hears(victim, 1, 20) && hears(healthy, 1, 20));
    expect_free(*producer);
    producer.emplace("producer", setting(), 2);
    ASSERT_TRUE(producer->ready());
  }
  const std::uint64_t sender = remaps ? 2 : 1;
  ASSERT_FALSE(producer->ask("run").empty());
  ASSERT_TRUE(victim.struck_by(GetParam().signal));
  EXPECT_TRUE(hears(healthy, sender, 100));
  std::string outcome;
  if (stops()) {
    victim.signal(SIGCONT);
    EXPECT_TRUE(hears(victim, sender));
    Peer::Books books = expect_whole(victim);
    outcome = "goes on after SIGCONT with " + list(books, {"delivered", "wrong", "lost", "ended"});
  } else {
    Peer newcomer = consumer(setting());
    EXPECT_TRUE(hears(newcomer, sender));
    expect_whole(newcomer);
    outcome = "a new consumer reads";
  }
  EXPECT_TRUE(hears(healthy, sender));
  expect_free(*producer);
  const Peer::Books books = expect_whole(healthy);
  EXPECT_EQ(clean_up(), 0U);
  tell_outcome(GetParam().point, GetParam().signal, "consumer",
               fmt::format("{}; healthy: {}; producer not held up", outcome,
                           list(books, {"delivered", "wrong", "lost"})));
}
std::vector<Case> consumer_points() {
  std::vector<Case> all = reading_points;
  all.insert(all.end(), remap_points.begin(), remap_points.end());
  return with_both_signals(all);
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, ConsumerVictim, ::testing::ValuesIn(consumer_points()),
                         case_name);

// The ring goes round more than once while the reader stands still in a frame.
class ConsumerOverrun : public Victims {};
// Proves: SHM-185
TEST_P(ConsumerOverrun, takes_no_wrong_byte_for_a_frame) {
  Setting small = setting();
  small.slots = 64;
  Peer victim = consumer(small, fault());
  Peer producer("producer", small, 1);
  ASSERT_TRUE(producer.ready());
  ASSERT_TRUE(active(victim));
  ASSERT_FALSE(producer.ask("run").empty());
  ASSERT_TRUE(victim.struck_by(SIGSTOP));
  ASSERT_FALSE(producer.ask("publish 200").empty());
  victim.signal(SIGCONT);
  EXPECT_TRUE(hears(victim, 1));
  expect_free(producer);
  Peer::Books books = victim.close();
  expect_right(books);
  EXPECT_GE(books["overwritten"], 1U);
  EXPECT_EQ(clean_up(), 0U);
  tell_outcome(GetParam().point, SIGSTOP, "consumer",
               "overrun by 200 frames on a ring of 64: " +
                   list(books, {"delivered", "overwritten", "wrong", "lost"}));
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, ConsumerOverrun,
                         ::testing::ValuesIn(only_stopped(reading_points)), case_name);

class MediaDriverVictim : public FaultTest {
 protected:
  void SetUp() override {}  // it is a peer here
};
TEST_F(MediaDriverVictim, is_stopped_and_killed_and_the_stream_goes_on) {
  std::optional<Peer> driver(std::in_place, "media", setting());
  ASSERT_TRUE(driver->ready());
  Peer reader = consumer(setting());
  Peer producer("producer", setting(), 1);
  ASSERT_TRUE(producer.ready());
  ASSERT_TRUE(active(reader));
  ASSERT_FALSE(producer.ask("run").empty());
  ASSERT_TRUE(hears(reader, 1));
  driver->signal(SIGSTOP);
  ASSERT_TRUE(driver->struck_by(SIGSTOP));
  // What is connected needs no media driver, up to Aeron's flow-control window.
  driver->signal(SIGCONT);
  ASSERT_TRUE(hears(reader, 1));
  driver->signal(SIGKILL);
  ASSERT_TRUE(driver->struck_by(SIGKILL));
  driver.emplace("media", setting());
  ASSERT_TRUE(driver->ready());
  ASSERT_TRUE(hears(reader, 1, 200));
  Peer::Books books = reader.close();
  expect_right(books);
  EXPECT_EQ(producer.close()["balanced"], 1U);
  driver->close();
  EXPECT_EQ(clean_up(), 0U);
  tell_outcome("running", SIGKILL, "driver",
               "goes on: " + list(books, {"delivered", "wrong", "lost", "sessions"}));
}

}  // namespace
}  // namespace tensorpool::fault
