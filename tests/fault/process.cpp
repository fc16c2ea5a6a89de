#include "fault/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tensorpool::fault {
namespace {

// Beside this program.
std::string peer_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "fault_peer";
}

Peer::Books parse(const std::string& text) {
  std::istringstream line(text);
  Peer::Books books;
  for (std::string word; line >> word;) {
    const std::size_t equal = word.find('=');
    if (equal != std::string::npos)
      books[word.substr(0, equal)] = std::stoull(word.substr(equal + 1));
  }
  return books;
}

}  // namespace

bool eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    (void)::poll(nullptr, 0, 1);
  }
  return true;
}

Peer::Peer(const char* role, const Setting& setting, std::uint64_t sender, const Fault& fault) {
  std::vector<std::string> arguments{peer_program(),
                                     role,
                                     setting.aeron_dir,
                                     setting.base_dir,
                                     setting.space,
                                     std::to_string(setting.stream),
                                     std::to_string(setting.slots),
                                     std::to_string(sender),
                                     setting.term,
                                     fault.point,
                                     std::to_string(fault.visit),
                                     std::to_string(fault.signal),
                                     fault.when};
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("pipe2");
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(to[0], STDIN_FILENO);
    ::dup2(from[1], STDOUT_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  in_ = to[1];
  out_ = from[0];
}

Peer::Peer(Peer&& other) noexcept
    : buffer_(std::move(other.buffer_)),
      pid_(std::exchange(other.pid_, -1)),
      in_(std::exchange(other.in_, -1)),
      out_(std::exchange(other.out_, -1)) {}

Peer::~Peer() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (in_ >= 0) ::close(in_);
  if (out_ >= 0) ::close(out_);
}

bool Peer::ready() {
  const std::string line = read_line();
  return !line.empty() && line.rfind("refused", 0) != 0;
}

std::string Peer::refusal() {
  const std::string line = read_line();
  int status = 0;
  if (line.rfind("refused", 0) != 0) return {};
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 3 ? line : std::string();
}

Peer::Books Peer::ask(const std::string& command, std::chrono::seconds wait) {
  const std::string line = command + "\n";
  if (::write(in_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return {};
  return parse(read_line(wait));
}

bool Peer::struck_by(int signal) {
  int status = 0;
  const bool changed =
      eventually([&] { return ::waitpid(pid_, &status, WUNTRACED | WNOHANG) != 0; });
  if (!changed) return false;
  if (WIFSTOPPED(status)) return WSTOPSIG(status) == signal;
  pid_ = -1;  // reaped
  return WIFSIGNALED(status) && WTERMSIG(status) == signal;
}

void Peer::signal(int number) const { ::kill(pid_, number); }

Peer::Books Peer::close() {
  Books last = ask("close");
  int status = 0;
  if (last.empty()) throw std::runtime_error("a peer did not answer `close`");
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("a peer did not end cleanly");
  return last;
}

std::string Peer::read_line(std::chrono::seconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (buffer_.find('\n') == std::string::npos) {
    pollfd input{out_, POLLIN, 0};
    std::array<char, 1024> bytes{};
    if (std::chrono::steady_clock::now() > deadline) return {};
    if (::poll(&input, 1, 100) <= 0) continue;
    const ssize_t got = ::read(out_, bytes.data(), bytes.size());
    if (got <= 0) return {};
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
  std::string line = buffer_.substr(0, buffer_.find('\n'));
  buffer_.erase(0, buffer_.find('\n') + 1);
  return line;
}

}  // namespace tensorpool::fault
