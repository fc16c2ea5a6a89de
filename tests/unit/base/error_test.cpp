#include "tensorpool/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <type_traits>

namespace tensorpool {
namespace {

// The numbers are frozen: they are what C and Python programs and log files hold.
TEST(Code, numbers_never_change) {
  struct Row {
    Code code;
    int number;
    std::string_view text;
  };
  const Row rows[] = {
      {Code::ok, 0, "ok"},
      {Code::not_attached, 1, "not_attached"},
      {Code::reattaching, 2, "reattaching"},
      {Code::shutdown, 3, "shutdown"},
      {Code::closed, 4, "closed"},
      {Code::forked, 5, "forked"},
      {Code::lease_ended, 6, "lease_ended"},
      {Code::connecting, 7, "connecting"},
      {Code::too_large, 20, "too_large"},
      {Code::claims_exhausted, 21, "claims_exhausted"},
      {Code::back_pressured, 22, "back_pressured"},
      {Code::no_consumer, 23, "no_consumer"},
      {Code::link_down, 24, "link_down"},
      {Code::overwritten, 25, "overwritten"},
      {Code::no_frame, 26, "no_frame"},
      {Code::held, 27, "held"},
      {Code::consumed, 28, "consumed"},
      {Code::wrong_thread, 29, "wrong_thread"},
      {Code::in_callback, 30, "in_callback"},
      {Code::dtype_mismatch, 31, "dtype_mismatch"},
      {Code::rank_mismatch, 32, "rank_mismatch"},
      {Code::extent_mismatch, 33, "extent_mismatch"},
      {Code::interrupted, 35, "interrupted"},
      {Code::invalid_argument, 100, "invalid_argument"},
      {Code::invalid_uri, 101, "invalid_uri"},
      {Code::path_rejected, 102, "path_rejected"},
      {Code::permission_rejected, 103, "permission_rejected"},
      {Code::region_invalid, 104, "region_invalid"},
      {Code::hugepages_required, 105, "hugepages_required"},
      {Code::no_space, 106, "no_space"},
      {Code::system_error, 107, "system_error"},
      {Code::malformed_message, 108, "malformed_message"},
      {Code::unsupported, 109, "unsupported"},
      {Code::limit_exceeded, 110, "limit_exceeded"},
      {Code::buffer_too_small, 111, "buffer_too_small"},
      {Code::invalid_file, 112, "invalid_file"},
      {Code::stream_in_use, 113, "stream_in_use"},
      {Code::driver_running, 114, "driver_running"},
      {Code::no_media_driver, 200, "no_media_driver"},
      {Code::transport_error, 201, "transport_error"},
      {Code::timeout, 202, "timeout"},
      {Code::rejected, 203, "rejected"},
      {Code::client_lost, 204, "client_lost"},
      {Code::internal, 900, "internal"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(static_cast<int>(row.code), row.number) << row.text;
    EXPECT_EQ(name(row.code), row.text);
  }
  EXPECT_EQ(name(static_cast<Code>(-1)), "unknown");
}

TEST(Code, no_name_is_used_twice) {
  std::set<std::string_view> names;
  int known = 0;
  for (int number = 0; number < 1000; ++number) {
    const std::string_view text = name(static_cast<Code>(number));
    if (text == "unknown") continue;
    ++known;
    names.insert(text);
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(known));
}

TEST(Error, text_has_call_code_and_detail) {
  const Error error(Code::invalid_uri, "parse_uri", "'x': the scheme is not shm:file");
  EXPECT_EQ(error.code(), Code::invalid_uri);
  EXPECT_STREQ(error.call(), "parse_uri");
  EXPECT_EQ(error.message(), "parse_uri: invalid_uri: 'x': the scheme is not shm:file");
}

TEST(Error, system_errors_name_errno) {
  const std::string text = Error::system("open", ENOENT, "/nowhere").message();
  EXPECT_NE(text.find("/nowhere"), std::string::npos);
  EXPECT_NE(text.find("No such file"), std::string::npos);
  EXPECT_NE(text.find("errno 2"), std::string::npos);
}

TEST(Error, hot_errors_say_their_numbers_when_asked) {
  const Error error = Error::hot(Code::too_large, "claim", 900, 640);
  EXPECT_EQ(error.code(), Code::too_large);
  const std::string text = error.message();
  EXPECT_NE(text.find("900"), std::string::npos);
  EXPECT_NE(text.find("640"), std::string::npos);
  // Every code has some text.
  for (int number = 0; number < 1000; ++number) {
    EXPECT_FALSE(Error::hot(static_cast<Code>(number), "call").message().empty());
  }
}

TEST(Error, is_a_value) {
  static_assert(std::is_copy_constructible_v<Error> && std::is_copy_assignable_v<Error>);
  const Error error(Code::timeout, "wait", "5 s");
  const Error copy = error;
  EXPECT_EQ(copy, error);
  EXPECT_EQ(copy.message(), error.message());
  EXPECT_FALSE(Error::hot(Code::held, "commit", 1, 2) == Error::hot(Code::held, "commit", 1, 3));
  EXPECT_FALSE(Error::hot(Code::held, "commit") == Error::hot(Code::consumed, "commit"));
}

TEST(Result, value_throws_only_when_asked_for_on_an_error) {
  const Result<int> good = 5;
  EXPECT_EQ(good.value(), 5);
  const Result<int> bad = fail(Code::timeout, "wait", "too late");
  EXPECT_FALSE(bad.has_value());
  EXPECT_THROW(static_cast<void>(bad.value()), tl::bad_expected_access<Error>);
}

}  // namespace
}  // namespace tensorpool
