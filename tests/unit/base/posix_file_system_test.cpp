#include "base/posix_file_system.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "support/folder.hpp"
#include "support/own_mount.hpp"

namespace tensorpool::base {
namespace {

namespace fs = std::filesystem;

class PosixFileSystemTest : public testing::Test {
 protected:
  void SetUp() override { directory_ = open_path(path_); }

  File open_path(const std::string& path) {
    auto here = fs_.open_root();
    EXPECT_TRUE(here.has_value());
    for (const auto& part : fs::path(path)) {
      if (part == "/") continue;
      here = fs_.open(*here, part.string(), OpenMode::directory);
      EXPECT_TRUE(here.has_value()) << path;
    }
    return std::move(*here);
  }
  File create(const std::string& name) {
    auto file = fs_.open(directory_, name, OpenMode::create_exclusive);
    EXPECT_TRUE(file.has_value()) << (file ? "" : file.error().message());
    return file ? std::move(*file) : File();
  }

  PosixFileSystem fs_;
  const tensorpool::test::Folder folder_{"files"};
  const std::string path_ = folder_.path();
  File directory_;
};

TEST_F(PosixFileSystemTest, creates_only_what_is_not_there) {
  const File file = create("a");
  EXPECT_TRUE(file.is_open());
  const auto again = fs_.open(directory_, "a", OpenMode::create_exclusive);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), Code::system_error);
  // A link at that name is not followed either, dangling or not.
  fs::create_symlink(path_ + "/elsewhere", path_ + "/link");
  EXPECT_FALSE(fs_.open(directory_, "link", OpenMode::create_exclusive).has_value());
  EXPECT_FALSE(fs::exists(path_ + "/elsewhere"));
}

// Proves: SHM-119
TEST_F(PosixFileSystemTest, links_are_refused_as_files_and_as_directories) {
  create("file");
  fs::create_directory(path_ + "/dir");
  fs::create_symlink(path_ + "/file", path_ + "/to-file");
  fs::create_symlink(path_ + "/dir", path_ + "/to-dir");
  for (const OpenMode mode : {OpenMode::read, OpenMode::directory}) {
    for (const char* name : {"to-file", "to-dir"}) {
      const auto opened = fs_.open(directory_, name, mode);
      ASSERT_FALSE(opened.has_value()) << name;
      EXPECT_EQ(opened.error().code(), Code::path_rejected) << name;
    }
  }
  const auto status = fs_.status_at(directory_, "to-file");
  ASSERT_TRUE(status.has_value() && status->has_value());
  EXPECT_EQ((*status)->kind, FileKind::symlink);
}

TEST_F(PosixFileSystemTest, names_with_more_than_one_component_are_refused) {
  for (const std::string& name : {std::string(), std::string("."), std::string(".."),
                                  std::string("a/b"), std::string("/a"), std::string("a\0b", 3)}) {
    EXPECT_EQ(fs_.open(directory_, name, OpenMode::read).error().code(), Code::invalid_argument);
    EXPECT_EQ(fs_.status_at(directory_, name).error().code(), Code::invalid_argument);
    EXPECT_EQ(fs_.make_directory(directory_, name, 0700).error().code(), Code::invalid_argument);
    EXPECT_EQ(fs_.unlink(directory_, name).error().code(), Code::invalid_argument);
    EXPECT_EQ(fs_.remove_directory(directory_, name).error().code(), Code::invalid_argument);
  }
}

