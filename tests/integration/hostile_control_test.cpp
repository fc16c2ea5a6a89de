// A driver, a producer and two consumers under three processes that say on the control and announce streams
// whatever is wrong, 6,000 messages a second in all; against the same processes burning the same CPU in silence.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "integration/hostile_deployment.hpp"
#include "support/child.hpp"

namespace tensorpool::integration::hostile {
namespace {

using Books = test::Child::Books;

constexpr std::uint64_t frames_of_a_phase = 2000;
// Of a phase's frames and in both phases alike: what a machine that is busy with other things takes.
constexpr std::uint64_t allowance = frames_of_a_phase / 100;

class HostileControl : public ::testing::Test {
 protected:
  test::Child& start(const char* role, std::uint64_t seed = 0) {
    children_.push_back(std::make_unique<test::Child>(
        "hostile_peer", std::vector<std::string>{role, world_.folder().aeron(),
                                                 world_.folder().regions(), std::to_string(seed)}));
    if (children_.back()->read_line().empty())
      throw std::runtime_error(std::string(role) + " did not start");
    return *children_.back();
  }

  // What was lost on the way, at both ends, while so many frames were published.
  struct Loss {
    std::uint64_t frames = 0;   // published
    std::uint64_t refused = 0;  // claims and commits of the producer
    std::uint64_t unheard = 0;  // announced to nobody
    std::uint64_t missed = 0;   // by the consumers: lost, overwritten, skipped, ended
    std::uint64_t all() const { return refused + unheard + missed; }
  };
  static std::uint64_t missed(Books& b) {
    return b["lost"] + b["overwritten"] + b["skipped"] + b["ended"];
  }
  Loss phase(test::Child& producer, const std::vector<test::Child*>& consumers) {
    Books before = producer.ask("stats");
    std::uint64_t missed_before = 0;
    for (test::Child* consumer : consumers) {
      Books b = consumer->ask("stats");
      missed_before += missed(b);
    }
    Books after;
    EXPECT_TRUE(eventually([&] {
      after = producer.ask("stats");
      return after["published"] >= before["published"] + frames_of_a_phase;
    }));
    Loss loss;
    loss.frames = after["published"] - before["published"];
    loss.refused = after["refused"] - before["refused"];
    loss.unheard = after["not_announced"] - before["not_announced"];
    for (test::Child* consumer : consumers) {
      Books b;
      EXPECT_TRUE(eventually([&] {  // has seen all of them
        b = consumer->ask("stats");
        return b["last_seq"] + 1 >= after["published"];
      }));
      loss.missed += missed(b);
      EXPECT_EQ(b["wrong"], 0U);
      EXPECT_EQ(b["balanced"], 1U);
      EXPECT_EQ(b["active"], 1U);
    }
    loss.missed -= missed_before;
    return loss;
  }

  World world_;

 private:
  std::vector<std::unique_ptr<test::Child>> children_;  // the last one ends first
};

TEST_F(HostileControl, costs_a_stream_no_frame_no_lease_and_the_driver_no_memory) {
  test::Child& driver = start("drive");
  test::Child& producer = start("produce");
  std::vector<test::Child*> consumers{&start("consume"), &start("consume")};
  for (test::Child* consumer : consumers) {
    ASSERT_TRUE(eventually([&] {
      Books b = consumer->ask("stats");
      return b["active"] == 1 && b["delivered"] > 0;
    }));
  }
  std::vector<test::Child*> attackers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) attackers.push_back(&start("attack", seed));

  const Loss silent = phase(producer, consumers);
  Books before = driver.ask("stats");
  EXPECT_EQ(before["malformed"] + before["refused"] + before["keepalives_ignored"], 0U);
  for (test::Child* attacker : attackers) (void)attacker->ask("send");
  const Loss attacked = phase(producer, consumers);
  Books after = driver.ask("stats");
  std::uint64_t sent = 0;
  for (test::Child* attacker : attackers) {
    Books b = attacker->ask("silent");
    sent += b["sent"];
    EXPECT_GT(b["oversized"], 0U);
    EXPECT_GT(b["heard"], 0U);
  }
  const auto grew = [&](const char* name) { return after[name] - before[name]; };
  RecordProperty("sent", std::to_string(sent));
  std::printf(
      "silent: %lu of %lu missed, %lu refused, %lu unheard; attacked by %lu messages: %lu of "
      "%lu missed, %lu refused, %lu unheard; driver: %lu pages more\n",
      silent.missed, silent.frames, silent.refused, silent.unheard, sent, attacked.missed,
      attacked.frames, attacked.refused, attacked.unheard, grew("pages"));

  // The stream.
  EXPECT_GT(sent, 4 * attacked.frames) << "hardly an attack";
  EXPECT_LE(attacked.all(), silent.all() + allowance);
  for (test::Child* party : {&producer, consumers[0], consumers[1]}) {
    Books b = party->ask("stats");
    EXPECT_EQ(b["lease_lost"], 0U);
    EXPECT_EQ(b["attached"], 1U);
    EXPECT_EQ(b["unmapped"], 0U);
    EXPECT_EQ(b["sessions"], 1U);
  }

  // The driver heard it all, refused what is to be refused, and served the others.
  EXPECT_GT(grew("malformed"), 0U);
  EXPECT_GT(grew("keepalives_ignored"), 0U);
  EXPECT_GT(grew("detach_refused"), 0U);
  EXPECT_GT(grew("hellos_ignored"), 0U);
  EXPECT_GE(after["reasons"], 8U);
  EXPECT_GT(grew("keepalives"), 0U);
  // Attaches that are right hold leases, as many as there may be.
  EXPECT_GT(grew("too_many_leases"), 0U);
  EXPECT_EQ(after["leases"], leases_most);
  EXPECT_LE(after["streams"], 1U + range_last - range_first + 1U);
  EXPECT_LT(grew("errors"), 10U) << "said once, not once a message";
  EXPECT_LT(grew("pages"), 16'384U) << "64 MiB";

  // They are over once nobody keeps them, and there is room again.
  EXPECT_TRUE(eventually([&] { return driver.ask("stats")["leases"] == 3; }));
  test::Child& late = start("consume");
  EXPECT_TRUE(eventually([&] { return late.ask("stats")["delivered"] > 0; }));
  EXPECT_EQ(producer.ask("stats")["lease_lost"], 0U);
}

}  // namespace
}  // namespace tensorpool::integration::hostile
