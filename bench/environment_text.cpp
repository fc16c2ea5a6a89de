// What of an environment stands in the way, and how it is printed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "environment.hpp"

namespace tensorpool::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t MiB = 1024 * 1024;
// The largest ring of the benches (eight slots of 8 MiB), the logs of a media driver and its
// clients, touched in full, and as much again for who else is there.
constexpr std::uint64_t wanted_shm_bytes = 1024 * MiB;
// A large camera's ring, locked.
constexpr std::uint64_t wanted_memlock_bytes = 1024 * MiB;
// What one who sits at the machine causes by looking at it.
constexpr double quiet_load = 0.3;
constexpr double stolen_limit = 0.005;

std::string bytes_text(std::uint64_t bytes) {
  if (bytes == UINT64_MAX) return "unlimited";
  if (bytes >= 1024 * MiB)
    return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1024.0 * MiB));
  if (bytes >= MiB) return fmt::format("{:.0f} MiB", static_cast<double>(bytes) / MiB);
  return fmt::format("{} KiB", bytes / 1024);
}

std::string said(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

std::uint64_t reserved_huge_pages(const Environment& here) {
  std::uint64_t all = 0;
  for (const auto& kind : here.huge_pages) all += kind.reserved;
  return all;
}

// "6.1" of "Linux 6.1.0-25-amd64 x86_64" as 6001; 0 where it says nothing.
int kernel_version(const Environment& here) {
  const auto space = here.kernel.find(' ');
  if (space == std::string::npos) return 0;
  char* end = nullptr;
  const long major = std::strtol(here.kernel.c_str() + space, &end, 10);
  if (*end != '.') return 0;
  return static_cast<int>(major * 1000 + std::strtol(end + 1, nullptr, 10));
}

// Regions ask for huge pages themselves (MADV_COLLAPSE, Linux 6.1), whatever the mount says.
bool huge_pages_in_dev_shm(const Environment& here) {
  if (here.transparent_huge_pages.empty() || here.shmem_huge_pages == "deny") return false;
  return kernel_version(here) >= 6001 || here.shmem_huge_pages == "force" ||
         here.dev_shm_huge_pages == "always" || here.dev_shm_huge_pages == "within_size";
}

// "2.36" of "glibc 2.36".
int glibc_minor(const Environment& here) {
  const auto dot = here.libc.find("2.");
  return dot == std::string::npos
             ? std::numeric_limits<int>::max()
             : static_cast<int>(std::strtol(here.libc.c_str() + dot + 2, nullptr, 10));
}

void advise_on_build(std::vector<Advice>& list, const Environment& here) {
  if (here.build.starts_with("Debug") || here.build.starts_with(" ") || here.build.empty() ||
      here.build.find("-fsanitize") != std::string::npos)
    list.push_back({"build", said(here.build, "not optimised"),
                    "not what users get: figures of unoptimised or instrumented code mean nothing",
                    "cmake --preset release, or the package"});
}

// Without these a figure of two processes is one of something else.
void advise_on_cpus(std::vector<Advice>& list, const Environment& here) {
  if (here.cpus.size() == 1)
    list.push_back(
        {"CPUs", "one",
         "producer and consumer take turns on it: latencies are those of the scheduler",
         "give the machine, container or shell two CPUs (taskset -pc $$ shows what it has)"});
  if (here.quota && *here.quota < 2)
    list.push_back({"CPU quota", fmt::format("{:.2f} CPUs", *here.quota),
                    "two spinning processes use it up and are stopped for the rest of each period, "
                    "100 ms",
                    "docker run --cpus 2 or more, or no cpu.max in the control group"});
  if (here.cpus.size() > 1 && here.cores == 1)
    list.push_back(
        {"cores", fmt::format("{} CPUs of one core", here.cpus.size()),
         "two threads of one core share its caches and its time: latency looks better and "
         "throughput worse than between cores",
         "allow a CPU of another core (/sys/devices/system/cpu/cpu*/topology)"});
  if (!here.can_pin)
    list.push_back(
        {"pinning", here.why_not_pinned.empty() ? "not possible" : here.why_not_pinned,
         "the kernel moves processes between CPUs while they run, and each move is cold caches",
         "allow sched_setaffinity (the container's seccomp profile forbids it)"});
}

void advise_on_space(std::vector<Advice>& list, const Environment& here) {
  const char* const enlarge =
      "mount -o remount,size=4G /dev/shm; docker run --shm-size 4g; or --ipc host";
  if (!here.dev_shm) {
    list.push_back({"/dev/shm", "not there", "regions and the media driver's files lie in it",
                    "mount -t tmpfs -o size=4G tmpfs /dev/shm"});
  } else if (here.dev_shm->free_bytes < wanted_shm_bytes) {
    list.push_back(
        {"/dev/shm",
         fmt::format("{} free of {}", bytes_text(here.dev_shm->free_bytes),
                     bytes_text(here.dev_shm->size_bytes)),
         fmt::format("large rings do not fit: the benches want {}", bytes_text(wanted_shm_bytes)),
         enlarge});
  }
}

void advise_on_noise(std::vector<Advice>& list, const Environment& here) {
  if (here.load > quiet_load)
    list.push_back({"load", fmt::format("{:.2f} over the last minute", here.load),
                    "others run on these CPUs: tails are theirs, and rounds differ",
                    "end them, or wait; `top` says who they are"});
  if (!here.clock_source.empty() && here.clock_source != "tsc" &&
      here.cpu_model.find("ARM") == std::string::npos && here.clock_source != "arch_sys_counter")
    list.push_back(
        {"clock source", here.clock_source,
         "reading the clock costs up to a microsecond instead of 20 ns, and every frame has a "
         "time stamp",
         "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, where "
         "available_clocksource beside it lists tsc"});
  if (!here.governor.empty() && here.governor != "performance")
    list.push_back({"governor", here.governor,
                    "the clock rate follows the load: the first frames after a pause are slow",
                    "cpupower frequency-set --governor performance"});
  if (here.swap_used_bytes > 0)
    list.push_back({"swap", bytes_text(here.swap_used_bytes) + " in use",
                    "pages of shared memory can be swapped out: a frame then waits for a disk",
                    "swapoff -a, or lock_memory in the producer's options"});
  if (here.stolen > stolen_limit)
    list.push_back({"stolen time", fmt::format("{:.1f} % since boot", here.stolen * 100),
                    "the host runs others on these CPUs: pauses of milliseconds are its own",
                    "a host with reserved CPUs"});
}

void advise_on_tails(std::vector<Advice>& list, const Environment& here) {
  if (here.hypervisor.empty() && here.isolated.empty() && here.cpus.size() > 2)
    list.push_back(
        {"isolation", "no isolated CPUs",
         "timer ticks and other threads interrupt a spinning process: p99.9 is some 10 us",
         "boot with isolcpus=2,3 nohz_full=2,3 rcu_nocbs=2,3 and pin to these"});
  if (!here.hypervisor.empty())
    list.push_back({"virtual machine", here.hypervisor,
                    "interrupts and wake-ups go through the host: p99.9 and the price of waking a "
                    "sleeper are its, and no setting in here changes that",
                    "measure on the machine that the program will run on"});
  if (reserved_huge_pages(here) == 0 && !huge_pages_in_dev_shm(here))
    list.push_back(
        {"huge pages",
         fmt::format("none reserved, none in /dev/shm (huge={}, shmem_enabled {})",
                     said(here.dev_shm_huge_pages, "never"),
                     said(here.shmem_huge_pages, "not there")),
         "a frame of 8 MiB lies on 2048 pages of 4 KiB: copies run at two thirds of the rate",
         "Linux 6.1 or newer, and not deny in "
         "/sys/kernel/mm/transparent_hugepage/shmem_enabled; or sysctl "
         "vm.nr_hugepages=N and a hugetlbfs as base directory"});
  if (here.memlock_bytes < wanted_memlock_bytes)
    list.push_back(
        {"locked memory", bytes_text(here.memlock_bytes),
         "lock_memory fails for rings that are larger, and what is not locked can be reclaimed",
         "ulimit -l unlimited; LimitMEMLOCK=infinity in a systemd unit"});
  if (!here.futex_waitv)
    list.push_back({"futex_waitv", "not there",
                    "a waiting consumer sleeps on one word only and looks for the rest every 10 ms",
                    "Linux 5.16 or newer, and a seccomp profile that allows it"});
  if (here.slow_rep_movsb && glibc_minor(here) < 39)
    list.push_back(
        {"memcpy", here.libc + " on AMD family 25",
         "a memcpy whose destination lies a little behind its source modulo 4096 falls from 39 "
         "to 2 GB/s in the worst place",
         "align sources to 64 bytes, or GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold="
         "1000000000"});
}

std::string list_of(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[i]);
    if (last > i) text += "-" + std::to_string(numbers[last]);
    i = last;
  }
  return text;
}

