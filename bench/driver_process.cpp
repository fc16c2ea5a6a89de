#include "driver_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tensorpool::bench {
namespace {

// The log of a driver goes to its standard error, which is the child's standard output here.
[[noreturn]] void become(const std::vector<char*>& arguments, int out, pid_t parent) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) (void)::signal(signal, SIG_IGN);
  (void)::dup2(out, STDOUT_FILENO);
  (void)::dup2(out, STDERR_FILENO);
  // Nobody's variables: they would win over the configuration.
  std::array<char*, 1> environment{nullptr};
  (void)::execve(arguments.front(), arguments.data(), environment.data());
  ::_exit(127);
}

std::string configure(const std::string& folder, const DriverPlaces& places) {
  const std::string file = folder + "/driver.toml";
  std::ofstream(file) << fmt::format(
      "[shm]\nbase_dir = \"{}\"\n"
      "[driver]\naeron_dir = \"{}\"\nembedded_media_driver = \"always\"\n"
      "[policies]\nlease_keepalive_interval_ms = {}\nannounce_period_ms = {}\n"
      "[profiles.p]\nheader_nslots = 8\npayload_pools = [ {{ pool_id = 1, stride_bytes = 65536 }} "
      "]\n"
      "[streams.s]\nstream_id = {}\nprofile = \"p\"\n",
      places.base_dir, places.aeron_dir, places.keepalive_ms, places.keepalive_ms, driver_stream);
  return file;
}

DriverPlaces make_places(const std::string& folder, std::uint32_t keepalive_ms) {
  std::filesystem::create_directories(folder + "/base");
  return {folder + "/aeron", folder + "/base", keepalive_ms};
}

}  // namespace

ClientOptions driver_client_options(const DriverPlaces& places) {
  ClientOptions options;
  options.mode = Mode::driver;
  options.aeron_dir = places.aeron_dir;
  options.allowed_base_dirs = {places.base_dir};
  options.announce = options.control;  // as drivers do unless they are told otherwise
  options.keepalive_interval_ns = std::int64_t{places.keepalive_ms} * 1'000'000;
  options.announce_period_ns = options.keepalive_interval_ns;
  options.backoff_first_ns = options.keepalive_interval_ns / 10;
  options.backoff_largest_ns = options.backoff_first_ns;
  return options;
}

Client driver_client(const DriverPlaces& places) {
  auto client = Client::connect(driver_client_options(places));
  if (!client) throw Failure(client.error().message());
  return std::move(*client);
}

Child::Child(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure("pipe failed");
  std::vector<std::string> copy = command;
  std::vector<char*> arguments;
  for (std::string& word : copy) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(arguments, ends[1], parent);
  ::close(ends[1]);
  out_ = ends[0];
  if (pid_ < 0) throw Failure("fork failed");
}

Child::~Child() {
  kill();
  ::close(out_);
}

void Child::kill() {
  if (pid_ <= 0) return;
  (void)::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string Child::line() {
  const auto until = std::chrono::steady_clock::now() + driver_patience;
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string found = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return found;
    }
    if (interrupted()) throw Interrupted();
    if (std::chrono::steady_clock::now() > until) throw Failure("a child says nothing");
    pollfd wait{out_, POLLIN, 0};
    if (::poll(&wait, 1, 100) <= 0) continue;
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(out_, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw Failure("a child ended: " + buffer_);
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

DriverProcess::DriverProcess(const std::string& program, const std::string& folder,
                             std::uint32_t keepalive_ms)
    : places_(make_places(folder, keepalive_ms)),
      child_({program, "--log", "json", configure(folder, places_)}) {
  std::string line;
  do {
    line = child_.line();
    if (line.find("\"failed\"") != std::string::npos || line.starts_with("tp_driver:"))
      throw Failure("tp_driver: " + line);
  } while (line.find("\"event\":\"ready\"") == std::string::npos);
}

}  // namespace tensorpool::bench
