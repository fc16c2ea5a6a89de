// Clients of a driver that are killed (-9) or stopped past the end of their leases, one at every named point, each
// on a stream of its own and all at once, beside others that must not notice; with a media driver inside
// the driver and with one beside it. The tables of outcomes are printed, a line a case.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "fault/leased_support.hpp"

namespace tensorpool::fault {
namespace {

using Case = std::tuple<int, Media>;
std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  return name_of(std::get<0>(info.param)) + "_" + name_of(std::get<1>(info.param));
}
const auto all_cases = ::testing::Combine(::testing::Values(SIGKILL, SIGSTOP),
                                          ::testing::Values(Media::separate, Media::embedded));

struct Place {
  const char* point;
  std::uint64_t visit;
  const char* when;
};
bool at_start(const Place& place) { return std::string(place.when) == "start"; }
// The attach was asked for, but no response was taken: such a client never heard of its lease.
bool before_lease(const Place& place) {
  const std::string point = place.point;
  return point == "request_claim" || point == "request_sent" || point == "response_heard";
}
// Nobody heard what is in the log in part.
bool unheard(const Place& place) { return std::string(place.point) == "request_claim"; }

class LeasedVictims : public ::testing::TestWithParam<Case> {
 protected:
  static int signal() { return std::get<0>(GetParam()); }
  static bool stops() { return signal() == SIGSTOP; }
  Fault fault(const Place& place) const { return {place.point, place.visit, signal(), place.when}; }
  Setting on_stream(std::uint32_t port) const {
    Setting setting = world_.setting();
    setting.stream += port;
    return setting;
  }
  // As many as there are places have a lease, but for those that nobody heard.
  static std::uint64_t leases_of(const std::vector<Place>& places) {
    return static_cast<std::uint64_t>(
        std::count_if(places.begin(), places.end(), [](const Place& p) { return !unheard(p); }));
  }
  void expect_healthy(Peer& peer, std::uint32_t ports, bool reads) {
    const std::uint64_t gap = stats(world_.driver())["gap_ms"];
    for (std::uint32_t port = 0; port < ports; ++port) {
      Peer::Books books = stats(peer, port);
      EXPECT_EQ(books["balanced"], 1U) << "port " << port;
      expect_lease_kept(books, gap);
      expect_leases_balance(books);
      if (!reads) continue;
      EXPECT_EQ(books["wrong"], 0U) << "port " << port;
      if (books["gap_ms"] > crowded_ms) continue;
      EXPECT_EQ(books["lost"] + books["overwritten"] + books["skipped"], 0U)
          << "port " << port << ": " << list(books, {"lost", "overwritten", "skipped"});
    }
  }
  void tell(const Place& place, const char* role, const std::string& text) const {
    tell_outcome(place.point, signal(), role, name_of(std::get<1>(GetParam())) + ": " + text);
  }

  LeasedWorld world_{std::get<1>(GetParam())};
};

// --- Producers.

const std::vector<Place> producer_places{
    {"request_claim", 1, "start"},
    {"request_sent", 1, "start"},
    {"response_heard", 1, "start"},
    {"mapping", 1, "start"},
    {"mapped", 2, "start"},
    {"adopted", 1, "start"},
    {"keepalive_claim", 2, "frames"},
    {"claimed", 40, "frames"},
    {"filling", 40, "frames"},
    {"before_commit_word", 40, "frames"},
    {"after_commit_word", 40, "frames"},
    {"before_descriptor", 40, "frames"},
    {"after_descriptor", 40, "frames"},
};

class LeasedProducers : public LeasedVictims {
 protected:
  static constexpr std::uint64_t first = 1;
  static constexpr std::uint64_t second = 2;
  static std::uint32_t count() { return static_cast<std::uint32_t>(producer_places.size()); }

