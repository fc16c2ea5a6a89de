#include "transport/aeron/cnc.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <system_error>

namespace tensorpool::transport::aeron {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
// Times in a file that is no media driver's may be anything.
constexpr std::int64_t most_ms = std::numeric_limits<std::int64_t>::max() / ns_per_ms / 2;

std::int64_t in_ns(std::int64_t ms) { return std::clamp(ms, -most_ms, most_ms) * ns_per_ms; }

std::string in_words(int error) { return std::generic_category().message(error); }

// The first word of the file, without Aeron's check that it is a version that Aeron knows.
std::int32_t version_word(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return 0;
  std::int32_t word = 0;
  if (::pread(fd, &word, sizeof word, 0) != static_cast<ssize_t>(sizeof word)) word = 0;
  ::close(fd);
  return word;
}

// Aeron waits for a file that it may not open as for one that is not there yet, so the permission is
// asked first. True: go on.
bool may_be_opened(const std::string& path, MediaDriverState& state) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) {
    const int error = errno;
    if (error == ENOENT) {
      state.why = fmt::format("there is no {}", path);
      return false;
    }
    state.unusable = true;
    state.why = fmt::format("{} cannot be looked at: {}", path, in_words(error));
    return false;
  }
  if (!S_ISREG(file.st_mode)) {
    state.unusable = true;
    state.why = fmt::format("{} is no regular file", path);
    return false;
  }
  if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) {
    state.unusable = true;
    state.why = fmt::format(
        "{} (user {}, group {}, mode {:04o}) cannot be opened for reading and writing: {}; run the "
        "media driver as this user, or under a group and umask that let this user write",
        path, file.st_uid, file.st_gid, static_cast<unsigned>(file.st_mode & 07777U),
        in_words(errno));
    return false;
  }
  return true;
}

void explain_unreadable(const std::string& path, MediaDriverState& state) {
  const auto word = static_cast<std::uint32_t>(version_word(path));
  if (word >> 24U != 0 || (word >> 16U & 0xFFU) != 0) {
    // Nothing behind the version can be trusted, not even who runs it.
    state.unusable = true;
    state.why = fmt::format(
        "{} is of another version ({}.{}.{}) or no CnC file at all; use a media driver of this "
        "library's Aeron, or remove the file once nothing runs there",
        path, word >> 16U, word >> 8U & 0xFFU, word & 0xFFU);
    return;
  }
  state.unfinished = true;
  state.why = fmt::format(
      "{} is unfinished or cut short: its media driver is starting, or died while it did", path);
}

}  // namespace

CncFile cnc_file(const std::string& directory) {
  struct stat file{};
  if (::stat((directory + "/cnc.dat").c_str(), &file) != 0) return {};
  return {file.st_dev, file.st_ino, file.st_ctim.tv_sec, file.st_ctim.tv_nsec};
}

Cnc open_cnc(const std::string& directory) noexcept {
  aeron_cnc_t* cnc = nullptr;
  if (aeron_cnc_init(&cnc, directory.c_str(), 0) != 0) return nullptr;
  return Cnc(cnc);
}

MediaDriverState look_at_media_driver(const std::string& directory, base::Nanos driver_timeout_ns) {
  MediaDriverState state;
  const std::string path = directory + "/cnc.dat";
  if (!may_be_opened(path, state)) return state;
  const Cnc cnc = open_cnc(directory);
  aeron_cnc_constants_t constants{};
  if (cnc == nullptr || aeron_cnc_constants(cnc.get(), &constants) != 0) {
    explain_unreadable(path, state);
    return state;
  }
  const std::int64_t heartbeat_ms = aeron_cnc_to_driver_heartbeat(cnc.get());
  state.pid = constants.pid;
  state.start_ns = in_ns(constants.start_timestamp);
  state.heartbeat_age_ns = in_ns(aeron_epoch_clock() - std::clamp(heartbeat_ms, -most_ms, most_ms));
  if (heartbeat_ms <= 0) {
    state.unfinished = heartbeat_ms == 0;  // the end of a media driver is a negative number
    state.why = fmt::format("the media driver of {} has not begun to work", path);
    return state;
  }
  // 0 and negative numbers would ask for groups of processes.
  const bool one_process = state.pid > 0 && state.pid <= std::numeric_limits<std::int32_t>::max() &&
                           (::kill(static_cast<pid_t>(state.pid), 0) == 0 || errno == EPERM);
  if (!one_process) {
    state.why = fmt::format(
        "its process {} is gone, or runs in a PID namespace (container) of its own", state.pid);
    return state;
  }
  // A beat from the future is a clock that was set back a little, or no beat at all.
  if (state.heartbeat_age_ns > driver_timeout_ns || -state.heartbeat_age_ns > driver_timeout_ns) {
    state.why =
        fmt::format("its process {} is there, but last worked {} ms ago (the limit is {} ms)",
                    state.pid, state.heartbeat_age_ns / ns_per_ms, driver_timeout_ns / ns_per_ms);
    return state;
  }
  state.alive = true;
  return state;
}

}  // namespace tensorpool::transport::aeron
