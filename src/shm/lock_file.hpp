// A file whose lock says that something is one process's, until that process lets go or ends, however
// it ends. What is locked, and what to tell whoever comes second, is the caller's affair.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.hpp"

namespace tensorpool::shm {

// Held until it is destroyed or its process ends. Move-only; one thread at a time.
class LockFile {
 public:
  LockFile() noexcept = default;  // holds nothing
  LockFile(LockFile&&) noexcept = default;
  LockFile& operator=(LockFile&& other) noexcept;
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;
  // Removes the lock file and lets go. In a forked child, which holds nothing, it leaves the file.
  ~LockFile() { release(); }

  struct Attempt;
  // Locks the file `name` in the open `directory`, making it where it is missing. Never waits. Errors:
  // those of FileSystem::lock(). Whoever has it already is no error.
  static Result<Attempt> take(base::FileSystem& file_system, base::File directory,
                              std::string name);

  bool held() const noexcept { return file_.is_open(); }

 private:
  void release() noexcept;
  bool still_named();

  base::FileSystem* file_system_ = nullptr;
  base::File directory_;
  base::File file_;
  std::string name_;
  std::uint64_t process_id_ = 0;
};

struct LockFile::Attempt {
  LockFile lock;            // held, or
  base::LockHolder holder;  // who holds it
};

// "another process (4711)".
std::string describe(const base::LockHolder& holder);

}  // namespace tensorpool::shm
