// A driver that is killed (-9) and started again, or stopped until its clients take it for lost and continued, at
// every named point of what it does with files and says to clients; with a media driver inside it, which dies
// and stands still with it, and with one beside it. The tables of outcomes are printed, a line a case.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <memory>
#include <thread>
#include <tuple>
#include <vector>

#include "fault/leased_support.hpp"

namespace tensorpool::fault {
namespace {

// One producer that begins anew makes the driver go through all of these: the regions of the idle epoch and of
// the next one, notice, response and announces, and the removal of what was there before.
struct Place {
  const char* point;
  std::uint64_t visit;
};
const std::vector<Place> places{
    {"made_directory", 4},  // of the epoch
    {"created", 1},        {"reserved", 2},       {"mapped", 2},
    {"prefaulted", 2},     {"syncing", 1},        {"synced", 2},
    {"request_heard", 1},  {"response_claim", 1}, {"response_sent", 1},
    {"notice_claim", 1},   {"announce_claim", 1}, {"announce_sent", 2},
    {"unlinking", 1},      {"unlinked", 1},       {"removing_directory", 1},
};
constexpr std::size_t lanes = 4;

using Case = std::tuple<int, Media>;
std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return name_of(std::get<0>(info.param)) + "_" + name_of(std::get<1>(info.param));
}

// One driver with its clients, and one place after the other. All of the clients live through all of it.
class Lane {
 public:
  Lane(int signal, Media media) : signal_(signal), media_(media), world_(media) {
    world_.start_driver();
    reader_ = std::make_unique<Peer>("leased_consumer", world_.setting());
    producer_ = std::make_unique<Peer>("leased_producer", world_.setting(), sender);
    EXPECT_TRUE(reader_->ready() && producer_->ready());
    EXPECT_FALSE(producer_->ask("run").empty());
    EXPECT_TRUE(hears(*reader_, 0, sender));
  }

  void strike(const Place& place) {
    const std::string what = fmt::format("{} at {}", name_of(signal_), place.point);
    SCOPED_TRACE(what);
    Peer::Books before = stats(*reader_);
    EXPECT_FALSE(world_.driver()
                     .ask(fmt::format("plan {} {} {}", place.point, place.visit, signal_))
                     .empty());
    EXPECT_FALSE(world_.driver().ask("arm").empty());
    EXPECT_FALSE(producer_->ask("reopen").empty());
    EXPECT_TRUE(world_.driver().struck_by(signal_));
    if (signal_ == SIGKILL) world_.start_driver();  // which does not know the reader's lease
    EXPECT_TRUE(reaches(*reader_, "leases_lost", before["leases_lost"] + 1));
    if (signal_ != SIGKILL) world_.driver().signal(SIGCONT);
    EXPECT_TRUE(becomes(*producer_, "active", 1));
    EXPECT_TRUE(hears(*reader_, 0, sender));
    Peer::Books after = stats(*reader_);
    expect_right_bytes(after);
    EXPECT_GT(after["epoch"], before["epoch"]);
    // Its one lease, once. And, since nothing is kept here, maybe one whose epoch was gone again before
    // the response had been read.
    if (after["gap_ms"] <= crowded_ms) {
      EXPECT_EQ(after["leases_lost"] - after["lost_unmappable"],
                before["leases_lost"] - before["lost_unmappable"] + 1)
          << "before: " << losses(before) << "; after: " << losses(after) << "; "
          << reader_->text("why 0");
    }
    expect_leases_balance(after);
    EXPECT_TRUE(world_.only_current(1));
    tell_outcome(place.point, signal_, "driver",
                 fmt::format("{}: consumer reads on: {}; nothing left of old epochs",
                             name_of(media_), difference(before, after)));
  }
  void end() {
    EXPECT_EQ(producer_->close()["balanced"], 1U);
    Peer::Books last = reader_->close();
    expect_right_bytes(last);
    EXPECT_TRUE(becomes(world_.driver(), "consumers", 0));
    EXPECT_EQ(world_.end(), 0);
  }

 private:
  static constexpr std::uint64_t sender = 1;

  static std::string difference(Peer::Books& before, Peer::Books& after) {
    std::string text;
    for (const auto& [name, value] : after) {
      const bool told = name.starts_with("lost_") || name == "lost" || name == "delivered" ||
                        name == "wrong_epoch";
      if (told && value != before[name])
        text += fmt::format("{}{} {}", text.empty() ? "" : " ", name, value - before[name]);
    }
    return text;
  }

  int signal_;
  Media media_;
  LeasedWorld world_;
  std::unique_ptr<Peer> reader_;
  std::unique_ptr<Peer> producer_;
};

class DriverVictim : public ::testing::TestWithParam<Case> {};

// Proves: DRV-129, DRV-130, DRV-191, DRV-194, DRV-195
TEST_P(DriverVictim, is_survived_by_its_clients) {
  const int signal = std::get<0>(GetParam());
  const Media media = std::get<1>(GetParam());
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    threads.emplace_back([lane, signal, media] {
      Lane one(signal, media);
      for (std::size_t i = lane; i < places.size(); i += lanes) {
        if (::testing::Test::HasFailure()) return;
        one.strike(places[i]);
      }
      one.end();
    });
  }
  for (std::thread& thread : threads) thread.join();
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, DriverVictim,
                         ::testing::Combine(::testing::Values(SIGKILL, SIGSTOP),
                                            ::testing::Values(Media::separate, Media::embedded)),
                         case_name);

// The media driver beside the driver.
class MediaDriverOfLeases : public ::testing::Test {
 protected:
  static constexpr std::uint64_t sender = 1;
  LeasedWorld world_{Media::separate};
};
// Proves: CON-38, CON-40
TEST_F(MediaDriverOfLeases, is_stopped_and_killed_and_all_come_back) {
  world_.start_driver();
  Peer reader("leased_consumer", world_.setting());
  Peer producer("leased_producer", world_.setting(), sender);
  ASSERT_TRUE(reader.ready() && producer.ready());
  ASSERT_FALSE(producer.ask("run").empty());
  ASSERT_TRUE(hears(reader, 0, sender));
  // What is connected needs no media driver, up to Aeron's flow-control window: keepalives and frames go on.
  ASSERT_TRUE(world_.media_driver().strike(SIGSTOP));
  ASSERT_TRUE(hears(reader, 0, sender, 100));
  world_.media_driver().signal(SIGCONT);
  ASSERT_TRUE(hears(reader, 0, sender, 100));
  ASSERT_TRUE(world_.media_driver().strike(SIGKILL));
  world_.start_media_driver();
  ASSERT_TRUE(becomes(world_.driver(), "connected", 1));
  ASSERT_TRUE(hears(reader, 0, sender, 100));
  for (Peer* peer : {&reader, &producer}) {
    Peer::Books books = stats(*peer);
    EXPECT_EQ(books["balanced"], 1U);
    EXPECT_LE(books["leases_lost"], 1U);
    expect_leases_balance(books);
    tell_outcome("running", SIGKILL, "media",
                 "goes on: " + list(books, {"published", "delivered", "wrong", "leases_lost"}));
  }
  Peer::Books last = reader.close();
  expect_right_bytes(last);
  EXPECT_FALSE(producer.close().empty());
  EXPECT_EQ(world_.end(), 0);
}

}  // namespace
}  // namespace tensorpool::fault
