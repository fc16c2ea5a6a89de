#include "environment.hpp"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

namespace tensorpool::bench {
namespace {

// The first line, without what surrounds it; empty when there is no such file.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const auto begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
}

std::optional<std::uint64_t> number(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

// "always [madvise] never" says madvise.
std::string chosen(const std::string& line) {
  const auto open = line.find('[');
  const auto close = line.find(']', open);
  if (open == std::string::npos || close == std::string::npos) return line;
  return line.substr(open + 1, close - open - 1);
}

// The value of "name : value" or "name: value" in a file of such lines; the first one.
std::string field(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(name)) continue;
    if (line.find_first_not_of(" \t", name.size()) != colon) continue;
    const auto value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  return {std::istream_iterator<std::string>(stream), std::istream_iterator<std::string>()};
}

std::string join(const std::set<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += ", ";
    all += text;
  }
  return all;
}

void read_processor(Environment& found, const std::string& root) {
  const std::string info = root + "/proc/cpuinfo";
  const std::string cpu = root + "/sys/devices/system/cpu/";
  found.cpu_model = field(info, "model name");
  if (const std::string smt = first_line(cpu + "smt/active"); !smt.empty()) found.smt = smt == "1";
  found.isolated = first_line(cpu + "isolated");
  found.nohz_full = first_line(cpu + "nohz_full");
  if (found.nohz_full == "(null)") found.nohz_full.clear();
  std::set<std::string> governors;
  std::set<std::string> cores;
  for (const int one : found.cpus) {
    const std::string folder = fmt::format("{}cpu{}/", cpu, one);
    if (auto text = first_line(folder + "cpufreq/scaling_governor"); !text.empty())
      governors.insert(std::move(text));
    if (auto text = first_line(folder + "topology/thread_siblings_list"); !text.empty())
      cores.insert(std::move(text));
  }
  found.governor = join(governors);
  found.cores = static_cast<int>(cores.size());
  found.clock_source =
      first_line(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  const std::vector<std::string> flags = words(field(info, "flags"));
  const auto has = [&](const char* flag) {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  };
  if (has("hypervisor")) found.hypervisor = "unknown";
  // Zen 3 and 4: their `rep movsb` is slow where the destination lies a little behind the source in
  // the low 12 bits of the address.
  found.slow_rep_movsb = field(info, "vendor_id") == "AuthenticAMD" &&
                         field(info, "cpu family") == "25" && (has("fsrm") || has("erms"));
}

// Version 2 control groups: the tightest limit between this process's group and the root.
std::optional<double> cpu_quota(const std::string& root) {
  std::string group;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) group = line.substr(3);
  }
  std::optional<double> least;
  for (;;) {
    while (!group.empty() && group.back() == '/') group.pop_back();
    const auto pair = words(first_line(root + "/sys/fs/cgroup" + group + "/cpu.max"));
    if (pair.size() == 2) {
      const auto quota = number(pair[0]);
      const auto period = number(pair[1]);
      if (quota && period && *period != 0) {
        const double cpus = static_cast<double>(*quota) / static_cast<double>(*period);
        if (!least || cpus < *least) least = cpus;
      }
    }
    if (group.empty()) return least;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

// Of "rw,nosuid,huge=advise".
std::string option(const std::string& options, std::string_view name) {
  std::istringstream stream(options);
  for (std::string one; std::getline(stream, one, ',');) {
    if (one.starts_with(name)) return one.substr(name.size());
  }
  return "";
}

std::uint64_t kibibytes(const std::string& path, std::string_view name) {
  return number(field(path, name)).value_or(0) * 1024;
}

void read_memory(Environment& found, const std::string& root) {
  const std::string huge = root + "/sys/kernel/mm/transparent_hugepage/";
  found.transparent_huge_pages = chosen(first_line(huge + "enabled"));
  found.shmem_huge_pages = chosen(first_line(huge + "shmem_enabled"));
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root + "/sys/kernel/mm/hugepages", error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();  // hugepages-2048kB
    const auto size = number(name.substr(std::min(name.size(), std::size_t{10})));
    if (!name.starts_with("hugepages-") || !size) continue;
    const std::string folder = entry->path().string() + "/";
    found.huge_pages.push_back({*size * 1024,
                                number(first_line(folder + "nr_hugepages")).value_or(0),
                                number(first_line(folder + "free_hugepages")).value_or(0)});
  }
  std::sort(found.huge_pages.begin(), found.huge_pages.end(),
            [](const auto& a, const auto& b) { return a.page_bytes < b.page_bytes; });
  std::ifstream mounts(root + "/proc/mounts");
  for (std::string line; std::getline(mounts, line);) {
    const auto parts = words(line);
    if (parts.size() < 4) continue;
    if (parts[2] == "hugetlbfs") found.hugetlbfs.push_back(parts[1]);
    if (parts[1] == "/dev/shm") found.dev_shm_huge_pages = option(parts[3], "huge=");
  }
  const std::string memory = root + "/proc/meminfo";
  found.memory_bytes = kibibytes(memory, "MemTotal");
  found.memory_available_bytes = kibibytes(memory, "MemAvailable");
  found.swap_bytes = kibibytes(memory, "SwapTotal");
  found.swap_used_bytes =
      found.swap_bytes - std::min(found.swap_bytes, kibibytes(memory, "SwapFree"));
  struct statvfs space{};
  if (::statvfs((root + "/dev/shm").c_str(), &space) == 0)
    found.dev_shm =
        Environment::Space{space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize};
}

