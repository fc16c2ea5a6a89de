#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "shm/create.hpp"
#include "shm/path.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

namespace fs = std::filesystem;
using test::FaultyFileSystem;
using test::now_ns;
using test::options_in;
using test::small_layout;
using test::TempDir;

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t dead_pid = 4242;

// Epochs of one stream on disk, as dead processes left them.
class CollectTest : public testing::Test {
 protected:
  void SetUp() override {
    file_system_.pid = dead_pid;
    file_system_.alive = [](std::uint64_t) { return false; };
  }

  // An epoch whose creator is `pid`, last active at `activity`.
  CreatedStream make(std::uint64_t epoch, std::uint64_t activity = now_ns,
                     std::uint64_t pid = dead_pid) {
    file_system_.pid = pid;
    auto created = create_stream(file_system_, options_in(dir_), small_layout(epoch), activity);
    EXPECT_TRUE(created.has_value()) << test::text_of(created);
    file_system_.pid = 99;  // the process that collects
    return std::move(*created);
  }

  // A run that finds every age condition met.
  CollectOptions options(std::uint64_t current) {
    CollectOptions options;
    options.base_dir = dir_.path();
    options.stream_id = 10000;
    options.current_epoch = current;
    options.now_monotonic_ns = now_ns + 100 * second;
    options.now_realtime_ns = 0;
    return options;
  }

  std::vector<std::uint64_t> removed(const CollectOptions& options) {
    auto collected = collect_epochs(file_system_, options);
    EXPECT_TRUE(collected.has_value()) << test::text_of(collected);
    if (!collected) return {};
    std::sort(collected->removed.begin(), collected->removed.end());
    return collected->removed;
  }

  std::string stream_dir() { return dir_ / (user_directory_name(file_system_) + "/default/10000"); }
  bool exists(std::uint64_t epoch) {
    return fs::exists(stream_dir() + "/" + std::to_string(epoch));
  }

  using Epochs = std::vector<std::uint64_t>;

  TempDir dir_;
  FaultyFileSystem file_system_;
};

// A caller that others wait for takes one file at a time; what says whose epoch it was goes last.
TEST_F(CollectTest, goes_on_file_by_file_with_the_header_ring_last) {
  for (const std::uint64_t epoch : {10U, 20U, 30U}) make(epoch);
  CollectOptions one = options(30);
  one.max_files = 1;
  const std::string folder = stream_dir() + "/10";
  const auto files = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename());
    return names;
  };
  const std::size_t all = files().size();
  ASSERT_GE(all, 2U);
  for (std::size_t left = all - 1; left > 0; --left) {
    const auto collected = collect_epochs(file_system_, one);
    ASSERT_TRUE(collected);
    EXPECT_TRUE(collected->more);
    EXPECT_TRUE(collected->removed.empty());
    EXPECT_EQ(files().size(), left);
    EXPECT_TRUE(files().contains("header.ring"));
  }
  EXPECT_EQ(removed(one), Epochs{10});
  EXPECT_FALSE(exists(10));
  const auto again = collect_epochs(file_system_, one);
  EXPECT_FALSE(again->more);
  EXPECT_TRUE(again->removed.empty());
}

// Proves: SHM-268, SHM-270, DRV-179, DRV-180
TEST_F(CollectTest, all_but_the_current_and_one_older_epoch_go) {
  for (const std::uint64_t epoch : {10U, 20U, 30U, 40U}) make(epoch);
  EXPECT_EQ(removed(options(40)), (Epochs{10, 20}));
  EXPECT_FALSE(exists(10));
  EXPECT_FALSE(exists(20));
  EXPECT_TRUE(exists(30));
  EXPECT_TRUE(exists(40));
  EXPECT_TRUE(removed(options(40)).empty());
}

// Proves: SHM-268
TEST_F(CollectTest, keep_counts_directories_and_the_current_one_always_stays) {
  for (const std::uint64_t epoch : {10U, 20U, 30U, 40U, 50U}) make(epoch);
  CollectOptions few = options(10);  // the current one is the lowest
  few.keep = 3;
  EXPECT_EQ(removed(few), (Epochs{20, 30}));
  few.keep = 0;  // off
  EXPECT_TRUE(removed(few).empty());
  few.keep = 1;
  EXPECT_EQ(removed(few), (Epochs{40, 50}));
  EXPECT_TRUE(exists(10));
}

