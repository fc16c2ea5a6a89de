// tp_simulate: seed after seed; a failing one prints what broke and the command that repeats it.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "simulation/world.hpp"

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

std::string replay_of(const simulation::Settings& settings) {
  std::string command = fmt::format("./run simulate --seeds 1 --seed {}", settings.seed);
  if (settings.steps != simulation::Settings{}.steps)
    command += fmt::format(" --steps {}", settings.steps);
  return command;
}

void print_probes(const simulation::Probes& probes) {
  for (std::size_t i = 0; i < simulation::probe_count; ++i) {
    const auto probe = static_cast<simulation::Probe>(i);
    fmt::print("{:>10} {}\n", probes[probe], name(probe));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seeds = 20;
  simulation::Settings settings;
  bool probes = false;
  bool first = false;
  CLI::App app{"Runs worlds of producers and consumers under faults, each from one seed.",
               "tp_simulate"};
  app.add_option("--seeds", seeds, "how many")->check(CLI::PositiveNumber);
  app.add_option("--seed", settings.seed, "the first one");
  app.add_option("--steps", settings.steps, "steps of the scheduler in each");
  app.add_flag("--trace", settings.trace, "print everything that happens");
  app.add_flag("--probes", probes, "print how often rare paths were taken");
  app.add_flag("--first", first, "stop at the first seed that fails");
  app.set_version_flag("--version", "tp_simulate of tensorpool");
  CLI11_PARSE(app, argc, argv);

  catch_signals();
  simulation::Probes all;
  std::uint64_t failed = 0;
  std::uint64_t ran = 0;
  base::Nanos slowest = 0;
  for (; ran < seeds && !(first && failed > 0); ++ran, ++settings.seed) {
    const std::string words = fmt::format("seed {} failed; again with: {} --trace\n  ",
                                          settings.seed, replay_of(settings));
    std::snprintf(last_words.data(), last_words.size(), "%s", words.c_str());
    const simulation::Report report = simulation::run(settings, [](const std::string& what) {
      fmt::print("{}{}\n", last_words.data(), what);
      std::fflush(stdout);
    });
    failed += report.passed() ? 0U : 1U;
    all.add(report.probes);
    slowest = std::max(slowest, report.recovery_ns);
    if (settings.trace) fmt::print("seed {}: hash {:016x}\n", settings.seed, report.hash);
  }
  if (probes) {
    print_probes(all);
    fmt::print("{:>10} announce periods to the slowest recovery\n",
               slowest / simulation::announce_period_ns);
  }
  fmt::print("{} passed, {} failed\n", ran - failed, failed);
  return failed == 0 ? 0 : 1;
}
