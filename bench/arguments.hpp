// The command line of the kit, checked before anything is started.
#pragma once

#include <string>
#include <vector>

#include "registry.hpp"
#include "runner.hpp"
#include "workloads.hpp"

namespace tensorpool::bench {

// What the command line says, as it was typed.
struct Wishes {
  bool quick = false;
  bool list = false;
  bool lock_memory = false;
  std::size_t rounds = 0;   // 0: five, two with --quick
  double pace = 0;          // 0: 1, a twentieth with --quick
  std::string aeron_dir{};  // of a media driver that runs already; empty: one of our own
  std::vector<std::string> workloads{};
  std::vector<std::string> subjects{};
  std::vector<std::string> sizes{};
  std::vector<std::string> rates{};
  std::string out{};
  std::string json{};
  bool instructions = true;
  std::string counted_program{};  // what runs under callgrind
  std::string keep_profiles{};
};

// The name under which --workload takes the counting of instructions.
constexpr const char* instructions_name = "instructions";
constexpr const char* memcpy_name = "memcpy";

// What a wish that makes no sense throws: the option, the value, and what would make sense.
struct BadArgument : Failure {
  using Failure::Failure;
};

// "64", "64k", "64KiB", "8m": payload bytes.
std::uint64_t parse_size(const std::string& text);
// "1000", "10k": per second.
double parse_rate(const std::string& text);

// Which workloads, subjects, sizes and rates. Subjects that cannot run here become holes; a name that nobody
// has is a BadArgument, as is a choice of which nothing remains.
Plan make_plan(const Wishes& wishes, const std::vector<Entry>& subjects, std::vector<Hole>& holes);
// Those that were asked for, in the order of the report; checks the names.
std::vector<std::unique_ptr<Workload>> chosen_workloads(const Wishes& wishes);
bool wants_instructions(const Wishes& wishes);

// Empty, or why memory cannot be locked here.
std::string why_not_locked();

}  // namespace tensorpool::bench
