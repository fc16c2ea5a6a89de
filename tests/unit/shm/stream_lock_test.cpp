// One producer of direct mode per stream.
#include "shm/stream_lock.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "shm/create.hpp"
#include "shm/path.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

namespace fs = std::filesystem;
using namespace test;

class StreamLockTest : public testing::Test {
 protected:
  Result<CreatedStream> create() {
    CreateOptions options = options_in(dir_);
    options.exclusive = true;
    return create_stream(file_system_, options, small_layout(), now_ns);
  }
  std::string stream_dir() { return dir_ / (user_directory_name(file_system_) + "/default/10000"); }
  std::string lock_file() { return stream_dir() + "/producer.lock"; }

  TempDir dir_;
  FaultyFileSystem file_system_;
};

// Proves: STR-1
TEST_F(StreamLockTest, keeps_a_second_creator_out_and_names_the_first) {
  auto first = create();
  TP_ASSERT_OK(first);
  EXPECT_TRUE(fs::exists(lock_file()));
  for (int i = 0; i < 2; ++i) {
    const auto second = create();
    TP_EXPECT_CODE(second, Code::stream_in_use);
    const std::string text = second.error().message();
    for (const std::string& part :
         {std::string("stream 10000"), lock_file(), std::to_string(::getpid()),
          std::string("this process"), std::string("close that producer")})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  // Neither question left anything behind or took anything away.
  EXPECT_TRUE(fs::exists(first->directory + "/header.ring"));
  EXPECT_EQ(std::distance(fs::directory_iterator(stream_dir()), fs::directory_iterator()), 2);
  ASSERT_TRUE(remove_stream(file_system_, *first).has_value());
  first = CreatedStream{};
  EXPECT_FALSE(fs::exists(lock_file()));
  TP_ASSERT_OK(create());
}

// The kernel does not say who it is; the file may.
TEST_F(StreamLockTest, of_another_pid_namespace_is_named_as_its_file_does) {
  const auto first = create();
  TP_ASSERT_OK(first);
  for (const std::uint64_t own : {4242U, 0U}) {
    file_system_.change_holder = [&](base::LockHolder& holder) { holder = {0, false, own}; };
    const auto second = create();
    TP_EXPECT_CODE(second, Code::stream_in_use);
    const std::string text = second.error().message();
    EXPECT_NE(text.find("may be of another PID namespace"), std::string::npos) << text;
    EXPECT_EQ(text.find("process 4242 there") != std::string::npos, own == 4242) << text;
    EXPECT_EQ(text.find("process 0"), std::string::npos) << text;
  }
}

TEST_F(StreamLockTest, is_of_one_stream_namespace_and_base_directory) {
  const auto first = create();
  TP_ASSERT_OK(first);
  CreateOptions options = options_in(dir_);
  options.exclusive = true;
  options.namespace_ = "other";
  TP_ASSERT_OK(create_stream(file_system_, options, small_layout(), now_ns));
  StreamLayout layout = small_layout();
  layout.stream_id = 10001;
  options.namespace_ = "default";
  TP_ASSERT_OK(create_stream(file_system_, options, layout, now_ns));
}

TEST_F(StreamLockTest, of_a_creation_that_fails_is_let_go) {
  file_system_.fail_at(Op::map, 1, Error::system("injected", EIO, "a fault of this test"));
  TP_EXPECT_CODE(create(), Code::system_error);
  EXPECT_TRUE(dir_.empty());
  EXPECT_EQ(file_system_.open_files, 0);
  TP_ASSERT_OK(create());
}

// Processes that take it and let it go, which removes the file, as fast as they can.
// Proves: STR-1
TEST_F(StreamLockTest, is_never_two_processes_at_once) {
  constexpr int processes = 4;
  constexpr int turns = 40;
  fs::create_directories(stream_dir());
  void* shared = ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto* const holders = new (shared) std::atomic<int>(0);
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    ::alarm(60);
    base::PosixFileSystem own;
    for (int taken = 0; taken < turns;) {
      auto lock = StreamLock::take(own, open_directory(own, stream_dir()).value(), 1, "here");
      if (!lock && lock.error().code() == Code::system_error) continue;  // changed hands too often
      if (!lock && lock.error().code() != Code::stream_in_use) ::_exit(1);
      if (!lock) continue;
      if (holders->fetch_add(1) != 0) ::_exit(2);
      ++taken;
      for (int moment = 0; moment < 2; ++moment) std::this_thread::yield();  // for others to ask
      holders->fetch_sub(1);
    }
    ::_exit(0);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  EXPECT_FALSE(fs::exists(lock_file()));
  ::munmap(shared, sizeof(std::atomic<int>));
}

// A creator that died left its file; nobody holds it.
TEST_F(StreamLockTest, is_taken_over_from_the_dead) {
  fs::create_directories(stream_dir());
  {
    std::ofstream(lock_file()) << "pid 1\nstart 1\n";
  }
  const auto created = create();
  TP_ASSERT_OK(created);
  EXPECT_TRUE(created->lock.held());
}

// Somebody took its file away by hand, and another producer made one of that name: that one's stays.
// Proves: STR-1
TEST_F(StreamLockTest, that_ends_leaves_the_file_of_another_alone) {
  auto first = create();
  TP_ASSERT_OK(first);
  fs::rename(lock_file(), stream_dir() + "/taken-away");
  {
    std::ofstream(lock_file()) << "pid 4242\n";
  }
  ASSERT_TRUE(remove_stream(file_system_, *first).has_value());
  first = CreatedStream{};
  std::string text;
  std::getline(std::ifstream(lock_file()), text);
  EXPECT_EQ(text, "pid 4242");
}

TEST_F(StreamLockTest, says_what_is_wrong_with_its_file) {
  fs::create_directories(stream_dir());
  fs::create_symlink(dir_ / "elsewhere", lock_file());
  const auto linked = create();
  TP_EXPECT_CODE(linked, Code::path_rejected);
  EXPECT_NE(linked.error().message().find(stream_dir()), std::string::npos);
  EXPECT_TRUE(fs::is_symlink(lock_file()));
  EXPECT_FALSE(fs::exists(dir_ / "elsewhere"));
  fs::remove(lock_file());
  fs::create_directory(lock_file());
  TP_EXPECT_CODE(create(), Code::path_rejected);
  fs::remove(lock_file());

  file_system_.fail_at(
      Op::file_lock, file_system_.calls[Op::file_lock],
      Error(Code::unsupported, "fcntl", "no locks here; use another base directory"));
  const auto lockless = create();
  TP_EXPECT_CODE(lockless, Code::unsupported);
  EXPECT_NE(lockless.error().message().find("another base directory"), std::string::npos);
  EXPECT_EQ(file_system_.open_files, 0);
}

// The lock file and its holder are nothing to the collection of old epochs.
TEST_F(StreamLockTest, is_left_alone_by_the_collection) {
  std::vector<std::uint64_t> old;
  file_system_.pid = 4242;
  file_system_.alive = [](std::uint64_t) { return false; };
  for (int i = 0; i < 3; ++i) old.push_back(create()->regions.layout.epoch);
  file_system_.pid = 99;
  const auto current = create();
  TP_ASSERT_OK(current);
  CollectOptions collect;
  collect.base_dir = dir_.path();
  collect.stream_id = 10000;
  collect.current_epoch = current->regions.layout.epoch;
  collect.now_monotonic_ns = now_ns + 100'000'000'000;
  const auto collected = collect_epochs(file_system_, collect);
  TP_ASSERT_OK(collected);
  EXPECT_EQ(collected->removed.size(), 2U);
  EXPECT_TRUE(collected->failed.empty());
  EXPECT_TRUE(fs::exists(lock_file()));
  TP_EXPECT_CODE(create(), Code::stream_in_use);
}

}  // namespace
}  // namespace tensorpool::shm