// Proves: SHM-270
TEST_F(CollectTest, a_young_epoch_stays) {
  make(10, now_ns);
  make(20, now_ns);
  make(30, now_ns);
  CollectOptions run = options(30);
  run.now_monotonic_ns = now_ns + run.min_age_ns;
  EXPECT_TRUE(removed(run).empty());
  run.waive_age = true;
  run.in_use = {};
  EXPECT_EQ(removed(run), (Epochs{10}));
  make(40, now_ns);
  run.waive_age = false;
  run.now_monotonic_ns = now_ns + run.min_age_ns + 1;
  EXPECT_EQ(removed(run), (Epochs{20}));
}

// Proves: SHM-266, SHM-270
TEST_F(CollectTest, an_epoch_of_a_living_process_stays) {
  make(10, now_ns, 1234);
  make(20);
  make(30);
  file_system_.alive = [](std::uint64_t pid) { return pid == 1234; };
  EXPECT_TRUE(removed(options(30)).empty());
  CollectOptions run = options(30);
  run.waive_age = true;
  EXPECT_TRUE(removed(run).empty());
  file_system_.alive = [](std::uint64_t) { return false; };
  EXPECT_EQ(removed(options(30)), (Epochs{10}));
}

// Proves: SHM-270
TEST_F(CollectTest, epochs_of_the_collecting_process_do_not_block) {
  make(10, now_ns, 99);
  make(20);
  make(30);
  file_system_.alive = [](std::uint64_t pid) { return pid == 99; };
  EXPECT_EQ(removed(options(30)), (Epochs{10}));
}

// Proves: SHM-268, SHM-270
TEST_F(CollectTest, an_epoch_in_use_stays) {
  for (const std::uint64_t epoch : {10U, 20U, 30U, 40U}) make(epoch);
  const std::uint64_t in_use[] = {10};
  CollectOptions run = options(40);
  run.in_use = in_use;
  EXPECT_EQ(removed(run), (Epochs{20}));
  EXPECT_TRUE(exists(10));
}

TEST_F(CollectTest, without_a_usable_activity_the_age_is_that_of_the_directory) {
  CreatedStream future = make(9, now_ns + 500 * second);
  for (const std::uint64_t epoch : {10U, 20U, 30U}) make(epoch);
  struct stat s{};
  ASSERT_EQ(::stat(future.directory.c_str(), &s), 0);
  const std::int64_t modified = std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec;
  CollectOptions run = options(30);
  run.now_realtime_ns = modified + 3 * static_cast<std::int64_t>(second);
  EXPECT_EQ(removed(run), (Epochs{10}));
  run.now_realtime_ns = modified - 1;  // a clock that was set back
  EXPECT_TRUE(removed(run).empty());
  run.now_realtime_ns = modified + 3 * static_cast<std::int64_t>(second) + 1;
  EXPECT_EQ(removed(run), (Epochs{9}));
}

// A creation that is on its way has no superblock yet, or lost its process before it had one.
TEST_F(CollectTest, a_directory_without_a_superblock_needs_age_even_when_space_is_out) {
  for (const std::uint64_t epoch : {20U, 30U}) make(epoch);
  fs::create_directory(stream_dir() + "/10");
  std::ofstream(stream_dir() + "/10/header.ring") << "short";
  struct stat s{};
  ASSERT_EQ(::stat((stream_dir() + "/10").c_str(), &s), 0);
  CollectOptions run = options(30);
  run.now_realtime_ns = std::int64_t{s.st_mtim.tv_sec} * 1'000'000'000 + s.st_mtim.tv_nsec + 1;
  run.waive_age = true;
  EXPECT_TRUE(removed(run).empty());
  run.now_realtime_ns += 4 * static_cast<std::int64_t>(second);
  EXPECT_EQ(removed(run), (Epochs{10}));
}

