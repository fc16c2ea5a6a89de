#include "report.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <fstream>
#include <string_view>

namespace tensorpool::bench {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Spread& s) { return {{"median", s.median}, {"low", s.low}, {"high", s.high}}; }

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

Json environment(const Report& report) {
  Json json = machine(report.cpus);
  json["pinned_to"] = {report.cpus.first, report.cpus.second};
  json["quick"] = report.quick;
  json["rounds"] =
      report.latency.empty()
          ? report.throughput.empty() ? std::size_t{0} : report.throughput.front().rounds.size()
          : report.latency.front().rounds.size();
  return json;
}

using Member = double Percentiles::*;

Spread of(const LatencyRow& row, Member member) {
  std::vector<double> rounds;
  for (const Percentiles& round : row.rounds) rounds.push_back(round.*member);
  return spread(std::move(rounds));
}

// Round by round, so that what disturbs both rivals of a round cancels out.
Spread times_of(const LatencyRow& row, const LatencyRow& rival, Member member) {
  std::vector<double> rounds;
  for (std::size_t i = 0; i < row.rounds.size(); ++i)
    rounds.push_back(row.rounds[i].*member / rival.rounds[i].*member);
  return spread(std::move(rounds));
}

Json latency(const Report& report) {
  Json rows = Json::array();
  for (const LatencyRow& row : report.latency) {
    Json entry = {{"what", row.name}};
    const std::pair<const char*, Member> percentiles[] = {
        {"p50", &Percentiles::p50}, {"p99", &Percentiles::p99}, {"p999", &Percentiles::p999}};
    for (const auto& [name, member] : percentiles) {
      entry["ns"][name] = to_json(of(row, member));
      if (row.is_tensorpool)
        entry["times_raw_aeron"][name] = to_json(times_of(row, report.latency.front(), member));
    }
    entry["samples_per_round"] = row.rounds.front().samples;
    rows.push_back(std::move(entry));
  }
  return rows;
}

Json throughput(const Report& report) {
  Json rows = Json::array();
  for (const ThroughputRow& row : report.throughput) {
    std::vector<double> rates;
    std::vector<double> fractions;
    std::uint64_t delivered = 0;
    std::uint64_t overwritten = 0;
    std::uint64_t lost = 0;
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < row.rounds.size(); ++i) {
      rates.push_back(row.rounds[i].frames_per_second);
      fractions.push_back(row.rounds[i].frames_per_second / row.memcpy_rounds[i]);
      delivered += row.rounds[i].delivered;
      overwritten += row.rounds[i].overwritten;
      lost += row.rounds[i].lost;
      wrong += row.rounds[i].wrong;
    }
    const Spread rate = spread(std::move(rates));
    rows.push_back(
        {{"frame_bytes", row.frame_bytes},
         {"slots", row.slots},
         {"frames_per_second", to_json(rate)},
         {"mib_per_second", rate.median * static_cast<double>(row.frame_bytes) / 1048576},
         {"memcpy_per_second", to_json(spread(row.memcpy_rounds))},
         {"fraction_of_memcpy", to_json(spread(std::move(fractions)))},
         {"delivered", delivered},
         {"overwritten", overwritten},
         {"lost", lost},
         {"wrong", wrong}});
  }
  return rows;
}

Json instructions(const Instructions& counted) {
  if (!counted.why_not.empty()) return {{"not_counted", counted.why_not}};
  return {{"producer_claim_commit", counted.producer},
          {"consumer_poll_10", counted.consumer_ten},
          {"consumer_poll_1", counted.consumer_one},
          {"frames", counted.frames}};
}

std::string size_text(std::uint64_t bytes) {
  if (bytes >= 1048576) return fmt::format("{} MiB", bytes / 1048576);
  return bytes >= 1024 ? fmt::format("{} KiB", bytes / 1024) : fmt::format("{} B", bytes);
}

double number(const Json& spread, const char* key = "median") { return spread[key].get<double>(); }

std::string with_spread(const Json& spread) {
  return fmt::format("{:.0f} ({:.0f}..{:.0f})", number(spread), number(spread, "low"),
                     number(spread, "high"));
}

