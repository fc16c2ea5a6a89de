// The log: both forms, levels, hostile texts, and a reader that does not read.
#include "tp_driver/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tp_driver/output.hpp"

namespace tensorpool::driver_program {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// What `work` leaves on standard error, line by line.
std::vector<std::string> lines_of(const std::function<void()>& work) {
  ::testing::internal::CaptureStderr();
  work();
  std::istringstream all(::testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(all, line);) lines.push_back(line);
  return lines;
}

TEST(DriverLog, text) {
  const auto lines = lines_of([] {
    Log log(LogFormat::text, LogLevel::info);
    log.line(LogLevel::info, "lease_granted", "to a\x1b[2J peer\n",
             {{"stream_id", 7}, {"epoch", 0}});
    log.line(LogLevel::warn, "draining", "");
    log.line(LogLevel::debug, "hidden", "");
  });
  constexpr const char* time =
      R"(^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z )";
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], MatchesRegex(std::string(time) + ".*"));
  EXPECT_EQ(lines[0].substr(28), R"(info lease_granted stream_id=7: to a\x1b[2J peer\x0a)");
  EXPECT_EQ(lines[1].substr(28), "warning draining");
}

TEST(DriverLog, json) {
  const std::string hostile = "\"}\n{%v \xFF\x1b\xC2\x9B {} é";
  const auto lines = lines_of([&] {
    Log log(LogFormat::json, LogLevel::trace);
    log.line(LogLevel::trace, "epochs_removed", hostile, {{"lease_id", UINT64_MAX}, {"epoch", 0}});
    log.line(LogLevel::error, "error", "");
  });
  ASSERT_EQ(lines.size(), 2U);
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first["level"], "trace");
  EXPECT_EQ(first["event"], "epochs_removed");
  EXPECT_EQ(first["lease_id"], UINT64_MAX);
  EXPECT_FALSE(first.contains("epoch"));
  EXPECT_THAT(first["text"].get<std::string>(), HasSubstr("\"}\n{%v "));
  EXPECT_EQ(lines[0].find_first_of("\x1b\xC2\xFF"), std::string::npos);
  EXPECT_THAT(first["time"].get<std::string>(), MatchesRegex("....-..-..T..:..:..\\.......Z"));
  const auto second = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(second["level"], "error");
  EXPECT_FALSE(second.contains("text"));
}

TEST(DriverLog, levels_of_the_environment) {
  EXPECT_EQ(log_level("0"), LogLevel::error);
  EXPECT_EQ(log_level("2"), LogLevel::info);
  EXPECT_EQ(log_level("4"), LogLevel::trace);
  for (const char* bad : {"", "5", "-1", "info", "2 ", "02"})
    EXPECT_EQ(log_level(bad), std::nullopt) << bad;
  EXPECT_EQ(lines_of([] {
              Log log(LogFormat::text, LogLevel::error);
              log.line(LogLevel::warn, "hidden", "");
            }).size(),
            0U);
}

// A pipe that nobody reads: line() comes back, whatever is in the way.
TEST(DriverLog, waits_for_no_reader) {
  ASSERT_NE(std::signal(SIGPIPE, SIG_IGN), SIG_ERR);  // as catch_signals() does
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int saved = ::dup(STDERR_FILENO);
  ASSERT_GE(::dup2(ends[1], STDERR_FILENO), 0);
  ::close(ends[1]);
  {
    Log log(LogFormat::text, LogLevel::info);
    const std::string text(1000, 'x');
    for (std::size_t i = 0; i < 2 * Log::waiting_lines; ++i)
      log.line(LogLevel::info, "event", text);
    // The write that is stuck in the pipe fails, and the others go on.
    ASSERT_GE(::dup2(nowhere, STDERR_FILENO), 0);
    ::close(ends[0]);
  }
  ASSERT_GE(::dup2(saved, STDERR_FILENO), 0);
  ::close(saved);
  ::close(nowhere);
}

TEST(DriverOutput, printable) {
  EXPECT_EQ(printable("a\tb\x7F\xC2\x85é"), "a\\x09b\\x7f\\x85é");
  EXPECT_EQ(printable("\xC2"), "\xC2");
}

}  // namespace
}  // namespace tensorpool::driver_program
