// What a bench says about the machine, read from a tree that the test makes, and what it advises.
#include "bench/environment.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/folder.hpp"

namespace tensorpool::bench {
namespace {

class Tree {
 public:
  void file(const std::string& path, const std::string& text) const {
    const std::filesystem::path whole = folder_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  void directory(const std::string& path) const {
    std::filesystem::create_directories(folder_.path() + path);
  }
  Environment look() const { return look_around(folder_.path()); }

 private:
  test::Folder folder_{"environment"};
};

// A large machine in good order: nothing stands in the way.
Environment good_machine() {
  Environment here;
  here.build = "Release -O3 -DNDEBUG";
  here.cpu_model = "Example 9000";
  here.cpus = {2, 3};
  here.cores = 2;
  here.smt = false;
  here.isolated = "2-3";
  here.governor = "performance";
  here.clock_source = "tsc";
  here.libc = "glibc 2.41";
  here.can_pin = true;
  here.futex_waitv = true;
  here.memlock_bytes = UINT64_MAX;
  here.kernel = "Linux 6.1.0-25-amd64 x86_64";
  here.transparent_huge_pages = "madvise";
  here.shmem_huge_pages = "never";
  here.dev_shm = Environment::Space{std::uint64_t{32} << 30U, std::uint64_t{31} << 30U};
  return here;
}

std::vector<std::string> subjects(const Environment& here) {
  std::vector<std::string> names;
  for (const Advice& one : advice(here)) names.push_back(one.what);
  return names;
}

using Names = std::vector<std::string>;

TEST(BenchEnvironment, ReadsTheProcessor) {
  const Tree tree;
  tree.file("/proc/cpuinfo",
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
            "model name\t: Example 9000\nflags\t\t: fpu erms hypervisor\n\nprocessor\t: 1\n"
            "model name\t: another\n");
  tree.file("/sys/devices/system/cpu/isolated", "2-3\n");
  tree.file("/sys/devices/system/cpu/nohz_full", "  (null)\n");
  tree.file("/sys/devices/system/cpu/smt/active", "1\n");
  tree.file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n");
  const Environment own = look_around();
  ASSERT_FALSE(own.cpus.empty());
  for (const int cpu : own.cpus) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    tree.file(folder + "/cpufreq/scaling_governor", "powersave\n");
    tree.file(folder + "/topology/thread_siblings_list", "0-1023\n");
  }
  const Environment here = tree.look();
  EXPECT_EQ(here.cpu_model, "Example 9000");
  EXPECT_EQ(here.isolated, "2-3");
  EXPECT_EQ(here.nohz_full, "");
  EXPECT_EQ(here.smt, true);
  EXPECT_EQ(here.clock_source, "kvm-clock");
  EXPECT_EQ(here.governor, "powersave");
  EXPECT_EQ(here.cores, 1);
  EXPECT_EQ(here.hypervisor, "unknown");
  EXPECT_TRUE(here.slow_rep_movsb);
}

TEST(BenchEnvironment, ReadsMemoryAndNeighbours) {
  const Tree tree;
  tree.directory("/dev/shm");
  tree.file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  tree.file("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
            "always within_size [advise] never deny force\n");
  tree.file("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n");
  tree.file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64\n");
  tree.file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "60\n");
  tree.file("/proc/mounts",
            "proc /proc proc rw 0 0\nnodev /mnt/huge hugetlbfs rw 0 0\n"
            "tmpfs /dev/shm tmpfs rw,nosuid,huge=advise,size=8k 0 0\nshort\n");
  tree.file("/proc/meminfo",
            "MemTotal:       16000 kB\nMemAvailable:    8000 kB\nSwapTotal:       4000 kB\n"
            "SwapFree:        1000 kB\n");
  tree.file("/proc/loadavg", "1.25 0.50 0.25 2/100 4711\n");
  tree.file("/proc/stat", "cpu  50 0 20 20 0 0 0 10 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
  const Environment here = tree.look();
  EXPECT_EQ(here.transparent_huge_pages, "madvise");
  EXPECT_EQ(here.shmem_huge_pages, "advise");
  EXPECT_EQ(here.dev_shm_huge_pages, "advise");
  ASSERT_EQ(here.huge_pages.size(), 2U);
  EXPECT_EQ(here.huge_pages[0].page_bytes, 2048U * 1024);
  EXPECT_EQ(here.huge_pages[0].reserved, 64U);
  EXPECT_EQ(here.huge_pages[0].free, 60U);
  EXPECT_EQ(here.hugetlbfs, Names{"/mnt/huge"});
  EXPECT_EQ(here.memory_bytes, 16'000U * 1024);
  EXPECT_EQ(here.memory_available_bytes, 8'000U * 1024);
  EXPECT_EQ(here.swap_used_bytes, 3'000U * 1024);
  EXPECT_TRUE(here.dev_shm.has_value());
  EXPECT_DOUBLE_EQ(here.load, 1.25);
  EXPECT_DOUBLE_EQ(here.stolen, 0.1);
}

TEST(BenchEnvironment, TakesTheTightestQuotaOfAllGroupsAbove) {
  const Tree tree;
  tree.file("/proc/self/cgroup", "1:name=old:/x\n0::/jobs/mine\n");
  tree.file("/sys/fs/cgroup/jobs/mine/cpu.max", "max 100000\n");
  EXPECT_EQ(tree.look().quota, std::nullopt);
  tree.file("/sys/fs/cgroup/jobs/cpu.max", "150000 100000\n");
  tree.file("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(tree.look().quota, 1.5);
}

TEST(BenchEnvironment, KnowsNothingOfAnEmptyTreeAndOfANonsensicalOne) {
  const Tree tree;
  const Environment empty = tree.look();
  EXPECT_EQ(empty.cpu_model, "");
  EXPECT_EQ(empty.smt, std::nullopt);
  EXPECT_EQ(empty.dev_shm, std::nullopt);
  EXPECT_EQ(empty.memory_bytes, 0U);
  EXPECT_FALSE(to_text(empty).empty());
  tree.file("/proc/cpuinfo", "model name\nmodel name of nothing : x\n");
  tree.file("/proc/loadavg", "");
  tree.file("/proc/stat", "cpu\n");
  tree.file("/proc/meminfo", "MemTotal: much\nSwapFree: 9 kB\n");
  tree.file("/proc/self/cgroup", "0::\n");
  tree.file("/sys/fs/cgroup/cpu.max", "100 0\n");
  tree.file("/sys/kernel/mm/hugepages/hugepages-kB/nr_hugepages", "1\n");
  tree.file("/sys/kernel/mm/hugepages/other/nr_hugepages", "1\n");
  tree.file("/sys/kernel/mm/transparent_hugepage/enabled", "]odd[\n");
  const Environment odd = tree.look();
  EXPECT_EQ(odd.cpu_model, "");
  EXPECT_EQ(odd.memory_bytes, 0U);
  EXPECT_EQ(odd.swap_used_bytes, 0U);
  EXPECT_EQ(odd.quota, std::nullopt);
  EXPECT_TRUE(odd.huge_pages.empty());
  EXPECT_EQ(odd.transparent_huge_pages, "]odd[");
}

TEST(BenchEnvironment, AsksTheKernelAndLeavesTheThreadItsCpus) {
  cpu_set_t before;
  CPU_ZERO(&before);
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  const Environment here = look_around();
  cpu_set_t after;
  CPU_ZERO(&after);
  ASSERT_EQ(::sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(here.cpus.size(), static_cast<std::size_t>(CPU_COUNT(&before)));
  EXPECT_TRUE(here.kernel.starts_with("Linux ")) << here.kernel;
  EXPECT_TRUE(here.libc.starts_with("glibc 2.")) << here.libc;
  EXPECT_GT(here.memory_bytes, 0U);
  EXPECT_FALSE(here.compiler.empty());
  EXPECT_FALSE(here.aeron.empty());
  EXPECT_FALSE(here.library.empty());
}

TEST(BenchEnvironment, AdvisesNothingWhereAllIsWell) {
  EXPECT_EQ(subjects(good_machine()), Names{});
  EXPECT_NE(to_text(advice(good_machine())).find("Nothing"), std::string::npos);
}

TEST(BenchEnvironment, NamesWhatStandsInTheWay) {
  const auto broken = [](auto&& breaks) {
    Environment here = good_machine();
    breaks(here);
    return subjects(here);
  };
  EXPECT_EQ(broken([](auto& e) { e.cpus = {0}, e.cores = 1; }), Names{"CPUs"});
  EXPECT_EQ(broken([](auto& e) { e.build = "Debug -g"; }), Names{"build"});
  EXPECT_EQ(broken([](auto& e) { e.build = "Release -O3 -fsanitize=thread"; }), Names{"build"});
  EXPECT_EQ(broken([](auto& e) { e.quota = 1.5; }), Names{"CPU quota"});
  EXPECT_EQ(broken([](auto& e) { e.quota = 2; }), Names{});
  EXPECT_EQ(broken([](auto& e) { e.cores = 1; }), Names{"cores"});
  EXPECT_EQ(broken([](auto& e) { e.can_pin = false; }), Names{"pinning"});
  EXPECT_EQ(broken([](auto& e) { e.dev_shm.reset(); }), Names{"/dev/shm"});
  EXPECT_EQ(broken([](auto& e) { e.dev_shm->free_bytes = 64U << 20U; }), Names{"/dev/shm"});
  EXPECT_EQ(broken([](auto& e) { e.load = 1; }), Names{"load"});
  EXPECT_EQ(broken([](auto& e) { e.clock_source = "hpet"; }), Names{"clock source"});
  EXPECT_EQ(broken([](auto& e) { e.clock_source = "arch_sys_counter"; }), Names{});
  EXPECT_EQ(broken([](auto& e) { e.governor = "performance, powersave"; }), Names{"governor"});
  EXPECT_EQ(broken([](auto& e) { e.governor = ""; }), Names{});
  EXPECT_EQ(broken([](auto& e) { e.swap_bytes = e.swap_used_bytes = 4096; }), Names{"swap"});
  EXPECT_EQ(broken([](auto& e) { e.stolen = 0.02; }), Names{"stolen time"});
  EXPECT_EQ(broken([](auto& e) { e.isolated = "", e.cpus = {0, 1, 2, 3}; }), Names{"isolation"});
  EXPECT_EQ(broken([](auto& e) { e.hypervisor = "KVM"; }), Names{"virtual machine"});
  EXPECT_EQ(broken([](auto& e) { e.shmem_huge_pages = "deny"; }), Names{"huge pages"});
  EXPECT_EQ(broken([](auto& e) { e.transparent_huge_pages = ""; }), Names{"huge pages"});
  const auto old_kernel = [&](auto&& more) {
    return broken([&](auto& e) {
      e.kernel = "Linux 5.10.0-amd64 x86_64";
      more(e);
    });
  };
  EXPECT_EQ(old_kernel([](auto&) {}), Names{"huge pages"});
  EXPECT_EQ(old_kernel([](auto& e) { e.dev_shm_huge_pages = "advise"; }), Names{"huge pages"});
  EXPECT_EQ(old_kernel([](auto& e) { e.dev_shm_huge_pages = "within_size"; }), Names{});
  EXPECT_EQ(old_kernel([](auto& e) { e.huge_pages = {{2U << 20U, 64, 64}}; }), Names{});
  EXPECT_EQ(broken([](auto& e) { e.memlock_bytes = 8U << 20U; }), Names{"locked memory"});
  EXPECT_EQ(broken([](auto& e) { e.futex_waitv = false; }), Names{"futex_waitv"});
  EXPECT_EQ(broken([](auto& e) { e.slow_rep_movsb = true; }), Names{});
  EXPECT_EQ(broken([](auto& e) { e.slow_rep_movsb = true, e.libc = "glibc 2.36"; }),
            Names{"memcpy"});
}

TEST(BenchEnvironment, PutsWhatMakesFiguresMeaninglessFirst) {
  Environment here = good_machine();
  here.memlock_bytes = 0;
  here.governor = "powersave";
  here.dev_shm.reset();
  here.cpus = {0};
  EXPECT_EQ(subjects(here), (Names{"CPUs", "/dev/shm", "governor", "locked memory"}));
}

TEST(BenchEnvironment, EachAdviceSaysWhatItFoundWhyItMattersAndWhatToDo) {
  Environment here = good_machine();
  here.memlock_bytes = 8U << 20U;
  const std::string text = to_text(advice(here));
  EXPECT_NE(text.find("locked memory: 8 MiB"), std::string::npos) << text;
  EXPECT_NE(text.find("ulimit -l"), std::string::npos) << text;
  const auto json = to_json(advice(here));
  ASSERT_EQ(json.size(), 1U);
  EXPECT_EQ(json[0]["what"], "locked memory");
  for (const char* key : {"found", "why", "how"}) EXPECT_FALSE(json[0][key].empty()) << key;
}

TEST(BenchEnvironment, SaysInTextAndJsonWhatIsNotThere) {
  Environment here = good_machine();
  here.cpus = {0, 1, 2, 5};
  here.governor = "";
  here.hypervisor = "KVM";
  const std::string text = to_text(here);
  EXPECT_NE(text.find("4 allowed (0-2,5)"), std::string::npos) << text;
  EXPECT_NE(text.find("none seen (no cpufreq"), std::string::npos) << text;
  EXPECT_NE(text.find("31.0 GiB free of 32.0 GiB"), std::string::npos) << text;
  EXPECT_NE(text.find("locked memory unlimited"), std::string::npos) << text;
  here.dev_shm.reset();
  here.smt.reset();
  const auto json = to_json(here);
  EXPECT_TRUE(json["dev_shm"].is_null());
  EXPECT_TRUE(json["smt"].is_null());
  EXPECT_TRUE(json["cpu_quota"].is_null());
  EXPECT_EQ(json["hypervisor"], "KVM");
  EXPECT_EQ(json["cpus"].size(), 4U);
}

}  // namespace
}  // namespace tensorpool::bench
