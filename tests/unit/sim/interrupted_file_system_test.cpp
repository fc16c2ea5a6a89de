// A view of the files that asks before every call, and what a disk and a network tell about changes and messages.
#include "sim/interrupted_file_system.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "sim/memory_file_system.hpp"
#include "unit/sim/support.hpp"

namespace tensorpool::sim {
namespace {

using base::Access;
using base::OpenMode;

TEST(InterruptedFileSystem, asks_before_every_call_that_can_fail) {
  base::ManualClock clock;
  MemoryDisk disk{clock};
  disk.make_directories("/dev/shm");
  MemoryFileSystem real(disk, 11);
  std::vector<std::string> asked;
  InterruptedFileSystem files(real, [&](const char* call) -> std::optional<Error> {
    asked.emplace_back(call);
    return std::nullopt;
  });
  auto root = files.open_root();
  auto dev = files.open(*root, "dev", OpenMode::directory);
  ASSERT_TRUE(dev);
  EXPECT_TRUE(*files.make_directory(*dev, "folder", 0770));
  auto file = files.open(*dev, "a", OpenMode::create_exclusive);
  ASSERT_TRUE(file);
  EXPECT_TRUE(files.set_mode(*file, 0600));
  EXPECT_TRUE(files.set_length(*file, 100));
  EXPECT_TRUE(files.reserve(*file, 0, 100));
  auto mapped = files.map(*file, 100, Access::read_write);
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(files.prefault(*mapped, 100, Access::read_write));
  EXPECT_TRUE(files.lock_in_memory(*mapped, 100));
  files.unmap(*mapped, 100);
  EXPECT_TRUE(files.sync(*file));
  EXPECT_EQ(files.status(*file)->size_bytes, 100U);
  EXPECT_TRUE((*files.status_at(*dev, "a")).has_value());
  EXPECT_TRUE(files.file_system_info(*file));
  std::array<std::byte, 4> bytes{};
  EXPECT_EQ(*files.read_at(*file, 0, bytes), 4U);
  EXPECT_EQ(files.list(*dev, 10)->size(), 3U);
  EXPECT_TRUE(files.lock(*dev, "lock")->file.is_open());
  EXPECT_TRUE(files.unlink(*dev, "a"));
  EXPECT_TRUE(files.remove_directory(*dev, "folder"));
  EXPECT_EQ(*files.canonical("/dev/shm"), "/dev/shm");
  EXPECT_EQ(files.process_id(), 11U);
  EXPECT_TRUE(files.process_alive(11));
  EXPECT_EQ(asked, (std::vector<std::string>{
                       "open",  "open",    "mkdir", "open",   "fchmod", "ftruncate", "fallocate",
                       "mmap",  "madvise", "mlock", "fsync",  "fstat",  "fstatat",   "fstatfs",
                       "pread", "readdir", "lock",  "unlink", "rmdir",  "realpath"}));
}

TEST(InterruptedFileSystem, an_error_is_the_answer_and_has_no_other_effect) {
  base::ManualClock clock;
  MemoryDisk disk{clock};
  disk.make_directories("/dev/shm");
  MemoryFileSystem real(disk, 11);
  bool broken = false;
  InterruptedFileSystem files(real, [&](const char* call) -> std::optional<Error> {
    if (!broken) return std::nullopt;
    return Error::system(call, EIO, "broken");
  });
  auto root = files.open_root();
  broken = true;
  const auto made = files.make_directory(*root, "folder", 0770);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::system_error);
  EXPECT_EQ(disk.names("/"), std::vector<std::string>{"dev"});
  EXPECT_TRUE(disk.names("/nowhere").empty());
}

TEST(MemoryDisk, tells_who_makes_and_removes_which_names) {
  base::ManualClock clock;
  MemoryDisk disk{clock};
  disk.make_directories("/dev/shm");
  std::vector<std::string> changes;
  disk.on_change([&](MemoryDisk::Change change, const std::string& path, std::uint64_t process) {
    changes.push_back((change == MemoryDisk::Change::made ? "+" : "-") + path + " by " +
                      std::to_string(process));
  });
  MemoryFileSystem one(disk, 11);
  auto root = one.open_root();
  auto dev = one.open(*root, "dev", OpenMode::directory);
  EXPECT_TRUE(*one.make_directory(*dev, "folder", 0770));
  EXPECT_FALSE(*one.make_directory(*dev, "folder", 0770));
  auto folder = one.open(*dev, "folder", OpenMode::directory);
  EXPECT_TRUE(one.open(*folder, "a", OpenMode::create_exclusive));
  EXPECT_FALSE(one.remove_directory(*dev, "folder"));
  EXPECT_TRUE(one.unlink(*folder, "a"));
  EXPECT_TRUE(one.remove_directory(*dev, "folder"));
  EXPECT_EQ(changes, (std::vector<std::string>{"+/dev/folder by 11", "+/dev/folder/a by 11",
                                               "-/dev/folder/a by 11", "-/dev/folder by 11"}));
}

TEST(MemoryDisk, a_file_may_be_opened_for_writing) {
  base::ManualClock clock;
  MemoryDisk disk{clock};
  disk.make_directories("/dev");
  disk.put("/dev/a", std::vector<std::byte>(100));
  MemoryFileSystem one(disk, 11);
  auto root = one.open_root();
  auto dev = one.open(*root, "dev", OpenMode::directory);
  auto file = one.open(*dev, "a", OpenMode::read_write);
  ASSERT_TRUE(file);
  auto mapped = one.map(*file, 100, Access::read_write);
  ASSERT_TRUE(mapped);
  (*mapped)[0] = std::byte{1};
  one.unmap(*mapped, 100);
}

TEST(Network, tells_whole_messages_when_they_are_sent_and_when_they_are_heard) {
  World world;
  auto connection = world.connect();
  auto out = world.publish(*connection);
  auto in = world.subscribe(*connection);
  std::vector<std::pair<bool, std::size_t>> told;
  std::vector<std::size_t> waiting;
  world.network.on_message([&](const MessageEvent& event) {
    EXPECT_EQ(event.client, connection->client_id());
    EXPECT_EQ(event.stream_id, 1);
    told.emplace_back(event.sent, event.bytes.size());
  });
  const auto look = [&](std::span<const std::byte> bytes) { waiting.push_back(bytes.size()); };
  EXPECT_GT(out->offer(bytes_of(1, 48)), 0);
  EXPECT_GT(out->offer(bytes_of(2, 3000)), 0);  // three fragments
  transport::Claim claim;
  EXPECT_GT(out->try_claim(100, claim), 0);
  out->commit(claim);
  world.network.each_waiting(connection->client_id(), 1, look);
  EXPECT_EQ(waiting, (std::vector<std::size_t>{48, 1376, 1376, 248, 100}));
  EXPECT_EQ(take(*in).size(), 3U);
  EXPECT_EQ(told,
            (std::vector<std::pair<bool, std::size_t>>{
                {true, 48}, {true, 3000}, {true, 100}, {false, 48}, {false, 3000}, {false, 100}}));
  waiting.clear();
  world.network.each_waiting(connection->client_id(), 1, look);
  EXPECT_TRUE(waiting.empty());
}

}  // namespace
}  // namespace tensorpool::sim
