// tp_bench: the workloads of bench/README.md in one run. Exit code 0: measured; 1: something
// failed, or a delivered frame held wrong bytes; 2: bad arguments; 130: interrupted.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include "driver_bench.hpp"
#include "instructions_gate.hpp"
#include "ping_pong.hpp"
#include "report.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint64_t KiB = 1024;
constexpr std::uint64_t MiB = 1024 * KiB;

struct Options {
  bool quick = false;
  std::size_t rounds = 5;
  std::string json;
  std::string only;
  std::string counted_program;
  std::string keep_profiles;
  bool instructions = true;

  bool wants(const char* part) const { return only.empty() || only == part; }
};

Percentiles one_round(const Stage& stage, const Cpus& cpus, const PingOptions& options,
                      const LatencyRow& row, std::uint64_t size) {
  const Shared<PingBoard> board;
  stage.run({[&] {
               pin(cpus.second);
               if (row.is_tensorpool)
                 echo_tensorpool(stage, size, *board, options);
               else
                 echo_aeron(stage.aeron_dir(), *board, options);
             },
             [&] {
               pin(cpus.first);
               if (row.is_tensorpool)
                 ping_tensorpool(stage, size, *board, options);
               else
                 ping_aeron(stage.aeron_dir(), *board, options);
             }});
  return board->half_round_trip;
}

std::vector<LatencyRow> measure_latency(const Stage& stage, const Cpus& cpus,
                                        const Options& options) {
  const std::uint64_t sizes[] = {0, 64, 64 * KiB, 640 * KiB};
  std::vector<LatencyRow> rows = {{"raw Aeron, 48 B", false, {}},
                                  {"tensorpool, 64 B", true, {}},
                                  {"tensorpool, 64 KiB", true, {}},
                                  {"tensorpool, 640 KiB", true, {}}};
  PingOptions ping;
  ping.share_cpu = cpus.shared();
  if (options.quick) {
    ping.warm_up = 500;
    ping.pings = 1'000;
  }
  for (std::size_t round = 0; round < options.rounds; ++round) {
    fmt::print(stderr, "bench: latency, round {} of {}\n", round + 1, options.rounds);
    for (std::size_t i = 0; i < rows.size(); ++i)
      rows[i].rounds.push_back(one_round(stage, cpus, ping, rows[i], sizes[i]));
  }
  return rows;
}

