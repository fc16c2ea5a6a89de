// Drivers made of counters: what is read, and what is made of strange ones.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agents/counters.hpp"
#include "agents/driver/driver_counters.hpp"
#include "tp/driver_counters.hpp"
#include "tp/json.hpp"

namespace tensorpool::cli {
namespace {

using transport::aeron::CounterView;

CounterView counter(std::string label, std::int64_t value, std::int64_t owner = 1) {
  CounterView view;
  view.type_id = agents::counter_type_id;
  view.label = std::move(label);
  view.value = value;
  view.owner_id = owner;
  return view;
}

std::string label(const std::string& name, const std::string& instance = "one", int process = 42) {
  return "tensorpool driver " + name + " stream=1000 id=" + std::to_string(process) +
         " instance=" + instance;
}

TEST(DriverCounters, make_one_driver) {
  const std::vector<CounterView> counters{counter(label("state"), 1),
                                          counter(label("producer leases"), 3)};
  const auto drivers = drivers_in(counters);
  ASSERT_EQ(drivers.size(), 1U);
  EXPECT_EQ(drivers[0].instance, "one");
  EXPECT_EQ(drivers[0].control_stream, 1000U);
  EXPECT_EQ(drivers[0].process_id, 42U);
  EXPECT_EQ(drivers[0].value("producer leases"), 3U);
  EXPECT_FALSE(drivers[0].value("consumer leases"));
}

TEST(DriverCounters, are_told_apart_by_instance_process_and_aeron_client) {
  const std::vector<CounterView> counters{
      counter(label("state", "one"), 0), counter(label("state", "two"), 0),
      counter(label("state", "one", 43), 0), counter(label("state", "one"), 0, 2)};
  EXPECT_EQ(drivers_in(counters).size(), 4U);
}

TEST(DriverCounters, of_other_kinds_are_passed_over) {
  CounterView other = counter(label("state"), 0);
  other.type_id = agents::counter_type_id + 1;
  std::vector<CounterView> counters{
      other,
      counter("tensorpool producer claimed stream=1 id=2", 0),
      counter("tensorpool driver state stream= id=1 instance=x", 0),
      counter("tensorpool driver state stream=99999999999 id=1 instance=x", 0),
      counter("tensorpool driver state stream=-1 id=1 instance=x", 0),
      counter("tensorpool driver state stream=1 id=x instance=x", 0),
      counter("tensorpool driver state stream=1 id=1", 0),
      counter("tensorpool driver  stream=1 id=1 instance", 0),
      counter("tensorpool driver", 0),
      counter("", 0)};
  EXPECT_TRUE(drivers_in(counters).empty());
}

// Labels are anybody's to write.
TEST(DriverCounters, never_bring_terminal_commands) {
  const std::vector<CounterView> counters{counter(label("state\x1b[2J", "a\x1b]0;b\x07\xff"), 0)};
  const auto drivers = drivers_in(counters);
  ASSERT_EQ(drivers.size(), 1U);
  EXPECT_EQ(drivers[0].instance, "a?]0;b??");
  EXPECT_EQ(drivers[0].counters.begin()->first, "state?[2J");
}

TEST(DriverCounters, an_instance_may_hold_what_looks_like_a_label) {
  const auto drivers = drivers_in(
      std::vector<CounterView>{counter(label("state", "a stream=1 id=2 instance=b"), 0)});
  ASSERT_EQ(drivers.size(), 1U);
  EXPECT_EQ(drivers[0].instance, "a stream=1 id=2 instance=b");
  EXPECT_EQ(drivers[0].process_id, 42U);
}

// Every number of the report has its counter: a name that the driver does not use would be null.
TEST(DriverStatus, reads_counters_that_drivers_have) {
  std::vector<CounterView> counters;
  for (const std::string_view name : agents::driver::DriverCounters::names())
    counters.push_back(counter(label(std::string(name)), 1));
  const Json status = status_of(drivers_in(counters).at(0), true);
  const std::string text = status.dump();
  EXPECT_EQ(text.find("null"), std::string::npos) << text;
  EXPECT_EQ(status["state"], "draining");
  EXPECT_EQ(status["connected"], true);
  EXPECT_EQ(status["attaches"]["refused"]["INVALID_PARAMS"], 1);
  for (const std::string& line : status_lines(status))
    EXPECT_EQ(line.find('?'), std::string::npos) << line;
}

TEST(DriverStatus, of_an_older_driver_leaves_open_what_it_does_not_count) {
  const auto drivers = drivers_in(std::vector<CounterView>{counter(label("producer leases"), 2)});
  const Json status = status_of(drivers.at(0), false);
  EXPECT_EQ(status["state"], "unknown");
  EXPECT_TRUE(status["connected"].is_null());
  EXPECT_TRUE(status["errors"].is_null());
  const auto lines = status_lines(status);
  EXPECT_NE(lines.at(0).find("gone"), std::string::npos) << lines.at(0);
  EXPECT_NE(lines.at(1).find("2 of producers, ? of consumers"), std::string::npos) << lines.at(1);
}

TEST(DriverStatus, shows_values_that_make_no_sense) {
  const auto drivers = drivers_in(std::vector<CounterView>{counter(label("state"), -1),
                                                           counter(label("bytes reserved"), -1),
                                                           counter(label("longest cycle ns"), -1)});
  const Json status = status_of(drivers.at(0), true);
  EXPECT_EQ(status["state"], "unknown (18446744073709551615)");
  EXPECT_EQ(status_lines(status).size(), 7U);
}

TEST(ProcessAlive, knows_this_one_and_asks_for_no_group) {
  EXPECT_TRUE(process_alive(static_cast<std::uint32_t>(::getpid())));
  EXPECT_FALSE(process_alive(0));
  EXPECT_FALSE(process_alive(UINT32_MAX));  // -1: everybody
  EXPECT_FALSE(process_alive(INT32_MAX));
}

}  // namespace
}  // namespace tensorpool::cli
