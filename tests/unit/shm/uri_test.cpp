#include "shm/uri.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

void expect_bad(std::string_view text) {
  const auto parsed = parse_uri(text);
  ASSERT_FALSE(parsed.has_value()) << text;
  EXPECT_EQ(parsed.error().code(), Code::invalid_uri) << text;
}

// Proves: SHM-93
TEST(Uri, both_forms_are_read) {
  const auto plain = parse_uri("shm:file?path=/dev/shm/a/header.ring");
  TP_ASSERT_OK(plain);
  EXPECT_EQ(plain->path, "/dev/shm/a/header.ring");
  EXPECT_FALSE(plain->require_hugepages);
  const auto huge = parse_uri("shm:file?path=/mnt/huge/1.pool|require_hugepages=true");
  TP_ASSERT_OK(huge);
  EXPECT_EQ(huge->path, "/mnt/huge/1.pool");
  EXPECT_TRUE(huge->require_hugepages);
  const auto off = parse_uri("shm:file?path=/a|require_hugepages=false");
  TP_ASSERT_OK(off);
  EXPECT_FALSE(off->require_hugepages);
}

TEST(Uri, every_path_character_of_the_grammar_is_read) {
  std::string path = "/";
  for (int c = 0x21; c <= 0x7E; ++c) {
    if (c != '?' && c != '|') path += static_cast<char>(c);
  }
  const auto parsed = parse_uri("shm:file?path=" + path);
  TP_ASSERT_OK(parsed);
  EXPECT_EQ(parsed->path, path);
}

// "&" separates nothing.
TEST(Uri, ampersand_is_a_path_character) {
  const auto parsed = parse_uri("shm:file?path=/a&require_hugepages=true");
  TP_ASSERT_OK(parsed);
  EXPECT_EQ(parsed->path, "/a&require_hugepages=true");
  EXPECT_FALSE(parsed->require_hugepages);
}

// Proves: SHM-92
TEST(Uri, other_schemes_are_rejected) {
  for (const char* text :
       {"file?path=/a", "shm:memfd?path=/a", "SHM:file?path=/a", "shm:File?path=/a", "aeron:ipc",
        "shm:file", "shm:file:path=/a", " shm:file?path=/a", "shm:file?Path=/a"}) {
    expect_bad(text);
  }
}

// Proves: SHM-94, SHM-103, SHM-99
TEST(Uri, unknown_repeated_and_reordered_parameters_are_rejected) {
  expect_bad("shm:file?path=/a|mode=1");
  expect_bad("shm:file?name=/a");
  expect_bad("shm:file?path=/a|require_hugepages=true|x=1");
  expect_bad("shm:file?path=/a|path=/b");
  expect_bad("shm:file?path=/a|require_hugepages=true|require_hugepages=true");
  expect_bad("shm:file?require_hugepages=true|path=/a");
  expect_bad("shm:file?require_hugepages=true");
}

// Proves: SHM-95, SHM-96, SHM-106
TEST(Uri, without_an_absolute_path_it_is_rejected) {
  expect_bad("");
  expect_bad("shm:file?");
  expect_bad("shm:file?path=");
  expect_bad("shm:file?path=|require_hugepages=true");
  expect_bad("shm:file?path=a/b");
  expect_bad("shm:file?path=./a");
  expect_bad("shm:file?path=/");
}

// Proves: SHM-97
TEST(Uri, characters_outside_the_grammar_are_rejected) {
  for (int c = 0; c < 256; ++c) {
    const bool good = c >= 0x21 && c <= 0x7E && c != '?' && c != '|';
    const std::string text = std::string("shm:file?path=/a") + static_cast<char>(c) + "b";
    EXPECT_EQ(parse_uri(text).has_value(), good) << c;
  }
}

// Proves: SHM-98
TEST(Uri, hugepages_is_exactly_true_or_false) {
  for (const char* value : {"True", "TRUE", "1", "0", "yes", "true ", "truefalse", "t"}) {
    expect_bad(std::string("shm:file?path=/a|require_hugepages=") + value);
  }
}

// Proves: SHM-100, SHM-101, SHM-102
TEST(Uri, malformed_parameters_are_rejected) {
  expect_bad("shm:file?path");
  expect_bad("shm:file?path=/a|require_hugepages");
  expect_bad("shm:file?=/a");
  expect_bad("shm:file?path=/a|=true");
  expect_bad("shm:file?path=/a|require_hugepages=");
  expect_bad("shm:file?path=/a|");
  expect_bad("shm:file?path=/a||require_hugepages=true");
  expect_bad("shm:file?path=/a|require_hugepages=true|");
  expect_bad("shm:file?|path=/a");
}

// Proves: SHM-104
TEST(Uri, path_has_at_most_4095_bytes) {
  const std::string longest = "/" + std::string(4094, 'a');
  const auto parsed = parse_uri("shm:file?path=" + longest + "|require_hugepages=false");
  TP_ASSERT_OK(parsed);
  EXPECT_EQ(parsed->path, longest);
  expect_bad("shm:file?path=" + longest + "a");
}

// Proves: SHM-105
TEST(Uri, a_creator_writes_at_most_4096_bytes) {
  const std::size_t prefix = std::string("shm:file?path=").size();
  const std::string longest = "/" + std::string(4096 - prefix - 1, 'a');
  const auto text = format_uri({longest, false});
  TP_ASSERT_OK(text);
  EXPECT_EQ(text->size(), 4096U);
  TP_EXPECT_CODE(format_uri({longest + "a", false}), Code::limit_exceeded);
  TP_EXPECT_CODE(format_uri({longest, true}), Code::limit_exceeded);
}

TEST(Uri, what_is_written_is_read_again) {
  for (const RegionUri& uri :
       {RegionUri{"/dev/shm/x/1.pool", false}, RegionUri{"/mnt/h/1.pool", true}}) {
    const auto text = format_uri(uri);
    TP_ASSERT_OK(text);
    const auto parsed = parse_uri(*text);
    TP_ASSERT_OK(parsed);
    EXPECT_EQ(*parsed, uri);
  }
  EXPECT_EQ(*format_uri({"/a", false}), "shm:file?path=/a");
  EXPECT_EQ(*format_uri({"/a", true}), "shm:file?path=/a|require_hugepages=true");
}

TEST(Uri, a_creator_cannot_write_what_readers_refuse) {
  for (const char* path : {"", "relative", "/with space", "/a|b", "/a?b", "/"}) {
    TP_EXPECT_CODE(format_uri({path, false}), Code::invalid_uri);
  }
}

// Proves: SHM-108
TEST(Uri, the_error_names_the_text_and_the_rule) {
  const auto parsed = parse_uri("shm:file?path=relative");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_NE(parsed.error().message().find("shm:file?path=relative"), std::string::npos);
  EXPECT_NE(parsed.error().message().find("not absolute"), std::string::npos);
  // Control characters of a peer do not reach a terminal.
  const auto hostile = parse_uri("shm:file?path=/\x1b[2J");
  ASSERT_FALSE(hostile.has_value());
  EXPECT_EQ(hostile.error().message().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace tensorpool::shm