  void strike() {
    for (std::uint32_t i = 0; i < count(); ++i)
      victims_.push_back(std::make_unique<Peer>("leased_producer", on_stream(i), first,
                                                fault(producer_places[i])));
    for (std::uint32_t i = 0; i < count(); ++i) {
      if (at_start(producer_places[i])) continue;
      EXPECT_TRUE(victims_[i]->ready());
      EXPECT_FALSE(victims_[i]->ask("run").empty());
    }
    for (std::uint32_t i = 0; i < count(); ++i)
      EXPECT_TRUE(victims_[i]->struck_by(signal())) << producer_places[i].point;
  }
  // The others get every stream as soon as the leases of the struck are over.
  std::unique_ptr<Peer> replace(Peer& reader) {
    auto next = std::make_unique<Peer>("leased_producer", world_.setting(count()), second);
    EXPECT_TRUE(next->ready());
    EXPECT_FALSE(next->ask("run").empty());
    for (std::uint32_t i = 0; i < count(); ++i)
      EXPECT_TRUE(hears(reader, i, second)) << producer_places[i].point;
    return next;
  }
  // Continued, they publish nothing into the next one's epoch, say once that they lost the lease, and
  // come back when the stream is free.
  void go_on(Peer& reader, std::unique_ptr<Peer> next) {
    for (auto& victim : victims_) victim->signal(SIGCONT);
    for (std::uint32_t i = 0; i < count(); ++i) {
      if (at_start(producer_places[i])) {
        EXPECT_TRUE(victims_[i]->ready());
        EXPECT_FALSE(victims_[i]->ask("run").empty());
      }
      const char* told = before_lease(producer_places[i]) ? "attach_failed" : "leases_lost";
      EXPECT_TRUE(reaches(*victims_[i], told, 1)) << producer_places[i].point;
      EXPECT_TRUE(hears(reader, i, second)) << producer_places[i].point;
    }
    expect_healthy(*next, count(), false);
    EXPECT_FALSE(next->close().empty());
    for (std::uint32_t i = 0; i < count(); ++i) {
      const Place& place = producer_places[i];
      EXPECT_TRUE(hears(reader, i, first)) << place.point;
      Peer::Books books = stats(*victims_[i]);
      expect_leases_balance(books);
      if (books["gap_ms"] <= crowded_ms) {
        EXPECT_EQ(books["leases_lost"], before_lease(place) ? 0U : 1U);
      }
      // A slot that was open when the lease ended is refused.
      const std::string point = place.point;
      if (point == "claimed" || point == "filling") {
        EXPECT_EQ(books["commits_refused"] + books["aborted"], 1U) << point;
      }
      EXPECT_EQ(books["balanced"], 1U);
      tell(place, "producer",
           "its stream was given on; goes on after SIGCONT: " +
               list(books, {"attached", "leases_lost", "lost_deadline", "lost_expired", "aborted",
                            "commits_refused"}));
      EXPECT_FALSE(victims_[i]->close().empty());
    }
  }

  std::vector<std::unique_ptr<Peer>> victims_;
};

// Proves: DRV-92, DRV-94, DRV-100, DRV-112, CON-45
TEST_P(LeasedProducers, hurt_nobody) {
  world_.start_driver(count());
  Peer reader("leased_consumer", world_.setting(count()));
  ASSERT_TRUE(reader.ready());
  strike();
  if (stops()) {
    EXPECT_TRUE(becomes(world_.driver(), "expired", leases_of(producer_places)));
  }
  std::unique_ptr<Peer> next = replace(reader);
  Peer::Books driver = stats(world_.driver());
  EXPECT_EQ(driver["expired"], leases_of(producer_places));
  EXPECT_EQ(driver["malformed"], 0U);
  if (stops()) {
    go_on(reader, std::move(next));
  } else {
    expect_healthy(*next, count(), false);
    EXPECT_FALSE(next->close().empty());
    for (const Place& place : producer_places)
      tell(place, "producer", "the next producer has its stream after the lease expired");
  }
  expect_healthy(reader, count(), true);
  EXPECT_FALSE(reader.close().empty());
  EXPECT_TRUE(world_.only_current(static_cast<int>(count())));
  EXPECT_EQ(world_.end(), 0);
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, LeasedProducers, all_cases, case_name);

// --- Consumers.

const std::vector<Place> consumer_places{
    {"request_claim", 1, "start"},
    {"request_sent", 1, "start"},
    {"response_heard", 1, "start"},
    {"mapping", 1, "start"},
    {"mapped", 2, "start"},
    {"keepalive_claim", 2, "frames"},
    {"commit_word_loaded", 40, "frames"},
    {"header_copied", 40, "frames"},
    {"in_handler", 40, "frames"},
    {"reading", 40, "frames"},
    {"before_proof", 40, "frames"},
    {"adopted", 1, "remap"},
    {"mapping", 1, "remap"},
    {"mapped", 2, "remap"},
};
bool remaps(const Place& place) { return std::string(place.when) == "remap"; }

class LeasedConsumers : public LeasedVictims {
 protected:
  static constexpr std::uint64_t sender = 1;
  static std::uint32_t count() { return static_cast<std::uint32_t>(consumer_places.size()); }

