#include "stage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tensorpool/media_driver.hpp"

namespace tensorpool::bench {
namespace {

constexpr int signals_that_end[] = {SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t asked_to_end = 0;

void on_signal(int) { asked_to_end = 1; }

void handle_signals(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;  // without SA_RESTART: waitpid() returns
  for (const int signal : signals_that_end) (void)::sigaction(signal, &action, nullptr);
}

// The terminal sends Ctrl-C to every process of the group; only the parent decides. A worker ends
// with its parent.
void become_worker(bool ends_with_parent, pid_t parent) {
  handle_signals(SIG_IGN);
  if (!ends_with_parent) return;
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

void remove_named_memory(pid_t of_the_kit) {
  const std::string prefix = named_memory_prefix(of_the_kit);
  std::error_code error;
  std::vector<std::filesystem::path> found;
  for (std::filesystem::directory_iterator entry("/dev/shm", error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  }
  for (const auto& path : found) std::filesystem::remove_all(path, error);
}

// The process that keeps the stage: until the other end of `guard` closes, then it cleans up. Runs the media driver,
// unless `aeron_dir` is empty.
[[noreturn]] void keep(const std::string& directory, const std::string& aeron_dir, pid_t parent,
                       int guard, int ready) {
  int code = 0;
  (void)::signal(SIGPIPE, SIG_IGN);  // the kit may be gone already: who else cleans up?
  try {
    std::optional<MediaDriver> own;
    if (!aeron_dir.empty()) {
      auto driver = MediaDriver::launch({.aeron_dir = aeron_dir});
      if (!driver) throw Failure(driver.error().message());
      own.emplace(std::move(*driver));
    }
    char byte = 1;
    (void)!::write(ready, &byte, 1);
    ::close(ready);
    while (::read(guard, &byte, 1) < 0 && errno == EINTR) {
    }
  } catch (const std::exception& failure) {
    fmt::print(stderr, "bench: media driver: {}\n", failure.what());
    code = 1;
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  remove_named_memory(parent);
  ::_exit(code);
}

std::string how_it_ended(int status) {
  if (!WIFSIGNALED(status))
    return fmt::format("a worker ended with exit code {}", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return fmt::format("a worker was killed by signal {} ({}){}", signal, ::strsignal(signal),
                     signal == SIGBUS ? ": /dev/shm is full" : "");
}

// The CPUs that share a core with `cpu`, itself included, as the kernel writes them ("0-1", "0,4").
bool same_core(int cpu, int other) {
  std::ifstream file(
      fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
  std::string part;
  while (std::getline(file, part, ',')) {
    int low = 0;
    int high = 0;
    const int read = std::sscanf(part.c_str(), "%d-%d", &low, &high);
    if (read == 1) high = low;
    if (read >= 1 && other >= low && other <= high) return true;
  }
  return false;
}

}  // namespace

bool interrupted() noexcept { return asked_to_end != 0; }

Cpus choose_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::vector<int> all;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) all.push_back(cpu);
  }
  if (all.empty()) return {};
  Cpus chosen{all.front(), all.back(), static_cast<int>(all.size()), {}};
  for (const int cpu : all) {
    if (cpu == chosen.first || same_core(chosen.first, cpu)) continue;
    chosen.second = cpu;
    break;
  }
  try {
    pin(chosen.second);
    (void)::sched_setaffinity(0, sizeof set, &set);
  } catch (const Failure& failure) {
    chosen.why_not_pinned = failure.what();
    chosen.first = chosen.second = -1;
  }
  return chosen;
}

void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0)
    throw Failure(fmt::format("cannot pin to CPU {}: {}", cpu, std::strerror(errno)));
}

Stage::Stage(const std::optional<std::string>& foreign_aeron_dir)
    : own_driver_(!foreign_aeron_dir) {
  std::array<int, 2> guard{};
  std::array<int, 2> ready{};
  if (::pipe2(guard.data(), O_CLOEXEC) != 0 || ::pipe2(ready.data(), O_CLOEXEC) != 0)
    throw Failure("pipe failed");
  handle_signals(on_signal);  // before there is anything to clean up
  std::string name = fmt::format("/dev/shm/tensorpool-bench-{}_XXXXXX", ::getpid());
  if (::mkdtemp(name.data()) == nullptr)
    throw Failure(fmt::format("cannot make {}: {}", name, std::strerror(errno)));
  directory_ = name;
  aeron_dir_ = foreign_aeron_dir.value_or(directory_ + "/aeron");
  const pid_t parent = ::getpid();
  keeper_ = ::fork();
  if (keeper_ < 0) {
    (void)::rmdir(directory_.c_str());
    throw Failure("fork failed");
  }
  if (keeper_ == 0) {
    become_worker(false, 0);
    ::close(guard[1]);
    ::close(ready[0]);
    keep(directory_, own_driver_ ? aeron_dir_ : std::string(), parent, guard[0], ready[1]);
  }
  ::close(guard[0]);
  ::close(ready[1]);
  guard_ = guard[1];
  char byte = 0;
  const bool up = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (!up) {
    ::close(guard_);
    (void)::waitpid(keeper_, nullptr, 0);
    if (asked_to_end != 0) throw Interrupted();
    throw Failure("the media driver did not start");
  }
}

Stage::~Stage() {
  ::close(guard_);
  while (::waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Stage::run(const std::vector<std::function<void()>>& jobs) const {
  struct Text {
    std::array<char, 500> text;
    std::atomic<bool> taken;
  };
  const Shared<Text> failure;
  const pid_t parent = ::getpid();
  std::vector<pid_t> running;
  const auto end_all = [&] {
    for (const pid_t pid : running) (void)::kill(pid, SIGKILL);
  };
  (void)std::fflush(nullptr);
  for (const auto& job : jobs) {
    const pid_t pid = ::fork();
    if (pid < 0) {
      end_all();
      throw Failure("fork failed");
    }
    if (pid > 0) {
      running.push_back(pid);
      continue;
    }
    become_worker(true, parent);
    ::close(guard_);
    try {
      job();
      ::_exit(0);
    } catch (const std::exception& error) {
      if (!failure->taken.exchange(true))
        std::strncpy(failure->text.data(), error.what(), failure->text.size() - 1);
    }
    ::_exit(1);
  }
  bool failed = false;
  while (!running.empty()) {
    int status = 0;
    const pid_t pid = asked_to_end != 0 ? -1 : ::waitpid(-1, &status, 0);
    if (pid < 0 && (asked_to_end != 0 || errno != EINTR)) end_all();
    if (pid < 0) {
      if (asked_to_end == 0 && errno == EINTR) continue;
      for (const pid_t left : running) {
        while (::waitpid(left, nullptr, 0) < 0 && errno == EINTR) {
        }
      }
      if (asked_to_end != 0) throw Interrupted();
      throw Failure("waitpid failed");
    }
    if (pid == keeper_) throw Failure("the media driver ended");
    if (std::erase(running, pid) == 0) continue;
    if (!failed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
      failed = true;
      if (!failure->taken)
        (void)how_it_ended(status).copy(failure->text.data(), failure->text.size() - 1);
      end_all();
    }
  }
  if (failed) throw Failure(failure->text.data());
}

}  // namespace tensorpool::bench
