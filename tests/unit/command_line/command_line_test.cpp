// What programs see of a command line; tests/cli shows what their users do.
#include "tp/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tensorpool::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int refused = 42;

class CommandLine : public testing::Test {
 protected:
  CommandLine() {
    program.refuse_with([this](std::string_view why) { told.emplace_back(why); }, refused);
  }
  std::optional<int> read(std::vector<std::string> arguments) {
    told.clear();
    return program.read(std::move(arguments));
  }
  // Whether this is taken by `--value`, which is checked.
  static bool takes(const Check& check, const std::string& text) {
    Program one("", "one");
    one.refuse_with([](std::string_view) {}, refused);
    std::string value;
    one.option("--value", value, "").check(check);
    const bool taken = !one.read({"--value=" + text});
    EXPECT_EQ(taken, check.fault(text).empty()) << text;
    return taken;
  }

  std::vector<std::string> told;
  Program program{"about", "program"};
};

TEST_F(CommandLine, SetsValuesOfEveryKind) {
  std::string text;
  double real = 0;
  std::int32_t small = 0;
  std::uint32_t count = 0;
  std::uint64_t large = 0;
  bool flag = false;
  std::optional<std::string> maybe_text;
  std::optional<double> maybe_real;
  std::optional<std::int32_t> maybe_small;
  std::optional<std::uint32_t> maybe_count;
  std::vector<std::string> texts;
  std::vector<std::uint32_t> counts;
  program.option("--text", text, "");
  program.option("--real", real, "");
  program.option("--small", small, "");
  program.option("--count", count, "");
  program.option("--large", large, "");
  program.flag("--flag", flag, "");
  program.option("--maybe-text", maybe_text, "");
  program.option("--maybe-real", maybe_real, "");
  program.option("--maybe-small", maybe_small, "");
  program.option("--maybe-count", maybe_count, "");
  program.option("texts", texts, "");
  program.option("--counts", counts, "").delimiter(',');

  EXPECT_EQ(std::nullopt, read({}));
  EXPECT_EQ(std::nullopt, maybe_text);
  EXPECT_EQ(std::nullopt, maybe_count);

  EXPECT_EQ(std::nullopt, read({"--text",
                                "a b",
                                "--real=-1.5",
                                "--small",
                                "-7",
                                "--count",
                                "4294967295",
                                "--large",
                                "18446744073709551615",
                                "--flag",
                                "--maybe-text",
                                "",
                                "--maybe-real",
                                "2",
                                "--maybe-small=-8",
                                "--maybe-count",
                                "9",
                                "--counts",
                                "1,2",
                                "--counts",
                                "3",
                                "--",
                                "one",
                                "two"}));
  EXPECT_THAT(told, ElementsAre());
  EXPECT_EQ("a b", text);
  EXPECT_EQ(-1.5, real);
  EXPECT_EQ(-7, small);
  EXPECT_EQ(UINT32_MAX, count);
  EXPECT_EQ(UINT64_MAX, large);
  EXPECT_TRUE(flag);
  EXPECT_EQ("", maybe_text);
  EXPECT_EQ(2, maybe_real);
  EXPECT_EQ(-8, maybe_small);
  EXPECT_EQ(9U, maybe_count);
  EXPECT_THAT(texts, ElementsAre("one", "two"));
  EXPECT_THAT(counts, ElementsAre(1U, 2U, 3U));
}

TEST_F(CommandLine, SaysWhatIsWrongAndReturnsItsExitCode) {
  double rate = 5;
  program.option("--rate", rate, "").check(between(0, 10));
  EXPECT_EQ(refused, read({"--rate", "fast"}));
  EXPECT_THAT(told, ElementsAre("--rate: 'fast' is no number from 0 to 10"));
  EXPECT_EQ(refused, read({"--rate"}));
  EXPECT_THAT(told, ElementsAre(HasSubstr("--rate")));
  EXPECT_EQ(refused, read({"surplus"}));
  EXPECT_THAT(told, ElementsAre(HasSubstr("surplus")));
  EXPECT_EQ(5, rate);
}

