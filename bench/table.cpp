// The report on a terminal.
#include <fmt/format.h>

#include <cmath>

#include "report.hpp"

namespace tensorpool::bench {
namespace {

std::string number(double value) {
  const double size = std::fabs(value);
  return fmt::format("{:.{}f}", value, size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : 2);
}

std::string figure_text(const Json& figure) {
  const auto value = [&](const char* key) { return number(figure[key].get<double>()); };
  return fmt::format("{} ({}..{}){}", value("median"), value("low"), value("high"),
                     figure["noisy"].get<bool>() ? " noisy" : "");
}

std::string books_text(const Json& books) {
  std::string text;
  for (const auto& [name, count] : books.items()) {
    // Sent and delivered are what one expects.
    if (name == "sent" || name == "delivered" || count.get<std::uint64_t>() == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count.get<std::uint64_t>());
  }
  return text;
}

void print_row(const Json& row) {
  fmt::print("{}\n", row["label"].get<std::string>());
  for (const Json& figure : row["figures"]) {
    fmt::print("    {:<22}{:>34} {}", figure["name"].get<std::string>(), figure_text(figure),
               figure["unit"].get<std::string>());
    for (const auto& [reference, compared] : row["compared"].items()) {
      for (const Json& one : compared) {
        if (one["name"] != figure["name"]) continue;
        const auto verdict = one["verdict"].get<std::string>();
        fmt::print(", {:.2f} x {}{}", one["median"].get<double>(), reference,
                   verdict == "noisy" ? " (noisy)" : "");
      }
    }
    fmt::print("\n");
  }
  if (const std::string books = books_text(row["books"]); !books.empty())
    fmt::print("    {:<22}{} of {} sent\n", "frames", books,
               row["books"]["sent"].get<std::uint64_t>());
  if (const auto remark = row["remark"].get<std::string>(); !remark.empty())
    fmt::print("    {:<22}{}\n", "it says", remark);
}

}  // namespace

void print_instructions(const Json& counted) {
  fmt::print("\nInstructions per frame, counted by callgrind (64 B frames, one thread).\n\n");
  if (counted.contains("not_counted")) {
    fmt::print("not counted: {}\n", counted["not_counted"].get<std::string>());
    return;
  }
  const auto row = [&](const char* what, const char* key) {
    fmt::print("{:<38}{:>8.0f}\n", what, counted[key].get<double>());
  };
  row("producer, claim + commit", "producer_claim_commit");
  row("consumer, poll + proof, limit 10", "consumer_poll_10");
  row("consumer, poll + proof, limit 1", "consumer_poll_1");
  row("consumer, poll + proof, one waiting", "consumer_single");
  row("producer, two shapes in turns", "producer_two_shapes");
  row("consumer, limit 10, two shapes", "consumer_two_shapes");
  row("producer, wake_waiters, nobody slept", "producer_bell");
}

void print(const Json& report) {
  fmt::print(
      "Median over rounds (lowest..highest round); x: the same figure of another subject, round by "
      "round.\n");
  if (report["quick"].get<bool>())
    fmt::print("QUICK RUN: it shows that everything works; the numbers mean nothing.\n");
  if (const Json& line = report["line_ns"]; !line["alike"].get<bool>()) {
    fmt::print(
        "THE CPUs MOVED: a cache line took {:.0f} to {:.0f} ns from one to the other, and {} "
        "measurements saw that "
        "change; only rounds with the CPUs in alike places are compared.\n",
        line["low"].get<double>(), line["high"].get<double>(),
        line["measurements_moved"].get<std::uint64_t>());
  }
  for (const Json& workload : report["workloads"]) {
    fmt::print("\n{} [{}]\n\n", workload["title"].get<std::string>(),
               workload["name"].get<std::string>());
    for (const Json& row : workload["rows"]) print_row(row);
  }
  if (report.contains("instructions")) print_instructions(report["instructions"]);
  if (report["not_measured"].empty()) return;
  fmt::print("\nNot measured\n\n");
  for (const Json& hole : report["not_measured"]) {
    fmt::print("{}: {}: {}{}\n", hole["workload"].get<std::string>(),
               hole["what"].get<std::string>(), hole["failed"].get<bool>() ? "failed, " : "",
               hole["why"].get<std::string>());
  }
}

}  // namespace tensorpool::bench
