#include "instructions.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tensorpool/tensorpool.hpp"

namespace tensorpool::bench {
namespace {

// The program of this name in PATH, or nothing.
std::string find_program(const std::string& name) {
  const char* path = ::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  std::string folder;
  while (std::getline(folders, folder, ':')) {
    const std::string file = folder + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

// What the dump of one phase says: its name and its total.
void read_dump(const std::filesystem::path& file, std::map<std::string, std::uint64_t>& totals) {
  std::ifstream dump(file);
  std::string line;
  std::string phase;
  constexpr std::string_view trigger = "desc: Trigger: Client Request: ";
  constexpr std::string_view summary = "summary: ";
  while (std::getline(dump, line)) {
    if (line.starts_with(trigger)) phase = line.substr(trigger.size());
    if (line.starts_with(summary) && !phase.empty())
      totals[phase] = std::stoull(line.substr(summary.size()));
  }
}

[[noreturn]] void run_valgrind(const std::string& valgrind, const std::string& program,
                               const Stage& stage, const std::string& out,
                               const std::string& frames, const std::string& waste) {
  const int log = ::open((out + "/log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (log >= 0) {
    (void)::dup2(log, STDOUT_FILENO);
    (void)::dup2(log, STDERR_FILENO);
  }
  const std::string dumps = "--callgrind-out-file=" + out + "/callgrind.out";
  const std::string aeron_dir = stage.aeron_dir();
  const std::array<const char*, 11> arguments = {valgrind.c_str(),
                                                 "--tool=callgrind",
                                                 "--collect-atstart=no",
                                                 "--compress-strings=no",
                                                 dumps.c_str(),
                                                 program.c_str(),
                                                 stage.directory().c_str(),
                                                 aeron_dir.c_str(),
                                                 frames.c_str(),
                                                 waste.c_str(),
                                                 nullptr};
  (void)::execv(valgrind.c_str(), const_cast<char* const*>(arguments.data()));
  throw Failure("valgrind cannot be run");
}

std::string log_of(const std::string& out) {
  std::ifstream file(out + "/log");
  std::string text(std::istreambuf_iterator<char>(file), {});
  return text.size() > 400 ? "…" + text.substr(text.size() - 400) : text;
}

}  // namespace

Instructions count_instructions(const Stage& stage, const std::string& program, bool quick,
                                const std::string& keep, std::uint64_t waste) {
  Instructions result;
  const std::string valgrind = find_program("valgrind");
  if (valgrind.empty()) {
    result.why_not = "valgrind is not installed";
    return result;
  }
  result.frames = quick ? 100 : 1000;
  const std::string out = stage.directory() + "/callgrind";
  std::filesystem::create_directories(out);
  try {
    stage.run({[&] {
      run_valgrind(valgrind, program, stage, out, std::to_string(result.frames),
                   std::to_string(waste));
    }});
  } catch (const Interrupted&) {
    throw;
  } catch (const Failure& failure) {
    throw Failure(fmt::format("counting instructions: {}: {}", failure.what(), log_of(out)));
  }
  std::map<std::string, std::uint64_t> totals;
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    if (entry.path().filename().string().starts_with("callgrind.out"))
      read_dump(entry.path(), totals);
  }
  const auto per_frame = [&](const char* phase) {
    const auto found = totals.find(phase);
    if (found == totals.end() || found->second == 0)
      throw Failure(fmt::format("callgrind counted nothing for '{}': {}", phase, log_of(out)));
    return static_cast<double>(found->second) / static_cast<double>(result.frames);
  };
  result.producer = per_frame("producer");
  result.consumer_ten = per_frame("consumer_ten");
  result.consumer_one = per_frame("consumer_one");
  result.producer_two_shapes = per_frame("producer_two_shapes");
  result.consumer_two_shapes = per_frame("consumer_two_shapes");
  result.producer_bell = per_frame("producer_bell");
  // Phases that are switched on and off for each call contain what that costs.
  const double switching = per_frame("nothing");
  result.consumer_single = per_frame("consumer_single") - switching;
  result.claim = per_frame("claim") - switching;
  result.commit = per_frame("commit") - switching;
  result.poll = per_frame("poll") - switching;
  result.proof = per_frame("proof") - switching;
  if (!keep.empty()) {
    std::filesystem::create_directories(keep);
    std::filesystem::copy(out, keep,
                          std::filesystem::copy_options::overwrite_existing |
                              std::filesystem::copy_options::recursive);
    result.profile_folder = keep;
  }
  return result;
}

}  // namespace tensorpool::bench
