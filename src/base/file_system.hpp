// The operating system as far as shared memory needs it, behind one interface: the host's own
// (posix_file_system.hpp), or a simulated one with faults. Cold paths only, except unmap and
// prefault, which conductors call in small steps.
//
// No call here ever follows a symbolic link. Files are opened component by component from an open
// directory, so that a path cannot change its meaning between a check and the use of what was
// checked (SHM-119, SHM-125).
//
// Threads: any thread may call; one File is used by one thread at a time. A FileSystem outlives
// every File and every mapping made with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensorpool/error.hpp"

namespace tensorpool::base {

class FileSystem;

// An open file or directory, closed when it is destroyed. The id is the FileSystem's own affair (a
// descriptor on the host). Move-only.
class File {
 public:
  File() noexcept = default;
  File(FileSystem& owner, int id) noexcept : owner_(&owner), id_(id) {}
  File(File&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), id_(std::exchange(other.id_, -1)) {}
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(); }

  bool is_open() const noexcept { return owner_ != nullptr; }
  int id() const noexcept { return id_; }
  void close() noexcept;
  // Gives the id away without closing it, to a FileSystem that wraps another.
  int release() noexcept {
    owner_ = nullptr;
    return std::exchange(id_, -1);
  }

 private:
  FileSystem* owner_ = nullptr;
  int id_ = -1;
};

enum class FileKind : std::uint8_t { regular, directory, symlink, other };

struct FileStatus {
  FileKind kind = FileKind::other;
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;  // less than the size: parts of the file have no memory yet
  std::uint32_t mode = 0;             // permission bits, set-id and sticky bits: mode & 07777
  std::uint32_t user_id = 0;
  std::uint32_t group_id = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_realtime_ns = 0;
};

// What a file lies on.
struct FileSystemInfo {
  std::uint64_t type = 0;             // the numbers of statfs(2)
  std::uint64_t block_bytes = 0;      // on hugetlbfs the hugepage size
  std::uint64_t available_bytes = 0;  // to this user; 2^64 − 1 when the file system does not say
};
inline constexpr std::uint64_t hugetlbfs_type = 0x958458F6U;  // SHM-130
inline constexpr std::uint64_t tmpfs_type = 0x01021994U;      // SHM-131

// How open() opens. Nothing here ever truncates.
enum class OpenMode : std::uint8_t {
  directory,         // anything else is refused
  read,              // an existing file, for reading
  read_write,        // an existing file, for reading and writing
  create_exclusive,  // a new file of this user, for reading and writing; fails when the name exists
};

enum class Access : std::uint8_t { read_only, read_write };

// Who holds a lock.
struct LockHolder {
  std::uint64_t process_id = 0;  // 0: a process that this one's PID namespace does not show
  bool this_process = false;
  // Where that is 0: what it calls itself in its own namespace, as the file says; 0 where it says nothing.
  std::uint64_t own_process_id = 0;
};
// What lock() got: the open file whose lock is held until it is closed, or who has it.
struct LockAttempt {
  File file;
  LockHolder holder;  // meaningful while `file` is not open
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The directory "/".
  virtual Result<File> open_root() = 0;
  // Opens `name`, one component without a slash and not "..", inside `directory`. A symbolic link
  // is refused with Code::path_rejected; never blocks on a FIFO. Files are closed on exec
  // (SHM-127).
  virtual Result<File> open(const File& directory, const std::string& name, OpenMode mode) = 0;
  // The status of `name` itself, links not followed; nullopt when there is no such entry.
  virtual Result<std::optional<FileStatus>> status_at(const File& directory,
                                                      const std::string& name) = 0;
  virtual Result<FileStatus> status(const File& file) = 0;
  virtual Result<FileSystemInfo> file_system_info(const File& file) = 0;

  // Makes a directory with exactly `mode` whatever the umask; false when the name already exists.
  virtual Result<bool> make_directory(const File& directory, const std::string& name,
                                      std::uint32_t mode) = 0;
  virtual Result<void> unlink(const File& directory, const std::string& name) = 0;
  virtual Result<void> remove_directory(const File& directory, const std::string& name) = 0;
  // The names in `directory`, without "." and "..", in no order; more than `limit` of them fail
  // with Code::limit_exceeded.
  virtual Result<std::vector<std::string>> list(const File& directory, std::size_t limit) = 0;

  virtual Result<void> set_length(const File& file, std::uint64_t bytes) = 0;
  // Makes the file system set space aside for [offset, offset + bytes), so that no later store into
  // a mapping can fail for want of it (DRV-153). Code::no_space when it cannot. Nothing may have been
  // stored there yet: a file system without reservations gets zeros written to it.
  virtual Result<void> reserve(const File& file, std::uint64_t offset, std::uint64_t bytes) = 0;
  virtual Result<void> set_mode(const File& file, std::uint32_t mode) = 0;
  virtual Result<void> sync(const File& file) = 0;
  // Fills `out` from `offset` on; how many bytes there were.
  virtual Result<std::size_t> read_at(const File& file, std::uint64_t offset,
                                      std::span<std::byte> out) = 0;
  // Makes the regular file `name` in `directory`, or opens the one that is there, and locks it for
  // the life of the returned File. Never waits. The lock ends with its process, is not inherited by
  // a forked child, and excludes other holders in this process too. The file says who holds it
  // ("pid" and the process' start time in clock ticks), for people; the lock alone counts. Errors:
  // path_rejected for a link, anything else that is no regular file, and a file with another name
  // too; unsupported on a file system without locks.
  virtual Result<LockAttempt> lock(const File& directory, const std::string& name) = 0;

  // Maps the first `bytes` of the file, shared, and not inherited by a forked child. The file may
  // be closed afterwards. The address is page-aligned (SHM-224), and one of enough bytes for a huge page
  // begins where one can.
  virtual Result<std::byte*> map(const File& file, std::uint64_t bytes, Access access) = 0;
  // Unmaps [address, address + bytes), which may be a part of a mapping that begins and ends on
  // page boundaries of it.
  virtual void unmap(std::byte* address, std::uint64_t bytes) noexcept = 0;
  // Asks the kernel to put huge pages under what can have them in the range, which all processes that map the file
  // profit from. For the creator, before anybody else maps it: the pages are moved, and who uses them waits. False
  // when the kernel has none to spare, or may not (shmem_enabled "deny"): do not ask again for this mapping.
  virtual bool want_huge_pages(std::byte* address, std::uint64_t bytes) noexcept {
    (void)address, (void)bytes;
    return false;
  }
  // Makes every page of the range present, for writing or for reading only. Changes no byte.
  virtual Result<void> prefault(std::byte* address, std::uint64_t bytes, Access access) = 0;
  virtual Result<void> lock_in_memory(std::byte* address, std::uint64_t bytes) = 0;

  // The canonical form of an existing path: absolute, no symbolic link, no ".", ".." or "//" in it.
  virtual Result<std::string> canonical(const std::string& path) = 0;

  virtual std::string effective_user_name() = 0;  // empty when the user has no name
  virtual std::uint32_t effective_user_id() noexcept = 0;
  virtual std::uint64_t process_id() noexcept = 0;
  // Signal 0; a process that may not be signalled counts as alive.
  virtual bool process_alive(std::uint64_t process_id) noexcept = 0;

  // Called by ~File only.
  virtual void close(int id) noexcept = 0;
};

inline File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    owner_ = std::exchange(other.owner_, nullptr);
    id_ = std::exchange(other.id_, -1);
  }
  return *this;
}

inline void File::close() noexcept {
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->close(std::exchange(id_, -1));
}

}  // namespace tensorpool::base
