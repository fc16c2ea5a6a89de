#include "arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace tensorpool::bench {
namespace {

constexpr std::uint64_t least_bytes = 16;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;
constexpr double least_hz = 1;
constexpr double most_hz = 1e6;
constexpr double quick_pace = 0.05;

// A number and what stands behind it; nothing for text that is no number.
struct Quantity {
  double number = 0;
  std::string unit;
};
Quantity split(const std::string& text, const char* option, const char* example) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(number))
    throw BadArgument(fmt::format("{} '{}': not a number; such as {}", option, text, example));
  std::string unit(end);
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return {number, unit};
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_names(const char* option, const std::vector<std::string>& wanted,
                 const std::vector<std::string>& known) {
  for (const std::string& name : wanted) {
    if (!has(known, name))
      throw BadArgument(fmt::format("{} '{}': there is none of this name; there are: {}", option,
                                    name, fmt::join(known, ", ")));
  }
}

}  // namespace

std::uint64_t parse_size(const std::string& text) {
  const char* const example = "64, 64KiB or 8MiB";
  const Quantity q = split(text, "--size", example);
  double bytes = q.number;
  if (q.unit == "k" || q.unit == "kib") {
    bytes *= KiB;
  } else if (q.unit == "m" || q.unit == "mib") {
    bytes *= MiB;
  } else if (!q.unit.empty() && q.unit != "b") {
    throw BadArgument(fmt::format("--size '{}': unknown unit; such as {}", text, example));
  }
  if (bytes < least_bytes || bytes > most_bytes || std::fmod(bytes, 8) != 0)
    throw BadArgument(fmt::format(
        "--size '{}': not a whole number of 8-byte words between 16 B and 1 GiB", text));
  return static_cast<std::uint64_t>(bytes);
}

double parse_rate(const std::string& text) {
  const char* const example = "1000 or 10k";
  const Quantity q = split(text, "--rate", example);
  double hz = q.number;
  if (q.unit == "k" || q.unit == "khz") {
    hz *= 1000;
  } else if (!q.unit.empty() && q.unit != "hz") {
    throw BadArgument(fmt::format("--rate '{}': unknown unit; such as {}", text, example));
  }
  if (hz < least_hz || hz > most_hz)
    throw BadArgument(fmt::format("--rate '{}': not between 1 Hz and 1 MHz", text));
  return hz;
}

Plan make_plan(const Wishes& wishes, const std::vector<Entry>& subjects, std::vector<Hole>& holes) {
  std::vector<std::string> known{memcpy_name};
  for (const Entry& entry : subjects) known.push_back(entry.name);
  check_names("--subject", wishes.subjects, known);
  Plan plan;
  plan.quick = wishes.quick;
  plan.rounds = wishes.rounds != 0 ? wishes.rounds : wishes.quick ? 2 : 5;
  plan.pace = wishes.pace > 0 ? wishes.pace : wishes.quick ? quick_pace : 1;
  for (const std::string& text : wishes.sizes) plan.sizes.push_back(parse_size(text));
  for (const std::string& text : wishes.rates) plan.rates.push_back(parse_rate(text));
  plan.memcpy = wishes.subjects.empty() || has(wishes.subjects, memcpy_name);
  for (const Entry& entry : subjects) {
    if (!wishes.subjects.empty() && !has(wishes.subjects, entry.name)) continue;
    if (entry.why_not.empty()) {
      plan.subjects.push_back(entry.subject.get());
    } else {
      holes.push_back({"all", entry.name, entry.why_not});
    }
  }
  if (plan.subjects.empty() && !plan.memcpy)
    throw BadArgument(
        fmt::format("--subject: {} cannot run: {}", holes.back().what, holes.back().why));
  if (wishes.lock_memory) {
    const std::string why = why_not_locked();
    plan.lock_memory = why.empty();
    if (!why.empty()) holes.push_back({"all", "--lock", why + "; measured without"});
  }
  return plan;
}

std::vector<std::unique_ptr<Workload>> chosen_workloads(const Wishes& wishes) {
  std::vector<std::unique_ptr<Workload>> all = all_workloads();
  std::vector<std::string> known;
  for (const auto& workload : all) known.push_back(workload->name());
  known.emplace_back(instructions_name);
  check_names("--workload", wishes.workloads, known);
  if (!wishes.workloads.empty())
    std::erase_if(all,
                  [&](const auto& workload) { return !has(wishes.workloads, workload->name()); });
  return all;
}

bool wants_instructions(const Wishes& wishes) {
  return wishes.workloads.empty() ? wishes.instructions : has(wishes.workloads, instructions_name);
}

std::string why_not_locked() {
  constexpr std::size_t some = 64 * MiB;
  void* const memory =
      ::mmap(nullptr, some, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return "64 MiB of memory are not there";
  const int failed = ::mlock(memory, some) == 0 ? 0 : errno;
  (void)::munmap(memory, some);
  if (failed == 0) return {};
  return fmt::format("memory may not be locked (mlock of 64 MiB: {}; ulimit -l)",
                     std::strerror(failed));
}

}  // namespace tensorpool::bench
