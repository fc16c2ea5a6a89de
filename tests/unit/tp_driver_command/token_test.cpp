// Where the token of a shutdown comes from, and that no error shows it.
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>

#include "support/folder.hpp"
#include "tp/driver_commands.hpp"

namespace tensorpool::cli {
namespace {

class Token : public ::testing::Test {
 protected:
  std::string file(const std::string& text) {
    std::string path = places.regions() + "/token";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  const test::Places places{"token"};
};

TEST_F(Token, comes_from_the_command_line_then_a_file_then_the_environment) {
  EXPECT_EQ(shutdown_token("a", file("b"), "c").value(), "a");
  EXPECT_EQ(shutdown_token(std::nullopt, file("b"), "c").value(), "b");
  EXPECT_EQ(shutdown_token(std::nullopt, "", "c").value(), "c");
}

TEST_F(Token, of_a_file_ends_before_the_last_line_end) {
  EXPECT_EQ(shutdown_token(std::nullopt, file("secret\n"), nullptr).value(), "secret");
  EXPECT_EQ(shutdown_token(std::nullopt, file("secret\r\n"), nullptr).value(), "secret");
  EXPECT_EQ(shutdown_token(std::nullopt, file(" secret "), nullptr).value(), " secret ");
}

TEST_F(Token, that_cannot_be_sent_is_refused_and_not_shown) {
  for (const std::string& bad :
       {std::string("sec\nret"), std::string("secr\xC3\xA4t"), std::string(1025, 's')}) {
    const auto token = shutdown_token(std::nullopt, file(bad), nullptr);
    ASSERT_FALSE(token);
    EXPECT_EQ(token.error().code(), Code::invalid_argument);
    EXPECT_EQ(token.error().message().find("sec"), std::string::npos) << token.error().message();
  }
  EXPECT_TRUE(shutdown_token(std::string(1024, 's'), "", nullptr));
}

TEST_F(Token, that_is_missing_names_the_three_places) {
  for (const auto& token :
       {shutdown_token(std::nullopt, "", nullptr), shutdown_token(std::nullopt, "", ""),
        shutdown_token("", "", "c"), shutdown_token(std::nullopt, file("\n"), "c")}) {
    ASSERT_FALSE(token);
    EXPECT_NE(token.error().message().find("POLICIES_SHUTDOWN_TOKEN"), std::string::npos);
  }
  const auto gone = shutdown_token(std::nullopt, places.regions() + "/gone", nullptr);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::system_error);
}

}  // namespace
}  // namespace tensorpool::cli
