// What is refused in front of the parser: each state of the guard, and what would lead it astray.
#include "config/toml_guard.hpp"

#include <string>
#include <vector>

#include "base/limits.hpp"
#include "support.hpp"

namespace tensorpool::config {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t depth = 4;
// Of those that toml++ 3.3 cannot tell from white space.
const std::string odd = "\xC2\xA1";

std::string reason(const std::string& text) {
  const auto refusal = refuse(text, depth);
  return refusal ? std::to_string(refusal->line) + ": " + refusal->reason : "";
}

TEST(ConfigGuard, characters_within_strings_and_comments_pass) {
  for (const std::string& text : {
           "a = \"" + odd + "\"",
           "a = '" + odd + "'",
           "\"" + odd + "\" = 1 # " + odd,
           "a.'" + odd + "' = 1",
           "a = \"\"\"" + odd + "\n" + odd + "\"\"\"",
           "a = '''" + odd + "\r\n" + odd + "'''",
           "a = \"\\\"" + odd + "\"",  // an escaped quote ends nothing
           "a = \"\\\\\" # " + odd,    // an escaped backslash escapes nothing
           "a = '\\' # " + odd,        // nor does one in a literal string
           "a = \"'\" # " + odd,       // a quote of the other kind
           "a = \"\" # " + odd,        // empty strings
           "a = '' # " + odd,
           "a = \"\"\"\"\"\" # " + odd,
           "a = \"\"\"\"" + odd + "\"\"\"",     // one quote at the beginning
           "a = \"\"\"x\"\"" + odd + "\"\"\"",  // two in the middle
           "a = \"\"\"x\"\"\"\"\" # " + odd,    // two at the end
           "a = '''x''''' # " + odd,
           "a = \"\"\"\\\"\"\"" + odd + "\"\"\"",  // three, of which the first is escaped
           "a = \"\"\"x\\\n  y" + odd + "\"\"\"",
           "# \t" + odd + "\r\n# " + odd,
       }) {
    EXPECT_EQ(reason(text), "") << text;
    // The parser sees it the same way.
    EXPECT_THAT(error_of(text + "\n"), ::testing::Not(HasSubstr("not TOML"))) << text;
  }
}

// Proves: CFG-101
TEST(ConfigGuard, characters_anywhere_else_are_refused_with_their_line) {
  const std::string outside = ": not TOML: the character U+00A1 outside of strings and comments";
  for (const std::string& text : {
           odd + " = 1",
           "a" + odd + " = 1",
           "a =" + odd + "1",
           "a = 1" + odd,
           "a = \"x\"" + odd,
           "a = 'x'" + odd + "'y'",
           "a = \"\"" + odd + "\"\"",  // an empty string, not the beginning of a long one
           "a = \"\"\"x\"\"\"" + odd + "\"",
           "a = \"\"\"x\"\"\"\"\"" + odd,  // no more than two quotes of its own
           "a = '''x'''''" + odd + "'",
           "a = '\\'" + odd + "'",  // no escapes in literal strings
           "a = '''\\'''" + odd + "'''",
           "a = \"\\\\\"" + odd + "\"",
           "a = [" + odd + "]",
           "a = {" + odd + " = 1}",
           "[" + odd + "]",
           "a = 1979-05-27 " + odd,
       }) {
    EXPECT_EQ(reason(text), "1" + outside) << text;
    EXPECT_THAT(error_of(text), HasSubstr("t.toml:1" + outside)) << text;
  }
  // Where a string or comment breaks off, the outside begins.
  for (const std::string& text :
       {"a = \"x\n" + odd + "\"", "a = 'x\n" + odd + "'", "# x\n" + odd, "a = \"x\\\n" + odd + "\"",
        "'''\n'''" + odd, "a = \"\"\"\\\n\"\"\"" + odd + "\"\"\""}) {
    EXPECT_EQ(reason(text), "2" + outside) << text;
  }
  for (const char control : {'\r', '\v', '\f', '\x1F', '\x7F'}) {
    for (const char* begin : {"# ", "\"", "'"})
      EXPECT_EQ(reason(begin + std::string(1, control) + odd), "1" + outside) << begin;
  }
  EXPECT_EQ(reason("\"\"\"\v" + odd), "1" + outside);
  EXPECT_THAT(reason("\xEF\xBB\xBF"
                     "a = 1"),
              HasSubstr("U+FEFF outside of strings and comments (a "
                        "byte order mark"));
  EXPECT_THAT(reason("\n\xF0\x9F\x98\x80"), HasSubstr("2: not TOML: the character U+1F600 "));
}

// The parser asks there whether it is white space, as it does outside of strings.
TEST(ConfigGuard, characters_behind_a_backslash_are_refused) {
  const std::string behind = ": not TOML: the character U+00A1 behind a backslash";
  EXPECT_EQ(reason("a = \"\\" + odd + "\""), "1" + behind);
  EXPECT_EQ(reason("a = \"\"\"\\" + odd + "\"\"\""), "1" + behind);
  EXPECT_EQ(reason("a = \"\"\"\\\n" + odd + "\"\"\""), "2" + behind);
  EXPECT_EQ(reason("a = \"\"\"\\ \t\r\n\n  " + odd + "\"\"\""), "3" + behind);
  EXPECT_EQ(reason("a = \"\"\"\\\\" + odd + "\"\"\""), "");
  EXPECT_EQ(reason("a = '''\\\n" + odd + "'''"), "");
}

TEST(ConfigGuard, bytes_that_are_no_text) {
  for (const std::string& bytes : std::vector<std::string>{
           "\xFF", "\x80", "\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82"}) {
    for (const char* before : {"", "# ", "a = \"", "a = '''"})
      EXPECT_EQ(reason(std::string("\n") + before + bytes), "2: not TOML: bytes that are no UTF-8");
  }
  EXPECT_EQ(reason(std::string("a = 1\n# \0", 9)), "2: not TOML: a NUL byte");
}

TEST(ConfigGuard, depth) {
  // Dots and brackets that nest nothing.
  const std::string dots(100, '.');
  const std::string open(100, '[');
  EXPECT_EQ(reason("a = \"" + dots + open + "\" # " + dots + open + "\nb = '" + dots +
                   "'\nc = \"\"\"\n" + open + "\"\"\"\"\nd = [1.0, 1.0, 1.0, 1.0, 1.0]\n"),
            "");
  const std::string deeper = ": brackets or a dotted key nested deeper than 4";
  EXPECT_EQ(reason("a.b.c.d = 1\n[a.b.c.d]\na = [[[[]]]]\n"), "");
  EXPECT_EQ(reason("a.b.c = 1\nd = 1\na.b.c.d.e = 1"), "3" + deeper);
  EXPECT_EQ(reason("a = [[[[["), "1" + deeper);
  EXPECT_EQ(reason("a = [\n{a=[\n{a=[\n"), "3" + deeper);
  EXPECT_EQ(reason("x = \"\"\"\n\"\"\"\"\"\na.b.c.d.e = 1"), "3" + deeper);
  EXPECT_EQ(refuse("a = [[[[[", depth)->code, Code::limit_exceeded);
}

// Inputs on which toml++ 3.3 aborts or is undefined as it comes: each is refused like any other mistake.
TEST(ConfigGuard, states_that_the_parser_holds_for_impossible) {
  for (const std::string& text :
       {std::string("[=]"), std::string("a = 1979-05-27 0\n"), std::string("a = 1979-05-27 0]"),
        "a = 1\"" + odd + "\"", "a = 1.\"" + odd + "\"", "a = +1'" + odd + "'",
        "a = 1979-05-27 0\"" + odd + "\"", std::string("[[ ]]"), std::string("a.=1"),
        std::string("a = _1"), std::string("a = {,}"), std::string("a = {=}"), std::string("[a")}) {
    EXPECT_THAT(error_of(text), HasSubstr("t.toml:1: ")) << text;
  }
}

}  // namespace
}  // namespace tensorpool::config