// Proves: SHM-267
TEST_F(CollectTest, only_plain_decimal_directories_of_the_stream_are_touched) {
  for (const std::uint64_t epoch : {20U, 30U}) make(epoch);
  const TempDir elsewhere;
  fs::create_directories(elsewhere / "kept");
  std::ofstream(elsewhere / "header.ring") << "somebody else's";
  fs::create_directory(stream_dir() + "/010");
  fs::create_directory(stream_dir() + "/notes");
  std::ofstream(stream_dir() + "/11") << "a file";
  fs::create_directory_symlink(elsewhere.path(), stream_dir() + "/12");
  CollectOptions run = options(30);
  run.now_realtime_ns = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE(removed(run).empty());
  EXPECT_TRUE(fs::exists(elsewhere / "header.ring"));
  EXPECT_TRUE(fs::exists(stream_dir() + "/010"));
  EXPECT_TRUE(fs::exists(stream_dir() + "/11"));
  EXPECT_TRUE(fs::is_symlink(stream_dir() + "/12"));
}

// Proves: SHM-267
TEST_F(CollectTest, what_is_no_region_file_stays_and_is_reported) {
  CreatedStream old = make(10);
  make(20);
  make(30);
  std::ofstream(old.directory + "/notes.txt") << "an operator's";
  auto collected = collect_epochs(file_system_, options(30));
  TP_ASSERT_OK(collected);
  EXPECT_TRUE(collected->removed.empty());
  EXPECT_EQ(collected->failed, (Epochs{10}));
  EXPECT_TRUE(fs::exists(old.directory + "/notes.txt"));
  EXPECT_FALSE(fs::exists(old.directory + "/header.ring"));
}

TEST_F(CollectTest, a_link_among_the_files_is_removed_not_followed) {
  const TempDir elsewhere;
  std::ofstream(elsewhere / "precious") << "x";
  CreatedStream old = make(10);
  make(20);
  make(30);
  fs::remove(old.directory + "/1.pool");
  fs::create_symlink(elsewhere / "precious", old.directory + "/1.pool");
  EXPECT_EQ(removed(options(30)), (Epochs{10}));
  EXPECT_TRUE(fs::exists(elsewhere / "precious"));
}

TEST_F(CollectTest, a_stream_without_directories_collects_nothing) {
  EXPECT_TRUE(removed(options(30)).empty());
  CollectOptions bad = options(30);
  bad.namespace_ = "../..";
  TP_EXPECT_CODE(collect_epochs(file_system_, bad), Code::invalid_argument);
}

TEST_F(CollectTest, a_link_on_the_way_stops_the_run) {
  const TempDir elsewhere;
  fs::create_directories(elsewhere / "default/10000/10");
  fs::create_directory_symlink(elsewhere.path(), dir_ / user_directory_name(file_system_));
  TP_EXPECT_CODE(collect_epochs(file_system_, options(30)), Code::path_rejected);
  EXPECT_TRUE(fs::exists(elsewhere / "default/10000/10"));
}

// Proves: SHM-267
TEST_F(CollectTest, clean_shutdown_removes_this_epoch_alone_and_mappings_stay) {
  CreatedStream other = make(10);
  CreatedStream mine = make(20);
  TP_ASSERT_OK(remove_stream(file_system_, mine));
  EXPECT_FALSE(exists(20));
  EXPECT_TRUE(exists(10));
  TP_ASSERT_OK(mine.mapped.recheck(20));
  EXPECT_FALSE(remove_stream(file_system_, mine).has_value());  // twice
}

// Proves: SHM-267
TEST_F(CollectTest, removal_outside_of_the_base_directory_is_refused) {
  CreatedStream mine = make(20);
  const std::string directory = mine.directory;
  mine.base_dir = dir_ / "elsewhere";
  TP_EXPECT_CODE(remove_stream(file_system_, mine), Code::path_rejected);
  mine.base_dir = dir_.path();
  mine.directory = dir_ / "x/../../20";
  TP_EXPECT_CODE(remove_stream(file_system_, mine), Code::path_rejected);
  mine.directory = stream_dir();  // not an epoch
  TP_EXPECT_CODE(remove_stream(file_system_, mine), Code::path_rejected);
  EXPECT_TRUE(fs::exists(directory + "/header.ring"));
}

}  // namespace
}  // namespace tensorpool::shm
