#include "demo/children.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

namespace tensorpool::demo {

namespace {

// Between fork and exec: system calls only.
[[noreturn]] void become(char* const* arguments, int out, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  // Ctrl-C goes to the terminal's group; the demo itself decides in which order children end.
  ::setpgid(0, 0);
  ::dup2(out, STDOUT_FILENO);
  ::execv("/proc/self/exe", arguments);
  ::_exit(127);
}

}  // namespace

Result<Child> Child::start(std::string name, const std::vector<std::string>& arguments) {
  std::vector<std::string> all{"tp_demo"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(all.size() + 1);
  for (std::string& argument : all) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(Error::system("pipe2", errno, name));
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(pointers.data(), ends[1], parent);
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return fail(Error::system("fork", errno, name));
  }
  Child child;
  child.name_ = std::move(name);
  child.pid_ = pid;
  child.fd_ = ends[0];
  return child;
}

Child::Child(Child&& other) noexcept
    : name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      last_(std::move(other.last_)),
      summary_(std::move(other.summary_)),
      pid_(std::exchange(other.pid_, -1)),
      fd_(std::exchange(other.fd_, -1)) {}

Child::~Child() {
  if (fd_ >= 0) ::close(fd_);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void Child::take_line(const std::string& line) {
  cli::Json object = cli::Json::parse(line, nullptr, false);
  if (!object.is_object()) return;
  if (object.value("kind", "") == "summary") summary_ = object;
  last_ = std::move(object);
}

void Child::read() {
  std::array<char, 4096> bytes{};
  const ssize_t got = ::read(fd_, bytes.data(), bytes.size());
  if (got < 0 && errno == EINTR) return;
  if (got <= 0) {
    ::close(std::exchange(fd_, -1));
    return;
  }
  buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  for (std::size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
    take_line(buffer_.substr(0, end));
    buffer_.erase(0, end + 1);
  }
}

void Child::interrupt() const {
  if (pid_ > 0) ::kill(pid_, SIGINT);
}

int Child::finish(int timeout_ms) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (fd_ >= 0 && Clock::now() < deadline) {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, 50) > 0) read();
  }
  if (fd_ >= 0) ::kill(pid_, SIGKILL);
  int status = 0;
  if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace tensorpool::demo
