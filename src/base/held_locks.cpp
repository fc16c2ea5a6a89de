#include "base/held_locks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/fork.hpp"
#include "base/limits.hpp"

namespace tensorpool::base {
namespace {

struct Held {
  dev_t device = 0;
  ino_t inode = 0;
  int fd = -1;
  pid_t process = 0;  // an entry that a forked child inherited is not the child's
};

// The table of the process. Never destroyed: files may be closed while the process ends.
class Table {
 public:
  static Table& get() {
    static Table* const table = new Table();
    return *table;
  }

  // REQUIRES fork_mutex(), as do the others: a child may make producers of its own, so it must not
  // find the mutex taken by a thread that is not there.
  bool holds(const struct stat& s) const noexcept {
    for (const Held& held : held_) {
      if (held.device == s.st_dev && held.inode == s.st_ino && held.process == ::getpid())
        return true;
    }
    return false;
  }
  void add(const struct stat& s, int fd) { held_.push_back({s.st_dev, s.st_ino, fd, ::getpid()}); }
  void forget(int fd) noexcept {
    std::erase_if(held_, [fd](const Held& held) { return held.fd == fd; });
  }

 private:
  std::vector<Held> held_;
};

// A descriptor that is closed unless it is kept. REQUIRES that this process holds no lock on its
// file.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int keep() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

tl::unexpected<Error> rejected(const char* name, const char* why) {
  return fail(Code::path_rejected, "lock", fmt::format("'{}' {}; remove it", name, why));
}

// A file with a second name is somebody else's file, and would be written to.
Result<void> check_kind(const struct stat& s, const char* name) {
  if (S_ISLNK(s.st_mode)) return rejected(name, "is a symbolic link");
  if (!S_ISREG(s.st_mode)) return rejected(name, "is not a regular file");
  if (s.st_nlink > 1) return rejected(name, "has another name as well");
  return {};
}

tl::unexpected<Error> no_lock(int error_number, const char* name) {
  if (error_number == ENOLCK || error_number == EOPNOTSUPP || error_number == ENOSYS ||
      error_number == EINVAL) {
    return fail(Code::unsupported, "fcntl",
                fmt::format("the file system of '{}' has no locks (errno {}); use another base "
                            "directory",
                            name, error_number));
  }
  return fail(Error::system("fcntl", error_number, fmt::format("lock of '{}'", name)));
}

// Field 22 of /proc/self/stat; "unknown" where there is no /proc.
std::string start_time() {
  const Descriptor file(::open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> bytes{};
  const ssize_t got = file.get() < 0 ? -1 : ::read(file.get(), bytes.data(), bytes.size());
  std::string_view text(bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
  // The program's name, field 2, may hold anything but ends at the last parenthesis.
  text.remove_prefix(std::min(text.rfind(')') + 1, text.size()));
  for (int field = 2; field < 22 && !text.empty(); ++field)
    text.remove_prefix(std::min(text.find(' ') + 1, text.size()));
  return text.empty() ? "unknown" : std::string(text.substr(0, text.find(' ')));
}

// For people, and so as well as it goes: hugetlbfs has no write().
void say_who(int fd) {
  const std::string text = fmt::format("pid {}\nstart {}\n", ::getpid(), start_time());
  if (::ftruncate(fd, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(fd, text.data(), text.size(), 0);
  }
}

// What say_who() wrote; 0 for anything else.
std::uint64_t who_says(int fd) noexcept {
  constexpr std::string_view key = "pid ";
  std::array<char, 64> bytes{};
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  const std::string_view text(bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got));
  std::uint64_t number = 0;
  if (!text.starts_with(key)) return 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + key.size(), end, number);
  return error == std::errc() && rest != end && *rest == '\n' ? number : 0;
}

struct flock whole_file() noexcept {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// Whether `name` is still the file of `s`: a holder removes its file at its end.
bool still_named(int directory, const char* name, const struct stat& s) noexcept {
  struct stat now{};
  return ::fstatat(directory, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == s.st_dev &&
         now.st_ino == s.st_ino;
}

enum class Try : std::uint8_t { over, again };

// One attempt; Try::again when the file changed hands under it. REQUIRES fork_mutex().
Result<Try> try_once(Table& table, int directory, const char* name, TakenLock& out) {
  struct stat s{};
  if (::fstatat(directory, name, &s, AT_SYMLINK_NOFOLLOW) == 0) {
    if (auto good = check_kind(s, name); !good) return fail(good.error());
    if (table.holds(s)) {
      out.holder = {static_cast<std::uint64_t>(::getpid()), true};
      return Try::over;
    }
  } else if (errno != ENOENT) {
    return fail(Error::system("fstatat", errno, name));
  }
  Descriptor file(::openat(
      directory, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  if (file.get() < 0) {
    if (errno == ELOOP) return rejected(name, "is a symbolic link");
    if (errno == ENOSPC || errno == EDQUOT) {
      return fail(Code::no_space, "open",
                  fmt::format("'{}': the file system is full (errno {})", name, errno));
    }
    return fail(Error::system("open", errno, name));
  }
  if (::fstat(file.get(), &s) != 0) return fail(Error::system("fstat", errno, name));
  if (table.holds(s)) {
    // Somebody put a file of ours under this name meanwhile: closing it would drop our lock.
    [[maybe_unused]] const int left_open = file.keep();
    out.holder = {static_cast<std::uint64_t>(::getpid()), true};
    return Try::over;
  }
  if (auto good = check_kind(s, name); !good) return fail(good.error());
  struct flock lock = whole_file();
  if (::fcntl(file.get(), F_SETLK, &lock) != 0) {
    if (errno != EACCES && errno != EAGAIN) return no_lock(errno, name);
    lock = whole_file();
    if (::fcntl(file.get(), F_GETLK, &lock) != 0) return no_lock(errno, name);
    if (lock.l_type == F_UNLCK) return Try::again;
    out.holder.process_id = lock.l_pid > 0 ? static_cast<std::uint64_t>(lock.l_pid) : 0;
    if (out.holder.process_id == 0) out.holder.own_process_id = who_says(file.get());
    return Try::over;
  }
  if (!still_named(directory, name, s)) return Try::again;
  say_who(file.get());
  table.add(s, file.get());
  out.fd = file.keep();
  return Try::over;
}

}  // namespace

Result<TakenLock> take_lock(int directory, const char* name) {
  Table& table = Table::get();
  const std::lock_guard guard(fork_mutex());
  for (int attempt = 0; attempt < limits::lock_attempts; ++attempt) {
    TakenLock taken;
    const auto tried = try_once(table, directory, name, taken);
    if (!tried) return fail(tried.error());
    if (*tried == Try::over) return taken;
  }
  return fail(
      Code::system_error, "lock",
      fmt::format("'{}' changed hands {} times meanwhile; try again", name, limits::lock_attempts));
}

// Under the mutex: a lock that another thread takes between the two would end with this descriptor.
void close_lock(int fd) noexcept {
  Table& table = Table::get();
  const std::lock_guard guard(fork_mutex());
  table.forget(fd);
  ::close(fd);
}

}  // namespace tensorpool::base
