#include "tp/output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tp/signals.hpp"

namespace tensorpool::cli {

namespace {

bool live_line_open = false;

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
  write_out(object.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
}

void print_line(std::string_view text) {
  const char* clear = live_line_open ? "\r\x1b[K" : "";
  live_line_open = false;
  write_out(fmt::format("{}{}\n", clear, text));
}

void print_live(std::string_view text) {
  if (!on_terminal()) return print_line(text);
  live_line_open = true;
  write_out(fmt::format("\r{}\x1b[K", text));
}

void print_error(std::string_view text) {
  constexpr std::size_t head = 600;
  constexpr std::size_t tail = 200;
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