// Proves: SHM-127
TEST_F(PosixFileSystemTest, files_are_closed_on_exec_and_when_dropped) {
  int id = -1;
  {
    const File file = create("a");
    id = file.id();
    EXPECT_EQ(::fcntl(id, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    auto opened = fs_.open(directory_, "a", OpenMode::read);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(::fcntl(opened->id(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(::fcntl(opened->id(), F_GETFL) & O_ACCMODE, O_RDONLY);
  }
  EXPECT_EQ(::fcntl(id, F_GETFD), -1);
}

TEST_F(PosixFileSystemTest, a_fifo_is_opened_without_waiting) {
  ASSERT_EQ(::mkfifo((path_ + "/fifo").c_str(), 0600), 0);
  const auto opened = fs_.open(directory_, "fifo", OpenMode::read);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(fs_.status(*opened)->kind, FileKind::other);
}

TEST_F(PosixFileSystemTest, status_tells_kind_size_owner_and_identity) {
  File file = create("a");
  ASSERT_TRUE(fs_.set_length(file, 12345).has_value());
  ASSERT_TRUE(fs_.set_mode(file, 0640).has_value());
  const auto status = fs_.status(file);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->kind, FileKind::regular);
  EXPECT_EQ(status->size_bytes, 12345U);
  EXPECT_EQ(status->mode, 0640U);
  EXPECT_EQ(status->user_id, ::geteuid());
  EXPECT_GT(status->modified_realtime_ns, 0);
  const auto at = fs_.status_at(directory_, "a");
  ASSERT_TRUE(at.has_value() && at->has_value());
  EXPECT_EQ((*at)->inode, status->inode);
  EXPECT_EQ((*at)->device, status->device);
  EXPECT_EQ(fs_.status(directory_)->kind, FileKind::directory);
  const auto missing = fs_.status_at(directory_, "missing");
  ASSERT_TRUE(missing.has_value());
  EXPECT_FALSE(missing->has_value());
}

// Proves: SHM-130, SHM-131
TEST_F(PosixFileSystemTest, the_type_of_the_file_system_is_that_of_the_descriptor) {
  const auto shm = fs_.file_system_info(directory_);
  ASSERT_TRUE(shm.has_value());
  EXPECT_EQ(shm->type, tmpfs_type);
  EXPECT_GT(shm->available_bytes, 0U);
  const File proc = open_path("/proc");
  EXPECT_EQ(fs_.file_system_info(proc)->type, 0x9FA0U);
}

TEST_F(PosixFileSystemTest, directories_get_exactly_their_mode) {
  const mode_t before = ::umask(0777);
  const auto made = fs_.make_directory(directory_, "d", 02770);
  ::umask(before);
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(*made);
  EXPECT_EQ((*fs_.status_at(directory_, "d"))->mode, 02770U);
  const auto again = fs_.make_directory(directory_, "d", 0700);
  ASSERT_TRUE(again.has_value());
  EXPECT_FALSE(*again);
  EXPECT_EQ((*fs_.status_at(directory_, "d"))->mode, 02770U);
}

TEST_F(PosixFileSystemTest, lists_removes_and_limits) {
  create("a");
  create("b");
  fs::create_directory(path_ + "/d");
  auto names = fs_.list(directory_, 3);
  ASSERT_TRUE(names.has_value());
  std::sort(names->begin(), names->end());
  EXPECT_EQ(*names, (std::vector<std::string>{"a", "b", "d"}));
  EXPECT_EQ(fs_.list(directory_, 3)->size(), 3U);  // the descriptor is not used up
  EXPECT_EQ(fs_.list(directory_, 2).error().code(), Code::limit_exceeded);
  EXPECT_TRUE(fs_.unlink(directory_, "a").has_value());
  EXPECT_FALSE(fs_.unlink(directory_, "d").has_value());
  EXPECT_TRUE(fs_.remove_directory(directory_, "d").has_value());
  EXPECT_FALSE(fs_.remove_directory(directory_, "b").has_value());
  EXPECT_EQ(*fs_.list(directory_, 3), (std::vector<std::string>{"b"}));
  const File file = create("c");
  EXPECT_FALSE(fs_.list(file, 3).has_value());
}

TEST_F(PosixFileSystemTest, reserved_space_is_really_there) {
  File file = create("a");
  ASSERT_TRUE(fs_.set_length(file, 1U << 20U).has_value());
  struct stat before{};
  ::fstat(file.id(), &before);
  ASSERT_TRUE(fs_.reserve(file, 0, 1U << 20U).has_value());
  struct stat after{};
  ::fstat(file.id(), &after);
  EXPECT_EQ(after.st_size, 1 << 20);
  EXPECT_GE((after.st_blocks - before.st_blocks) * 512, 1 << 20);
}

// ramfs has no reservations and says that its space has no end. The limit of the process stands for a
// device that fills up: only who really writes meets it.
TEST_F(PosixFileSystemTest, without_reservations_space_is_taken_by_writing) {
  const auto ran = tensorpool::test::on_own_mount(path_, "ramfs", nullptr, [&] {
    directory_ = open_path(path_);  // that of the mount
    const File file = create("a");
    ASSERT_TRUE(fs_.set_length(file, 1U << 20U).has_value());
    ASSERT_EQ(::fallocate(file.id(), 0, 0, 4096), -1);
    ASSERT_EQ(errno, EOPNOTSUPP);
    EXPECT_TRUE(fs_.reserve(file, 0, 1U << 20U).has_value());
    EXPECT_EQ(fs_.status(file)->size_bytes, 1U << 20U);
    (void)::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1U << 19U, 1U << 19U};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const auto refused = fs_.reserve(file, 0, 1U << 20U);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), Code::no_space);
  });
  if (ran == tensorpool::test::Ran::not_allowed)
    GTEST_SKIP() << "mounting a ramfs is not allowed here";
  EXPECT_EQ(ran, tensorpool::test::Ran::passed);
}

TEST_F(PosixFileSystemTest, sizes_beyond_a_file_offset_are_refused) {
  File file = create("a");
  const std::uint64_t huge = std::uint64_t{1} << 63U;
  EXPECT_EQ(fs_.set_length(file, huge).error().code(), Code::invalid_argument);
  EXPECT_EQ(fs_.reserve(file, huge, 1).error().code(), Code::invalid_argument);
  EXPECT_EQ(fs_.map(file, huge, Access::read_only).error().code(), Code::invalid_argument);
}

TEST_F(PosixFileSystemTest, more_than_the_file_system_holds_is_want_of_space) {
  File file = create("a");
  const auto info = fs_.file_system_info(file);
  ASSERT_TRUE(info.has_value());
  if (info->available_bytes > (std::uint64_t{1} << 50U)) GTEST_SKIP() << "no limit to run into";
  ASSERT_TRUE(fs_.set_length(file, info->available_bytes * 4).has_value());
  EXPECT_EQ(fs_.reserve(file, 0, info->available_bytes * 4).error().code(), Code::no_space);
}

TEST_F(PosixFileSystemTest, reads_at_offsets_up_to_the_end) {
  File file = create("a");
  std::ofstream(path_ + "/a") << "0123456789";
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(*fs_.read_at(file, 0, buffer), 8U);
  EXPECT_EQ(buffer[7], std::byte{'7'});
  EXPECT_EQ(*fs_.read_at(file, 6, buffer), 4U);
  EXPECT_EQ(buffer[0], std::byte{'6'});
  EXPECT_EQ(*fs_.read_at(file, 100, buffer), 0U);
}

// Proves: SHM-6, SHM-224
TEST_F(PosixFileSystemTest, mappings_of_a_file_share_its_bytes) {
  File file = create("a");
  ASSERT_TRUE(fs_.set_length(file, 8192).has_value());
  const auto writer = fs_.map(file, 8192, Access::read_write);
  const auto reader = fs_.map(file, 8192, Access::read_only);
  ASSERT_TRUE(writer.has_value() && reader.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(*writer) % 4096, 0U);
  ASSERT_TRUE(fs_.prefault(*writer, 8192, Access::read_write).has_value());
  ASSERT_TRUE(fs_.prefault(*reader, 8192, Access::read_only).has_value());
  EXPECT_EQ(**reader, std::byte{0});
  (*writer)[4096] = std::byte{7};
  EXPECT_EQ((*reader)[4096], std::byte{7});
  // Part by part.
  fs_.unmap(*writer + 4096, 4096);
  (*writer)[0] = std::byte{8};
  EXPECT_EQ((*reader)[0], std::byte{8});
  fs_.unmap(*writer, 4096);
  fs_.unmap(*reader, 8192);
}

TEST_F(PosixFileSystemTest, prefault_makes_pages_present) {
  File file = create("a");
  constexpr std::size_t bytes = 64 * 4096;
  ASSERT_TRUE(fs_.set_length(file, bytes).has_value());
  const auto base = fs_.map(file, bytes, Access::read_write);
  ASSERT_TRUE(base.has_value());
  ASSERT_TRUE(fs_.prefault(*base, bytes, Access::read_write).has_value());
  std::array<unsigned char, 64> present{};
  ASSERT_EQ(::mincore(*base, bytes, present.data()), 0);
  EXPECT_TRUE(
      std::all_of(present.begin(), present.end(), [](unsigned char p) { return (p & 1U) != 0; }));
  fs_.unmap(*base, bytes);
}

// How much of the mapping at `base` lies on huge pages, as the kernel counts it.
std::uint64_t huge_bytes_at(const std::byte* base) {
  std::ifstream in("/proc/self/smaps");
  const std::string start = fmt::format("{:x}-", reinterpret_cast<std::uintptr_t>(base));
  bool here = false;
  for (std::string line; std::getline(in, line);) {
    if (line.find('-') != line.npos && line.find(':') != line.npos && line.find(" r") != line.npos)
      here = line.starts_with(start);
    if (here && line.starts_with("ShmemPmdMapped:")) return std::stoull(line.substr(15)) << 10U;
  }
  return 0;
}

TEST_F(PosixFileSystemTest, large_mappings_get_huge_pages_where_the_kernel_has_them) {
  constexpr std::uint64_t huge = 2U << 20U;
  constexpr std::uint64_t bytes = 3 * huge + 65536;
  File file = create("a");
  ASSERT_TRUE(fs_.set_length(file, bytes).has_value());
  ASSERT_TRUE(fs_.reserve(file, 0, bytes).has_value());
  const auto writer = fs_.map(file, bytes, Access::read_write);
  const auto reader = fs_.map(file, bytes, Access::read_only);
  ASSERT_TRUE(writer.has_value() && reader.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(*writer) % huge, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(*reader) % huge, 0U);
  (*writer)[huge] = std::byte{7};
  // Not unasked: others may be using the pages.
  ASSERT_TRUE(fs_.prefault(*writer, bytes, Access::read_write).has_value());
  EXPECT_EQ(huge_bytes_at(*writer), 0U);
  const bool wanted = fs_.want_huge_pages(*writer, bytes);
  ASSERT_TRUE(fs_.prefault(*writer, bytes, Access::read_write).has_value());
  ASSERT_TRUE(fs_.prefault(*reader, bytes, Access::read_only).has_value());
  EXPECT_EQ((*reader)[huge], std::byte{7});
  (*writer)[bytes - 1] = std::byte{8};
  EXPECT_EQ((*reader)[bytes - 1], std::byte{8});
  // A kernel may have none to spare, or not know how; it must not be our addresses that are in the way.
  const std::uint64_t got = huge_bytes_at(*writer);
  RecordProperty("huge_bytes", std::to_string(got));
  if (wanted) {
    EXPECT_EQ(got, 3 * huge);
    EXPECT_EQ(huge_bytes_at(*reader), 3 * huge);
  }
  // Parts that end inside a huge page.
  fs_.unmap(*writer + 65536, bytes - 65536);
  EXPECT_EQ((*writer)[0], std::byte{0});
  EXPECT_EQ((*reader)[huge], std::byte{7});
  fs_.unmap(*writer, 65536);
  fs_.unmap(*reader, bytes);
  if (got == 0) GTEST_SKIP() << "this kernel gave no huge page";
}

TEST_F(PosixFileSystemTest, prefault_past_the_end_of_a_file_is_an_error_not_a_signal) {
  File file = create("a");
  ASSERT_TRUE(fs_.set_length(file, 4096).has_value());
  const auto base = fs_.map(file, 8192, Access::read_write);
  ASSERT_TRUE(base.has_value());
  const auto present = fs_.prefault(*base, 8192, Access::read_write);
  if (present.has_value()) GTEST_SKIP() << "this kernel has no MADV_POPULATE_WRITE";
  EXPECT_EQ(present.error().code(), Code::no_space);
  fs_.unmap(*base, 8192);
}

TEST_F(PosixFileSystemTest, a_lock_beyond_the_limit_is_an_error) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers replace mlock by a function that does nothing";
#endif
#endif
  File file = create("a");
  ASSERT_TRUE(fs_.set_length(file, 4096).has_value());
  const auto base = fs_.map(file, 4096, Access::read_write);
  ASSERT_TRUE(base.has_value());
  EXPECT_TRUE(fs_.lock_in_memory(*base, 4096).has_value());
  fs_.unmap(*base, 4096);
  const auto gone = fs_.lock_in_memory(*base, 4096);
  ASSERT_FALSE(gone.has_value());
  EXPECT_NE(gone.error().message().find("mlock"), std::string::npos);
}

