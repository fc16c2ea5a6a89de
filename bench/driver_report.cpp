#include <fmt/format.h>

#include <algorithm>

#include "driver_bench.hpp"
#include "environment.hpp"
#include "report.hpp"
#include "statistics.hpp"

namespace tensorpool::bench {
namespace {

using Json = nlohmann::ordered_json;

const char* title(const std::string& part) {
  if (part == "core") return "The core alone, one thread, virtual time";
  if (part == "cycle")
    return "Duty cycle: 1000 leases on 256 streams, a keepalive a second each, real messages";
  if (part == "attach") return "Attach to first frame: 8 slots of 64 KiB, a look every 50 us";
  if (part == "failover")
    return "Failover: kill -9 of a producer; a standby asks every tenth of an interval; grace of 3";
  return "Idle: CPU time of a client, and of tp_driver with the media driver inside it";
}

}  // namespace

void add(DriverRows& rows, const char* part, const std::string& what, const char* unit,
         double value) {
  const auto found = std::ranges::find_if(
      rows, [&](const DriverRow& row) { return row.part == part && row.what == what; });
  if (found != rows.end()) {
    found->rounds.push_back(value);
    return;
  }
  // Behind the last of its part, which a later round may find more of.
  const auto last = std::find_if(rows.rbegin(), rows.rend(),
                                 [&](const DriverRow& row) { return row.part == part; });
  rows.insert(last == rows.rend() ? rows.end() : last.base(), {part, what, unit, {value}});
}

Json driver_json(const DriverRows& rows, const DriverBenchOptions& options) {
  Json list = Json::array();
  for (const DriverRow& row : rows) {
    const Spread s = spread(row.rounds);
    list.push_back({{"part", row.part},
                    {"what", row.what},
                    {"unit", row.unit},
                    {"median", s.median},
                    {"low", s.low},
                    {"high", s.high}});
  }
  Json environment = to_json(look_around());
  environment["quick"] = options.quick;
  environment["rounds"] = options.rounds;
  return {{"environment", std::move(environment)}, {"driver", std::move(list)}};
}

void print_driver(const Json& report) {
  const Json& environment = report["environment"];
  fmt::print("CPU       {}, {} available\n", environment["cpu"].get<std::string>(),
             environment["cpus"].size());
  for (const char* key : {"kernel", "compiler", "build", "aeron"})
    fmt::print("{:<10}{}\n", key, environment[key].get<std::string>());
  fmt::print("{:<10}{}; median (lowest..highest round); load average {:.1f} at the end\n", "rounds",
             environment["rounds"].get<std::size_t>(), environment["load"].get<double>());
  if (environment["quick"].get<bool>())
    fmt::print("QUICK RUN: it shows that everything works; the numbers mean nothing.\n");
  std::string part;
  for (const Json& row : report["driver"]) {
    if (row["part"] != part) {
      part = row["part"].get<std::string>();
      fmt::print("\n{}\n\n", title(part));
    }
    const auto number = [&](const char* key) {
      const double value = row[key].get<double>();
      return fmt::format("{:.{}f}", value, value >= 1000 ? 0 : value >= 10 ? 1 : 3);
    };
    fmt::print("{:<58}{:>34} {}\n", row["what"].get<std::string>(),
               fmt::format("{} ({}..{})", number("median"), number("low"), number("high")),
               row["unit"].get<std::string>());
  }
}

}  // namespace tensorpool::bench