  void strike(Peer& producer) {
    for (std::uint32_t i = 0; i < count(); ++i)
      victims_.push_back(
          std::make_unique<Peer>("leased_consumer", on_stream(i), 0, fault(consumer_places[i])));
    for (std::uint32_t i = 0; i < count(); ++i) {
      if (!remaps(consumer_places[i])) continue;
      EXPECT_TRUE(victims_[i]->ready());
      EXPECT_TRUE(hears(*victims_[i], 0, sender));
      EXPECT_FALSE(victims_[i]->ask("arm").empty());
      EXPECT_FALSE(producer.ask(fmt::format("reopen {}", i)).empty());
    }
    for (std::uint32_t i = 0; i < count(); ++i)
      EXPECT_TRUE(victims_[i]->struck_by(signal())) << consumer_places[i].point;
  }
  void go_on() {
    for (auto& victim : victims_) victim->signal(SIGCONT);
    for (std::uint32_t i = 0; i < count(); ++i) {
      const Place& place = consumer_places[i];
      if (!remaps(place)) {
        EXPECT_TRUE(victims_[i]->ready());
      }
      EXPECT_TRUE(hears(*victims_[i], 0, sender)) << place.point;
      EXPECT_TRUE(reaches(*victims_[i], before_lease(place) ? "attached" : "leases_lost", 1));
      EXPECT_TRUE(hears(*victims_[i], 0, sender)) << place.point;
      Peer::Books books = stats(*victims_[i]);
      expect_right_bytes(books);
      expect_leases_balance(books);
      if (books["gap_ms"] <= crowded_ms) {
        EXPECT_EQ(books["leases_lost"], before_lease(place) ? 0U : 1U);
      }
      tell(
          place, "consumer",
          "goes on after SIGCONT: " + list(books, {"attached", "leases_lost", "lost_deadline",
                                                   "lost_expired", "delivered", "ended", "wrong"}));
      EXPECT_FALSE(victims_[i]->close().empty());
    }
  }

  std::vector<std::unique_ptr<Peer>> victims_;
};

// Proves: DRV-100, DRV-112, DRV-116, DRV-134, CON-39
TEST_P(LeasedConsumers, hurt_nobody) {
  world_.start_driver(count());
  Peer producer("leased_producer", world_.setting(count()), sender);
  Peer reader("leased_consumer", world_.setting(count()));
  ASSERT_TRUE(producer.ready());
  ASSERT_TRUE(reader.ready());
  ASSERT_FALSE(producer.ask("run").empty());
  for (std::uint32_t i = 0; i < count(); ++i) ASSERT_TRUE(hears(reader, i, sender));
  strike(producer);
  EXPECT_TRUE(becomes(world_.driver(), "expired", leases_of(consumer_places)));
  for (std::uint32_t i = 0; i < count(); ++i) EXPECT_TRUE(hears(reader, i, sender));
  if (stops()) {
    go_on();
  } else {
    Peer newcomer("leased_consumer", world_.setting(count()));
    EXPECT_TRUE(newcomer.ready());
    for (std::uint32_t i = 0; i < count(); ++i) {
      EXPECT_TRUE(hears(newcomer, i, sender));
      tell(consumer_places[i], "consumer", "a new consumer reads; producer and others not held up");
    }
    expect_healthy(newcomer, count(), true);
  }
  const std::uint64_t gap = stats(world_.driver())["gap_ms"];
  for (std::uint32_t i = 0; i < count(); ++i) {
    Peer::Books books = stats(producer, i);
    if (remaps(consumer_places[i])) continue;  // told of two ports
    expect_lease_kept(books, gap);
    EXPECT_LE(books["back_pressured"], refused_by_chance);
  }
  expect_healthy(reader, count(), true);
  EXPECT_FALSE(producer.close().empty());
  EXPECT_FALSE(reader.close().empty());
  EXPECT_TRUE(world_.only_current(static_cast<int>(count())));
  EXPECT_EQ(world_.end(), 0);
}
INSTANTIATE_TEST_SUITE_P(AtEveryPoint, LeasedConsumers, all_cases, case_name);

}  // namespace
}  // namespace tensorpool::fault
