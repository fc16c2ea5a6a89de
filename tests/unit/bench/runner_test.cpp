#include "runner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "report.hpp"

namespace tensorpool::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Measures nothing: every round of a case gives the next value of its own.
class Scripted final : public Workload {
 public:
  std::string name() const override { return "scripted"; }
  std::string title() const override { return "Scripted"; }
  std::string about() const override { return "Nothing is measured."; }
  std::vector<std::string> references() const override { return {"b"}; }
  std::vector<Case> cases(const Plan&) const override {
    std::vector<Case> cases;
    for (const char* name : names) {
      cases.emplace_back();
      cases.back().name = name;
    }
    return cases;
  }
  Outcome measure(const Arena&, const Case& one, Histogram& histogram) const override {
    order.push_back(one.name);
    const std::size_t round = rounds[one.name]++;
    if (one.name == breaks && round == 1) throw Failure("it broke");
    histogram.record(static_cast<std::int64_t>(100 + round));
    Outcome outcome;
    const double factor = one.name == "b" ? 2 : 1;
    outcome.figures = {{"time", "ns", factor * static_cast<double>(10 + round)}};
    outcome.books.sent = 10;
    outcome.books.lost = round;
    return outcome;
  }
  std::uint64_t shared_bytes(const Case& one) const override {
    return one.name == large ? std::uint64_t{1} << 50 : 0;
  }

  std::vector<const char*> names{"a", "b"};
  std::string breaks;
  std::string large;
  mutable std::vector<std::string> order;
  mutable std::map<std::string, std::size_t> rounds;
};

class RunnerTest : public ::testing::Test {
 protected:
  bench::Run run(std::size_t rounds) {
    plan.rounds = rounds;
    bench::Run found;
    const Stage stage;
    Runner(stage, plan).run(workload, found);
    return found;
  }
  Plan plan;
  Scripted workload;
};

TEST_F(RunnerTest, RoundsOfCasesTakeTurns) {
  const bench::Run found = run(3);
  EXPECT_THAT(workload.order, ElementsAre("a", "b", "a", "b", "a", "b"));
  ASSERT_EQ(found.findings.size(), 1U);
  ASSERT_EQ(found.findings[0].rows.size(), 2U);
  EXPECT_EQ(found.findings[0].rows[0].rounds.size(), 3U);
  EXPECT_EQ(found.findings[0].rows[0].histogram->samples(), 3U);
  EXPECT_TRUE(found.holes.empty());
}

TEST_F(RunnerTest, WhatFailsIsNamedAndTheRestGoesOn) {
  workload.breaks = "a";
  const bench::Run found = run(3);
  EXPECT_THAT(workload.order, ElementsAre("a", "b", "a", "b", "b"));
  ASSERT_EQ(found.findings.at(0).rows.size(), 1U);
  EXPECT_EQ(found.findings[0].rows[0].of.name, "b");
  ASSERT_EQ(found.holes.size(), 1U);
  EXPECT_EQ(found.holes[0].what, "a");
  EXPECT_TRUE(found.holes[0].failed);
  EXPECT_THAT(found.holes[0].why, HasSubstr("round 2: it broke"));
}

TEST_F(RunnerTest, WhatDoesNotFitIntoSharedMemoryIsNotStarted) {
  workload.large = "b";
  const bench::Run found = run(1);
  EXPECT_THAT(workload.order, ElementsAre("a"));
  ASSERT_EQ(found.holes.size(), 1U);
  EXPECT_EQ(found.holes[0].what, "b");
  EXPECT_FALSE(found.holes[0].failed);
  EXPECT_THAT(found.holes[0].why, HasSubstr("/dev/shm"));
}

TEST_F(RunnerTest, AWorkloadWithoutCasesIsNamed) {
  workload.names.clear();
  const bench::Run found = run(1);
  EXPECT_TRUE(found.findings.empty());
  EXPECT_EQ(found.holes.size(), 1U);
}

TEST_F(RunnerTest, JsonHasEveryRoundAndComparesRoundByRound) {
  const Json json = to_json(run(3), plan);
  const Json& row = json["workloads"][0]["rows"][0];
  EXPECT_EQ(row["label"], "a");
  const Json& figure = row["figures"][0];
  EXPECT_EQ(figure["rounds"], (Json{10.0, 11.0, 12.0}));
  EXPECT_EQ(figure["median"], 11.0);
  EXPECT_EQ(figure["low"], 10.0);
  EXPECT_EQ(figure["high"], 12.0);
  EXPECT_EQ(row["compared"]["b"][0]["median"], 0.5);
  EXPECT_EQ(row["compared"]["b"][0]["verdict"], "less");
  EXPECT_TRUE(json["workloads"][0]["rows"][1]["compared"].empty());  // the reference itself
  EXPECT_EQ(row["books"]["sent"], 30);
  EXPECT_EQ(row["books"]["lost"], 3);
  EXPECT_EQ(row["samples"], 3);
}

TEST(Pinning, WhoMayNotPinIsLeftAlone) { EXPECT_NO_THROW(pin(-1)); }
TEST(Pinning, ACpuThatIsNotThereIsAFailure) { EXPECT_THROW(pin(1'000), Failure); }

}  // namespace
}  // namespace tensorpool::bench