TEST_F(CommandLine, ChecksTexts) {
  for (const char* good : {"0.5", "1e1", "+3"}) EXPECT_TRUE(takes(between(0.5, 10), good)) << good;
  for (const char* bad : {"nan", "inf", "0.4", "11", "", "1x", "x"})
    EXPECT_FALSE(takes(between(0.5, 10), bad)) << bad;
  for (const char* good : {"0", "7", "18446744073709551615"})
    EXPECT_TRUE(takes(whole_number(0, UINT64_MAX), good)) << good;
  for (const char* bad : {"", "-1", "07", "0x7", "1.5", "18446744073709551616"})
    EXPECT_FALSE(takes(whole_number(0, UINT64_MAX), bad)) << bad;
  EXPECT_FALSE(takes(whole_number(1, 8), "0"));
  EXPECT_FALSE(takes(whole_number(1, 8), "9"));
  EXPECT_TRUE(takes(one_of({"npy", "png"}), "png"));
  EXPECT_FALSE(takes(one_of({"npy", "png"}), "pn"));
  EXPECT_TRUE(takes(absolute_path(), "/tmp"));
  EXPECT_FALSE(takes(absolute_path(), "tmp"));
  EXPECT_TRUE(
      takes({"even", [](const std::string& text) { return text == "2" ? "" : "odd"; }}, "2"));
}

TEST_F(CommandLine, TakesOneValueATimeWhereWhatFollowsIsSomethingElse) {
  std::vector<std::string> folders;
  std::string file;
  program.option("--folder", folders, "").one_at_a_time();
  program.option("file", file, "").required();
  EXPECT_EQ(std::nullopt, read({"--folder", "a", "--folder", "b", "c"}));
  EXPECT_THAT(folders, ElementsAre("a", "b"));
  EXPECT_EQ("c", file);
  EXPECT_EQ(refused, read({"--folder", "a"}));
  EXPECT_THAT(told, ElementsAre(HasSubstr("file")));
}

TEST_F(CommandLine, RefusesWhatExcludesEachOther) {
  bool one = false;
  bool other = false;
  const Option first = program.flag("--one", one, "");
  program.flag("--other", other, "").excludes(first);
  EXPECT_EQ(std::nullopt, read({"--one"}));
  EXPECT_EQ(refused, read({"--one", "--other"}));
  EXPECT_EQ(refused, read({"--other", "--one"}));
}

TEST_F(CommandLine, RunsTheCommandThatItNames) {
  program.needs_command("name one");
  program.hint("there are walk and stand");
  std::uint32_t steps = 3;
  Command walk = program.command("walk", "");
  walk.option("--steps", steps, "");
  walk.runs([&, walk] { return walk.given("--steps") ? static_cast<int>(steps) : -1; });
  program.command("stand", "").runs([] { return 0; });

  EXPECT_EQ(-1, read({"walk"}));
  EXPECT_EQ(5, read({"walk", "--steps", "5"}));
  EXPECT_EQ(-1, read({"walk"})) << "read again, it was not given again";
  EXPECT_EQ(0, read({"stand"}));
  EXPECT_THAT(told, ElementsAre());
  EXPECT_EQ(refused, read({}));
  EXPECT_THAT(told, ElementsAre("name one"));
  EXPECT_EQ(refused, read({"wlak"}));
  EXPECT_THAT(told, ElementsAre(HasSubstr("wlak"), "there are walk and stand"));
  EXPECT_EQ(refused, read({"walk", "--stpes", "5"}));
  EXPECT_THAT(told, ElementsAre(HasSubstr("--stpes")));
  EXPECT_EQ(refused, read({"walk", "stand"}));
}

TEST_F(CommandLine, WorksWithoutACommandWhereNoneIsNeeded) {
  program.command("walk", "").runs([] { return 7; });
  EXPECT_EQ(std::nullopt, read({}));
  EXPECT_EQ(7, read({"walk"}));
}

TEST_F(CommandLine, ShowsHelpAndVersion) {
  std::string mode = "halting";
  program.option("--mode", mode, "how")
      .show_default()
      .group("Ways")
      .check(one_of({"slow", "fast"}));
  program.command("walk", "on foot").hide();
  program.footer("and that is all");
  program.version("program 9");
  testing::internal::CaptureStdout();
  EXPECT_EQ(0, read({"--help"}));
  const std::string help = testing::internal::GetCapturedStdout();
  for (const char* part : {"about", "Usage: program", "Ways:", "--mode TEXT:{slow,fast}", "halting",
                           "and that is all"})
    EXPECT_THAT(help, HasSubstr(part));
  EXPECT_THAT(help, testing::Not(HasSubstr("on foot")));
  testing::internal::CaptureStdout();
  EXPECT_EQ(0, read({"--version"}));
  EXPECT_EQ("program 9\n", testing::internal::GetCapturedStdout());
}

TEST_F(CommandLine, ReadsTheArgumentsOfMain) {
  std::vector<std::string> words;
  program.option("words", words, "");
  const char* const arguments[] = {"./program", "one", "two"};
  EXPECT_EQ(std::nullopt, program.read(3, arguments));
  EXPECT_THAT(words, ElementsAre("one", "two"));
  EXPECT_EQ(std::nullopt, program.read(0, nullptr));
}

}  // namespace
}  // namespace tensorpool::cli
