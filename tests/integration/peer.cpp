#include "integration/peer.hpp"

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

#include "integration/support.hpp"

namespace tensorpool::integration {
namespace {

// Beside this program.
std::string peer_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "stream_peer";
}

}  // namespace

Peer::Peer(const char* role, const Folder& folder, std::uint32_t stream, std::uint32_t slots) {
  std::vector<std::string> arguments{peer_program(),         role,
                                     folder.aeron(),         folder.regions(),
                                     std::to_string(stream), std::to_string(slots)};
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
  if (read_line().empty()) throw std::runtime_error(std::string(role) + " did not start");
}

Peer::~Peer() {
  kill();
  ::close(in_);
  ::close(out_);
}

void Peer::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

void Peer::pause() {
  ::kill(pid_, SIGSTOP);
  ::waitpid(pid_, nullptr, WUNTRACED);
}

void Peer::resume() { ::kill(pid_, SIGCONT); }

Peer::Books Peer::ask(const std::string& command) {
  const std::string line = command + "\n";
  if (::write(in_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return {};
  return read_line();
}

Peer::Books Peer::close() {
  Books last = ask("close");
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  if (last.empty() || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("a peer did not end cleanly");
  return last;
}

Peer::Books Peer::read_line() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (buffer_.find('\n') == std::string::npos) {
    pollfd wait{out_, POLLIN, 0};
    std::array<char, 1024> bytes{};
    if (std::chrono::steady_clock::now() > deadline) return {};
    if (::poll(&wait, 1, 100) <= 0) continue;
    const ssize_t got = ::read(out_, bytes.data(), bytes.size());
    if (got <= 0) return {};
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
  std::istringstream line(buffer_.substr(0, buffer_.find('\n')));
  buffer_.erase(0, buffer_.find('\n') + 1);
  Books books;
  for (std::string word; line >> word;) {
    const std::size_t equal = word.find('=');
    books[word.substr(0, equal)] = std::stoull(word.substr(equal + 1));
  }
  return books;
}

}  // namespace tensorpool::integration
