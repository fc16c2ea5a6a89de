// Producers and consumers in processes of their own: who starts first, who ends first, who is killed.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "integration/peer.hpp"
#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 700;
constexpr std::uint32_t slots = 64;

class Processes : public ::testing::Test {
 protected:
  // Epoch directories on the disk.
  std::set<std::uint64_t> epochs() const {
    std::set<std::uint64_t> found;
    (void)test::count_files(folder().regions(), [&](const std::filesystem::path& path) {
      return path.filename() == "header.ring" &&
             found.insert(std::stoull(path.parent_path().filename())).second;
    });
    return found;
  }
  int files() const { return test::count_files(folder().regions()); }
  const Folder& folder() const { return world_.folder(); }

  Peer producer(std::uint32_t ring = slots) { return {"produce", folder(), stream, ring}; }
  Peer consumer(const char* role = "consume") { return {role, folder(), stream, slots}; }

  // Waits until `count` more frames were delivered under the current epoch of `from`.
  static bool more(Peer& reader, std::uint64_t count) {
    const std::uint64_t before = reader.stats()["delivered"];
    return eventually([&] { return reader.stats()["delivered"] >= before + count; });
  }
  static bool in_epoch(Peer& reader, std::uint64_t epoch) {
    return eventually([&] {
      Peer::Books books = reader.stats();
      return books["epoch"] == epoch && books["active"] == 1;
    });
  }
  static void expect_clean(Peer::Books books) {
    EXPECT_EQ(books["wrong"], 0U);
    EXPECT_EQ(books["errors"], 0U);
    EXPECT_EQ(books["balanced"], 1U);
    EXPECT_EQ(books["open"], 0U);
  }

 private:
  World world_;
};

// Proves: STR-88
TEST_F(Processes, a_consumer_that_was_first_gets_every_frame_byte_by_byte) {
  Peer reader = consumer();
  Peer writer = producer();
  ASSERT_TRUE(in_epoch(reader, writer.stats()["epoch"]));
  ASSERT_TRUE(until_linked(folder()));
  // One frame at a time, so that none is overwritten: each is announced exactly once.
  for (std::uint64_t sent = 1; sent <= 40; ++sent) {
    ASSERT_EQ(writer.ask("publish 1")["published"], sent);
    ASSERT_TRUE(eventually([&] { return reader.stats()["delivered"] == sent; }));
  }
  Peer::Books books = reader.close();
  expect_clean(books);
  EXPECT_EQ(books["seen"], 40U);
  EXPECT_EQ(books["lost"] + books["overwritten"] + books["duplicates"], 0U);
  expect_clean(writer.close());
  EXPECT_EQ(files(), 0);
}

TEST_F(Processes, consumers_come_and_go_beside_a_running_producer) {
  Peer writer = producer();
  writer.ask("run");
  Peer first = consumer();
  ASSERT_TRUE(more(first, 200));
  {
    Peer second = consumer();
    ASSERT_TRUE(more(second, 50));
    expect_clean(second.close());
  }
  Peer again = consumer();
  ASSERT_TRUE(more(again, 50));
  EXPECT_GT(again.stats()["last_seq"], 200U);  // from now on, not from the beginning
  ASSERT_TRUE(more(first, 50));
  EXPECT_EQ(first.stats()["sessions"], 1U);
  expect_clean(first.close());
  expect_clean(again.close());
  expect_clean(writer.close());
}

// Proves: STR-204, STR-92
TEST_F(Processes, a_restarted_producer_begins_a_higher_epoch_and_consumers_follow) {
  Peer reader = consumer();
  std::uint64_t before = 0;
  for (int life = 1; life <= 3; ++life) {
    Peer writer = producer(life == 2 ? 2 * slots : slots);  // another layout, too
    const std::uint64_t epoch = writer.stats()["epoch"];
    EXPECT_GT(epoch, before);
    EXPECT_EQ(writer.stats()["next_seq"], 0U);
    before = epoch;
    EXPECT_EQ(epochs(), std::set<std::uint64_t>{epoch});
    ASSERT_TRUE(in_epoch(reader, epoch));
    writer.ask("run");
    ASSERT_TRUE(more(reader, 50));
    expect_clean(writer.close());
    EXPECT_EQ(files(), 0);  // SHM-263
  }
  Peer::Books books = reader.close();
  expect_clean(books);
  EXPECT_GE(books["sessions"], 3U);
}

// Proves: STR-215
TEST_F(Processes, a_killed_producer_is_noticed_and_its_successor_found) {
  Peer reader = consumer();
  std::uint64_t first_epoch = 0;
  for (int life = 0; life < 3; ++life) {
    Peer writer = producer();
    const std::uint64_t epoch = writer.stats()["epoch"];
    if (life == 0) first_epoch = epoch;
    ASSERT_TRUE(in_epoch(reader, epoch));
    writer.ask("run");
    ASSERT_TRUE(more(reader, 50));
    // What the dead left behind is collected, one file at a time, but for the latest ones.
    if (life == 2) {
      EXPECT_TRUE(eventually([&] { return epochs().count(first_epoch) == 0; }));
    }
    writer.kill();
    ASSERT_TRUE(eventually([&] { return reader.stats()["active"] == 0; }));
    EXPECT_EQ(epochs().count(epoch), 1U);  // nobody cleaned up
  }
  expect_clean(reader.close());
  EXPECT_LE(epochs().size(), 2U);
}

// Proves: STR-233, SHM-177
TEST_F(Processes, a_killed_consumer_disturbs_nobody) {
  Peer writer = producer();
  Peer survivor = consumer();
  writer.ask("run");
  for (int i = 0; i < 3; ++i) {
    Peer victim = consumer("stall");
    ASSERT_TRUE(more(victim, 1));
    victim.kill();
    ASSERT_TRUE(more(survivor, 200));
  }
  EXPECT_EQ(survivor.stats()["sessions"], 1U);
  expect_clean(survivor.close());
  expect_clean(writer.close());
}

// Proves: STR-122, STR-233, SHM-177
TEST_F(Processes, a_slow_consumer_on_a_small_ring_catches_every_overwrite) {
  Peer writer = producer(4);
  Peer quick = consumer();
  Peer slow = consumer("stall");
  writer.ask("run");
  ASSERT_TRUE(eventually([&] { return slow.stats()["overwritten"] >= 30; }));
  ASSERT_TRUE(more(quick, 50));
  Peer::Books books = slow.close();
  expect_clean(books);
  EXPECT_GT(books["overwritten"], 0U);
  expect_clean(quick.close());
  expect_clean(writer.close());
}

// Proves: STR-1
TEST_F(Processes, a_second_producer_is_refused_and_disturbs_nobody) {
  Peer first = producer();
  const std::uint64_t epoch = first.stats()["epoch"];
  Peer reader = consumer();
  first.ask("run");
  ASSERT_TRUE(in_epoch(reader, epoch));
  EXPECT_THROW(producer(), std::runtime_error);
  EXPECT_EQ(epochs(), std::set<std::uint64_t>{epoch});
  ASSERT_TRUE(more(reader, 100));
  EXPECT_EQ(reader.stats()["sessions"], 1U);
  expect_clean(reader.close());
  expect_clean(first.close());
  EXPECT_EQ(files(), 0);
}

}  // namespace
}  // namespace tensorpool::integration
