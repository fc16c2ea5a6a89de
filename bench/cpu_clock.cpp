#include "cpu_clock.hpp"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tensorpool::bench {

std::int64_t thread_cpu_ns() noexcept {
  timespec now{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

ProcessCpu process_cpu(int pid) {
  ProcessCpu sum;
  const std::string tasks = pid == 0 ? "/proc/self/task" : fmt::format("/proc/{}/task", pid);
  std::error_code error;
  for (std::filesystem::directory_iterator task(tasks, error), end; !error && task != end;
       task.increment(error)) {
    std::ifstream file(task->path() / "schedstat");
    std::int64_t run_ns = 0;
    std::int64_t wait_ns = 0;
    std::uint64_t turns = 0;
    if (!(file >> run_ns >> wait_ns >> turns)) continue;
    sum.ns += run_ns;
    sum.turns += turns;
    ++sum.threads;
  }
  return sum;
}

InstructionCounter::InstructionCounter() noexcept {
  perf_event_attr what{};
  what.size = sizeof what;
  what.type = PERF_TYPE_HARDWARE;
  what.config = PERF_COUNT_HW_INSTRUCTIONS;
  what.exclude_kernel = 1;
  what.exclude_hv = 1;
  file_ = static_cast<int>(::syscall(SYS_perf_event_open, &what, 0, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

InstructionCounter::~InstructionCounter() {
  if (file_ >= 0) ::close(file_);
}

std::uint64_t InstructionCounter::now() const noexcept {
  std::uint64_t count = 0;
  return file_ >= 0 && ::read(file_, &count, sizeof count) == sizeof count ? count : 0;
}

std::string why_no_instructions() {
  const InstructionCounter counter;
  if (counter.works()) return {};
  return fmt::format(
      "perf_event_open: {} (virtual machines often have no counters; otherwise "
      "kernel.perf_event_paranoid must be 2 or less)",
      std::strerror(errno));
}

}  // namespace tensorpool::bench