std::vector<ThroughputRow> measure_throughput(const Stage& stage, const Cpus& cpus,
                                              const Options& options) {
  std::vector<ThroughputRow> rows = {
      {64 * KiB, 64, {}, {}}, {640 * KiB, 16, {}, {}}, {8 * MiB, 8, {}, {}}};
  for (std::size_t round = 0; round < options.rounds; ++round) {
    fmt::print(stderr, "bench: throughput, round {} of {}\n", round + 1, options.rounds);
    for (ThroughputRow& row : rows) {
      ThroughputOptions one{row.frame_bytes, row.slots, 1'000'000'000};
      if (options.quick) one.duration_ns = 50'000'000;
      row.memcpy_rounds.push_back(measure_memcpy(stage, cpus, one));
      row.rounds.push_back(measure_stream(stage, cpus, one));
    }
  }
  return rows;
}

Report measure(const Options& options) {
  Report report;
  report.quick = options.quick;
  report.cpus = choose_cpus();
  const Stage stage;
  if (options.wants("latency")) report.latency = measure_latency(stage, report.cpus, options);
  if (options.wants("throughput"))
    report.throughput = measure_throughput(stage, report.cpus, options);
  if (!options.wants("instructions") || !options.instructions) {
    report.instructions.why_not = "not asked for";
  } else {
    fmt::print(stderr, "bench: instructions\n");
    report.instructions =
        count_instructions(stage, options.counted_program, options.quick, options.keep_profiles);
  }
  return report;
}

void write_json(const std::string& name, const nlohmann::ordered_json& json) {
  if (name.empty()) return;
  std::ofstream file(name);
  file << json.dump(2) << '\n';
  if (!file) throw Failure(fmt::format("cannot write {}", name));
}

int run(const Options& options) {
  const Report report = measure(options);
  const nlohmann::ordered_json json = to_json(report);
  print(json);
  write_json(options.json, json);
  for (const ThroughputRow& row : report.throughput) {
    for (const Throughput& round : row.rounds) {
      if (round.wrong != 0) throw Failure("a delivered frame held wrong bytes");
    }
  }
  return 0;
}

int run_driver(const DriverBenchOptions& options, const std::string& json_file) {
  const Stage stage;
  DriverRows rows;
  for (std::size_t round = 0; round < options.rounds; ++round) {
    // Every round in folders of its own, which its driver must find empty.
    const auto part = [&](const char* name, auto&& measure) {
      if (!options.wants(name) || interrupted()) return;
      fmt::print(stderr, "bench: driver, {}, round {} of {}\n", name, round + 1, options.rounds);
      measure();
      std::filesystem::remove_all(stage.directory() + "/" + name);
    };
    // First what forks without other threads.
    part("cycle", [&] { measure_cycle(rows, stage, options); });
    part("core", [&] { measure_core(rows, options); });
    part("attach", [&] { measure_attach(rows, stage, options); });
    part("failover", [&] { measure_failover(rows, stage, options); });
    part("idle", [&] { measure_idle(rows, stage, options); });
    if (interrupted()) throw Interrupted();
  }
  const nlohmann::ordered_json json = driver_json(rows, options);
  print_driver(json);
  write_json(json_file, json);
  return 0;
}

std::string folder_of(const char* program) {
  const std::string path = program;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace
}  // namespace tensorpool::bench

int main(int argc, char** argv) {
  using namespace tensorpool::bench;
  Options options;
  options.counted_program = folder_of(argv[0]) + "/tp_bench_counted";
  CLI::App app{"Latency, throughput and instructions per frame, beside raw Aeron and memcpy"};
  app.add_flag("--quick", options.quick, "Two short rounds: does it run? The numbers mean nothing");
  auto* rounds = app.add_option("--rounds", options.rounds, "Rounds of each workload (default 5)")
                     ->check(CLI::Range(1, 1000));
  app.add_option("--json", options.json, "Write everything to this file, too");
  app.add_option("--only", options.only, "Only one part")
      ->check(CLI::IsMember({"latency", "throughput", "instructions"}));
  app.add_flag("!--no-instructions", options.instructions, "Do not run valgrind");
  app.add_option("--keep-profiles", options.keep_profiles,
                 "Copy callgrind's profiles to this folder, for callgrind_annotate");
  DriverBenchOptions driver;
  driver.driver_program = folder_of(argv[0]) + "/tp_driver";
  driver.own_program = "/proc/self/exe";
  std::string driver_json_file;
  std::vector<std::string> produce;
  CLI::App* const driver_app =
      app.add_subcommand("driver", "The driver: attach, failover, duty cycle, memory, idle CPU");
  driver_app->add_flag("--quick", driver.quick, "One short round: does it run?");
  auto* driver_rounds = driver_app->add_option("--rounds", driver.rounds, "Rounds (default 5)")
                            ->check(CLI::Range(1, 1000));
  driver_app->add_option("--json", driver_json_file, "Write everything to this file, too");
  driver_app->add_option("--only", driver.only, "Only one part")
      ->check(CLI::IsMember({"core", "cycle", "attach", "failover", "idle"}));
  driver_app->add_option("--driver-program", driver.driver_program, "tp_driver");
  driver_app->add_option("--produce", produce, "What the bench starts itself")
      ->expected(3)
      ->group("");
  const InstructionsGate gate(app, options.counted_program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.quick && rounds->count() == 0) options.rounds = 2;
  if (driver.quick && driver_rounds->count() == 0) driver.rounds = 1;
  try {
    if (!produce.empty()) {
      return publish_until_killed(
          {produce[0], produce[1], static_cast<std::uint32_t>(std::stoul(produce[2]))});
    }
    if (gate.asked()) return gate.run();
    if (driver_app->parsed()) return run_driver(driver, driver_json_file);
    return run(options);
  } catch (const Interrupted&) {
    fmt::print(stderr, "bench: interrupted\n");
    return 130;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench: {}\n", failure.what());
    return 1;
  }
}
