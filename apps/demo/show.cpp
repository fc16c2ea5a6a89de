#include "demo/show.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "tp/json.hpp"

namespace tensorpool::demo {

namespace {

using cli::Json;

// Not wider than 80 columns: a line that wraps would not be drawn over.
std::string row_of(Role role, const Child& child) {
  const Json& last = child.last();
  if (!last.is_object()) return fmt::format("{:<14} starting", name(role));
  std::string row = fmt::format("{:<14} {:>5} {:>6.1f} {:>6.1f} {:>7}", name(role),
                                last["stream"].get<std::uint32_t>(), last["fps"].get<double>(),
                                last["mib_per_s"].get<double>(), child.frames());
  const std::string state = last["state"].get<std::string>();
  if (state != "active" && last["kind"] != "summary") return row + " " + state;
  if (produces(role)) return row;
  const Json& latency = last["latency_ns"];
  const auto percentile = [&latency](const char* key) {
    return latency.is_null() ? std::string("-") : cli::human_ns(latency[key].get<std::int64_t>());
  };
  return row + fmt::format(" {:>8} {:>8} {:>6} {:>5} {:>5}", percentile("p50"), percentile("p99"),
                           last["overwritten"].get<std::uint64_t>(),
                           last["lost"].get<std::uint64_t>(),
                           last["mismatched"].get<std::uint64_t>());
}

}  // namespace

void Table::back() {
  if (cli::on_terminal() && rows_shown_ > 0)
    cli::print_raw(fmt::format("\x1b[{}A\x1b[J", rows_shown_));  // to the top of the table
  rows_shown_ = 0;
}

void Table::say(const std::string& line) {
  back();
  cli::print_line(line);
}

void Table::show(const std::string& title, const std::vector<Child>& children) {
  back();
  cli::print_line(title);
  cli::print_line(cli::paint(
      cli::Colour::bold,
      fmt::format("{:<14} {:>5} {:>6} {:>6} {:>7} {:>8} {:>8} {:>6} {:>5} {:>5}", "process", "strm",
                  "fr/s", "MiB/s", "frames", "p50", "p99", "overwr", "lost", "wrong")));
  rows_shown_ = 2;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Role role{static_cast<std::uint8_t>(i)};
    if (!is_client(role)) continue;
    cli::print_line(row_of(role, children[i]));
    ++rows_shown_;
  }
}

}  // namespace tensorpool::demo
