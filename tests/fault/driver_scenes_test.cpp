// Scenes with drivers and their clients as real processes: two drivers, a restart under many clients, a consumer
// frozen across epochs, leases that expire or are revoked, regions that are not what was said, an end with
// work in flight.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "fault/leased_support.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/producer.hpp"

namespace tensorpool::fault {
namespace {

constexpr std::uint64_t sender = 1;
constexpr auto ok = static_cast<std::uint64_t>(Code::ok);
constexpr auto lease_ended = static_cast<std::uint64_t>(Code::lease_ended);
constexpr auto reattaching = static_cast<std::uint64_t>(Code::reattaching);
constexpr auto shut_down = static_cast<std::uint64_t>(PortState::shutdown);

class DriverScenes : public ::testing::Test {
 protected:
  // A driver, a producer that sends and a consumer that hears it.
  void start_all() {
    world_.start_driver();
    reader_ = std::make_unique<Peer>("leased_consumer", world_.setting());
    producer_ = std::make_unique<Peer>("leased_producer", world_.setting(), sender);
    ASSERT_TRUE(reader_->ready() && producer_->ready());
    ASSERT_FALSE(producer_->ask("run").empty());
    ASSERT_TRUE(hears(*reader_, 0, sender));
  }
  void end_all() {
    Peer::Books sent = producer_->close();
    EXPECT_EQ(sent["balanced"], 1U);
    EXPECT_EQ(sent["open"], 0U);
    expect_leases_balance(sent);
    Peer::Books heard = reader_->close();
    expect_right_bytes(heard);
    expect_leases_balance(heard);
    EXPECT_EQ(world_.end(), 0);
  }
  Peer& reader() { return *reader_; }
  Peer& producer() { return *producer_; }