// Proves: SHM-115
TEST_F(PosixFileSystemTest, canonical_paths_have_no_links_left) {
  fs::create_directory(path_ + "/real");
  fs::create_directory_symlink(path_ + "/real", path_ + "/link");
  EXPECT_EQ(*fs_.canonical(path_ + "/link/../link/."), path_ + "/real");
  EXPECT_EQ(*fs_.canonical("/"), "/");
  EXPECT_FALSE(fs_.canonical(path_ + "/missing").has_value());
  EXPECT_FALSE(fs_.canonical(std::string("/dev\0/shm", 9)).has_value());
}

TEST_F(PosixFileSystemTest, processes_are_alive_or_not) {
  EXPECT_EQ(fs_.process_id(), static_cast<std::uint64_t>(::getpid()));
  EXPECT_TRUE(fs_.process_alive(fs_.process_id()));
  EXPECT_TRUE(fs_.process_alive(1));  // alive even where it may not be signalled
  EXPECT_FALSE(fs_.process_alive(0));
  EXPECT_FALSE(fs_.process_alive(std::uint64_t{1} << 40U));
  EXPECT_FALSE(fs_.process_alive(0xFFFFFFFFFFFFFFFFU));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(fs_.process_alive(static_cast<std::uint64_t>(child)));
}

// Proves: SHM-81
TEST_F(PosixFileSystemTest, the_user_is_the_effective_one_whatever_the_environment_says) {
  EXPECT_EQ(fs_.effective_user_id(), ::geteuid());
  const std::string name = fs_.effective_user_name();
  ::setenv("USER", "somebody-else", 1);
  ::setenv("LOGNAME", "somebody-else", 1);
  EXPECT_EQ(fs_.effective_user_name(), name);
}

TEST_F(PosixFileSystemTest, a_moved_file_is_closed_once) {
  File file = create("a");
  const int id = file.id();
  File other = std::move(file);
  EXPECT_FALSE(file.is_open());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(other.id(), id);
  other = File();
  EXPECT_EQ(::fcntl(id, F_GETFD), -1);
  file.close();
}

}  // namespace
}  // namespace tensorpool::base
