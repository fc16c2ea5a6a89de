// The files of a simulated host, in memory: one MemoryDisk, and for each process its own view of it
// with its own pid, open files and mappings.
//
// The pages are real (a memfd for each file), so that processes share bytes as they would, a store
// into a read-only mapping or a use after unmapping ends the program, and under the address
// sanitizer the bytes behind the end of a mapping are out of reach. There are no links and no
// users; everything else is what FileSystem says.
//
// Threads: one. A MemoryDisk outlives its MemoryFileSystems; names are listed in their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/file_system.hpp"

namespace tensorpool::sim {

class MemoryFileSystem;

class MemoryDisk {
 public:
  // Modification times are those of `clock`, which outlives the disk.
  explicit MemoryDisk(const base::Clock& clock);
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;
  ~MemoryDisk();

  // The host was started again: times are those of this clock from here on.
  void set_clock(const base::Clock& clock) noexcept { clock_ = &clock; }
  // Makes a directory and those above it, mode 0770.
  void make_directories(const std::string& path);
  // Makes a file or gives an existing one this content, in a directory that exists. On hugetlbfs its
  // hugepages are hugepage_bytes long.
  void put(const std::string& path, std::span<const std::byte> content, std::uint32_t mode = 0660,
           bool hugetlbfs = false);
  static constexpr std::uint64_t hugepage_bytes = 4096;
  // Stores into an existing file, behind the back of everybody; false when there is none, or it is
  // too short.
  bool poke(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);
  // Paths of all regular files.
  std::vector<std::string> files() const;
  // Names in a directory; none where it is not there.
  std::vector<std::string> names(const std::string& directory) const;

  // Told before a name appears or goes, with its path and the process that does it. Must not call back.
  enum class Change : std::uint8_t { made, removed };
  using Watcher =
      std::function<void(Change change, const std::string& path, std::uint64_t process)>;
  void on_change(Watcher watcher) { watcher_ = std::move(watcher); }

  // How much may still be reserved, and what statfs says about it. Both unlimited at first.
  void set_room(std::uint64_t really, std::uint64_t said) noexcept;

  // Processes that are alive for process_alive(), beside the ones with a living view.
  bool alive(std::uint64_t process_id) const { return processes_.contains(process_id); }

 private:
  friend class MemoryFileSystem;
  struct Node;

  std::shared_ptr<Node> make_node(base::FileKind kind, std::uint32_t mode);
  void changes(Change change, const Node& parent, const std::string& name,
               std::uint64_t process) const;
  std::shared_ptr<Node> find(const std::string& path) const;

  const base::Clock* clock_;
  std::uint64_t next_inode_ = 1;
  std::uint64_t room_ = UINT64_MAX;
  std::uint64_t said_ = UINT64_MAX;
  std::set<std::uint64_t> processes_;
  std::shared_ptr<Node> root_;
  Watcher watcher_;
};

class MemoryFileSystem final : public base::FileSystem {
 public:
  // REQUIRES a process id above 0 that no living view has.
  MemoryFileSystem(MemoryDisk& disk, std::uint64_t process_id);
  MemoryFileSystem(const MemoryFileSystem&) = delete;
  MemoryFileSystem& operator=(const MemoryFileSystem&) = delete;
  ~MemoryFileSystem() override;

  // kill -9: the process counts as dead, and nothing it still calls changes the disk. Its mappings
  // stay until they are unmapped, as nobody can tell.
  void kill() noexcept;

  // What the process holds.
  std::uint64_t mapped_bytes() const noexcept;
  std::size_t open_files() const noexcept;

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
  void unmap(std::byte* address, std::uint64_t bytes) noexcept override;
  Result<void> prefault(std::byte* address, std::uint64_t bytes, base::Access access) override;
  Result<void> lock_in_memory(std::byte* address, std::uint64_t bytes) override;
  Result<std::string> canonical(const std::string& path) override;
  std::string effective_user_name() override { return "sim"; }
  std::uint32_t effective_user_id() noexcept override { return 1; }
  std::uint64_t process_id() noexcept override { return process_id_; }
  bool process_alive(std::uint64_t process_id) noexcept override { return disk_.alive(process_id); }
  void close(int id) noexcept override;

 private:
  using Node = MemoryDisk::Node;
  struct Open {
    std::shared_ptr<Node> node;
    bool writable = false;
  };

  // The node of an open file, or nothing once the process is dead.
  Result<std::shared_ptr<Node>> node_of(const char* call, const base::File& file) const;
  Result<std::shared_ptr<Node>> directory_of(const char* call, const base::File& file,
                                             const std::string& name) const;
  base::File make_file(std::shared_ptr<Node> node, bool writable);
  std::size_t index_of(int id) const noexcept;

  MemoryDisk& disk_;
  std::uint64_t process_id_;
  bool dead_ = false;
  std::vector<Open> open_;                        // by id; without a node: free
  std::map<std::byte*, std::uint64_t> mappings_;  // base and bytes that are left
};

}  // namespace tensorpool::sim