std::string huge_pages_text(const Environment& here) {
  std::string text =
      fmt::format("{} in /dev/shm (its mount {}, shmem_enabled {})",
                  huge_pages_in_dev_shm(here) ? "possible" : "not possible",
                  said(here.dev_shm_huge_pages, "never"), said(here.shmem_huge_pages, "not there"));
  for (const auto& kind : here.huge_pages) {
    if (kind.reserved != 0)
      text += fmt::format(", {} of {} ({} free)", kind.reserved, bytes_text(kind.page_bytes),
                          kind.free);
  }
  if (reserved_huge_pages(here) == 0) text += ", none reserved";
  for (const std::string& mount : here.hugetlbfs) text += ", hugetlbfs " + mount;
  return text;
}

}  // namespace

std::vector<Advice> advice(const Environment& environment) {
  std::vector<Advice> list;
  advise_on_build(list, environment);
  advise_on_cpus(list, environment);
  advise_on_space(list, environment);
  advise_on_noise(list, environment);
  advise_on_tails(list, environment);
  return list;
}

nlohmann::ordered_json to_json(const Environment& here) {
  Json huge = Json::array();
  for (const auto& kind : here.huge_pages)
    huge.push_back(
        {{"page_bytes", kind.page_bytes}, {"reserved", kind.reserved}, {"free", kind.free}});
  Json json = {{"cpu", here.cpu_model},
               {"cpus", here.cpus},
               {"cores", here.cores},
               {"smt", here.smt ? Json(*here.smt) : Json(nullptr)},
               {"isolated", here.isolated},
               {"nohz_full", here.nohz_full},
               {"governor", here.governor},
               {"hypervisor", here.hypervisor},
               {"cpu_quota", here.quota ? Json(*here.quota) : Json(nullptr)},
               {"clock_source", here.clock_source},
               {"slow_rep_movsb", here.slow_rep_movsb},
               {"kernel", here.kernel},
               {"libc", here.libc},
               {"futex_waitv", here.futex_waitv},
               {"can_pin", here.can_pin},
               {"why_not_pinned", here.why_not_pinned},
               {"rlimit_memlock_bytes", here.memlock_bytes},
               {"rlimit_rtprio", here.rtprio},
               {"transparent_huge_pages", here.transparent_huge_pages},
               {"shmem_huge_pages", here.shmem_huge_pages},
               {"dev_shm_huge_pages", here.dev_shm_huge_pages},
               {"huge_pages", huge},
               {"hugetlbfs", here.hugetlbfs}};
  json["dev_shm"] = here.dev_shm ? Json{{"size_bytes", here.dev_shm->size_bytes},
                                        {"free_bytes", here.dev_shm->free_bytes}}
                                 : Json(nullptr);
  json["memory_bytes"] = here.memory_bytes;
  json["memory_available_bytes"] = here.memory_available_bytes;
  json["swap_bytes"] = here.swap_bytes;
  json["swap_used_bytes"] = here.swap_used_bytes;
  json["load"] = here.load;
  json["stolen"] = here.stolen;
  json["compiler"] = here.compiler;
  json["build"] = here.build;
  json["aeron"] = here.aeron;
  json["library"] = here.library;
  return json;
}