void print_latency(const Json& rows) {
  if (rows.empty()) return;
  fmt::print(
      "\nOne-way latency, ns: half of a closed-loop round trip between two pinned processes that\n"
      "spin; median over rounds (lowest..highest round). Bytes are not touched; claim, commit, "
      "poll\n"
      "and proof are inside.\n\n");
  fmt::print("{:<22}{:>20}{:>22}{:>26}{:>27}\n", "", "p50", "p99", "p99.9",
             "times raw: p50/p99/p99.9");
  for (const Json& row : rows) {
    const Json& ns = row["ns"];
    fmt::print("{:<22}{:>20}{:>22}{:>26}", row["what"].get<std::string>(), with_spread(ns["p50"]),
               with_spread(ns["p99"]), with_spread(ns["p999"]));
    if (row.contains("times_raw_aeron")) {
      const Json& times = row["times_raw_aeron"];
      fmt::print("{:>27}", fmt::format("{:.2f} / {:.2f} / {:.2f}", number(times["p50"]),
                                       number(times["p99"]), number(times["p999"])));
    }
    fmt::print("\n");
  }
}

void print_throughput(const Json& rows) {
  if (rows.empty()) return;
  fmt::print(
      "\nFrames per second: one process writes every byte, another reads every byte; memcpy of "
      "the\n"
      "same size into as many buffers in one process beside it.\n\n");
  fmt::print("{:<10}{:>26}{:>10}{:>14}{:>12}{:>12}{:>13}{:>8}{:>7}\n", "frame", "frames/s", "MiB/s",
             "memcpy/s", "of memcpy", "delivered", "overwritten", "lost", "wrong");
  for (const Json& row : rows) {
    fmt::print("{:<10}{:>26}{:>10.0f}{:>14.0f}{:>12.2f}{:>12}{:>13}{:>8}{:>7}\n",
               size_text(row["frame_bytes"].get<std::uint64_t>()),
               with_spread(row["frames_per_second"]), row["mib_per_second"].get<double>(),
               number(row["memcpy_per_second"]), number(row["fraction_of_memcpy"]),
               row["delivered"].get<std::uint64_t>(), row["overwritten"].get<std::uint64_t>(),
               row["lost"].get<std::uint64_t>(), row["wrong"].get<std::uint64_t>());
  }
}

void print_instructions(const Json& counted) {
  fmt::print("\nInstructions per frame, counted by callgrind (64 B frames, one thread).\n\n");
  if (counted.contains("not_counted")) {
    fmt::print("not counted: {}\n", counted["not_counted"].get<std::string>());
    return;
  }
  fmt::print("{:<38}{:>8.0f}\n", "producer, claim + commit",
             counted["producer_claim_commit"].get<double>());
  fmt::print("{:<38}{:>8.0f}\n", "consumer, poll + proof, limit 10",
             counted["consumer_poll_10"].get<double>());
  fmt::print("{:<38}{:>8.0f}\n", "consumer, poll + proof, limit 1",
             counted["consumer_poll_1"].get<double>());
}

}  // namespace

nlohmann::ordered_json machine(const Cpus& cpus) {
  utsname system{};
  (void)::uname(&system);
  return {{"cpu", cpu_model()},
          {"cpus_available", cpus.available},
          {"kernel", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
          {"compiler", TENSORPOOL_BENCH_COMPILER},
          {"build", TENSORPOOL_BENCH_BUILD},
          {"aeron", TENSORPOOL_BENCH_AERON}};
}

nlohmann::ordered_json to_json(const Report& report) {
  return {{"environment", environment(report)},
          {"latency", latency(report)},
          {"throughput", throughput(report)},
          {"instructions", instructions(report.instructions)}};
}

void print(const nlohmann::ordered_json& report) {
  const Json& environment = report["environment"];
  fmt::print("CPU       {}, {} available, workers on {} and {}\n",
             environment["cpu"].get<std::string>(), environment["cpus_available"].get<int>(),
             environment["pinned_to"][0].get<int>(), environment["pinned_to"][1].get<int>());
  for (const char* key : {"kernel", "compiler", "build", "aeron"})
    fmt::print("{:<10}{}\n", key, environment[key].get<std::string>());
  fmt::print("{:<10}{}, rivals taking turns\n", "rounds", environment["rounds"].get<std::size_t>());
  fmt::print(
      "The media driver is a process of its own: one thread, backing off to 2 ms, not pinned; "
      "with\n"
      "two CPUs it shares them with the workers. Conductors are invoked, between timed "
      "messages.\n");
  if (environment["quick"].get<bool>())
    fmt::print("QUICK RUN: it shows that everything works; the numbers mean nothing.\n");
  if (environment["pinned_to"][0] == environment["pinned_to"][1])
    fmt::print("ONE CPU: workers take turns; latencies are those of the scheduler.\n");
  print_latency(report["latency"]);
  print_throughput(report["throughput"]);
  print_instructions(report["instructions"]);
}

}  // namespace tensorpool::bench
