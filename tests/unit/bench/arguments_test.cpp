#include "arguments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace tensorpool::bench {
namespace {

using ::testing::HasSubstr;

// The text of the BadArgument that `call` throws; empty: none.
template <class Call>
std::string refused(Call call) {
  try {
    (void)call();
  } catch (const BadArgument& failure) {
    return failure.what();
  }
  return {};
}

// A subject that is only there, or that cannot run.
class Dummy final : public Subject {
 public:
  explicit Dummy(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  Kind kind() const override { return Kind::rival; }
  std::string setup() const override { return "none"; }
  Capabilities capabilities() const override { return {}; }
  std::unique_ptr<Sender> sender(const Link&) const override { return nullptr; }
  std::unique_ptr<Receiver> receiver(const Link&) const override { return nullptr; }

 private:
  std::string name_;
};

std::vector<Entry> some_subjects() {
  std::vector<Entry> all;
  all.push_back({"here", std::make_unique<Dummy>("here"), ""});
  all.push_back({"absent", nullptr, "not built: ask for it"});
  return all;
}

TEST(Sizes, WithAndWithoutUnits) {
  EXPECT_EQ(parse_size("64"), 64U);
  EXPECT_EQ(parse_size("64B"), 64U);
  EXPECT_EQ(parse_size("64k"), 64 * KiB);
  EXPECT_EQ(parse_size("640KiB"), 640 * KiB);
  EXPECT_EQ(parse_size("8MiB"), 8 * MiB);
  EXPECT_EQ(parse_size("1.5k"), 1536U);
}

TEST(Sizes, ThatMakeNoSense) {
  for (const char* text :
       {"", "big", "-64", "0", "8", "65", "64X", "2000M", "nan", "inf", "1e99"}) {
    const std::string why = refused([&] { return parse_size(text); });
    EXPECT_THAT(why, HasSubstr("--size '" + std::string(text) + "'")) << text;
  }
}

TEST(Rates, WithAndWithoutUnits) {
  EXPECT_EQ(parse_rate("1000"), 1000);
  EXPECT_EQ(parse_rate("10k"), 10'000);
  EXPECT_EQ(parse_rate("100kHz"), 100'000);
}

TEST(Rates, ThatMakeNoSense) {
  for (const char* text : {"", "fast", "0", "-5", "0.1", "2e6", "10m", "inf"}) {
    const std::string why = refused([&] { return parse_rate(text); });
    EXPECT_THAT(why, HasSubstr("--rate '" + std::string(text) + "'")) << text;
  }
}

TEST(Workloads, HaveDifferentNames) {
  std::set<std::string> names;
  for (const auto& workload : all_workloads()) EXPECT_TRUE(names.insert(workload->name()).second);
}

TEST(Workloads, OnlyThoseThatWereAskedFor) {
  Wishes wishes;
  EXPECT_EQ(chosen_workloads(wishes).size(), all_workloads().size());
  EXPECT_TRUE(wants_instructions(wishes));
  wishes.workloads = {"no-touch", "copy-in"};
  ASSERT_EQ(chosen_workloads(wishes).size(), 2U);
  EXPECT_EQ(chosen_workloads(wishes).front()->name(), "copy-in");  // in the report's order
  EXPECT_FALSE(wants_instructions(wishes));
  wishes.workloads = {instructions_name};
  EXPECT_TRUE(chosen_workloads(wishes).empty());
  EXPECT_TRUE(wants_instructions(wishes));
}

TEST(Workloads, UnknownOnesAreRefusedWithTheNamesThatExist) {
  Wishes wishes;
  wishes.workloads = {"closed-loop", "clsed-loop"};
  const std::string why = refused([&] { return chosen_workloads(wishes); });
  EXPECT_THAT(why, HasSubstr("'clsed-loop'"));
  EXPECT_THAT(why, HasSubstr("open-loop"));
}

TEST(Plan, FiveRoundsOrTwo) {
  std::vector<Hole> holes;
  EXPECT_EQ(make_plan({}, some_subjects(), holes).rounds, 5U);
  Wishes quick;
  quick.quick = true;
  EXPECT_EQ(make_plan(quick, some_subjects(), holes).rounds, 2U);
  quick.rounds = 7;
  EXPECT_EQ(make_plan(quick, some_subjects(), holes).rounds, 7U);
}

TEST(Plan, SubjectsThatCannotRunAreNamed) {
  std::vector<Hole> holes;
  const std::vector<Entry> subjects = some_subjects();
  const Plan plan = make_plan({}, subjects, holes);
  ASSERT_EQ(plan.subjects.size(), 1U);
  EXPECT_EQ(plan.subjects[0]->name(), "here");
  ASSERT_EQ(holes.size(), 1U);
  EXPECT_EQ(holes[0].what, "absent");
  EXPECT_EQ(holes[0].why, "not built: ask for it");
  EXPECT_FALSE(holes[0].failed);
}

TEST(Plan, NothingIsSaidOfSubjectsThatNobodyAskedFor) {
  std::vector<Hole> holes;
  Wishes wishes;
  wishes.subjects = {"here"};
  const std::vector<Entry> subjects = some_subjects();
  const Plan plan = make_plan(wishes, subjects, holes);
  EXPECT_EQ(plan.subjects.size(), 1U);
  EXPECT_FALSE(plan.memcpy);
  EXPECT_TRUE(holes.empty());
}

TEST(Plan, ThereMustBeSomethingToMeasure) {
  std::vector<Hole> holes;
  Wishes wishes;
  wishes.subjects = {"absent"};
  const std::vector<Entry> subjects = some_subjects();
  EXPECT_THAT(refused([&] { return make_plan(wishes, subjects, holes); }), HasSubstr("ask for it"));
  wishes.subjects = {"nobody"};
  EXPECT_THAT(refused([&] { return make_plan(wishes, subjects, holes); }),
              HasSubstr("memcpy, here, absent"));
}

TEST(Room, IsLookedAtBeforehand) {
  EXPECT_EQ(why_no_room(64 * MiB, 1024 * MiB), "");
  const std::string why = why_no_room(900 * MiB, 64 * MiB);
  EXPECT_THAT(why, HasSubstr("965 MiB"));
  EXPECT_THAT(why, HasSubstr("64 MiB are free"));
}

TEST(Labels, SayAllThatRowsDifferIn) {
  Case one;
  one.name = "tensorpool";
  EXPECT_EQ(label(one), "tensorpool");
  one.frame_bytes = 640 * KiB;
  one.rate_hz = 10'000;
  one.receivers = 8;
  one.links = 64;
  one.variant = "quickly";
  EXPECT_EQ(label(one), "tensorpool, 640 KiB, 10 kHz, 8 readers, 64 streams, quickly");
  EXPECT_EQ(size_text(65), "65 B");
}

}  // namespace
}  // namespace tensorpool::bench
