// tp_simulate: seed after seed, shared among processes; a failing one prints what broke and the command that
// repeats it.
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "simulation/world.hpp"
#include "tp/command_line.hpp"

namespace {

using namespace tensorpool;

// For the handler of signals: what to say about the seed that runs.
std::array<char, 256> last_words{};

#if defined(SIMULATION_SANITIZED)
void catch_signals() {}  // the sanitizers have more to say
#else
void on_signal(int signal) {
  // Only what is safe in a handler.
  const auto put = [](const char* text, std::size_t size) {
    (void)!::write(STDOUT_FILENO, text, size);
  };
  put(last_words.data(), std::strlen(last_words.data()));
  const char number[] = {static_cast<char>('0' + signal / 10), static_cast<char>('0' + signal % 10),
                         '\n'};
  put("a signal ended the program: ", 28);
  put(number, sizeof number);
  ::_exit(1);
}

void catch_signals() {
  static std::array<char, 65536> stack;
  stack_t alternative{};
  alternative.ss_sp = stack.data();
  alternative.ss_size = stack.size();
  ::sigaltstack(&alternative, nullptr);
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT}) ::sigaction(signal, &action, nullptr);
}
#endif

struct Options {
  std::uint64_t seeds = 20;
  simulation::Settings settings;
  std::string mode = "both";
  unsigned jobs = 0;  // processes; 0: one for each processor
  bool probes = false;
  bool first = false;
};

// What some seeds came to. Lies in memory that processes share.
struct Totals {
  std::uint64_t ran = 0;
  std::uint64_t failed = 0;
  base::Nanos slowest_direct_ns = 0;
  base::Nanos slowest_driver_ns = 0;
  simulation::Probes probes;
};

std::string replay_of(const simulation::Settings& settings) {
  std::string command = fmt::format("./run simulate --seeds 1 --seed {} --mode {}", settings.seed,
                                    settings.mode == Mode::direct ? "direct" : "driver");
  if (settings.steps != 0) command += fmt::format(" --steps {}", settings.steps);
  return command;
}

bool run_world(const simulation::Settings& settings, Totals& totals) {
  const std::string words =
      fmt::format("seed {} failed; again with: {} --trace\n  ", settings.seed, replay_of(settings));
  std::snprintf(last_words.data(), last_words.size(), "%s", words.c_str());
  const simulation::Report report = simulation::run(settings, [](const std::string& what) {
    fmt::print("{}{}\n", last_words.data(), what);
    std::fflush(stdout);
  });
  totals.probes.add(report.probes);
  base::Nanos& slowest =
      settings.mode == Mode::direct ? totals.slowest_direct_ns : totals.slowest_driver_ns;
  slowest = std::max(slowest, report.recovery_ns);
  if (settings.trace) fmt::print("seed {}: hash {:016x}\n", settings.seed, report.hash);
  return report.passed();
}

// Every `jobs`th seed, from number `job` on. A seed passes when its worlds of all modes do.
void run_some(const Options& options, unsigned job, unsigned jobs, Totals& totals) {
  simulation::Settings settings = options.settings;
  for (std::uint64_t i = job; i < options.seeds; i += jobs) {
    if (options.first && totals.failed > 0) return;
    settings.seed = options.settings.seed + i;
    bool passed = true;
    for (const Mode mode : {Mode::direct, Mode::driver}) {
      if (options.mode == (mode == Mode::direct ? "driver" : "direct")) continue;
      settings.mode = mode;
      passed = run_world(settings, totals) && passed;
    }
    ++totals.ran;
    totals.failed += passed ? 0U : 1U;
  }
}

// In processes of their own, so that one that a signal ends takes only its own seeds with it.
Totals run_all(const Options& options, unsigned jobs) {
  Totals all;
  if (jobs == 1) {
    run_some(options, 0, 1, all);
    return all;
  }
  void* memory = ::mmap(nullptr, sizeof(Totals) * jobs, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory to share among processes");
  auto* totals = static_cast<Totals*>(memory);
  std::vector<pid_t> children;
  std::fflush(stdout);
  for (unsigned job = 0; job < jobs; ++job) {
    new (totals + job) Totals;
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("no process for a part of the seeds; try --jobs 1");
    if (child == 0) {
      run_some(options, job, jobs, totals[job]);
      std::fflush(stdout);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (unsigned job = 0; job < jobs; ++job) {
    int status = 0;
    (void)::waitpid(children[job], &status, 0);
    const std::uint64_t mine = (options.seeds - job + jobs - 1) / jobs;
    all.ran += mine;
    all.failed += totals[job].failed + (mine - totals[job].ran);  // what did not run failed
    all.slowest_direct_ns = std::max(all.slowest_direct_ns, totals[job].slowest_direct_ns);
    all.slowest_driver_ns = std::max(all.slowest_driver_ns, totals[job].slowest_driver_ns);
    all.probes.add(totals[job].probes);
  }
  ::munmap(memory, sizeof(Totals) * jobs);
  return all;
}

unsigned jobs_of(const Options& options) {
  const bool alone = options.first || options.settings.trace;
  const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
  const unsigned wanted =
      options.jobs != 0 ? options.jobs : static_cast<unsigned>(std::clamp(processors, 1L, 64L));
  return alone ? 1 : static_cast<unsigned>(std::min<std::uint64_t>(wanted, options.seeds));
}

void print_probes(const simulation::Probes& probes) {
  for (std::size_t i = 0; i < simulation::probe_count; ++i) {
    const auto probe = static_cast<simulation::Probe>(i);
    fmt::print("{:>10} {}\n", probes[probe], name(probe));
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  cli::Program app("Runs worlds of producers and consumers under faults, each from one seed.",
                   "tp_simulate");
  app.option("--seeds", options.seeds, "how many").check(cli::whole_number(1, UINT64_MAX));
  app.option("--seed", options.settings.seed, "the first one");
  app.option("--mode", options.mode, "direct, driver or both: a seed passes when both do")
      .check(cli::one_of({"direct", "driver", "both"}));
  app.option("--steps", options.settings.steps, "steps of the scheduler in each; 0: as usual");
  app.option("--jobs", options.jobs, "processes; 0: one for each processor");
  app.flag("--trace", options.settings.trace, "print everything that happens");
  app.flag("--probes", options.probes, "print how often rare paths were taken");
  app.flag("--first", options.first, "stop at the first seed that fails");
  app.version("tp_simulate of tensorpool");
  if (const auto exit_code = app.read(argc, argv)) return *exit_code;

  catch_signals();
  const Totals all = run_all(options, jobs_of(options));
  if (options.probes) {
    print_probes(all.probes);
    fmt::print("{:>10} announce periods to the slowest recovery without a driver\n",
               all.slowest_direct_ns / simulation::announce_period_ns);
    fmt::print("{:>10} announce periods to the slowest recovery with a driver\n",
               all.slowest_driver_ns / simulation::announce_period_ns);
  }
  fmt::print("{} passed, {} failed\n", all.ran - all.failed, all.failed);
  return all.failed == 0 ? 0 : 1;
}
