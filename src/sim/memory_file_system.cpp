#include "sim/memory_file_system.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/assert.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define TENSORPOOL_SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENSORPOOL_SIM_ASAN 1
#endif
#endif
#if defined(TENSORPOOL_SIM_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace tensorpool::sim {
namespace {

using base::Access;
using base::File;
using base::FileKind;
using base::FileStatus;
using base::OpenMode;

constexpr std::uint64_t page_bytes = 4096;

std::uint64_t whole_pages(std::uint64_t bytes) noexcept {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

// What lies between the end of a mapping and that of its last page.
void guard_tail(std::byte* base, std::uint64_t bytes, bool on) noexcept {
#if defined(TENSORPOOL_SIM_ASAN)
  const std::size_t tail = whole_pages(bytes) - bytes;
  if (on) {
    ASAN_POISON_MEMORY_REGION(base + bytes, tail);
  } else {
    ASAN_UNPOISON_MEMORY_REGION(base + bytes, tail);
  }
#else
  static_cast<void>(base);
  static_cast<void>(bytes);
  static_cast<void>(on);
#endif
}

tl::unexpected<Error> no_entry(const char* call, const std::string& name) {
  return fail(Error::system(call, ENOENT, name));
}

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    if (slash > at) parts.push_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return parts;
}

}  // namespace

struct MemoryDisk::Node {
  FileKind kind = FileKind::regular;
  std::uint32_t mode = 0;
  std::uint64_t inode = 0;
  base::Nanos modified_ns = 0;
  std::string path;                                      // of a directory; "" is the root
  std::map<std::string, std::shared_ptr<Node>> entries;  // of a directory
  int memory = -1;                                       // of a regular file: its memfd
  std::uint64_t size_bytes = 0;
  bool hugetlbfs = false;
  std::uint64_t locked_by = 0;

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() {
    if (memory >= 0) ::close(memory);
  }

  FileStatus status() const noexcept {
    FileStatus s;
    s.kind = kind;
    s.size_bytes = size_bytes;
    s.allocated_bytes = size_bytes;
    s.mode = mode;
    s.user_id = s.group_id = 1;
    s.device = 1;
    s.inode = inode;
    s.modified_realtime_ns = modified_ns;
    return s;
  }
};

MemoryDisk::MemoryDisk(const base::Clock& clock) : clock_(&clock) {
  root_ = make_node(FileKind::directory, 0755);
}
MemoryDisk::~MemoryDisk() = default;

std::shared_ptr<MemoryDisk::Node> MemoryDisk::make_node(FileKind kind, std::uint32_t mode) {
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->mode = mode;
  node->inode = next_inode_++;
  node->modified_ns = clock_->realtime_ns();
  if (kind == FileKind::regular) {
    node->memory = ::memfd_create("tensorpool-sim", MFD_CLOEXEC);
    TP_ASSERT(node->memory >= 0);
  }
  return node;
}

std::shared_ptr<MemoryDisk::Node> MemoryDisk::find(const std::string& path) const {
  std::shared_ptr<Node> here = root_;
  for (const std::string& name : components(path)) {
    if (name == ".") continue;
    const auto found = here->entries.find(name);
    if (found == here->entries.end()) return nullptr;
    here = found->second;
  }
  return here;
}

void MemoryDisk::make_directories(const std::string& path) {
  std::shared_ptr<Node> here = root_;
  for (const std::string& name : components(path)) {
    auto& next = here->entries[name];
    if (next == nullptr) {
      next = make_node(FileKind::directory, 0770);
      next->path = here->path + "/" + name;
    }
    here = next;
  }
}

void MemoryDisk::put(const std::string& path, std::span<const std::byte> content,
                     std::uint32_t mode, bool hugetlbfs) {
  std::shared_ptr<Node> node = find(path);
  if (node == nullptr) {
    const std::size_t slash = path.rfind('/');
    TP_ASSERT(slash != std::string::npos);
    const std::shared_ptr<Node> parent = find(path.substr(0, slash));
    TP_ASSERT(parent != nullptr && parent->kind == FileKind::directory);
    node = parent->entries[path.substr(slash + 1)] = make_node(FileKind::regular, mode);
  }
  TP_ASSERT(node->kind == FileKind::regular);
  node->mode = mode;
  node->hugetlbfs = hugetlbfs;
  if (std::exchange(node->size_bytes, content.size()) != content.size())
    TP_ASSERT(::ftruncate(node->memory, static_cast<off_t>(content.size())) == 0);
  TP_ASSERT(content.empty() || poke(path, 0, content));
}

