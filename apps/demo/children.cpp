#include "demo/children.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string_view>
#include <utility>

namespace tensorpool::demo {

namespace {

// What drivers and clients would take from the environment is the demo's to say.
bool is_ours(std::string_view variable) {
  constexpr std::array<std::string_view, 8> prefixes{"DRIVER_",  "SHM_", "POLICIES_", "PROFILES_",
                                                     "STREAMS_", "TP_",  "AERON_",    "NOTIFY_"};
  return std::ranges::any_of(prefixes,
                             [variable](std::string_view p) { return variable.starts_with(p); });
}

// Texts as exec wants them; they must outlive it.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Ends {
  int out = -1;
  int errors = -1;
};

// Between fork and exec: system calls only.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment,
                         Ends ends, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  // Ctrl-C goes to the terminal's group; the demo itself decides in which order children end.
  ::setpgid(0, 0);
  ::dup2(ends.out, STDOUT_FILENO);
  ::dup2(ends.errors, STDERR_FILENO);
  ::execve(program, arguments, environment);
  ::_exit(127);
}

}  // namespace

Result<Child> Child::start(const Command& command, const std::string& errors) {
  const std::size_t folder = command.program.rfind('/');
  std::vector<std::string> arguments{
      folder == std::string::npos ? "tp_demo" : command.program.substr(folder + 1)};
  arguments.insert(arguments.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment;
  for (char** at = environ; *at != nullptr; ++at) {
    if (!is_ours(*at)) environment.emplace_back(*at);
  }
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  const char* program = command.program.empty() ? "/proc/self/exe" : command.program.c_str();

  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    return fail(Error::system("pipe2", errno, command.name));
  const int file = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) {
    const int why = errno;
    ::close(pipe[0]);
    ::close(pipe[1]);
    return fail(Error::system("open", why, errors));
  }
  const Ends ends{pipe[1], command.speaks_on_stderr ? pipe[1] : file};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0)
    become(program, argument_pointers.data(), environment_pointers.data(), ends, parent);
  const int why = errno;
  ::close(pipe[1]);
  ::close(file);
  if (pid < 0) {
    ::close(pipe[0]);
    return fail(Error::system("fork", why, command.name));
  }
  Child child;
  child.pid_ = pid;
  child.fd_ = pipe[0];
  return child;
}

Child::Child(Child&& other) noexcept { *this = std::move(other); }

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  kill();
  buffer_ = std::move(other.buffer_);
  last_ = std::move(other.last_);
  summary_ = std::move(other.summary_);
  attached_ = other.attached_;
  epoch_ = other.epoch_;
  reconnected_ = other.reconnected_;
  ready_ = other.ready_;
  pid_ = std::exchange(other.pid_, -1);
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

Child::~Child() { kill(); }

void Child::kill() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

std::uint64_t Child::frames() const {
  if (!last_.is_object()) return 0;
  return last_.value(last_["role"] == "producer" ? "published" : "delivered", std::uint64_t{0});
}

void Child::take_line(const std::string& line) {
  cli::Json object = cli::Json::parse(line, nullptr, false);
  if (!object.is_object()) return;
  const std::string kind = object.value("kind", "");
  const std::string event = object.value("event", "");
  if (kind == "ready" || event == "ready") ready_ = true;
  if (kind == "lease" && event == "attached") {
    ++attached_;
    epoch_ = object.value("epoch", std::uint64_t{0});
  }
  if (kind == "connection" && event == "connected") ++reconnected_;
  if (!object.contains("fps")) return;
  if (kind == "summary") summary_ = object;
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
  if (pid_ <= 0) return -1;  // was killed, and nobody took its place
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