  LeasedWorld world_{Media::separate};
  std::unique_ptr<Peer> reader_;
  std::unique_ptr<Peer> producer_;
};

// --- More drivers than one.

// Proves: DRV-5
TEST_F(DriverScenes, two_drivers_cannot_have_one_namespace) {
  start_all();
  const std::string refusal = Peer("driver", world_.setting()).refusal();
  EXPECT_NE(refusal.find("driver_running"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find(std::to_string(world_.driver().pid())), std::string::npos) << refusal;
  EXPECT_TRUE(hears(reader(), 0, sender));
  end_all();
}

// Proves: DRV-156
TEST_F(DriverScenes, two_drivers_share_a_media_driver_in_two_namespaces) {
  start_all();
  Setting second = world_.setting();
  second.space = "second";
  second.control = 2000;
  Peer driver("driver", second);
  ASSERT_TRUE(driver.ready());
  Peer other_reader("leased_consumer", second);
  Peer other_producer("leased_producer", second, 2);
  ASSERT_TRUE(other_reader.ready() && other_producer.ready());
  ASSERT_FALSE(other_producer.ask("run").empty());
  EXPECT_TRUE(hears(other_reader, 0, 2));
  // The end of one is nothing to the clients of the other.
  ASSERT_TRUE(driver.strike(SIGKILL));
  EXPECT_TRUE(hears(reader(), 0, sender, 50));
  Peer again("driver", second);
  ASSERT_TRUE(again.ready());
  EXPECT_TRUE(reaches(other_reader, "leases_lost", 1));
  EXPECT_TRUE(hears(other_reader, 0, 2));
  Peer::Books books = stats(other_reader);
  expect_right_bytes(books);
  books = stats(reader());
  expect_right_bytes(books);
  expect_lease_kept(books, stats(world_.driver())["gap_ms"]);
  EXPECT_FALSE(other_producer.close().empty());
  EXPECT_FALSE(other_reader.close().empty());
  EXPECT_FALSE(again.close().empty());
  end_all();
}

// What a driver made is not what a producer of direct mode made in the same place, as long as that one lives.
// Proves: DRV-179
TEST_F(DriverScenes, a_living_process_keeps_its_epoch_from_the_drivers_collection) {
  Setting direct = world_.setting();
  direct.control = 2000;
  Peer writer("producer", world_.setting(), 9);  // on the streams of its own
  ASSERT_TRUE(writer.ready());
  Peer driver("driver", direct);
  Peer leased("leased_producer", direct, sender);
  ASSERT_TRUE(driver.ready() && leased.ready());
  ASSERT_TRUE(becomes(leased, "active", 1));
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t epoch = stats(leased)["epoch"];
    ASSERT_FALSE(leased.ask("reopen").empty());
    ASSERT_TRUE(eventually([&] {
      Peer::Books books = stats(leased);
      return books["active"] == 1 && books["epoch"] > epoch;
    }));
    EXPECT_TRUE(world_.only_current(2));
  }
  ASSERT_TRUE(writer.strike(SIGKILL));
  ASSERT_FALSE(leased.ask("reopen").empty());
  EXPECT_TRUE(world_.only_current(1));
  EXPECT_FALSE(leased.close().empty());
  EXPECT_FALSE(driver.close().empty());
  EXPECT_EQ(world_.epochs(), 0);
}

// --- A restart.

// Proves: DRV-29, DRV-40, DRV-191, DRV-194
TEST_F(DriverScenes, a_driver_restarted_under_twenty_clients_gives_each_a_lease_of_its_own) {
  constexpr std::uint32_t streams = 5;
  world_.start_driver(streams);
  std::vector<std::unique_ptr<Peer>> peers;  // a producer and three consumers of each stream
  peers.push_back(std::make_unique<Peer>("leased_producer", world_.setting(streams), sender));
  for (int i = 0; i < 3; ++i)
    peers.push_back(std::make_unique<Peer>("leased_consumer", world_.setting(streams)));
  for (auto& peer : peers) ASSERT_TRUE(peer->ready());
  ASSERT_FALSE(peers[0]->ask("run").empty());
  const auto all_hear = [&] {
    for (std::size_t i = 1; i < peers.size(); ++i) {
      for (std::uint32_t port = 0; port < streams; ++port) {
        if (!hears(*peers[i], port, sender, 2)) return false;
      }
    }
    return true;
  };
  ASSERT_TRUE(all_hear());
  for (int restart = 0; restart < 2; ++restart) {
    ASSERT_TRUE(world_.driver().strike(SIGKILL));
    world_.start_driver(streams);
    ASSERT_TRUE(becomes(world_.driver(), "producers", streams));
    ASSERT_TRUE(becomes(world_.driver(), "consumers", 3 * streams));
    ASSERT_TRUE(all_hear());
    std::set<std::uint64_t> ids;
    std::set<std::uint64_t> nodes;
    for (auto& peer : peers) {
      for (std::uint32_t port = 0; port < streams; ++port) {
        Peer::Books books = stats(*peer, port);
        ids.insert(books["id"]);
        nodes.insert(books["node"]);
        expect_leases_balance(books);
      }
    }
    EXPECT_EQ(ids.size(), peers.size() * streams);
    EXPECT_EQ(nodes.size(), peers.size() * streams);
    EXPECT_EQ(nodes.count(0), 0U);
  }
  for (auto& peer : peers) {
    for (std::uint32_t port = 0; port < streams; ++port)
      EXPECT_EQ(stats(*peer, port)["balanced"], 1U);
    EXPECT_FALSE(peer->close().empty());
  }
  EXPECT_EQ(world_.end(), 0);
}

// --- Epochs.

// Proves: DRV-131, DRV-134
TEST_F(DriverScenes, a_consumer_goes_from_epoch_to_epoch_with_one_lease) {
  start_all();
  for (int i = 0; i < 3; ++i) {
    Peer::Books before = stats(reader());
    ASSERT_FALSE(producer().ask("reopen").empty());
    ASSERT_TRUE(eventually([&] {
      Peer::Books books = stats(reader());
      return books["epoch"] > before["epoch"] && books["delivered"] > before["delivered"] + 20;
    }));
  }
  Peer::Books books = stats(reader());
  EXPECT_GE(books["sessions"], 4U);
  expect_lease_kept(books, stats(world_.driver())["gap_ms"]);
  EXPECT_TRUE(world_.only_current(1));
  producer_->close();
  producer_ = std::make_unique<Peer>("leased_producer", world_.setting(), sender + 1);
  ASSERT_TRUE(producer().ready());
  ASSERT_FALSE(producer().ask("run").empty());
  EXPECT_TRUE(hears(reader(), 0, sender + 1));
  end_all();
}

// Proves: SHM-185, DRV-131
TEST_F(DriverScenes, a_consumer_frozen_across_epochs_takes_no_wrong_byte) {
  start_all();
  for (const char* point : {"reading", "in_handler", "header_copied"}) {
    Peer frozen("leased_consumer", world_.setting(), 0, {point, 40, SIGSTOP, "frames"});
    ASSERT_TRUE(frozen.struck_by(SIGSTOP));
    for (int i = 0; i < 2; ++i) {
      const std::uint64_t epoch = stats(producer())["epoch"];
      ASSERT_FALSE(producer().ask("reopen").empty());
      ASSERT_TRUE(eventually([&] { return stats(producer())["epoch"] > epoch; }));
    }
    ASSERT_TRUE(hears(reader(), 0, sender));
    EXPECT_TRUE(world_.only_current(1));  // what it has mapped has no name any more
    frozen.signal(SIGCONT);
    ASSERT_TRUE(frozen.ready());
    ASSERT_TRUE(hears(frozen, 0, sender));
    ASSERT_TRUE(eventually([&] { return stats(frozen)["epoch"] == stats(reader())["epoch"]; }));
    // And for longer than its lease.
    ASSERT_TRUE(frozen.strike(SIGSTOP));
    const std::uint64_t expired = stats(world_.driver())["expired"];
    ASSERT_TRUE(reaches(world_.driver(), "expired", expired + 1));
    ASSERT_FALSE(producer().ask("reopen").empty());
    ASSERT_TRUE(hears(reader(), 0, sender));
    frozen.signal(SIGCONT);
    ASSERT_TRUE(hears(frozen, 0, sender));
    Peer::Books books = frozen.close();
    expect_right_bytes(books);
    expect_leases_balance(books);
    tell_outcome(point, SIGSTOP, "consumer",
                 "frozen across epochs: " + list(books, {"leases_lost", "delivered", "ended",
                                                         "overwritten", "wrong_epoch", "wrong"}));
  }
  end_all();
}

// --- Leases that end.

// Proves: CON-41, CON-42, CON-45
TEST_F(DriverScenes, a_producer_stopped_past_its_lease_acts_no_more) {
  start_all();
  ASSERT_FALSE(producer().ask("pause").empty());
  ASSERT_EQ(producer().ask("hold 0")["code"], ok);
  Peer::Books before = stats(producer());
  ASSERT_TRUE(producer().strike(SIGSTOP));
  ASSERT_TRUE(becomes(world_.driver(), "expired", 1));
  // The first thing that it does when it wakes up.
  ASSERT_TRUE(producer().post("commit 0"));
  producer().signal(SIGCONT);
  Peer::Books books = Peer::parse(producer().read_line());
  EXPECT_TRUE(books["code"] == lease_ended || books["code"] == reattaching) << books["code"];
  EXPECT_TRUE(books["claim_code"] != ok || books["attached"] > 1);
  EXPECT_EQ(books["published"], before["published"]);
  EXPECT_EQ(books["commits_refused"] + books["aborted"], before["aborted"] + 1);
  EXPECT_TRUE(reaches(producer(), "attached", 2));
  books = stats(producer());
  EXPECT_EQ(books["lost_deadline"] + books["lost_expired"], 1U);
  expect_leases_balance(books);
  ASSERT_FALSE(producer().ask("run").empty());
  EXPECT_TRUE(hears(reader(), 0, sender));
  end_all();
}

// Proves: CON-39, CON-41
TEST_F(DriverScenes, a_consumer_stopped_past_its_lease_reads_nothing_before_it_has_another) {
  start_all();
  ASSERT_FALSE(producer().ask("pause").empty());
  const std::uint64_t next = stats(producer())["next_seq"];
  ASSERT_TRUE(eventually([&] { return stats(reader())["last_seq"] + 1 == next; }));
  Peer::Books before = stats(reader());
  ASSERT_TRUE(reader().strike(SIGSTOP));
  ASSERT_FALSE(producer().ask("run").empty());
  ASSERT_TRUE(becomes(world_.driver(), "expired", 1));
  // Frames wait for it in the log, their bytes in the regions. Between two answers it polls.
  ASSERT_TRUE(reader().post("stats 0\nstats 0"));
  reader().signal(SIGCONT);
  (void)reader().read_line();
  Peer::Books books = Peer::parse(reader().read_line());
  if (books["attached"] == before["attached"]) {
    EXPECT_EQ(books["delivered"], before["delivered"]);
  }
  EXPECT_TRUE(reaches(reader(), "attached", 2));
  EXPECT_TRUE(hears(reader(), 0, sender));
  books = stats(reader());
  EXPECT_EQ(books["lost_deadline"] + books["lost_expired"], 1U);
  end_all();
}

// Proves: CON-45, DRV-112
TEST_F(DriverScenes, a_lease_revoked_under_an_open_claim_costs_the_claim_only) {
  start_all();
  ASSERT_FALSE(producer().ask("pause").empty());
  ASSERT_EQ(producer().ask("hold 0")["code"], ok);
  Peer::Books before = stats(producer());
  ASSERT_FALSE(world_.driver().ask("revoke").empty());
  ASSERT_TRUE(becomes(producer(), "lost_revoked", 1));
  EXPECT_NE(producer().text("why 0").find("as the test wants it"), std::string::npos);
  Peer::Books books = producer().ask("commit 0");  // writes to the slot first
  EXPECT_TRUE(books["code"] == lease_ended || books["code"] == reattaching) << books["code"];
  EXPECT_EQ(books["published"], before["published"]);
  ASSERT_TRUE(becomes(producer(), "active", 1));
  Peer::Books heard = stats(reader());
  EXPECT_EQ(heard["leases_lost"], 0U);
  EXPECT_EQ(heard["lost"], 0U);
  ASSERT_FALSE(producer().ask("run").empty());
  EXPECT_TRUE(hears(reader(), 0, sender));
  EXPECT_EQ(stats(world_.driver())["revoked"], 1U);
  end_all();
}

// --- Regions that are not what the response says.

// Proves: DRV-80, DRV-81
TEST_F(DriverScenes, regions_with_another_superblock_are_refused_until_they_are_right) {
  start_all();
  ASSERT_FALSE(world_.driver().ask("forge 1").empty());
  ASSERT_FALSE(producer().ask("reopen").empty());
  ASSERT_TRUE(reaches(producer(), "lost_unmappable", 3));
  EXPECT_NE(producer().text("why 0").find("stream_id"), std::string::npos)
      << producer().text("why 0");
  EXPECT_EQ(stats(producer())["active"], 0U);
  Peer newcomer("leased_consumer", world_.setting());
  ASSERT_TRUE(newcomer.ready());
  ASSERT_TRUE(reaches(newcomer, "lost_unmappable", 1));
  EXPECT_EQ(stats(newcomer)["active"], 0U);
  EXPECT_EQ(stats(newcomer)["delivered"], 0U);
  ASSERT_FALSE(world_.driver().ask("forge 0").empty());
  EXPECT_TRUE(becomes(producer(), "active", 1));
  EXPECT_TRUE(hears(reader(), 0, sender));
  EXPECT_TRUE(hears(newcomer, 0, sender));
  EXPECT_EQ(stats(world_.driver())["revoked"], 0U);
  EXPECT_FALSE(newcomer.close().empty());
  EXPECT_TRUE(world_.only_current(1));
  end_all();
}

// --- The end, in the middle of everything.

// Proves: DRV-155, DRV-210, DRV-212
TEST_F(DriverScenes, a_driver_ends_with_claims_open_and_a_creation_under_way) {
  world_.start_driver(2);
  Setting first = world_.setting();
  Setting second = world_.setting();
  ++second.stream;
  Peer producer("leased_producer", first, sender);
  Peer reader("leased_consumer", first);
  ASSERT_TRUE(producer.ready() && reader.ready());
  ASSERT_FALSE(producer.ask("run").empty());
  ASSERT_TRUE(hears(reader, 0, sender));
  ASSERT_FALSE(producer.ask("pause").empty());
  ASSERT_EQ(producer.ask("hold 0")["code"], ok);
  // The files of the second stream stand still.
  ASSERT_FALSE(world_.driver().ask("plan reserving 1 0").empty());
  ASSERT_FALSE(world_.driver().ask("arm").empty());
  Peer late("leased_producer", second, sender);
  ASSERT_TRUE(late.ready());
  ASSERT_TRUE(becomes(world_.driver(), "pending", 1));
  ASSERT_FALSE(world_.driver().ask("terminate").empty());
  EXPECT_TRUE(becomes(producer, "state", shut_down));
  EXPECT_TRUE(becomes(reader, "state", shut_down));
  Peer::Books books = producer.ask("commit 0");
  EXPECT_NE(books["code"], ok);
  EXPECT_NE(books["claim_code"], ok);
  for (Peer* peer : {&producer, &reader}) EXPECT_EQ(stats(*peer)["lost_shutdown"], 1U);
  EXPECT_EQ(stats(late)["attached"], 0U);
  ASSERT_FALSE(world_.driver().ask("release").empty());
  EXPECT_EQ(world_.end(), 0);
  // And all of them come back to the next one.
  world_.start_driver(2);
  ASSERT_FALSE(producer.ask("run").empty());
  EXPECT_TRUE(hears(reader, 0, sender));
  EXPECT_TRUE(becomes(late, "active", 1));
  for (Peer* peer : {&producer, &reader}) {
    Peer::Books last = peer->close();
    EXPECT_EQ(last["balanced"], 1U);
    expect_leases_balance(last);
  }
  EXPECT_FALSE(late.close().empty());
  EXPECT_EQ(world_.end(), 0);
}

}  // namespace
}  // namespace tensorpool::fault
