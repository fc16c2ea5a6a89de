// The FileSystem of this host (Linux).
#pragma once

#include "base/file_system.hpp"

namespace tensorpool::base {

// Holds no state of its own: any number of them may exist. The locks that this process holds are known
// to all of them (base/held_locks.hpp). Any thread.
class PosixFileSystem : public FileSystem {
 public:
  Result<File> open_root() override;
  Result<File> open(const File& directory, const std::string& name, OpenMode mode) override;
  Result<std::optional<FileStatus>> status_at(const File& directory,
                                              const std::string& name) override;
  Result<FileStatus> status(const File& file) override;
  Result<FileSystemInfo> file_system_info(const File& file) override;
  Result<bool> make_directory(const File& directory, const std::string& name,
                              std::uint32_t mode) override;
  Result<void> unlink(const File& directory, const std::string& name) override;
  Result<void> remove_directory(const File& directory, const std::string& name) override;
  Result<std::vector<std::string>> list(const File& directory, std::size_t limit) override;
  Result<void> set_length(const File& file, std::uint64_t bytes) override;
  Result<void> reserve(const File& file, std::uint64_t offset, std::uint64_t bytes) override;
  Result<void> set_mode(const File& file, std::uint32_t mode) override;
  Result<void> sync(const File& file) override;
  Result<std::size_t> read_at(const File& file, std::uint64_t offset,
                              std::span<std::byte> out) override;
  Result<LockAttempt> lock(const File& directory, const std::string& name) override;
  Result<std::byte*> map(const File& file, std::uint64_t bytes, Access access) override;
  void unmap(std::byte* address, std::uint64_t bytes) noexcept override;
  bool want_huge_pages(std::byte* address, std::uint64_t bytes) noexcept override;
  Result<void> prefault(std::byte* address, std::uint64_t bytes, Access access) override;
  Result<void> lock_in_memory(std::byte* address, std::uint64_t bytes) override;
  Result<std::string> canonical(const std::string& path) override;
  std::string effective_user_name() override;
  std::uint32_t effective_user_id() noexcept override;
  std::uint64_t process_id() noexcept override;
  bool process_alive(std::uint64_t process_id) noexcept override;
  void close(int id) noexcept override;
};

}  // namespace tensorpool::base
