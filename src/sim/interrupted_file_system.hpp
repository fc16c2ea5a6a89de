// A process' view of the files that asks before every call: whoever made it may let others go on first, stop the
// process there for ever, or make the call fail.
//
// Threads: one. The real view outlives it. Files and mappings are the real one's; giving them back is not asked
// for, since it cannot fail.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.hpp"

namespace tensorpool::sim {

class InterruptedFileSystem final : public base::FileSystem {
 public:
  // Told the name of the call; an error is what the call returns, without any other effect.
  using Before = std::function<std::optional<Error>(const char* call)>;

  InterruptedFileSystem(base::FileSystem& real, Before before)
      : real_(real), before_(std::move(before)) {}
  InterruptedFileSystem(const InterruptedFileSystem&) = delete;
  InterruptedFileSystem& operator=(const InterruptedFileSystem&) = delete;
  ~InterruptedFileSystem() override = default;

  Result<base::File> open_root() override;
  Result<base::File> open(const base::File& directory, const std::string& name,
                          base::OpenMode mode) override;
  Result<std::optional<base::FileStatus>> status_at(const base::File& directory,
                                                    const std::string& name) override;
  Result<base::FileStatus> status(const base::File& file) override;
  Result<base::FileSystemInfo> file_system_info(const base::File& file) override;
  Result<bool> make_directory(const base::File& directory, const std::string& name,
                              std::uint32_t mode) override;
  Result<void> unlink(const base::File& directory, const std::string& name) override;
  Result<void> remove_directory(const base::File& directory, const std::string& name) override;
  Result<std::vector<std::string>> list(const base::File& directory, std::size_t limit) override;
  Result<void> set_length(const base::File& file, std::uint64_t bytes) override;
  Result<void> reserve(const base::File& file, std::uint64_t offset, std::uint64_t bytes) override;
  Result<void> set_mode(const base::File& file, std::uint32_t mode) override;
  Result<void> sync(const base::File& file) override;
  Result<std::size_t> read_at(const base::File& file, std::uint64_t offset,
                              std::span<std::byte> out) override;
  Result<base::LockAttempt> lock(const base::File& directory, const std::string& name) override;
  Result<std::byte*> map(const base::File& file, std::uint64_t bytes, base::Access access) override;
  bool want_huge_pages(std::byte* address, std::uint64_t bytes) noexcept override {
    return real_.want_huge_pages(address, bytes);
  }
  Result<void> prefault(std::byte* address, std::uint64_t bytes, base::Access access) override;
  Result<void> lock_in_memory(std::byte* address, std::uint64_t bytes) override;
  Result<std::string> canonical(const std::string& path) override;

  void unmap(std::byte* address, std::uint64_t bytes) noexcept override {
    real_.unmap(address, bytes);
  }
  std::string effective_user_name() override { return real_.effective_user_name(); }
  std::uint32_t effective_user_id() noexcept override { return real_.effective_user_id(); }
  std::uint64_t process_id() noexcept override { return real_.process_id(); }
  bool process_alive(std::uint64_t process_id) noexcept override {
    return real_.process_alive(process_id);
  }
  void close(int id) noexcept override { real_.close(id); }

 private:
  base::FileSystem& real_;
  Before before_;
};

}  // namespace tensorpool::sim
