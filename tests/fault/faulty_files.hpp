// The host's files with fault points around the calls that creating, mapping and removing regions are made of.
#pragma once

#include <unistd.h>

#include <array>
#include <atomic>

#include "base/posix_file_system.hpp"
#include "fault/point.hpp"
#include "shm/layout.hpp"

namespace tensorpool::fault {

template <class Call>
auto around(Point before, Point after, Call&& call) {
  visit(before);
  auto result = call();
  visit(after);
  return result;
}

class FaultyFileSystem final : public base::PosixFileSystem {
 public:
  // From now on files get a superblock that belongs to another stream than they are announced for.
  void forge(bool forges) noexcept { forges_.store(forges); }

  Result<bool> make_directory(const base::File& directory, const std::string& name,
                              std::uint32_t mode) override {
    return around(Point::making_directory, Point::made_directory,
                  [&] { return PosixFileSystem::make_directory(directory, name, mode); });
  }
  Result<base::File> open(const base::File& directory, const std::string& name,
                          base::OpenMode mode) override {
    if (mode != base::OpenMode::create_exclusive)
      return PosixFileSystem::open(directory, name, mode);
    return around(Point::creating, Point::created,
                  [&] { return PosixFileSystem::open(directory, name, mode); });
  }
  Result<void> reserve(const base::File& file, std::uint64_t offset, std::uint64_t bytes) override {
    return around(Point::reserving, Point::reserved,
                  [&] { return PosixFileSystem::reserve(file, offset, bytes); });
  }
  Result<std::byte*> map(const base::File& file, std::uint64_t bytes,
                         base::Access access) override {
    return around(Point::mapping, Point::mapped,
                  [&] { return PosixFileSystem::map(file, bytes, access); });
  }
  Result<void> prefault(std::byte* address, std::uint64_t bytes, base::Access access) override {
    return around(Point::prefaulting, Point::prefaulted,
                  [&] { return PosixFileSystem::prefault(address, bytes, access); });
  }
  Result<void> sync(const base::File& file) override {
    if (forges_.load()) write_other_stream(file);
    return around(Point::syncing, Point::synced, [&] { return PosixFileSystem::sync(file); });
  }
  Result<void> unlink(const base::File& directory, const std::string& name) override {
    return around(Point::unlinking, Point::unlinked,
                  [&] { return PosixFileSystem::unlink(directory, name); });
  }
  Result<void> remove_directory(const base::File& directory, const std::string& name) override {
    return around(Point::removing_directory, Point::removed_directory,
                  [&] { return PosixFileSystem::remove_directory(directory, name); });
  }

 private:
  void write_other_stream(const base::File& file) {
    std::array<std::byte, shm::superblock_bytes> bytes{};
    if (::pread(file.id(), bytes.data(), bytes.size(), 0) != std::ssize(bytes)) return;
    shm::Superblock block = shm::decode_superblock(bytes);
    ++block.stream_id;
    shm::encode(block, bytes);
    [[maybe_unused]] const auto written = ::pwrite(file.id(), bytes.data(), bytes.size(), 0);
  }

  std::atomic<bool> forges_{false};
};

}  // namespace tensorpool::fault
