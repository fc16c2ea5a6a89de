#include "tp/output.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "tp/json.hpp"
#include "tp/signals.hpp"

namespace tensorpool::cli {

namespace {

// Notices come on the conductor's thread; the state below and what is written go together.
std::recursive_mutex turn;
bool live_line_open = false;
std::ptrdiff_t picture_lines = 0;  // above the open line; 0: no picture

void write_out(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) != 0 || !written) request_stop();
}

}  // namespace

bool on_terminal() {
  static const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  return terminal;
}

bool colours() {
  const char* no_colour = std::getenv("NO_COLOR");
  return on_terminal() && (no_colour == nullptr || *no_colour == '\0');
}

void print_json(const Json& object) {
  const std::lock_guard guard(turn);
  write_out(object.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
}

void print_line(std::string_view text) {
  const std::lock_guard guard(turn);
  const char* clear = live_line_open ? "\r\x1b[K" : "";
  live_line_open = false;
  picture_lines = 0;
  write_out(fmt::format("{}{}\n", clear, text));
}

void print_live(std::string_view text) {
  const std::lock_guard guard(turn);
  if (!on_terminal()) return print_line(text);
  live_line_open = true;
  write_out(fmt::format("\r{}\x1b[K", text));
}

void print_raw(std::string_view text) {
  const std::lock_guard guard(turn);
  write_out(text);
}

TerminalSize terminal_size() {
  constexpr int most = 1000;
  TerminalSize size;
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
    size = {window.ws_col, window.ws_row};
  } else {
    const auto from = [](const char* variable, int otherwise) {
      const char* text = std::getenv(variable);
      const long value = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
      return value > 0 && value <= most ? static_cast<int>(value) : otherwise;
    };
    size = {from("COLUMNS", size.columns), from("LINES", size.rows)};
  }
  return {std::min(size.columns, most), std::min(size.rows, most)};
}

void print_picture(std::string_view lines, std::string_view last_line) {
  const std::lock_guard guard(turn);
  if (!on_terminal()) {
    write_out(lines);
    return last_line.empty() ? void() : print_line(last_line);
  }
  std::string text = picture_lines > 0 ? fmt::format("\r\x1b[{}A", picture_lines)
                     : live_line_open  ? "\r"
                                       : "";
  // What an older, larger picture left on a line is wiped before it is drawn over.
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size() - 1);
    text += "\x1b[K";
    text += lines.substr(at, end + 1 - at);
    at = end + 1;
  }
  const auto width = static_cast<std::size_t>(std::max(1, terminal_size().columns - 1));
  text += fmt::format("{}\x1b[J", last_line.substr(0, width));
  picture_lines = std::ranges::count(lines, '\n');
  live_line_open = true;
  write_out(text);
}

void print_error(std::string_view text) {
  const std::lock_guard guard(turn);
  constexpr std::size_t head = 600;
  constexpr std::size_t tail = 200;
  if (picture_lines > 0) {  // below the picture, which stays; the next one is drawn below this
    live_line_open = false;
    picture_lines = 0;
    write_out("\n");
  }
  std::fflush(stdout);
  if (text.size() <= head + tail) {
    std::fprintf(stderr, "tp: %.*s\n", static_cast<int>(text.size()), text.data());
    return;
  }
  const std::string_view end = text.substr(text.size() - tail);
  std::fprintf(stderr, "tp: %.*s … (%zu bytes left out) … %.*s\n", static_cast<int>(head),
               text.data(), text.size() - head - tail, static_cast<int>(end.size()), end.data());
}

int failed(const Error& error) {
  print_error(error.message());
  return exit_failed;
}

std::string paint(Colour colour, std::string_view text) {
  static constexpr std::array<const char*, 4> codes{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[1m"};
  if (!colours()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", codes.at(static_cast<std::size_t>(colour)), text);
}

std::string shape_text(std::span<const std::int32_t> shape) {
  return fmt::format("{}", fmt::join(shape, "x"));
}

std::string human_ns(std::int64_t ns) {
  const auto value = static_cast<double>(ns);
  if (ns < 1000) return fmt::format("{} ns", ns);
  if (ns < 1'000'000) return fmt::format("{:.1f} us", value / 1e3);
  if (ns < 1'000'000'000) return fmt::format("{:.1f} ms", value / 1e6);
  return fmt::format("{:.2f} s", value / 1e9);
}

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", value / 1024);
  if (bytes < std::uint64_t{1} << 30U) return fmt::format("{:.1f} MiB", value / 1048576);
  return fmt::format("{:.2f} GiB", value / 1073741824);
}

}  // namespace tensorpool::cli
