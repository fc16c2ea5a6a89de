// tp_bench: how tensorpool stands against the limit and against what one would take instead.
//
// Subjects (subject.hpp), one file each:
//   subjects/tensorpool.cpp   ours
//   subjects/ring.cpp         bound: a bare ring in shared memory, no middleware
//   subjects/aeron.cpp        bound of latency: 48 bytes over raw Aeron IPC
//   subjects/futex.cpp        bound of waking up: a word and a futex
//   rivals/                   iceoryx2, ZeroMQ over ipc, a Unix socket with shared memory: when asked for
//   memcpy                    bound of copying; in workloads/copy_in.cpp
// Workloads (workload.hpp), one file each in workloads/:
//   closed_loop   open_loop   copy_in   in_place   no_touch   fan_out   many_streams   many_pools
//   conductors    reader_restart   overwrites   frozen   wake_up   idle_cpu
// Beside them: instructions.* and counted.cpp (callgrind), instructions_gate.* (`instructions`),
// driver_*.cpp (`driver`).
//
// Exit code 0: measured; 1: something failed, or a delivered frame held wrong bytes; 2: bad
// arguments; 130: interrupted. What cannot be measured here is named, and the rest is measured.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "arguments.hpp"
#include "cpu_clock.hpp"
#include "driver_bench.hpp"
#include "environment.hpp"
#include "instructions_gate.hpp"
#include "report.hpp"

namespace tensorpool::bench {
namespace {

void write_json(const std::string& name, const Json& json) {
  if (name.empty()) return;
  std::ofstream file(name);
  file << json.dump(2) << '\n';
  if (!file) throw Failure(fmt::format("cannot write {}", name));
}

int list(const std::vector<Entry>& subjects) {
  fmt::print("workloads\n");
  for (const auto& workload : all_workloads())
    fmt::print("  {:<16}{}\n", workload->name(), workload->title());
  fmt::print("  {:<16}Instructions per frame\n\nsubjects\n", instructions_name);
  for (const Entry& entry : subjects)
    fmt::print("  {:<16}{}\n", entry.name,
               entry.why_not.empty() ? entry.subject->setup() : entry.why_not);
  fmt::print("  {:<16}one process, one CPU, in copy-in only\n", memcpy_name);
  return 0;
}

// What one should know before one looks at a number, also on the terminal.
void print_machine(const Environment& environment, const Plan& plan,
                   const std::vector<Hole>& holes) {
  fmt::print("{}{}", to_text(environment), to_text(advice(environment)));
  if (plan.cpus.why_not_pinned.empty())
    fmt::print("{:<10}senders on CPU {}, readers on CPU {}\n", "pinned", plan.cpus.first,
               plan.cpus.second);
  else
    fmt::print("NOT PINNED: {}. Tails are those of the scheduler.\n", plan.cpus.why_not_pinned);
  if (plan.cpus.shared())
    fmt::print("ONE CPU: workers take turns; latencies are those of the scheduler.\n");
  if (const std::string why = why_no_instructions(); !why.empty())
    fmt::print("fan-out shows CPU time only, no instructions: {}\n", why);
  for (const Hole& hole : holes) fmt::print("not measured: {}: {}\n", hole.what, hole.why);
  (void)std::fflush(stdout);  // the next line comes when everything is measured
}

// Where the results go, tried before anything is measured. What was made here and never written to goes away again, as
// when the run is interrupted.
class Results {
 public:
  explicit Results(const Wishes& wishes) : folder_(wishes.out), json_(wishes.json) {
    std::error_code error;
    if (!folder_.empty()) {
      made_ = std::filesystem::create_directories(folder_, error);
      if (error) throw BadArgument(fmt::format("--out '{}': {}", folder_, error.message()));
      try_file("--out", folder_ + "/report.json");
    }
    if (!json_.empty()) try_file("--json", json_);
  }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  ~Results() {
    std::error_code ignored;
    if (made_) (void)std::filesystem::remove(folder_, ignored);  // only when it is empty
  }

  void write(const Json& json, const Run& run) const {
    if (!folder_.empty()) {
      write_json(folder_ + "/report.json", json);
      write_histograms(run, folder_);
    }
    write_json(json_, json);
  }

