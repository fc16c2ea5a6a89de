// Files of a fuzzer, in memory: the directory "/r" with a few files named by their number. Mapped
// bytes end at an inaccessible page, so that one byte behind what was asked for stops the process.
#pragma once

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/file_system.hpp"
#include "fuzz/guarded.hpp"

namespace tensorpool::fuzz {

class MemoryFileSystem final : public base::FileSystem {
 public:
  static constexpr std::size_t files = 4;
  static constexpr std::size_t file_limit_bytes = std::size_t{1} << 16U;

  struct Content {
    std::vector<std::byte> bytes;
    bool hugetlbfs = false;
    std::uint32_t mode = 0600;
  };
  std::array<Content, files> content;
  static constexpr std::uint64_t hugepage_bytes = 4096;

  // Mapped and not unmapped yet.
  std::uint64_t mapped_bytes() const noexcept { return mapped_bytes_; }
  void forget() noexcept { content = {}; }

  Result<base::File> open_root() override { return base::File(*this, root_id); }
  Result<base::File> open(const base::File& directory, const std::string& name,
                          base::OpenMode mode) override {
    const int id = find(directory.id(), name);
    const bool want_directory = mode == base::OpenMode::directory;
    if (id < 0 || want_directory != (id == folder_id)) return absent();
    return base::File(*this, id);
  }
  Result<std::optional<base::FileStatus>> status_at(const base::File& directory,
                                                    const std::string& name) override {
    const int id = find(directory.id(), name);
    if (id < 0) return std::optional<base::FileStatus>();
    return std::optional(status_of(id));
  }
  Result<base::FileStatus> status(const base::File& file) override { return status_of(file.id()); }
  Result<base::FileSystemInfo> file_system_info(const base::File& file) override {
    const bool huge = is_file(file.id()) && of(file.id()).hugetlbfs;
    return base::FileSystemInfo{huge ? base::hugetlbfs_type : base::tmpfs_type, hugepage_bytes,
                                UINT64_MAX};
  }
  Result<std::byte*> map(const base::File& file, std::uint64_t bytes, base::Access) override {
    const Content& from = of(file.id());
    // A mapping behind the end of the file would be a SIGBUS on the host.
    TP_ASSERT(bytes <= from.bytes.size());
    const auto to = memory_[static_cast<std::size_t>(file.id())].copy(
        std::span(from.bytes).first(static_cast<std::size_t>(bytes)));
    mapped_bytes_ += bytes;
    return const_cast<std::byte*>(to.data());
  }
  void unmap(std::byte*, std::uint64_t bytes) noexcept override {
    TP_ASSERT(bytes <= mapped_bytes_);
    mapped_bytes_ -= bytes;
  }
  Result<std::string> canonical(const std::string& path) override {
    const bool known = path == "/r" || (path.size() == 4 && path.starts_with("/r/") &&
                                        find(folder_id, path.substr(3)) >= 0);
    if (!known) return absent();
    return path;
  }

  // What a reader never calls.
  Result<bool> make_directory(const base::File&, const std::string&, std::uint32_t) override {
    return absent();
  }
  Result<void> unlink(const base::File&, const std::string&) override { return absent(); }
  Result<void> remove_directory(const base::File&, const std::string&) override { return absent(); }
  Result<std::vector<std::string>> list(const base::File&, std::size_t) override {
    return absent();
  }
  Result<void> set_length(const base::File&, std::uint64_t) override { return absent(); }
  Result<void> reserve(const base::File&, std::uint64_t, std::uint64_t) override {
    return absent();
  }
  Result<void> set_mode(const base::File&, std::uint32_t) override { return absent(); }
  Result<void> sync(const base::File&) override { return absent(); }
  Result<std::size_t> read_at(const base::File&, std::uint64_t, std::span<std::byte>) override {
    return absent();
  }
  Result<base::LockAttempt> lock(const base::File&, const std::string&) override {
    return absent();
  }
  Result<void> prefault(std::byte*, std::uint64_t, base::Access) override { return {}; }
  Result<void> lock_in_memory(std::byte*, std::uint64_t) override { return {}; }
  std::string effective_user_name() override { return "fuzz"; }
  std::uint32_t effective_user_id() noexcept override { return 1; }
  std::uint64_t process_id() noexcept override { return 1; }
  bool process_alive(std::uint64_t) noexcept override { return true; }
  void close(int) noexcept override {}

 private:
  static constexpr int root_id = 100;
  static constexpr int folder_id = 101;  // and 0 to 3 for the files

  static tl::unexpected<Error> absent() {
    return fail(Code::system_error, "memory file system", "no such entry");
  }
  static int find(int directory, const std::string& name) noexcept {
    if (directory == root_id && name == "r") return folder_id;
    const bool file = directory == folder_id && name.size() == 1 && name[0] >= '0' &&
                      name[0] < '0' + static_cast<int>(files);
    return file ? name[0] - '0' : -1;
  }
  static bool is_file(int id) noexcept { return id >= 0 && id < static_cast<int>(files); }
  const Content& of(int id) const noexcept { return content[static_cast<std::size_t>(id)]; }
  base::FileStatus status_of(int id) const {
    base::FileStatus status;
    status.kind = is_file(id) ? base::FileKind::regular : base::FileKind::directory;
    status.inode = static_cast<std::uint64_t>(id + 10);
    if (is_file(id)) {
      status.size_bytes = of(id).bytes.size();
      status.mode = of(id).mode;
    }
    return status;
  }

  std::array<Guarded, files> memory_{Guarded(file_limit_bytes), Guarded(file_limit_bytes),
                                     Guarded(file_limit_bytes), Guarded(file_limit_bytes)};
  std::uint64_t mapped_bytes_ = 0;
};

}  // namespace tensorpool::fuzz
