// What this machine is and what on it stands in the way of good figures: a value, taken once before a
// measurement begins, printed beside every result. A bench that does not say where it ran says
// nothing.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tensorpool::bench {

// What the kernel or the build does not say stays empty (or nullopt), which is not an error: virtual
// machines have no governor, containers hide much.
struct Environment {
  // Processor.
  std::string cpu_model;
  std::vector<int> cpus;    // that this process may run on
  int cores = 0;            // physical ones among them; 0: not said
  std::optional<bool> smt;  // two hardware threads per core are in use
  std::string isolated;     // "2-3": kept free by the boot option isolcpus
  std::string nohz_full;    // "2-3": without a timer tick while one thread runs
  std::string governor;     // of cpus, each kind once: "performance"; empty: no cpufreq
  std::string hypervisor;   // "KVM"; "unknown" when there is one without a name; empty: none seen
  std::optional<double>
      quota;                 // CPUs' worth of time that a control group allows, when it limits any
  std::string clock_source;  // "tsc"; others make reading the clock slow
  bool slow_rep_movsb = false;  // glibc's memcpy may fall into a slow path of this processor

  // System.
  std::string kernel;
  std::string libc;
  bool futex_waitv = false;  // Linux 5.16: one sleep for two reasons to wake
  bool can_pin = false;
  std::string why_not_pinned;       // the error text when it cannot
  std::uint64_t memlock_bytes = 0;  // RLIMIT_MEMLOCK; UINT64_MAX: no limit
  std::uint64_t rtprio = 0;         // RLIMIT_RTPRIO; 0: no real-time priority

  // Memory.
  struct HugePages {
    std::uint64_t page_bytes = 0;
    std::uint64_t reserved = 0;
    std::uint64_t free = 0;
  };
  struct Space {
    std::uint64_t size_bytes = 0;
    std::uint64_t free_bytes = 0;
  };
  std::string transparent_huge_pages;  // "always", "madvise" or "never"
  // The kernel's word on shared memory that has no mount of its own; "force" and "deny" are for all.
  std::string shmem_huge_pages;
  std::string dev_shm_huge_pages;      // option huge= of the mount /dev/shm; empty: never
  std::vector<HugePages> huge_pages;   // kinds that the kernel knows, reserved or not
  std::vector<std::string> hugetlbfs;  // where it is mounted
  std::optional<Space> dev_shm;        // nullopt: there is none
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_available_bytes = 0;
  std::uint64_t swap_bytes = 0;
  std::uint64_t swap_used_bytes = 0;

  // Neighbours, when this was taken.
  double load = 0;    // over the last minute
  double stolen = 0;  // fraction of all CPU time since boot that the hypervisor gave to others

  // This program.
  std::string compiler;
  std::string build;
  std::string aeron;
  std::string library;
};

// Reads files below root ("" is the real ones; tests name a made-up tree) and asks the kernel for the
// rest. Pins the calling thread for a moment and gives it its CPUs back. Never fails: what cannot be
// found out stays empty.
Environment look_around(const std::string& root = "");

// Something that stands in the way.
struct Advice {
  std::string what;   // "governor"
  std::string found;  // "powersave"
  std::string why;    // what it does to the figures
  std::string how;    // the command or setting that changes it
};

// In order of weight: what makes figures meaningless first, what only lengthens tails last.
std::vector<Advice> advice(const Environment& environment);

nlohmann::ordered_json to_json(const Environment& environment);
nlohmann::ordered_json to_json(const std::vector<Advice>& advice);
// Lines that end in "\n", at most 100 columns wide except for a long name.
std::string to_text(const Environment& environment);
std::string to_text(const std::vector<Advice>& advice);

}  // namespace tensorpool::bench
