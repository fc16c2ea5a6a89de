#include "shm/path.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

namespace fs = std::filesystem;

TEST(Path, components_leave_out_what_means_nothing) {
  EXPECT_EQ(path_components("/a//b/./c/"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(path_components("/a/../b"), (std::vector<std::string>{"a", "..", "b"}));
  EXPECT_TRUE(path_components("/").empty());
  EXPECT_TRUE(path_components("").empty());
}

// Proves: SHM-117
TEST(Path, containment_ends_at_component_boundaries) {
  EXPECT_TRUE(path_inside("/a/b", "/a/b/c"));
  EXPECT_TRUE(path_inside("/a/b", "/a/b"));
  EXPECT_FALSE(path_inside("/a/b", "/a/bc"));
  EXPECT_FALSE(path_inside("/a/b", "/a/bc/d"));
  EXPECT_FALSE(path_inside("/a/b", "/a"));
  EXPECT_FALSE(path_inside("/dev/shm", "/dev/shm2/x"));
  EXPECT_TRUE(path_inside("/", "/anything"));
}

TEST(Path, a_walk_reaches_the_directory_of_the_last_component) {
  const test::TempDir dir;
  fs::create_directories(dir / "a/b");
  base::PosixFileSystem file_system;
  for (const char* path : {"a/b/file", "a//b/./file", "a/b/../b/file", "a/../a/b/file"}) {
    auto parent = open_parent(file_system, dir / path);
    TP_ASSERT_OK(parent);
    EXPECT_EQ(parent->leaf, "file");
    const auto here = file_system.status(parent->directory);
    auto expected = open_directory(file_system, dir / "a/b");
    TP_ASSERT_OK(expected);
    EXPECT_EQ(here->inode, file_system.status(*expected)->inode) << path;
  }
}

// Proves: SHM-119
TEST(Path, a_link_in_any_component_stops_the_walk) {
  const test::TempDir dir;
  fs::create_directories(dir / "real/sub");
  fs::create_directory_symlink(dir / "real", dir / "link");
  base::PosixFileSystem file_system;
  TP_EXPECT_CODE(open_parent(file_system, dir / "link/file"), Code::path_rejected);
  TP_EXPECT_CODE(open_parent(file_system, dir / "link/sub/file"), Code::path_rejected);
  // Also where the path leaves the link again.
  TP_EXPECT_CODE(open_parent(file_system, dir / "link/../real/file"), Code::path_rejected);
  TP_EXPECT_CODE(open_directory(file_system, dir / "link"), Code::path_rejected);
}

TEST(Path, paths_without_a_file_are_refused) {
  base::PosixFileSystem file_system;
  for (const char* path : {"", "relative/file", "/", "/dev/..", "//", "/./."}) {
    TP_EXPECT_CODE(open_parent(file_system, path), Code::path_rejected);
  }
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "/a";
  TP_EXPECT_CODE(open_parent(file_system, deep), Code::path_rejected);
  TP_EXPECT_CODE(open_parent(file_system, "/dev/null/x"), Code::path_rejected);
}

TEST(Path, going_back_past_the_root_stays_there) {
  base::PosixFileSystem file_system;
  auto parent = open_parent(file_system, "/../../dev/null");
  TP_ASSERT_OK(parent);
  EXPECT_EQ(parent->leaf, "null");
}

}  // namespace
}  // namespace tensorpool::shm
