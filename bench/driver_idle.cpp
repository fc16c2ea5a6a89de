// What a client, and a tp_driver with its media driver, take of a core when nothing happens: CPU time of their
// threads, as the kernel counts it.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
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

// Threads have names, the main one that of the process.
std::string role_of(pid_t pid, const std::filesystem::path& task, const char* main_role) {
  if (task.filename() == std::to_string(pid)) return main_role;
  const std::string name = first_line(task / "comm");
  if (name.starts_with("[conductor")) return "media driver";
  if (name.starts_with("tp-conductor")) return "conductor";
  if (name.starts_with("tp-regions")) return "region worker";
  return "other threads";
}

double wakes_of(const std::filesystem::path& task) {
  std::ifstream in(task / "status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("voluntary_ctxt_switches:"))
      return std::stod(line.substr(line.find(':') + 1));
  }
  return 0;
}

Uses uses_of(pid_t pid, const char* main_role) {
  Uses uses;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    ThreadUse& use = uses[role_of(pid, entry.path(), main_role)];
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

// A process, and what its main thread does.
struct Watched {
  const char* name;
  const char* main_role;
  pid_t pid;
};

void watch(DriverRows& rows, const Watched& process, const char* when, std::int64_t duration_ns) {
  constexpr const char* part = "idle";
  wait(duration_ns / 5);  // settles
  const Uses before = uses_of(process.pid, process.main_role);
  const std::int64_t start = now_ns();
  wait(duration_ns);
  const Uses after = uses_of(process.pid, process.main_role);
  const auto elapsed = static_cast<double>(now_ns() - start);
  double total = 0;
  for (const auto& [role, use] : after) total += use.cpu_ns;
  for (const auto& [role, use] : before) total -= use.cpu_ns;
  add(rows, part, fmt::format("{}, {}", process.name, when), "% of a core", total / elapsed * 100);
  for (const auto& [role, use] : after) {
    const auto then = before.find(role);
    const ThreadUse old = then == before.end() ? ThreadUse{} : then->second;
    add(rows, part, fmt::format("  {}", role + std::string(", ") + when), "% of a core",
        (use.cpu_ns - old.cpu_ns) / elapsed * 100);
    add(rows, part, fmt::format("  {}, wake-ups a second", role + std::string(", ") + when), "",
        (use.wakes - old.wakes) / elapsed * 1e9);
  }
}

// A process that gets something ready, says so, and then does nothing that it is not woken for; killed with this object
// or with the bench. REQUIRES a process without other threads.
class IdleProcess {
 public:
  // `job` calls what it is given once it is ready, and never returns.
  using Job = std::function<void(const std::function<void()>&)>;
  explicit IdleProcess(const Job& job) {
    std::array<int, 2> ready{};
    if (::pipe(ready.data()) != 0) throw Failure("pipe failed");
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ready[0]);
      become(job, parent, ready[1]);
    }
    ::close(ready[1]);
    char byte = 0;
    const bool up = pid_ > 0 && ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    if (up) return;
    end();
    if (interrupted()) throw Interrupted();
    throw Failure("a client that should idle did not get ready");
  }
  IdleProcess(const IdleProcess&) = delete;
  IdleProcess& operator=(const IdleProcess&) = delete;
  ~IdleProcess() { end(); }
  pid_t pid() const noexcept { return pid_; }

 private:
  [[noreturn]] static void become(const Job& job, pid_t parent, int ready) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) (void)::signal(number, SIG_IGN);
    try {
      job([ready] { (void)!::write(ready, "r", 1); });
    } catch (const std::exception& error) {
      fmt::print(stderr, "bench: {}\n", error.what());
    }
    ::_exit(1);
  }
  void end() noexcept {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  pid_t pid_ = -1;
};

ClientOptions direct_client(const Stage& stage) {
  ClientOptions options;
  options.mode = Mode::direct;
  options.aeron_dir = stage.aeron_dir();
  options.allowed_base_dirs = {stage.directory()};
  return options;
}

Client connect(const ClientOptions& options) {
  auto client = Client::connect(options);
  if (!client) throw Failure(client.error().message());
  return std::move(*client);
}

// Has nothing to publish.
void idle_producer(const Stage& stage, const std::function<void()>& ready) {
  Client client = connect(direct_client(stage));
  ProducerOptions wanted;
  wanted.stream = driver_stream;
  wanted.base_dir = stage.directory();
  wanted.slots = 8;
  wanted.wake_waiters = true;
  wanted.pools = {{.pool_id = 1, .stride_bytes = 65536}};
  auto producer = client.producer(wanted).wait(driver_patience);
  if (!producer) throw Failure(producer.error().message());
  ready();
  for (;;) ::pause();
}

void waiting_consumer(const Stage& stage, const std::function<void()>& ready) {
  Client client = connect(direct_client(stage));
  ConsumerOptions wanted;
  wanted.stream = driver_stream;
  auto consumer = client.consumer(wanted).wait(driver_patience);
  if (!consumer) throw Failure(consumer.error().message());
  ready();
  for (;;) (void)consumer->next(std::chrono::hours{1});
}

// A process with a producer that has nothing to say, and one whose consumer waits for it.
void measure_clients(DriverRows& rows, const Stage& stage, std::int64_t duration_ns) {
  const IdleProcess producer([&](const auto& ready) { idle_producer(stage, ready); });
  const IdleProcess consumer([&](const auto& ready) { waiting_consumer(stage, ready); });
  watch(rows, {"client", "application", producer.pid()}, "idle producer", duration_ns);
  watch(rows, {"client", "application", consumer.pid()}, "waiting consumer", duration_ns);
}

}  // namespace

void measure_idle(DriverRows& rows, const Stage& stage, const DriverBenchOptions& options) {
  constexpr int consumers = 19;
  const std::int64_t duration_ns = options.quick ? 300'000'000 : 10'000'000'000;
  add(rows, "idle", "a thread that only sleeps for 1 ms, each time", "us",
      wake_us(duration_ns / 5));
  measure_clients(rows, stage, duration_ns);
  const DriverProcess driver(options.driver_program, stage.directory() + "/idle", 1000);
  const Watched watched{"tp_driver", "duty cycle", driver.pid()};
  watch(rows, watched, "no client", duration_ns);
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
  watch(rows, watched, "20 leases", duration_ns);
}

}  // namespace tensorpool::bench
