#include "sim/interrupted_file_system.hpp"

#include <utility>

namespace tensorpool::sim {

using base::Access;
using base::File;

Result<File> InterruptedFileSystem::open_root() {
  if (auto error = before_("open")) return fail(*std::move(error));
  return real_.open_root();
}
Result<File> InterruptedFileSystem::open(const File& directory, const std::string& name,
                                         base::OpenMode mode) {
  if (auto error = before_("open")) return fail(*std::move(error));
  return real_.open(directory, name, mode);
}
Result<std::optional<base::FileStatus>> InterruptedFileSystem::status_at(const File& directory,
                                                                         const std::string& name) {
  if (auto error = before_("fstatat")) return fail(*std::move(error));
  return real_.status_at(directory, name);
}
Result<base::FileStatus> InterruptedFileSystem::status(const File& file) {
  if (auto error = before_("fstat")) return fail(*std::move(error));
  return real_.status(file);
}
Result<base::FileSystemInfo> InterruptedFileSystem::file_system_info(const File& file) {
  if (auto error = before_("fstatfs")) return fail(*std::move(error));
  return real_.file_system_info(file);
}
Result<bool> InterruptedFileSystem::make_directory(const File& directory, const std::string& name,
                                                   std::uint32_t mode) {
  if (auto error = before_("mkdir")) return fail(*std::move(error));
  return real_.make_directory(directory, name, mode);
}
Result<void> InterruptedFileSystem::unlink(const File& directory, const std::string& name) {
  if (auto error = before_("unlink")) return fail(*std::move(error));
  return real_.unlink(directory, name);
}
Result<void> InterruptedFileSystem::remove_directory(const File& directory,
                                                     const std::string& name) {
  if (auto error = before_("rmdir")) return fail(*std::move(error));
  return real_.remove_directory(directory, name);
}
Result<std::vector<std::string>> InterruptedFileSystem::list(const File& directory,
                                                             std::size_t limit) {
  if (auto error = before_("readdir")) return fail(*std::move(error));
  return real_.list(directory, limit);
}
Result<void> InterruptedFileSystem::set_length(const File& file, std::uint64_t bytes) {
  if (auto error = before_("ftruncate")) return fail(*std::move(error));
  return real_.set_length(file, bytes);
}
Result<void> InterruptedFileSystem::reserve(const File& file, std::uint64_t offset,
                                            std::uint64_t bytes) {
  if (auto error = before_("fallocate")) return fail(*std::move(error));
  return real_.reserve(file, offset, bytes);
}
Result<void> InterruptedFileSystem::set_mode(const File& file, std::uint32_t mode) {
  if (auto error = before_("fchmod")) return fail(*std::move(error));
  return real_.set_mode(file, mode);
}
Result<void> InterruptedFileSystem::sync(const File& file) {
  if (auto error = before_("fsync")) return fail(*std::move(error));
  return real_.sync(file);
}
Result<std::size_t> InterruptedFileSystem::read_at(const File& file, std::uint64_t offset,
                                                   std::span<std::byte> out) {
  if (auto error = before_("pread")) return fail(*std::move(error));
  return real_.read_at(file, offset, out);
}
Result<base::LockAttempt> InterruptedFileSystem::lock(const File& directory,
                                                      const std::string& name) {
  if (auto error = before_("lock")) return fail(*std::move(error));
  return real_.lock(directory, name);
}
Result<std::byte*> InterruptedFileSystem::map(const File& file, std::uint64_t bytes,
                                              Access access) {
  if (auto error = before_("mmap")) return fail(*std::move(error));
  return real_.map(file, bytes, access);
}
Result<void> InterruptedFileSystem::prefault(std::byte* address, std::uint64_t bytes,
                                             Access access) {
  if (auto error = before_("madvise")) return fail(*std::move(error));
  return real_.prefault(address, bytes, access);
}
Result<void> InterruptedFileSystem::lock_in_memory(std::byte* address, std::uint64_t bytes) {
  if (auto error = before_("mlock")) return fail(*std::move(error));
  return real_.lock_in_memory(address, bytes);
}
Result<std::string> InterruptedFileSystem::canonical(const std::string& path) {
  if (auto error = before_("realpath")) return fail(*std::move(error));
  return real_.canonical(path);
}

}  // namespace tensorpool::sim