 private:
  static void try_file(const char* option, const std::string& name) {
    const bool there = std::filesystem::exists(name);
    const bool good = std::ofstream(name, std::ios::app).good();
    const int error = errno;
    if (!good)
      throw BadArgument(
          fmt::format("{} '{}': cannot be written: {}", option, name, std::strerror(error)));
    std::error_code ignored;
    if (!there) (void)std::filesystem::remove(name, ignored);
  }

  std::string folder_;
  std::string json_;
  bool made_ = false;
};

// Whether a torn frame is the subject's fault, or what it is known not to notice.
bool proves(const Case& one) {
  return one.subject == nullptr || one.subject->capabilities().proves;
}

// What goes wrong here does not take away what was measured before.
Instructions count(const Stage& stage, const Wishes& wishes, std::vector<Hole>& holes) {
  fmt::print(stderr, "bench: {}\n", instructions_name);
  try {
    return count_instructions(stage, wishes.counted_program, wishes.quick, wishes.keep_profiles);
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& failure) {
    holes.push_back({instructions_name, "everything", failure.what(), true});
    Instructions none;
    none.why_not = failure.what();
    return none;
  }
}

using Workloads = std::vector<std::unique_ptr<Workload>>;

// Workloads, and the instructions, which are empty where nobody wants them.
Instructions measure(const Wishes& wishes, const Plan& plan, const Workloads& workloads, Run& run) {
  // Where not even a media driver fits, what needs none is measured all the same.
  const std::string no_room = why_no_room(1, free_shared_memory());
  std::optional<std::string> foreign;
  if (!no_room.empty() || !wishes.aeron_dir.empty()) foreign = wishes.aeron_dir;
  const Stage stage(foreign);
  Runner runner(stage, plan);
  for (const auto& workload : workloads) runner.run(*workload, run);
  if (wants_instructions(wishes) && no_room.empty()) return count(stage, wishes, run.holes);
  Instructions none;
  none.why_not = no_room;
  return none;
}

// Names each row in which frames that were called whole held wrong bytes.
bool all_well(const Run& run) {
  bool good = std::ranges::none_of(run.holes, &Hole::failed);
  for (const Findings& found : run.findings) {
    for (const Row& row : found.rows) {
      const bool wrong = std::ranges::any_of(
          row.rounds, [](const Outcome& round) { return round.books.wrong != 0; });
      if (!wrong || !proves(row.of)) continue;
      fmt::print(stderr, "bench: {}: {}: a delivered frame held wrong bytes\n", found.workload,
                 label(row.of));
      good = false;
    }
  }
  return good;
}

int run(const Wishes& wishes) {
  const std::vector<Entry> subjects = all_subjects();
  if (wishes.list) return list(subjects);
  Run run;
  Plan plan = make_plan(wishes, subjects, run.holes);
  const Workloads workloads = chosen_workloads(wishes);
  if (!wishes.aeron_dir.empty() && !std::filesystem::exists(wishes.aeron_dir + "/cnc.dat"))
    throw BadArgument(fmt::format(
        "--aeron-dir '{}': no media driver runs there (there is no cnc.dat)", wishes.aeron_dir));
  const Results results(wishes);
  const Environment environment = look_around();
  plan.cpus = choose_cpus();
  print_machine(environment, plan, run.holes);
  const Instructions counted = measure(wishes, plan, workloads, run);
  Json json = {{"environment", to_json(environment)}, {"advice", to_json(advice(environment))}};
  json.update(to_json(run, plan));
  json["subjects"] = to_json(subjects);
  if (wants_instructions(wishes)) json["instructions"] = to_json(counted);
  print(json);
  results.write(json, run);
  return all_well(run) ? 0 : 1;
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
  const Json json = driver_json(rows, options);
  print_driver(json);
  write_json(json_file, json);
  return 0;
}

std::string folder_of(const char* program) {
  const std::string path = program;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// All that the command line can say.
class CommandLine {
 public:
  explicit CommandLine(const std::string& folder) {
    wishes_.counted_program = folder + "/tp_bench_counted";
    driver_.driver_program = folder + "/tp_driver";
    driver_.own_program = "/proc/self/exe";
    add_kit();
    add_driver();
    gate_ = std::make_unique<InstructionsGate>(app_, wishes_.counted_program);
  }

  int parse_and_run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? 0 : 2;
    }
    if (driver_.quick && driver_rounds_->count() == 0) driver_.rounds = 1;
    if (!produce_.empty()) {
      return publish_until_killed(
          {produce_[0], produce_[1], static_cast<std::uint32_t>(std::stoul(produce_[2]))});
    }
    if (gate_->asked()) return gate_->run();
    if (driver_app_->parsed()) return run_driver(driver_, driver_json_);
    return run(wishes_);
  }

