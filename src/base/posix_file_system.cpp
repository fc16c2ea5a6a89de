#include "base/posix_file_system.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>

#include "base/fork.hpp"
#include "base/held_locks.hpp"

// Linux 5.14; older headers lack the numbers, older kernels answer EINVAL.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace tensorpool::base {
namespace {

// The error of a failed call on `what`, with the kinds that callers treat differently told apart.
tl::unexpected<Error> failed(const char* call, int error_number, const std::string& what) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return fail(Code::no_space, call,
                  fmt::format("{}: the file system is full (errno {})", what, error_number));
    case ELOOP:
      return fail(Code::path_rejected, call, fmt::format("{} is a symbolic link", what));
    default:
      return fail(Error::system(call, error_number, what));
  }
}

bool single_component(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

tl::unexpected<Error> bad_name(const char* call, const std::string& name) {
  return fail(Code::invalid_argument, call, fmt::format("'{}' is not one path component", name));
}

FileKind kind_of(mode_t mode) noexcept {
  if (S_ISREG(mode)) return FileKind::regular;
  if (S_ISDIR(mode)) return FileKind::directory;
  if (S_ISLNK(mode)) return FileKind::symlink;
  return FileKind::other;
}

FileStatus status_from(const struct stat& s) noexcept {
  FileStatus status;
  status.kind = kind_of(s.st_mode);
  status.size_bytes = static_cast<std::uint64_t>(s.st_size);
  status.allocated_bytes = static_cast<std::uint64_t>(s.st_blocks) * 512;
  status.mode = s.st_mode & 07777U;
  status.user_id = s.st_uid;
  status.group_id = s.st_gid;
  status.device = s.st_dev;
  status.inode = s.st_ino;
  status.modified_realtime_ns = std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
  return status;
}

// An offset or length as the system calls want it. Callers have checked it against fits_host().
bool as_off_t(std::uint64_t value, off_t& out) noexcept {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return false;
  out = static_cast<off_t>(value);
  return true;
}

tl::unexpected<Error> too_large(const char* call, std::uint64_t bytes) {
  return fail(Code::invalid_argument, call,
              fmt::format("{} bytes do not fit a file offset of this host", bytes));
}

// tmpfs answers ENOMEM, and hugetlbfs too, when memory rather than the mount's size runs out; EFBIG is
// the limit of the process.
tl::unexpected<Error> unreserved(const char* call, int error_number, off_t from, off_t length) {
  const bool space = error_number == ENOMEM || error_number == EFBIG;
  return failed(call, space ? ENOSPC : error_number,
                fmt::format("{} bytes at offset {}", length, from));
}

// Hugepages are multiples of them, and files on hugetlbfs whole ones.
std::uint64_t page_multiple(std::uint64_t bytes) noexcept {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// Takes space the hard way on a file system without reservations (DRV-153).
Result<void> write_zeros(int fd, off_t from, off_t length) {
  static constexpr std::array<std::byte, 65536> zeros{};
  const off_t end = from + length;
  while (from < end) {
    const auto part = std::min(static_cast<std::size_t>(end - from), zeros.size());
    const ssize_t done = ::pwrite(fd, zeros.data(), part, from);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return unreserved("pwrite", done < 0 ? errno : ENOSPC, from, end - from);
    from += done;
  }
  return {};
}

// Of every machine whose kernel has small pages of 4 KiB; others refuse what is asked with it.
constexpr std::size_t huge_page = std::size_t{2} << 20U;

#ifndef MADV_COLLAPSE  // Linux 6.1
#define MADV_COLLAPSE 25
#endif

// Huge pages need an address that is a multiple of their size. Left to itself the kernel maps tmpfs at
// any small page. MAP_FAILED where that does not work, such as for larger pages of hugetlbfs.
void* map_for_huge_pages(std::size_t bytes, int protection, int fd) noexcept {
  if (bytes < huge_page || bytes > std::numeric_limits<std::size_t>::max() - huge_page)
    return MAP_FAILED;
  const std::size_t room = page_multiple(bytes) + huge_page;
  void* reserved =
      ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return MAP_FAILED;
  auto* begin = static_cast<std::byte*>(reserved);
  const std::size_t before =
      (huge_page - reinterpret_cast<std::uintptr_t>(begin) % huge_page) % huge_page;
  void* address = ::mmap(begin + before, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0);
  if (address == MAP_FAILED) {
    ::munmap(reserved, room);
    return MAP_FAILED;
  }
  if (before != 0) ::munmap(begin, before);
  const std::size_t after = room - before - page_multiple(bytes);
  if (after != 0) ::munmap(begin + before + page_multiple(bytes), after);
  return address;
}

// Reads, or for writable pages adds nothing to, one word of every page: what a kernel without
// MADV_POPULATE_* leaves to us. Neither changes a byte, and the addition is atomic, so a writer may
// already be at work.
void touch_pages(std::byte* address, std::uint64_t bytes, Access access) noexcept {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (std::uint64_t at = 0; at < bytes; at += page) {
    std::atomic_ref<std::uint64_t> word(
        *static_cast<std::uint64_t*>(static_cast<void*>(address + at)));
    if (access == Access::read_write) {
      word.fetch_add(0, std::memory_order_relaxed);
    } else {
      static_cast<void>(word.load(std::memory_order_relaxed));
    }
  }
}

}  // namespace

Result<File> PosixFileSystem::open_root() {
  const int fd = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("open", errno, "/");
  return File(*this, fd);
}

Result<File> PosixFileSystem::open(const File& directory, const std::string& name, OpenMode mode) {
  if (!single_component(name)) return bad_name("open", name);
  constexpr int common = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  int fd = -1;
  switch (mode) {
    case OpenMode::directory:
      fd = ::openat(directory.id(), name.c_str(), common | O_RDONLY | O_DIRECTORY);
      break;
    // O_NONBLOCK, so that a FIFO answers at once instead of waiting for its writer.
    case OpenMode::read:
      fd = ::openat(directory.id(), name.c_str(), common | O_RDONLY | O_NONBLOCK);
      break;
    case OpenMode::read_write:
      fd = ::openat(directory.id(), name.c_str(), common | O_RDWR | O_NONBLOCK);
      break;
    case OpenMode::create_exclusive:
      fd = ::openat(directory.id(), name.c_str(), common | O_RDWR | O_CREAT | O_EXCL, 0600);
      break;
  }
  if (fd < 0) {
    const int error_number = errno;
    // With O_DIRECTORY a link is reported as "not a directory".
    if (error_number == ENOTDIR) {
      return fail(Code::path_rejected, "open",
                  fmt::format("'{}' is not a directory, or is a symbolic link", name));
    }
    return failed("open", error_number, name);
  }
  return File(*this, fd);
}

Result<std::optional<FileStatus>> PosixFileSystem::status_at(const File& directory,
                                                             const std::string& name) {
  if (!single_component(name)) return bad_name("fstatat", name);
  struct stat s{};
  if (::fstatat(directory.id(), name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<FileStatus>();
    return failed("fstatat", errno, name);
  }
  return std::optional<FileStatus>(status_from(s));
}

Result<FileStatus> PosixFileSystem::status(const File& file) {
  struct stat s{};
  if (::fstat(file.id(), &s) != 0) return failed("fstat", errno, "open file");
  return status_from(s);
}

Result<FileSystemInfo> PosixFileSystem::file_system_info(const File& file) {
  struct statfs s{};
  if (::fstatfs(file.id(), &s) != 0) return failed("fstatfs", errno, "open file");
  FileSystemInfo info;
  info.type = static_cast<std::uint64_t>(s.f_type) & 0xFFFFFFFFU;
  info.block_bytes = static_cast<std::uint64_t>(s.f_bsize);
  // A tmpfs or hugetlbfs without a limit of its own has no blocks at all.
  info.available_bytes = s.f_blocks == 0 ? std::numeric_limits<std::uint64_t>::max()
                                         : std::uint64_t{s.f_bavail} * info.block_bytes;
  return info;
}

Result<bool> PosixFileSystem::make_directory(const File& directory, const std::string& name,
                                             std::uint32_t mode) {
  if (!single_component(name)) return bad_name("mkdir", name);
  if (::mkdirat(directory.id(), name.c_str(), 0700) != 0) {
    if (errno == EEXIST) return false;
    return failed("mkdir", errno, name);
  }
  // Through the descriptor, so that nobody can put another entry in its place meanwhile.
  auto made = open(directory, name, OpenMode::directory);
  if (!made) return fail(made.error());
  if (auto exact = set_mode(*made, mode); !exact) return fail(exact.error());
  return true;
}

Result<void> PosixFileSystem::unlink(const File& directory, const std::string& name) {
  if (!single_component(name)) return bad_name("unlink", name);
  if (::unlinkat(directory.id(), name.c_str(), 0) != 0) return failed("unlink", errno, name);
  return {};
}

Result<void> PosixFileSystem::remove_directory(const File& directory, const std::string& name) {
  if (!single_component(name)) return bad_name("rmdir", name);
  if (::unlinkat(directory.id(), name.c_str(), AT_REMOVEDIR) != 0)
    return failed("rmdir", errno, name);
  return {};
}

Result<std::vector<std::string>> PosixFileSystem::list(const File& directory, std::size_t limit) {
  // A descriptor of its own: readdir moves the offset of the one it is given, and closes it.
  const int fd = ::openat(directory.id(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed("opendir", errno, "open directory");
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(fd), ::closedir);
  if (!entries) {
    const int error_number = errno;
    ::close(fd);
    return failed("opendir", error_number, "open directory");
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) {
      if (errno != 0) return failed("readdir", errno, "open directory");
      return names;
    }
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() == limit) {
      return fail(Code::limit_exceeded, "readdir",
                  fmt::format("a directory has more than {} entries", limit));
    }
    names.push_back(std::move(name));
  }
}

Result<void> PosixFileSystem::set_length(const File& file, std::uint64_t bytes) {
  off_t length = 0;
  if (!as_off_t(bytes, length)) return too_large("ftruncate", bytes);
  while (::ftruncate(file.id(), length) != 0) {
    if (errno == EINTR) continue;
    // A file size above the file system's or the process' limit is want of space to the caller.
    if (errno == EFBIG)
      return failed("ftruncate", ENOSPC, fmt::format("a file of {} bytes", bytes));
    return failed("ftruncate", errno, fmt::format("a file of {} bytes", bytes));
  }
  return {};
}

Result<void> PosixFileSystem::reserve(const File& file, std::uint64_t offset, std::uint64_t bytes) {
  off_t from = 0;
  off_t length = 0;
  if (!as_off_t(offset, from) || !as_off_t(bytes, length)) return too_large("fallocate", bytes);
  while (::fallocate(file.id(), 0, from, length) != 0) {
    if (errno == EINTR) continue;
    // A look at the free space would not do: nobody keeps it free until the first store.
    if (errno == EOPNOTSUPP) return write_zeros(file.id(), from, length);
    return unreserved("fallocate", errno, from, length);
  }
  return {};
}

Result<void> PosixFileSystem::set_mode(const File& file, std::uint32_t mode) {
  if (::fchmod(file.id(), static_cast<mode_t>(mode)) != 0)
    return failed("fchmod", errno, fmt::format("mode {:o}", mode));
  return {};
}

Result<void> PosixFileSystem::sync(const File& file) {
  while (::fsync(file.id()) != 0) {
    if (errno != EINTR) return failed("fsync", errno, "open file");
  }
  return {};
}

Result<std::size_t> PosixFileSystem::read_at(const File& file, std::uint64_t offset,
                                             std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    off_t from = 0;
    if (!as_off_t(offset + done, from)) return too_large("pread", offset);
    const ssize_t got = ::pread(file.id(), out.data() + done, out.size() - done, from);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("pread", errno, "open file");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<std::byte*> PosixFileSystem::map(const File& file, std::uint64_t bytes, Access access) {
  off_t length = 0;
  if (!as_off_t(bytes, length) || bytes > std::numeric_limits<std::size_t>::max())
    return too_large("mmap", bytes);
  const int protection = access == Access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  // A child forked between these calls would share the mapping.
  const std::lock_guard guard(fork_mutex());
  void* address = map_for_huge_pages(static_cast<std::size_t>(bytes), protection, file.id());
  if (address == MAP_FAILED) {
    address =
        ::mmap(nullptr, static_cast<std::size_t>(bytes), protection, MAP_SHARED, file.id(), 0);
  }
  if (address == MAP_FAILED) return failed("mmap", errno, fmt::format("{} bytes", bytes));
  auto* base = static_cast<std::byte*>(address);
  if (::madvise(address, static_cast<std::size_t>(bytes), MADV_DONTFORK) != 0) {
    const int error_number = errno;
    ::munmap(address, static_cast<std::size_t>(bytes));
    return failed("madvise", error_number, "MADV_DONTFORK");
  }
  // What the kernel mapped and inherits or not: whole pages.
  note_mapped(base, page_multiple(bytes));
  return base;
}

void PosixFileSystem::unmap(std::byte* address, std::uint64_t bytes) noexcept {
  const std::lock_guard guard(fork_mutex());
  ::munmap(address, static_cast<std::size_t>(bytes));
  note_unmapped(address, page_multiple(bytes));
}

// Replaces small pages by huge ones, also those that were reserved already: a fault alone would not,
// because a reservation is made of small pages, and /dev/shm is mounted without huge ones. At the first
// that cannot be had the rest of the range stays as it is.
bool PosixFileSystem::want_huge_pages(std::byte* address, std::uint64_t bytes) noexcept {
  const std::uintptr_t from = reinterpret_cast<std::uintptr_t>(address);
  const std::uint64_t before = (huge_page - from % huge_page) % huge_page;
  for (std::uint64_t at = before; at + huge_page <= bytes; at += huge_page) {
    int outcome = 0;
    do {
      outcome = ::madvise(address + at, huge_page, MADV_COLLAPSE);
    } while (outcome != 0 && errno == EINTR);
    if (outcome != 0) return false;
  }
  return true;
}

Result<void> PosixFileSystem::prefault(std::byte* address, std::uint64_t bytes, Access access) {
  const int advice = access == Access::read_write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  for (;;) {
    if (::madvise(address, static_cast<std::size_t>(bytes), advice) == 0) return {};
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == EINVAL) {
      touch_pages(address, bytes, access);
      return {};
    }
    // EFAULT: touching would raise SIGBUS, for example a hugetlbfs mount that ran dry.
    const int error_number = errno == ENOMEM || errno == EFAULT ? ENOSPC : errno;
    return failed("madvise", error_number, fmt::format("prefault of {} bytes", bytes));
  }
}

Result<void> PosixFileSystem::lock_in_memory(std::byte* address, std::uint64_t bytes) {
  if (::mlock(address, static_cast<std::size_t>(bytes)) != 0) {
    return failed(
        "mlock", errno,
        fmt::format("{} bytes; raise the limit of locked memory (ulimit -l) or switch mlock off",
                    bytes));
  }
  return {};
}

Result<std::string> PosixFileSystem::canonical(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    return fail(Code::path_rejected, "realpath", "a path with a NUL in it");
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr),
                                                        std::free);
  if (!resolved) return failed("realpath", errno, path);
  return std::string(resolved.get());
}

std::string PosixFileSystem::effective_user_name() {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr)
    return {};
  return found->pw_name;
}

std::uint32_t PosixFileSystem::effective_user_id() noexcept { return ::geteuid(); }

std::uint64_t PosixFileSystem::process_id() noexcept {
  return static_cast<std::uint64_t>(::getpid());
}

bool PosixFileSystem::process_alive(std::uint64_t process_id) noexcept {
  // 0 and what no pid can be would signal groups of processes.
  if (process_id == 0 || process_id > static_cast<std::uint64_t>(std::numeric_limits<pid_t>::max()))
    return false;
  return ::kill(static_cast<pid_t>(process_id), 0) == 0 || errno == EPERM;
}

Result<LockAttempt> PosixFileSystem::lock(const File& directory, const std::string& name) {
  if (!single_component(name)) return bad_name("open", name);
  auto taken = take_lock(directory.id(), name.c_str());
  if (!taken) return fail(taken.error());
  return LockAttempt{taken->fd < 0 ? File() : File(*this, taken->fd), taken->holder};
}

void PosixFileSystem::close(int id) noexcept { close_lock(id); }

}  // namespace tensorpool::base