nlohmann::ordered_json to_json(const std::vector<Advice>& list) {
  Json json = Json::array();
  for (const Advice& one : list)
    json.push_back({{"what", one.what}, {"found", one.found}, {"why", one.why}, {"how", one.how}});
  return json;
}

std::string to_text(const Environment& here) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("{:<14}{}\n", name, value);
  };
  line("CPU", said(here.cpu_model, "unknown"));
  line("CPUs",
       fmt::format("{} allowed ({}), cores {}, SMT {}{}", here.cpus.size(), list_of(here.cpus),
                   here.cores == 0 ? "unknown" : std::to_string(here.cores),
                   !here.smt   ? "unknown"
                   : *here.smt ? "on"
                               : "off",
                   here.quota ? fmt::format(", quota {:.2f}", *here.quota) : ""));
  line("isolated", fmt::format("{}; without ticks: {}; pinning {}", said(here.isolated, "none"),
                               said(here.nohz_full, "none"),
                               here.can_pin ? "possible" : "not possible: " + here.why_not_pinned));
  line("governor", said(here.governor, "none seen (no cpufreq, as on virtual machines)"));
  line("hypervisor", said(here.hypervisor, "none seen"));
  line("kernel", fmt::format("{}, clock source {}, futex_waitv {}", here.kernel,
                             said(here.clock_source, "unknown"), here.futex_waitv ? "yes" : "no"));
  line("huge pages", huge_pages_text(here));
  line("/dev/shm", here.dev_shm ? fmt::format("{} free of {}", bytes_text(here.dev_shm->free_bytes),
                                              bytes_text(here.dev_shm->size_bytes))
                                : "not there");
  line("memory", fmt::format("{} available of {}, swap {} ({} used)",
                             bytes_text(here.memory_available_bytes), bytes_text(here.memory_bytes),
                             bytes_text(here.swap_bytes), bytes_text(here.swap_used_bytes)));
  line("limits",
       fmt::format("locked memory {}, real-time priority {}", bytes_text(here.memlock_bytes),
                   here.rtprio == UINT64_MAX ? "any" : std::to_string(here.rtprio)));
  line("load", fmt::format("{:.2f} over a minute, {:.2f} % of the time stolen since boot",
                           here.load, here.stolen * 100));
  line("compiler", fmt::format("{}, {}", here.compiler, here.libc));
  line("build", here.build);
  line("versions", fmt::format("tensorpool {}, Aeron {}", here.library, here.aeron));
  return text;
}

std::string to_text(const std::vector<Advice>& list) {
  if (list.empty()) return "Nothing that this program looks for stands in the way.\n";
  std::string text;
  for (const Advice& one : list)
    text += fmt::format("{}: {}\n    {}\n    {}\n", one.what, one.found, one.why, one.how);
  return text;
}

}  // namespace tensorpool::bench