void read_neighbours(Environment& found, const std::string& root) {
  if (const auto load = words(first_line(root + "/proc/loadavg")); !load.empty())
    found.load = std::strtod(load[0].c_str(), nullptr);
  // cpu user nice system idle iowait irq softirq steal …
  const auto times = words(first_line(root + "/proc/stat"));
  double all = 0;
  for (std::size_t i = 1; i < std::min(times.size(), std::size_t{9}); ++i)
    all += std::strtod(times[i].c_str(), nullptr);
  if (times.size() > 8 && all > 0) found.stolen = std::strtod(times[8].c_str(), nullptr) / all;
}

std::uint64_t limit_of(decltype(RLIMIT_MEMLOCK) resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

void ask_about_cpus(Environment& found) {
  cpu_set_t all;
  CPU_ZERO(&all);
  if (::sched_getaffinity(0, sizeof all, &all) != 0) {
    found.why_not_pinned = std::strerror(errno);
    return;
  }
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &all)) found.cpus.push_back(cpu);
  }
  if (found.cpus.empty()) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(found.cpus.front()), &one);
  found.can_pin = ::sched_setaffinity(0, sizeof one, &one) == 0;
  if (!found.can_pin) found.why_not_pinned = std::strerror(errno);
  (void)::sched_setaffinity(0, sizeof all, &all);
}

void ask_kernel(Environment& found) {
  utsname system{};
  if (::uname(&system) == 0)
    found.kernel = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  found.libc = fmt::format("glibc {}", ::gnu_get_libc_version());
  found.memlock_bytes = limit_of(RLIMIT_MEMLOCK);
  found.rtprio = limit_of(RLIMIT_RTPRIO);
#ifdef SYS_futex_waitv
  constexpr long futex_waitv = SYS_futex_waitv;
#else
  constexpr long futex_waitv = 449;  // the same number on all architectures
#endif
  // With nothing to wait for it is refused as an invalid argument, where it exists and is allowed.
  found.futex_waitv = ::syscall(futex_waitv, nullptr, 0U, 0U, nullptr, 0) == -1 && errno == EINVAL;
}

// The processor itself says the name of a hypervisor: twelve letters.
void ask_hypervisor([[maybe_unused]] Environment& found) {
#if defined(__x86_64__) || defined(__i386__)
  unsigned int highest = 0;
  unsigned int letters[3] = {};
  __cpuid(0x40000000, highest, letters[0], letters[1], letters[2]);
  std::string text(sizeof letters, '\0');
  std::memcpy(text.data(), letters, sizeof letters);
  std::erase_if(text, [](char c) { return c < ' ' || c > '~'; });
  if (text == "KVMKVMKVM") text = "KVM";
  if (!text.empty()) found.hypervisor = text;
#endif
}

void describe_build(Environment& found) {
  found.compiler = TENSORPOOL_BENCH_COMPILER;
  found.build = TENSORPOOL_BENCH_BUILD;
  found.aeron = TENSORPOOL_BENCH_AERON;
  found.library = TENSORPOOL_BENCH_LIBRARY;
}

}  // namespace

Environment look_around(const std::string& root) {
  Environment found;
  ask_about_cpus(found);
  ask_kernel(found);
  describe_build(found);
  read_processor(found, root);
  if (root.empty() && !found.hypervisor.empty()) ask_hypervisor(found);
  found.quota = cpu_quota(root);
  read_memory(found, root);
  read_neighbours(found, root);
  return found;
}

}  // namespace tensorpool::bench
