// What the subcommands print: JSON lines for programs, plain text for people, colours on a terminal.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "tensorpool/error.hpp"
#include "tensorpool/types.hpp"

namespace tensorpool::cli {

// Exit codes of every subcommand.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr const char* exit_codes_text =
    "Exit codes: 0 all well, 1 failed or mismatched, 2 wrong command line.";

using Json = nlohmann::ordered_json;

// Standard output is a terminal; colours also need NO_COLOR to be unset.
bool on_terminal();
bool colours();

// One JSON object on one line. Characters beyond printable ASCII are escaped, so that a peer's text
// cannot steer a terminal (MSG-43); text that is no UTF-8 is replaced. A reader that went away asks
// the program to stop.
void print_json(const Json& object);
// One line of text.
void print_line(std::string_view text);
// A line that the next one replaces, on a terminal.
void print_live(std::string_view text);
// Cells of the terminal; where there is none, COLUMNS and LINES, else 80x24.
struct TerminalSize {
  int columns = 80;
  int rows = 24;
};
TerminalSize terminal_size();
// Lines that each end in "\n", and a last one that is cut to the terminal's width. On a terminal the
// next picture is drawn over them unless something else was printed in between.
void print_picture(std::string_view lines, std::string_view last_line);
// As it is, for escape sequences that move nothing.
void print_raw(std::string_view text);
// On standard error: "tp: text". Of a text that quotes far too much only both ends are shown.
void print_error(std::string_view text);
int failed(const Error& error);

enum class Colour : std::uint8_t { red, green, yellow, bold };
std::string paint(Colour colour, std::string_view text);

std::string shape_text(std::span<const std::int32_t> shape);
// "3.2 us"
std::string human_ns(std::int64_t ns);
// "1.5 MiB"
std::string human_bytes(std::uint64_t bytes);

}  // namespace tensorpool::cli