bool MemoryDisk::poke(const std::string& path, std::uint64_t offset,
                      std::span<const std::byte> bytes) {
  const std::shared_ptr<Node> node = find(path);
  if (node == nullptr || node->kind != FileKind::regular ||
      offset + bytes.size() > node->size_bytes) {
    return false;
  }
  return ::pwrite(node->memory, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(bytes.size());
}

std::vector<std::string> MemoryDisk::files() const {
  std::vector<std::string> found;
  std::vector<std::pair<std::string, std::shared_ptr<Node>>> open{{"", root_}};
  while (!open.empty()) {
    const auto [path, node] = std::move(open.back());
    open.pop_back();
    for (const auto& [name, entry] : node->entries) {
      if (entry->kind == FileKind::directory) {
        open.emplace_back(fmt::format("{}/{}", path, name), entry);
      } else {
        found.push_back(fmt::format("{}/{}", path, name));
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> MemoryDisk::names(const std::string& directory) const {
  std::vector<std::string> found;
  const std::shared_ptr<Node> node = find(directory);
  if (node == nullptr) return found;
  for (const auto& [name, entry] : node->entries) found.push_back(name);
  return found;
}

void MemoryDisk::changes(Change change, const Node& parent, const std::string& name,
                         std::uint64_t process) const {
  if (watcher_) watcher_(change, parent.path + "/" + name, process);
}

void MemoryDisk::set_room(std::uint64_t really, std::uint64_t said) noexcept {
  room_ = really;
  said_ = said;
}

MemoryFileSystem::MemoryFileSystem(MemoryDisk& disk, std::uint64_t process_id)
    : disk_(disk), process_id_(process_id) {
  TP_ASSERT(process_id != 0);
  const bool fresh = disk_.processes_.insert(process_id).second;
  TP_ASSERT(fresh);
}

MemoryFileSystem::~MemoryFileSystem() {
  if (!dead_) disk_.processes_.erase(process_id_);
}

void MemoryFileSystem::kill() noexcept {
  if (dead_) return;
  dead_ = true;
  disk_.processes_.erase(process_id_);
  for (const Open& open : open_) {
    if (open.node != nullptr && open.node->locked_by == process_id_) open.node->locked_by = 0;
  }
}

std::uint64_t MemoryFileSystem::mapped_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [base, bytes] : mappings_) sum += bytes;
  return sum;
}

Result<std::shared_ptr<MemoryDisk::Node>> MemoryFileSystem::node_of(const char* call,
                                                                    const File& file) const {
  if (dead_) return fail(Error::system(call, ESRCH, "a killed process"));
  return open_[index_of(file.id())].node;
}

Result<std::shared_ptr<MemoryDisk::Node>> MemoryFileSystem::directory_of(
    const char* call, const File& file, const std::string& name) const {
  auto node = node_of(call, file);
  if (!node) return node;
  if ((*node)->kind != FileKind::directory) return fail(Error::system(call, ENOTDIR, name));
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    return fail(Code::invalid_argument, call, fmt::format("'{}' is not one path component", name));
  return node;
}

File MemoryFileSystem::make_file(std::shared_ptr<Node> node, bool writable) {
  const auto free = std::find_if(open_.begin(), open_.end(),
                                 [](const Open& open) { return open.node == nullptr; });
  const auto id = static_cast<int>(free - open_.begin());
  if (free == open_.end()) {
    open_.push_back({std::move(node), writable});
  } else {
    *free = {std::move(node), writable};
  }
  return File(*this, id);
}

std::size_t MemoryFileSystem::index_of(int id) const noexcept {
  const auto index = static_cast<std::size_t>(id);
  TP_ASSERT(id >= 0 && index < open_.size() && open_[index].node != nullptr);
  return index;
}

std::size_t MemoryFileSystem::open_files() const noexcept {
  return static_cast<std::size_t>(std::count_if(
      open_.begin(), open_.end(), [](const Open& open) { return open.node != nullptr; }));
}

Result<File> MemoryFileSystem::open_root() {
  if (dead_) return fail(Error::system("open", ESRCH, "a killed process"));
  return make_file(disk_.root_, false);
}

Result<File> MemoryFileSystem::open(const File& directory, const std::string& name, OpenMode mode) {
  auto parent = directory_of("open", directory, name);
  if (!parent) return fail(parent.error());
  auto& entries = (*parent)->entries;
  const auto found = entries.find(name);
  if (mode == OpenMode::create_exclusive) {
    if (found != entries.end()) return fail(Error::system("open", EEXIST, name));
    disk_.changes(MemoryDisk::Change::made, **parent, name, process_id_);
    auto node = disk_.make_node(FileKind::regular, 0600);
    entries[name] = node;
    (*parent)->modified_ns = disk_.clock_->realtime_ns();
    return make_file(std::move(node), true);
  }
  if (found == entries.end()) return no_entry("open", name);
  if (mode == OpenMode::directory && found->second->kind != FileKind::directory)
    return fail(Code::path_rejected, "open", fmt::format("'{}' is not a directory", name));
  return make_file(found->second, mode == OpenMode::read_write);
}

Result<std::optional<FileStatus>> MemoryFileSystem::status_at(const File& directory,
                                                              const std::string& name) {
  auto parent = directory_of("fstatat", directory, name);
  if (!parent) return fail(parent.error());
  const auto found = (*parent)->entries.find(name);
  if (found == (*parent)->entries.end()) return std::optional<FileStatus>();
  return std::optional(found->second->status());
}

Result<FileStatus> MemoryFileSystem::status(const File& file) {
  auto node = node_of("fstat", file);
  if (!node) return fail(node.error());
  return (*node)->status();
}

Result<base::FileSystemInfo> MemoryFileSystem::file_system_info(const File& file) {
  auto node = node_of("fstatfs", file);
  if (!node) return fail(node.error());
  if ((*node)->hugetlbfs)
    return base::FileSystemInfo{base::hugetlbfs_type, MemoryDisk::hugepage_bytes, disk_.said_};
  return base::FileSystemInfo{base::tmpfs_type, page_bytes, disk_.said_};
}

Result<bool> MemoryFileSystem::make_directory(const File& directory, const std::string& name,
                                              std::uint32_t mode) {
  auto parent = directory_of("mkdir", directory, name);
  if (!parent) return fail(parent.error());
  auto& entry = (*parent)->entries[name];
  if (entry != nullptr) return false;
  disk_.changes(MemoryDisk::Change::made, **parent, name, process_id_);
  entry = disk_.make_node(FileKind::directory, mode);
  entry->path = (*parent)->path + "/" + name;
  (*parent)->modified_ns = disk_.clock_->realtime_ns();
  return true;
}

Result<void> MemoryFileSystem::unlink(const File& directory, const std::string& name) {
  auto parent = directory_of("unlink", directory, name);
  if (!parent) return fail(parent.error());
  const auto found = (*parent)->entries.find(name);
  if (found == (*parent)->entries.end()) return no_entry("unlink", name);
  if (found->second->kind == FileKind::directory)
    return fail(Error::system("unlink", EISDIR, name));
  disk_.changes(MemoryDisk::Change::removed, **parent, name, process_id_);
  (*parent)->entries.erase(found);
  (*parent)->modified_ns = disk_.clock_->realtime_ns();
  return {};
}

Result<void> MemoryFileSystem::remove_directory(const File& directory, const std::string& name) {
  auto parent = directory_of("rmdir", directory, name);
  if (!parent) return fail(parent.error());
  const auto found = (*parent)->entries.find(name);
  if (found == (*parent)->entries.end()) return no_entry("rmdir", name);
  if (found->second->kind != FileKind::directory)
    return fail(Error::system("rmdir", ENOTDIR, name));
  if (!found->second->entries.empty()) return fail(Error::system("rmdir", ENOTEMPTY, name));
  disk_.changes(MemoryDisk::Change::removed, **parent, name, process_id_);
  (*parent)->entries.erase(found);
  (*parent)->modified_ns = disk_.clock_->realtime_ns();
  return {};
}

Result<std::vector<std::string>> MemoryFileSystem::list(const File& directory, std::size_t limit) {
  auto node = node_of("readdir", directory);
  if (!node) return fail(node.error());
  if ((*node)->entries.size() > limit) {
    return fail(Code::limit_exceeded, "readdir",
                fmt::format("a directory has more than {} entries", limit));
  }
  std::vector<std::string> names;
  for (const auto& [name, entry] : (*node)->entries) names.push_back(name);
  return names;
}

Result<void> MemoryFileSystem::set_length(const File& file, std::uint64_t bytes) {
  auto node = node_of("ftruncate", file);
  if (!node) return fail(node.error());
  if (::ftruncate((*node)->memory, static_cast<off_t>(bytes)) != 0)
    return fail(Error::system("ftruncate", errno, "a file in memory"));
  (*node)->size_bytes = bytes;
  return {};
}

Result<void> MemoryFileSystem::reserve(const File& file, std::uint64_t offset,
                                       std::uint64_t bytes) {
  auto node = node_of("fallocate", file);
  if (!node) return fail(node.error());
  if (bytes > disk_.room_) {
    return fail(Code::no_space, "fallocate",
                fmt::format("{} bytes at offset {}: the file system is full", bytes, offset));
  }
  if (disk_.room_ != UINT64_MAX) disk_.room_ -= bytes;
  return {};
}

Result<void> MemoryFileSystem::set_mode(const File& file, std::uint32_t mode) {
  auto node = node_of("fchmod", file);
  if (!node) return fail(node.error());
  (*node)->mode = mode;
  return {};
}

Result<void> MemoryFileSystem::sync(const File& file) {
  auto node = node_of("fsync", file);
  if (!node) return fail(node.error());
  return {};
}

Result<std::size_t> MemoryFileSystem::read_at(const File& file, std::uint64_t offset,
                                              std::span<std::byte> out) {
  auto node = node_of("pread", file);
  if (!node) return fail(node.error());
  const ssize_t got = ::pread((*node)->memory, out.data(), out.size(), static_cast<off_t>(offset));
  if (got < 0) return fail(Error::system("pread", errno, "a file in memory"));
  return static_cast<std::size_t>(got);
}

Result<base::LockAttempt> MemoryFileSystem::lock(const File& directory, const std::string& name) {
  auto parent = directory_of("lock", directory, name);
  if (!parent) return fail(parent.error());
  auto& node = (*parent)->entries[name];
  if (node == nullptr) {
    node = disk_.make_node(FileKind::regular, 0600);
    (*parent)->modified_ns = disk_.clock_->realtime_ns();
  }
  if (node->kind != FileKind::regular)
    return fail(Code::path_rejected, "lock", fmt::format("'{}' is not a regular file", name));
  if (node->locked_by != 0)
    return base::LockAttempt{File(), {node->locked_by, node->locked_by == process_id_}};
  node->locked_by = process_id_;
  return base::LockAttempt{make_file(node, true), {}};
}

Result<std::byte*> MemoryFileSystem::map(const File& file, std::uint64_t bytes, Access access) {
  auto node = node_of("mmap", file);
  if (!node) return fail(node.error());
  // Behind the end of the file a load would be a SIGBUS.
  TP_ASSERT(bytes != 0 && bytes <= (*node)->size_bytes);
  TP_ASSERT(access == Access::read_only || open_[index_of(file.id())].writable);
  const int protection = access == Access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = ::mmap(nullptr, bytes, protection, MAP_SHARED, (*node)->memory, 0);
  if (address == MAP_FAILED) return fail(Error::system("mmap", errno, "a file in memory"));
  auto* base = static_cast<std::byte*>(address);
  guard_tail(base, bytes, true);
  mappings_[base] = bytes;
  return base;
}

void MemoryFileSystem::unmap(std::byte* address, std::uint64_t bytes) noexcept {
  auto found = mappings_.upper_bound(address);
  TP_ASSERT(found != mappings_.begin());
  --found;
  const auto [base, mapped] = *found;
  const auto kept = static_cast<std::uint64_t>(address - base);
  // Parts are taken off the end only, on page boundaries.
  TP_ASSERT(kept % page_bytes == 0 && kept + bytes == mapped);
  guard_tail(base, mapped, false);
  TP_ASSERT(::munmap(address, whole_pages(bytes)) == 0);
  if (kept == 0) {
    mappings_.erase(found);
  } else {
    found->second = kept;
  }
}

Result<void> MemoryFileSystem::prefault(std::byte*, std::uint64_t, Access) { return {}; }
Result<void> MemoryFileSystem::lock_in_memory(std::byte*, std::uint64_t) { return {}; }

Result<std::string> MemoryFileSystem::canonical(const std::string& path) {
  if (dead_) return fail(Error::system("realpath", ESRCH, "a killed process"));
  if (path.empty() || path.front() != '/' || disk_.find(path) == nullptr)
    return no_entry("realpath", path);
  std::string whole;
  for (const std::string& name : components(path)) {
    if (name != ".") whole += "/" + name;
  }
  return whole.empty() ? "/" : whole;
}

void MemoryFileSystem::close(int id) noexcept {
  Open& open = open_[index_of(id)];
  // POSIX drops a process' locks with any of its descriptors of the file.
  if (open.node->locked_by == process_id_) open.node->locked_by = 0;
  open.node.reset();
}

}  // namespace tensorpool::sim
