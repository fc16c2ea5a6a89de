// The files of a simulated host: what processes share, what each has for itself, and faults.
#include "sim/memory_file_system.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace tensorpool::sim {
namespace {

using base::Access;
using base::File;
using base::OpenMode;

class Files : public ::testing::Test {
 protected:
  Files() { disk.make_directories("/dev/shm"); }

  static File folder(MemoryFileSystem& process) {
    auto root = process.open_root();
    auto dev = process.open(*root, "dev", OpenMode::directory);
    auto shm = process.open(*dev, "shm", OpenMode::directory);
    EXPECT_TRUE(shm);
    return std::move(*shm);
  }
  static File make(MemoryFileSystem& process, const std::string& name, std::uint64_t bytes) {
    auto file = process.open(folder(process), name, OpenMode::create_exclusive);
    EXPECT_TRUE(file);
    EXPECT_TRUE(process.set_length(*file, bytes));
    return std::move(*file);
  }

  base::ManualClock clock;
  MemoryDisk disk{clock};
  MemoryFileSystem one{disk, 11};
  MemoryFileSystem two{disk, 12};
};

TEST_F(Files, two_processes_share_the_bytes_of_a_file) {
  const File written = make(one, "a", 5000);
  auto to = one.map(written, 5000, Access::read_write);
  auto file = two.open(folder(two), "a", OpenMode::read);
  auto from = two.map(*file, 5000, Access::read_only);
  ASSERT_TRUE(to && from);
  EXPECT_NE(*to, *from);
  (*to)[4999] = std::byte{7};
  EXPECT_EQ((*from)[4999], std::byte{7});
  EXPECT_EQ(one.mapped_bytes(), 5000U);
  // The bytes stay until the last mapping goes, whatever becomes of the name.
  ASSERT_TRUE(one.unlink(folder(one), "a"));
  one.unmap(*to, 5000);
  EXPECT_EQ((*from)[4999], std::byte{7});
  two.unmap(*from + 4096, 904);
  EXPECT_EQ(two.mapped_bytes(), 4096U);
  two.unmap(*from, 4096);
  EXPECT_EQ(one.mapped_bytes() + two.mapped_bytes(), 0U);
}

TEST_F(Files, a_store_into_a_read_only_mapping_ends_the_program) {
  const File file = make(one, "a", 100);
  auto mapped = one.map(file, 100, Access::read_only);
  ASSERT_TRUE(mapped);
  EXPECT_DEATH((*mapped)[0] = std::byte{1}, "");
  one.unmap(*mapped, 100);
}

TEST_F(Files, a_use_after_unmapping_ends_the_program) {
  const File file = make(one, "a", 100);
  auto mapped = one.map(file, 100, Access::read_write);
  ASSERT_TRUE(mapped);
  one.unmap(*mapped, 100);
  EXPECT_DEATH((*mapped)[0] = std::byte{1}, "");
}

TEST_F(Files, names_behave_like_those_of_a_file_system) {
  const File shm = folder(one);
  EXPECT_TRUE(*one.make_directory(shm, "b", 0700));
  EXPECT_FALSE(*one.make_directory(shm, "b", 0700));
  {
    const File a = make(one, "a", 10);
  }
  EXPECT_FALSE(one.open(shm, "a", OpenMode::create_exclusive));
  EXPECT_EQ(one.open(shm, "a", OpenMode::directory).error().code(), Code::path_rejected);
  EXPECT_EQ(one.open(shm, "..", OpenMode::read).error().code(), Code::invalid_argument);
  EXPECT_EQ(*one.list(shm, 2), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(one.list(shm, 1).error().code(), Code::limit_exceeded);
  EXPECT_FALSE(one.unlink(shm, "b"));
  EXPECT_FALSE(one.remove_directory(shm, "a"));
  EXPECT_EQ(*one.canonical("/dev//shm/./a"), "/dev/shm/a");
  EXPECT_FALSE(one.canonical("/dev/shm/c"));
  EXPECT_EQ(disk.files(), std::vector<std::string>{"/dev/shm/a"});
  EXPECT_TRUE(one.unlink(shm, "a"));
  EXPECT_TRUE(one.remove_directory(shm, "b"));
  EXPECT_FALSE((*one.status_at(shm, "a")).has_value());
}

TEST_F(Files, times_come_from_the_clock) {
  const File shm = folder(one);
  clock.advance(1000);
  EXPECT_TRUE(*one.make_directory(shm, "b", 0700));
  EXPECT_EQ(one.status(shm)->modified_realtime_ns, clock.realtime_ns());
}

TEST_F(Files, a_full_disk_says_so) {
  const File file = make(one, "a", 100);
  disk.set_room(60, 1000);
  EXPECT_EQ(one.file_system_info(file)->available_bytes, 1000U);
  EXPECT_TRUE(one.reserve(file, 0, 50));
  EXPECT_EQ(one.reserve(file, 50, 50).error().code(), Code::no_space);
  disk.set_room(UINT64_MAX, UINT64_MAX);
  EXPECT_TRUE(one.reserve(file, 50, 50));
}

TEST_F(Files, a_killed_process_changes_nothing_any_more_and_keeps_its_mappings) {
  const File file = make(one, "a", 100);
  auto mapped = one.map(file, 100, Access::read_write);
  const auto held = one.lock(folder(one), "lock");
  EXPECT_TRUE(held->file.is_open());
  EXPECT_TRUE(one.lock(folder(one), "lock")->holder.this_process);
  const auto refused = two.lock(folder(two), "lock");
  EXPECT_FALSE(refused->file.is_open());
  EXPECT_EQ(refused->holder.process_id, 11U);
  EXPECT_FALSE(refused->holder.this_process);
  EXPECT_TRUE(two.process_alive(11));
  const File shm = folder(one);
  one.kill();
  EXPECT_FALSE(two.process_alive(11));
  EXPECT_TRUE(two.lock(folder(two), "lock")->file.is_open());
  EXPECT_FALSE(one.unlink(shm, "a"));
  EXPECT_FALSE(one.open_root());
  (*mapped)[0] = std::byte{1};
  one.unmap(*mapped, 100);
  EXPECT_EQ(disk.files().size(), 2U);
}

TEST_F(Files, a_file_can_be_put_there_as_a_whole) {
  const std::vector<std::byte> long_one(5000, std::byte{3});
  disk.put("/dev/shm/a", long_one, 0600, true);
  disk.put("/dev/shm/a", std::span(long_one).first(10), 0640);
  auto file = one.open(folder(one), "a", OpenMode::read);
  ASSERT_TRUE(file);
  EXPECT_EQ(one.status(*file)->size_bytes, 10U);
  EXPECT_EQ(one.status(*file)->mode, 0640U);
  EXPECT_EQ(one.file_system_info(*file)->type, base::tmpfs_type);
  disk.put("/dev/shm/a", long_one, 0600, true);
  EXPECT_EQ(one.file_system_info(*file)->type, base::hugetlbfs_type);
}

TEST_F(Files, a_byte_can_be_changed_behind_everybodys_back) {
  const File file = make(one, "a", 100);
  auto mapped = one.map(file, 100, Access::read_only);
  const std::byte byte{9};
  EXPECT_TRUE(disk.poke("/dev/shm/a", 99, {&byte, 1}));
  EXPECT_EQ((*mapped)[99], byte);
  EXPECT_FALSE(disk.poke("/dev/shm/a", 100, {&byte, 1}));
  EXPECT_FALSE(disk.poke("/dev/shm/b", 0, {&byte, 1}));
  one.unmap(*mapped, 100);
}

}  // namespace
}  // namespace tensorpool::sim
