#include "tp/sources/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "tp/signals.hpp"

namespace tensorpool::sources {

namespace {

// Of what a program says on standard error, only the end is kept.
constexpr std::size_t tail_limit_bytes = 4096;
constexpr std::size_t last_words_limit = 400;
// A signal may come just before a wait: no wait is longer than this.
constexpr int look_for_signals_ms = 100;
// For a program to end once it has closed its output.
constexpr std::chrono::seconds patience{5};

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends)
      if (end >= 0) ::close(end);
  }
  bool open() { return ::pipe2(ends.data(), O_CLOEXEC) == 0; }
  int take_read_end() { return std::exchange(ends[0], -1); }
};

void close_end(int& fd) noexcept {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

// The number of posix_spawnp.
int spawn(pid_t& pid, const std::vector<std::string>& arguments, const Pipe& out,
          const Pipe& words) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out.ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, words.ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  // Ignored signals would stay ignored: the program should end when nobody reads any more.
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  pointers.reserve(copies.size() + 1);
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const int error = posix_spawnp(&pid, pointers[0], &files, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

}  // namespace

Result<Process> Process::start(const std::vector<std::string>& arguments,
                               const std::string& package) {
  const std::string& program = arguments.front();
  Pipe out;
  Pipe words;
  if (!out.open() || !words.open()) return fail(Error::system("pipe2", errno, program));
  Process process;
  process.name_ = program;
  if (const int error = spawn(process.pid_, arguments, out, words); error != 0) {
    process.pid_ = -1;
    if (error == ENOENT) {
      return fail(Code::unsupported, "Process::start",
                  fmt::format("the program '{}' is not on PATH (Debian: apt-get install {})",
                              program, package));
    }
    return fail(Error::system("posix_spawnp", error, program));
  }
  process.out_ = out.take_read_end();
  process.words_ = words.take_read_end();
  return process;
}

Process::Process(Process&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, -1)),
      words_(std::exchange(other.words_, -1)),
      status_(other.status_),
      tail_(std::move(other.tail_)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    end();
    name_ = std::move(other.name_);
    pid_ = std::exchange(other.pid_, -1);
    out_ = std::exchange(other.out_, -1);
    words_ = std::exchange(other.words_, -1);
    status_ = other.status_;
    tail_ = std::move(other.tail_);
  }
  return *this;
}

int Process::wait() noexcept {
  while (pid_ > 0) {
    const pid_t ended = ::waitpid(pid_, &status_, 0);
    if (ended == pid_ || errno != EINTR) pid_ = -1;
  }
  return status_;
}

void Process::end() noexcept {
  close_end(out_);
  close_end(words_);
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  (void)wait();
}

// One read of standard error; its end closes our side.
void Process::keep_words() {
  std::array<char, 1024> some{};
  const ssize_t got = ::read(words_, some.data(), some.size());
  if (got > 0) {
    tail_.append(some.data(), static_cast<std::size_t>(got));
    if (tail_.size() > tail_limit_bytes) tail_.erase(0, tail_.size() - tail_limit_bytes);
  } else if (got == 0 || errno != EINTR) {
    close_end(words_);
  }
}

// Both pipes are watched: a program that cannot get rid of its complaints would stop for ever.
Result<std::size_t> Process::read(std::span<std::byte> out) {
  while (out_ >= 0) {
    std::array<pollfd, 2> ends{{{out_, POLLIN, 0}, {words_, POLLIN, 0}}};
    const int ready = ::poll(ends.data(), ends.size(), look_for_signals_ms);
    if (ready < 0 && errno != EINTR) return fail(Error::system("poll", errno, name_));
    if (cli::stop_requested()) return fail(Code::closed, "Process::read", "a signal");
    if (ready <= 0) continue;
    if (ends[1].revents != 0) keep_words();
    if (ends[0].revents == 0) continue;
    const ssize_t got = ::read(out_, out.data(), out.size());
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0) {
      close_end(out_);
    } else if (errno != EINTR) {
      return fail(Error::system("read", errno, name_));
    }
  }
  return std::size_t{0};
}

// A program that has closed its output ends soon; one that does not is ended.
bool Process::ends_by_itself() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline && !cli::stop_requested()) {
    if (words_ >= 0) {
      pollfd end{words_, POLLIN, 0};
      if (::poll(&end, 1, look_for_signals_ms) > 0) keep_words();
      continue;
    }
    const pid_t ended = ::waitpid(pid_, &status_, WNOHANG);
    if (ended != 0) {
      pid_ = -1;
      return true;
    }
    (void)::poll(nullptr, 0, 1);
  }
  return false;
}

std::string Process::how_it_failed() {
  if (pid_ > 0 && !ends_by_itself()) {
    end();
    return "signal 9 (it would not end by itself)";
  }
  const int status = wait();
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return WEXITSTATUS(status) == 0 ? std::string()
                                  : fmt::format("exit code {}", WEXITSTATUS(status));
}

std::string Process::last_words() const {
  const std::size_t last = tail_.find_last_not_of("\r\n ");
  if (last == std::string::npos) return {};
  const std::size_t before = tail_.find_last_of("\r\n", last);
  const std::size_t first = before == std::string::npos ? 0 : before + 1;
  std::string line = tail_.substr(first, last + 1 - first);
  if (line.size() > last_words_limit) line.resize(last_words_limit);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return line;
}

}  // namespace tensorpool::sources
