#include "integration/driver_process.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "support/eventually.hpp"

namespace tensorpool::integration {
namespace {

// The environment without what a driver reads.
std::vector<std::string> plain_environment() {
  constexpr std::string_view read[] = {"DRIVER_",  "SHM_", "POLICIES_", "PROFILES_",
                                       "STREAMS_", "TP_",  "AERON_",    "NOTIFY_"};
  std::vector<std::string> kept;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (std::none_of(std::begin(read), std::end(read),
                     [&](std::string_view begin) { return text.starts_with(begin); }))
      kept.emplace_back(text);
  }
  return kept;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

std::string file_of(const Keys& keys) {
  std::string text;
  for (const auto& [path, value] : keys) text += path + " = " + value + "\n";
  return text;
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

DriverProcess::DriverProcess(const std::string& path, const Keys& keys) : log_path_(path + ".log") {
  std::ofstream(path) << file_of(keys);
  std::vector<std::string> arguments = {
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tp_driver", "--log", "json",
      path};
  std::vector<std::string> variables = plain_environment();
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(variables);
  const int log = ::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  pid_ = log < 0 ? -1 : ::fork();
  if (pid_ == 0) {
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  if (log >= 0) ::close(log);
  if (pid_ < 0) throw std::runtime_error("no process for tp_driver");
}

DriverProcess::~DriverProcess() {
  if (reaped_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string DriverProcess::log() const {
  std::ifstream file(log_path_);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool DriverProcess::told(const std::string& event) const {
  return log().find("\"event\":\"" + event + "\"") != std::string::npos;
}

bool DriverProcess::ended() {
  if (!reaped_) reaped_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return reaped_;
}

void DriverProcess::signal(int number) const {
  if (!reaped_) ::kill(pid_, number);
}

int DriverProcess::exit_code() {
  if (!test::eventually([this] { return ended(); }) || !WIFEXITED(status_)) return -1;
  return WEXITSTATUS(status_);
}

}  // namespace tensorpool::integration
