// The host's file system with one call at a time failing or answering something else.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/posix_file_system.hpp"

namespace tensorpool::shm::test {

enum class Op {
  open_root,
  open,
  status_at,
  status,
  info,
  make_directory,
  list,
  set_length,
  reserve,
  set_mode,
  sync,
  map,
  prefault,
  lock,
  file_lock,
  canonical,
};

// Counts the calls of every kind, and fails the nth call of one kind with a given error. Answers may
// be changed by the std::functions. Keeps the order of calls in `log`.
class FaultyFileSystem final : public base::FileSystem {
 public:
  void fail_at(Op op, int nth, Error error) { fault_ = Fault{op, nth, std::move(error)}; }

  std::map<Op, int> calls;
  std::vector<std::string> log;
  std::int64_t mapped_bytes = 0;  // mapped and not unmapped

  int huge_pages_wanted = 0;
  bool huge_pages = true;  // what the kernel says then

  std::function<void(base::FileStatus&)> change_status;
  std::function<void(base::FileStatus&)> change_status_at;
  std::function<void(base::FileSystemInfo&)> change_info;
  std::function<void(base::LockHolder&)> change_holder;
  std::function<void()> before_open;
  std::function<void()> after_list;
  std::optional<std::string> user_name;
  std::optional<std::uint64_t> pid;
  std::function<bool(std::uint64_t)> alive;

  Result<base::File> open_root() override {
    if (auto f = next(Op::open_root)) return fail(*f);
    auto file = posix_.open_root();
    return adopt(std::move(file));
  }
  Result<base::File> open(const base::File& directory, const std::string& name,
                          base::OpenMode mode) override {
    if (before_open) before_open();
    if (auto f = next(Op::open)) return fail(*f);
    if (mode == base::OpenMode::create_exclusive) log.push_back("create " + name);
    if (mode == base::OpenMode::read) ++opened_files;
    return adopt(posix_.open(directory, name, mode));
  }
  Result<std::optional<base::FileStatus>> status_at(const base::File& directory,
                                                    const std::string& name) override {
    if (auto f = next(Op::status_at)) return fail(*f);
    auto result = posix_.status_at(directory, name);
    if (result && *result && change_status_at) change_status_at(**result);
    return result;
  }
  Result<base::FileStatus> status(const base::File& file) override {
    if (auto f = next(Op::status)) return fail(*f);
    auto result = posix_.status(file);
    if (result && change_status) change_status(*result);
    return result;
  }
  Result<base::FileSystemInfo> file_system_info(const base::File& file) override {
    if (auto f = next(Op::info)) return fail(*f);
    auto result = posix_.file_system_info(file);
    if (result && change_info) change_info(*result);
    return result;
  }
  Result<bool> make_directory(const base::File& directory, const std::string& name,
                              std::uint32_t mode) override {
    if (auto f = next(Op::make_directory)) return fail(*f);
    return posix_.make_directory(directory, name, mode);
  }
  Result<void> unlink(const base::File& directory, const std::string& name) override {
    return posix_.unlink(directory, name);
  }
  Result<void> remove_directory(const base::File& directory, const std::string& name) override {
    return posix_.remove_directory(directory, name);
  }
  Result<std::vector<std::string>> list(const base::File& directory, std::size_t limit) override {
    if (auto f = next(Op::list)) return fail(*f);
    auto names = posix_.list(directory, limit);
    if (after_list) after_list();
    return names;
  }
  Result<void> set_length(const base::File& file, std::uint64_t bytes) override {
    if (auto f = next(Op::set_length)) return fail(*f);
    log.push_back("length " + std::to_string(bytes));
    return posix_.set_length(file, bytes);
  }
  Result<void> reserve(const base::File& file, std::uint64_t offset, std::uint64_t bytes) override {
    if (auto f = next(Op::reserve)) return fail(*f);
    log.push_back("reserve " + std::to_string(bytes));
    return posix_.reserve(file, offset, bytes);
  }
  Result<void> set_mode(const base::File& file, std::uint32_t mode) override {
    if (auto f = next(Op::set_mode)) return fail(*f);
    return posix_.set_mode(file, mode);
  }
  Result<void> sync(const base::File& file) override {
    if (auto f = next(Op::sync)) return fail(*f);
    log.push_back("sync");
    return posix_.sync(file);
  }
  Result<std::size_t> read_at(const base::File& file, std::uint64_t offset,
                              std::span<std::byte> out) override {
    return posix_.read_at(file, offset, out);
  }
  Result<base::LockAttempt> lock(const base::File& directory, const std::string& name) override {
    if (auto f = next(Op::file_lock)) return fail(*f);
    auto attempt = posix_.lock(directory, name);
    if (attempt && !attempt->file.is_open() && change_holder) change_holder(attempt->holder);
    if (!attempt || !attempt->file.is_open()) return attempt;
    ++open_files;
    attempt->file = base::File(*this, attempt->file.release());
    return attempt;
  }
  Result<std::byte*> map(const base::File& file, std::uint64_t bytes,
                         base::Access access) override {
    if (auto f = next(Op::map)) return fail(*f);
    log.push_back("map");
    auto result = posix_.map(file, bytes, access);
    if (result) mapped_bytes += static_cast<std::int64_t>(bytes);
    return result;
  }
  void unmap(std::byte* address, std::uint64_t bytes) noexcept override {
    mapped_bytes -= static_cast<std::int64_t>(bytes);
    posix_.unmap(address, bytes);
  }
  bool want_huge_pages(std::byte*, std::uint64_t) noexcept override {
    ++huge_pages_wanted;
    return huge_pages;
  }
  Result<void> prefault(std::byte* address, std::uint64_t bytes, base::Access access) override {
    if (auto f = next(Op::prefault)) return fail(*f);
    log.push_back("prefault " + std::to_string(bytes));
    return posix_.prefault(address, bytes, access);
  }
  Result<void> lock_in_memory(std::byte* address, std::uint64_t bytes) override {
    if (auto f = next(Op::lock)) return fail(*f);
    locked_bytes += bytes;
    return posix_.lock_in_memory(address, bytes);
  }
  std::uint64_t locked_bytes = 0;
  Result<std::string> canonical(const std::string& path) override {
    if (auto f = next(Op::canonical)) return fail(*f);
    canonical_paths.push_back(path);
    return posix_.canonical(path);
  }
  std::vector<std::string> canonical_paths;
  std::string effective_user_name() override {
    return user_name ? *user_name : posix_.effective_user_name();
  }
  std::uint32_t effective_user_id() noexcept override { return posix_.effective_user_id(); }
  std::uint64_t process_id() noexcept override { return pid ? *pid : posix_.process_id(); }
  bool process_alive(std::uint64_t id) noexcept override {
    return alive ? alive(id) : posix_.process_alive(id);
  }
  void close(int id) noexcept override {
    --open_files;
    posix_.close(id);
  }
  int open_files = 0;
  int opened_files = 0;  // for reading

 private:
  struct Fault {
    Op op;
    int nth;
    Error error;
  };

  std::optional<Error> next(Op op) {
    const int call = calls[op]++;
    if (fault_ && fault_->op == op && fault_->nth == call) return fault_->error;
    return std::nullopt;
  }

  // The handle becomes this file system's, so that its end is counted here.
  Result<base::File> adopt(Result<base::File> file) {
    if (!file) return file;
    ++open_files;
    return base::File(*this, file->release());
  }

  base::PosixFileSystem posix_;
  std::optional<Fault> fault_;
};

}  // namespace tensorpool::shm::test
