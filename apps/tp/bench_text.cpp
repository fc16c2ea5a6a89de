#include "tp/bench_text.hpp"

#include <fmt/format.h>

#include <string_view>

#include "tp/json.hpp"

namespace tensorpool::cli {
namespace {

// "162 ns", "35.2 us": three digits, whatever the size.
std::string time_text(double ns) {
  const auto digits = [](double value) { return value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2; };
  if (ns < 999.5) return fmt::format("{:.0f} ns", ns);
  const double us = ns / 1e3;
  if (us < 999.5) return fmt::format("{:.{}f} us", us, digits(us));
  return fmt::format("{:.{}f} ms", us / 1e3, digits(us / 1e3));
}

const Json* named(const Json& list, const char* key, std::string_view name) {
  for (const Json& one : list) {
    if (one[key].get<std::string>() == name) return &one;
  }
  return nullptr;
}

std::string percent_text(double value) { return fmt::format("{:.2f} %", value); }
std::string whole_text(double value) { return fmt::format("{:.0f}", value); }

// The median; "~" where rounds differ much.
std::string figure(const Json& row, std::string_view name, std::string (*text)(double)) {
  const Json* const found = named(row["figures"], "name", name);
  if (found == nullptr) return "-";
  return text((*found)["median"].get<double>()) + ((*found)["noisy"].get<bool>() ? " ~" : "");
}

// "1.32 x aeron": the median over rounds of the quotient.
std::string compared(const Json& row, std::string_view name) {
  std::string text;
  for (const auto& [reference, figures] : row["compared"].items()) {
    const Json* const found = named(figures, "name", name);
    if (found == nullptr) continue;
    text += fmt::format("{}{:.2f} x {}", text.empty() ? "" : ", ", (*found)["median"].get<double>(),
                        reference);
  }
  return text;
}

// Frames that did not arrive, so that no rate hides them.
std::string books(const Json& row) {
  std::string text;
  for (const char* name : {"lost", "overwritten", "refused", "wrong"})
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        row["books"][name].get<std::uint64_t>());
  return text;
}

std::string latency_table(const Json& workload) {
  std::string text =
      fmt::format("{:<26}{:>12}{:>12}{:>12}   {}\n", "", "p50", "p99", "p99.9", "p50 compared");
  for (const Json& row : workload["rows"])
    text += fmt::format("{:<26}{:>12}{:>12}{:>12}   {}\n", row["label"].get<std::string>(),
                        figure(row, "p50", time_text), figure(row, "p99", time_text),
                        figure(row, "p99.9", time_text), compared(row, "p50"));
  return text;
}

std::string throughput_table(const Json& workload) {
  std::string text = fmt::format("{:<26}{:>12}{:>12}   {}\n", "", "frames/s", "MiB/s", "compared");
  for (const Json& row : workload["rows"])
    text += fmt::format("{:<26}{:>12}{:>12}   {}\n", row["label"].get<std::string>(),
                        figure(row, "rate", whole_text), figure(row, "bytes", whole_text),
                        compared(row, "rate"));
  return text;
}

std::string missed_frames(const Json& workload) {
  std::string text;
  for (const Json& row : workload["rows"]) {
    if (row["kind"] == "ours")
      text += fmt::format("{:<26}{}\n", row["label"].get<std::string>(), books(row));
  }
  return text;
}

// The same percentiles, and what waiting and waking cost the two sides.
std::string wake_up_table(const Json& workload) {
  std::string text = fmt::format("{:<26}{:>12}{:>12}{:>12}{:>12}{:>12}   {}\n", "", "p50", "p99",
                                 "p99.9", "CPU", "publishing", "p50 compared");
  for (const Json& row : workload["rows"])
    text +=
        fmt::format("{:<26}{:>12}{:>12}{:>12}{:>12}{:>12}   {}\n", row["label"].get<std::string>(),
                    figure(row, "p50", time_text), figure(row, "p99", time_text),
                    figure(row, "p99.9", time_text), figure(row, "reader's CPU", percent_text),
                    figure(row, "publishing call", time_text), compared(row, "p50"));
  return text;
}

std::string workload_text(const Json& workload) {
  const auto name = workload["name"].get<std::string>();
  if (name == "closed-loop")
    return "One way, both sides spinning, bytes not touched (half of a round trip)\n" +
           latency_table(workload) + missed_frames(workload);
  if (name == "copy-in")
    return "Throughput: every byte written by one process and read by another\n" +
           throughput_table(workload) + missed_frames(workload);
  return "Wake-up: from publishing to a consumer that sleeps in the kernel; its process's CPU "
         "time\n" +
         wake_up_table(workload) + missed_frames(workload);
}

std::string advice_text(const Json& advice) {
  if (advice.empty()) return "Nothing that tp looks for stands in the way here.";
  std::string text = "What stands in the way here, most important first:";
  for (const Json& one : advice) {
    text += fmt::format("\n{}: {}\n", paint(Colour::yellow, one["what"].get<std::string>()),
                        one["found"].get<std::string>());
    text += fmt::format("    why   {}\n    cure  {}", one["why"].get<std::string>(),
                        one["how"].get<std::string>());
  }
  return text;
}

}  // namespace

std::string bench_text(const Json& report) {
  std::string text = report["environment_text"].get<std::string>() + "\n";
  if (report.contains("workloads")) {
    if (report["one_cpu"].get<bool>())
      text += "ONE CPU: both sides take turns on it; latencies are those of the scheduler.\n\n";
    for (const Json& workload : report["workloads"]) text += workload_text(workload) + "\n";
    for (const Json& hole : report["not_measured"])
      text += fmt::format("not measured: {}, {}: {}\n", hole["workload"].get<std::string>(),
                          hole["what"].get<std::string>(), hole["why"].get<std::string>());
    if (!report["not_measured"].empty()) text += "\n";
    text += fmt::format("{} in {:.0f} s, medians; ~: rounds differ much.\n\n",
                        report["rounds"] == 1
                            ? "1 round"
                            : fmt::format("{} rounds", report["rounds"].get<std::size_t>()),
                        report["seconds"].get<double>());
  }
  return text + advice_text(report["advice"]);
}

}  // namespace tensorpool::cli
