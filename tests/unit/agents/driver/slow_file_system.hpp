// The host's files, slow where a test wants it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/posix_file_system.hpp"

namespace tensorpool::agents::driver::test {

// The host's files, as slow as a disk that is busy.
class SlowFileSystem final : public base::FileSystem {
 public:
  std::chrono::milliseconds delay{0};  // of every reserve()
  std::atomic<int> reserves{0};        // begun
  // While true, reserve() does not return, for a minute at most.
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }

  Result<base::File> open_root() override { return posix_.open_root(); }
  Result<base::File> open(const base::File& d, const std::string& n, base::OpenMode m) override {
    return posix_.open(d, n, m);
  }
  Result<std::optional<base::FileStatus>> status_at(const base::File& d,
                                                    const std::string& n) override {
    return posix_.status_at(d, n);
  }
  Result<base::FileStatus> status(const base::File& f) override { return posix_.status(f); }
  Result<base::FileSystemInfo> file_system_info(const base::File& f) override {
    return posix_.file_system_info(f);
  }
  Result<bool> make_directory(const base::File& d, const std::string& n, std::uint32_t m) override {
    return posix_.make_directory(d, n, m);
  }
  Result<void> unlink(const base::File& d, const std::string& n) override {
    return posix_.unlink(d, n);
  }
  Result<void> remove_directory(const base::File& d, const std::string& n) override {
    return posix_.remove_directory(d, n);
  }
  Result<std::vector<std::string>> list(const base::File& d, std::size_t limit) override {
    return posix_.list(d, limit);
  }
  Result<void> set_length(const base::File& f, std::uint64_t bytes) override {
    return posix_.set_length(f, bytes);
  }
  Result<void> reserve(const base::File& f, std::uint64_t at, std::uint64_t bytes) override {
    reserves.fetch_add(1);
    std::unique_lock lock(mutex_);
    if (delay.count() > 0) (void)changed_.wait_for(lock, delay, [] { return false; });
    (void)changed_.wait_for(lock, std::chrono::minutes(1), [this] { return !held_; });
    return posix_.reserve(f, at, bytes);
  }
  Result<void> set_mode(const base::File& f, std::uint32_t mode) override {
    return posix_.set_mode(f, mode);
  }
  Result<void> sync(const base::File& f) override { return posix_.sync(f); }
  Result<std::size_t> read_at(const base::File& f, std::uint64_t at,
                              std::span<std::byte> out) override {
    return posix_.read_at(f, at, out);
  }
  Result<base::LockAttempt> lock(const base::File& d, const std::string& n) override {
    return posix_.lock(d, n);
  }
  Result<std::byte*> map(const base::File& f, std::uint64_t bytes, base::Access a) override {
    return posix_.map(f, bytes, a);
  }
  void unmap(std::byte* at, std::uint64_t bytes) noexcept override { posix_.unmap(at, bytes); }
  Result<void> prefault(std::byte* at, std::uint64_t bytes, base::Access a) override {
    return posix_.prefault(at, bytes, a);
  }
  Result<void> lock_in_memory(std::byte* at, std::uint64_t bytes) override {
    return posix_.lock_in_memory(at, bytes);
  }
  Result<std::string> canonical(const std::string& path) override { return posix_.canonical(path); }
  std::string effective_user_name() override { return posix_.effective_user_name(); }
  std::uint32_t effective_user_id() noexcept override { return posix_.effective_user_id(); }
  std::uint64_t process_id() noexcept override { return posix_.process_id(); }
  bool process_alive(std::uint64_t id) noexcept override { return posix_.process_alive(id); }
  void close(int id) noexcept override { posix_.close(id); }

 private:
  base::PosixFileSystem posix_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
};

}  // namespace tensorpool::agents::driver::test
