// What a tp_driver with its media driver takes of a core when nothing happens: CPU time of its threads, as the kernel
// counts it.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "driver_bench.hpp"

namespace tensorpool::bench {
namespace {

struct ThreadUse {
  double cpu_ns = 0;
  double wakes = 0;
};
using Uses = std::map<std::string, ThreadUse>;  // by what the thread does

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  (void)std::getline(in, line);
  return line;
}

// Aeron names its threads; ours have none but the process's.
std::string role_of(pid_t pid, const std::filesystem::path& task) {
  if (task.filename() == std::to_string(pid)) return "duty cycle";
  const std::string name = first_line(task / "comm");
  if (name.starts_with("[conductor")) return "media driver";
  if (name.starts_with("aeron-client")) return "Aeron client";
  return "region worker and log";
}

double wakes_of(const std::filesystem::path& task) {
  std::ifstream in(task / "status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("voluntary_ctxt_switches:"))
      return std::stod(line.substr(line.find(':') + 1));
  }
  return 0;
}

Uses uses_of(pid_t pid) {
  Uses uses;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    ThreadUse& use = uses[role_of(pid, entry.path())];
    // Nanoseconds on a CPU; utime and stime would count in hundredths of a second.
    const std::string schedstat = first_line(entry.path() / "schedstat");
    if (schedstat.empty()) throw Failure("the kernel keeps no /proc/PID/task/TID/schedstat");
    use.cpu_ns += std::stod(schedstat);
    use.wakes += wakes_of(entry.path());
  }
  return uses;
}

void wait(std::int64_t ns) {
  const std::int64_t end = now_ns() + ns;
  while (now_ns() < end) {
    if (interrupted()) throw Interrupted();
    timespec time{0, 10'000'000};
    (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
  }
}

// What this machine takes for waking a thread that does nothing, a thousand times a second: the price that all
// of the above pay.
double wake_us(std::int64_t duration_ns) {
  const std::string self = "/proc/thread-self/schedstat";
  const double before = std::stod(first_line(self));
  double wakes = 0;
  const std::int64_t end = now_ns() + duration_ns;
  while (now_ns() < end) {
    if (interrupted()) throw Interrupted();
    const timespec time{0, 1'000'000};
    (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
    ++wakes;
  }
  return (std::stod(first_line(self)) - before) / wakes / 1e3;
}

void watch(DriverRows& rows, pid_t pid, const char* when, std::int64_t duration_ns) {
  constexpr const char* part = "idle";
  wait(duration_ns / 5);  // settles
  const Uses before = uses_of(pid);
  const std::int64_t start = now_ns();
  wait(duration_ns);
  const Uses after = uses_of(pid);
  const auto elapsed = static_cast<double>(now_ns() - start);
  double total = 0;
  for (const auto& [role, use] : after) total += use.cpu_ns;
  for (const auto& [role, use] : before) total -= use.cpu_ns;
  add(rows, part, fmt::format("tp_driver, {}", when), "% of a core", total / elapsed * 100);
  for (const auto& [role, use] : after) {
    const auto then = before.find(role);
    const ThreadUse old = then == before.end() ? ThreadUse{} : then->second;
    add(rows, part, fmt::format("  {}", role + std::string(", ") + when), "% of a core",
        (use.cpu_ns - old.cpu_ns) / elapsed * 100);
    add(rows, part, fmt::format("  {}, wake-ups a second", role + std::string(", ") + when), "",
        (use.wakes - old.wakes) / elapsed * 1e9);
  }
}

}  // namespace

void measure_idle(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options) {
  constexpr int consumers = 19;
  const std::int64_t duration_ns = options.quick ? 300'000'000 : 10'000'000'000;
  add(rows, "idle", "a thread that only sleeps for 1 ms, each time", "us",
      wake_us(duration_ns / 5));
  const DriverProcess driver(options.driver_program, stage.directory() + "/idle", 1000);
  watch(rows, driver.pid(), "no client", duration_ns);
  Client client = driver_client(driver.places());
  ProducerOptions wanted;
  wanted.stream = driver_stream;
  auto producer = client.producer(wanted).wait(driver_patience);
  if (!producer) throw Failure(producer.error().message());
  std::vector<Consumer> all;
  for (int i = 0; i < consumers; ++i) {
    ConsumerOptions reads;
    reads.stream = driver_stream;
    auto consumer = client.consumer(reads).wait(driver_patience);
    if (!consumer) throw Failure(consumer.error().message());
    all.push_back(std::move(*consumer));
  }
  watch(rows, driver.pid(), "20 leases", duration_ns);
}

}  // namespace tensorpool::bench
