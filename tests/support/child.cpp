#include "support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace tensorpool::test {

Child::Child(const std::string& name, std::vector<std::string> arguments) : name_(name) {
  arguments.insert(arguments.begin(),
                   std::filesystem::read_symlink("/proc/self/exe").parent_path() / name);
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
  if (pid_ < 0) throw std::runtime_error("fork");
}

Child::Child(Child&& other) noexcept
    : name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      pid_(std::exchange(other.pid_, -1)),
      in_(std::exchange(other.in_, -1)),
      out_(std::exchange(other.out_, -1)) {}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (in_ >= 0) ::close(in_);
  if (out_ >= 0) ::close(out_);
}

std::string Child::read_line(std::chrono::seconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (buffer_.find('\n') == std::string::npos) {
    pollfd input{out_, POLLIN, 0};
    std::array<char, 1024> bytes{};
    if (std::chrono::steady_clock::now() > deadline) return {};
    if (::poll(&input, 1, 100) <= 0) continue;
    const ssize_t got = ::read(out_, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
  std::string line = buffer_.substr(0, buffer_.find('\n'));
  buffer_.erase(0, buffer_.find('\n') + 1);
  return line;
}

Child::Books Child::parse(const std::string& line) {
  std::istringstream words(line);
  Books books;
  for (std::string word; words >> word;) {
    const std::size_t equal = word.find('=');
    if (equal != std::string::npos)
      books[word.substr(0, equal)] = std::stoull(word.substr(equal + 1));
  }
  return books;
}

bool Child::post(const std::string& command) const {
  const std::string line = command + "\n";
  return ::write(in_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

Child::Books Child::ask(const std::string& command, std::chrono::seconds wait) {
  return post(command) ? parse(read_line(wait)) : Books{};
}

Child::Books Child::close() {
  Books last = ask("close");
  if (last.empty()) throw std::runtime_error(name_ + " did not answer `close`");
  const int status = reap();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error(name_ + " did not end cleanly");
  return last;
}

void Child::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

bool Child::changed(int& status) {
  const bool did = eventually([&] { return ::waitpid(pid_, &status, WUNTRACED | WNOHANG) != 0; });
  if (did && !WIFSTOPPED(status)) pid_ = -1;  // reaped
  return did;
}

int Child::reap() {
  int status = -1;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

}  // namespace tensorpool::test