 private:
  void add_kit() {
    app_.add_flag("--quick", wishes_.quick,
                  "Two short rounds: does it run? The numbers mean nothing");
    app_.add_option("--rounds", wishes_.rounds, "Rounds of each workload (default 5)")
        ->check(CLI::Range(1, 1000));
    app_.add_option("--pace", wishes_.pace,
                    "Measure so much longer (5) or shorter (0.1) than usual (default 1)")
        ->check(CLI::Range(0.001, 1000.0));
    app_.add_option("--aeron-dir", wishes_.aeron_dir,
                    "Use the media driver that runs there, such as a foreign aeronmd");
    app_.add_option("--workload,--only", wishes_.workloads, "Only these (see --list)")
        ->delimiter(',');
    app_.add_option("--subject", wishes_.subjects, "Only these (see --list)")->delimiter(',');
    app_.add_option("--size", wishes_.sizes,
                    "Payload sizes, such as 64KiB,8MiB, where a workload has any")
        ->delimiter(',');
    app_.add_option("--rate", wishes_.rates, "Rates of the open loop, such as 1k,50k")
        ->delimiter(',');
    app_.add_option("--out", wishes_.out, "A folder for report.json and the histograms");
    app_.add_option("--json", wishes_.json, "Write everything to this file, too");
    app_.add_flag("--lock", wishes_.lock_memory, "Lock what frames lie in (mlock)");
    app_.add_flag("--list", wishes_.list, "Say which workloads and subjects there are");
    app_.add_flag("!--no-instructions", wishes_.instructions, "Do not run valgrind");
    app_.add_option("--keep-profiles", wishes_.keep_profiles,
                    "Copy callgrind's profiles to this folder, for callgrind_annotate");
  }
  void add_driver() {
    driver_app_ =
        app_.add_subcommand("driver", "The driver: attach, failover, duty cycle, memory, idle CPU");
    driver_app_->add_flag("--quick", driver_.quick, "One short round: does it run?");
    driver_rounds_ = driver_app_->add_option("--rounds", driver_.rounds, "Rounds (default 5)")
                         ->check(CLI::Range(1, 1000));
    driver_app_->add_option("--json", driver_json_, "Write everything to this file, too");
    driver_app_->add_option("--only", driver_.only, "Only one part")
        ->check(CLI::IsMember({"core", "cycle", "attach", "failover", "idle"}));
    driver_app_->add_option("--driver-program", driver_.driver_program, "tp_driver");
    driver_app_->add_option("--produce", produce_, "What the bench starts itself")
        ->expected(3)
        ->group("");
  }

  CLI::App app_{"How tensorpool stands against the limit and against others"};
  Wishes wishes_;
  std::unique_ptr<InstructionsGate> gate_;
  DriverBenchOptions driver_;
  std::string driver_json_;
  std::vector<std::string> produce_;
  CLI::App* driver_app_ = nullptr;
  CLI::Option* driver_rounds_ = nullptr;
};

}  // namespace
}  // namespace tensorpool::bench

int main(int argc, char** argv) {
  using namespace tensorpool::bench;
  try {
    return CommandLine(folder_of(argv[0])).parse_and_run(argc, argv);
  } catch (const Interrupted&) {
    fmt::print(stderr, "bench: interrupted\n");
    return 130;
  } catch (const BadArgument& failure) {
    fmt::print(stderr, "bench: {}\n", failure.what());
    return 2;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench: {}\n", failure.what());
    return 1;
  }
}
