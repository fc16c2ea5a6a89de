// A file that exists only in this process, for code that wants a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/assert.hpp"

namespace tensorpool::fuzz {

class FileInMemory {
 public:
  FileInMemory() : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    TP_ASSERT(fd_ >= 0);
    path_ = "/proc/self/fd/" + std::to_string(fd_);
  }
  FileInMemory(const FileInMemory&) = delete;
  FileInMemory& operator=(const FileInMemory&) = delete;
  ~FileInMemory() { ::close(fd_); }

  const std::string& path() const noexcept { return path_; }

  void set(const std::uint8_t* data, std::size_t size) const {
    TP_ASSERT(::ftruncate(fd_, 0) == 0);
    TP_ASSERT(::pwrite(fd_, data, size, 0) == static_cast<ssize_t>(size));
  }

 private:
  int fd_;
  std::string path_;
};

}  // namespace tensorpool::fuzz
