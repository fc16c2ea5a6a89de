// Lock files: who gets them, who is kept out, and what is never touched.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/posix_file_system.hpp"
#include "support/folder.hpp"
#include "support/own_mount.hpp"

// What happens between opening a lock file and asking for its lock; once. The linker sends the calls of
// fcntl() here (--wrap).
static std::function<void()> before_lock;
extern "C" {
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
}
int __wrap_fcntl(int fd, int command, ...) {
  std::va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (command == F_SETLK && before_lock) std::exchange(before_lock, nullptr)();
  return __real_fcntl(fd, command, argument);
}

namespace tensorpool::base {
namespace {

namespace fs = std::filesystem;

class LockTest : public testing::Test {
 protected:
  void SetUp() override {
    auto here = fs_.open_root();
    for (const auto& part : fs::path(path_)) {
      if (part != "/") here = fs_.open(*here, part.string(), OpenMode::directory);
      ASSERT_TRUE(here.has_value());
    }
    directory_ = std::move(*here);
  }
  std::string file() const { return path_ + "/lock"; }
  Result<LockAttempt> lock() { return fs_.lock(directory_, "lock"); }
  Code refused() {
    const auto attempt = lock();
    return attempt ? Code::ok : attempt.error().code();
  }
  // What a process of its own sees: 0 the lock, 1 this process as its holder, 2 anything else.
  int in_child() {
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
      const auto attempt = lock();
      if (!attempt) ::_exit(2);
      if (attempt->file.is_open()) ::_exit(0);
      ::_exit(attempt->holder.process_id == static_cast<std::uint64_t>(parent) &&
                      !attempt->holder.this_process
                  ? 1
                  : 2);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  PosixFileSystem fs_;
  const tensorpool::test::Folder folder_{"lock"};
  const std::string path_ = folder_.path();
  File directory_;
};

TEST_F(LockTest, is_one_process_alone_until_the_file_is_closed) {
  auto mine = lock();
  ASSERT_TRUE(mine.has_value() && mine->file.is_open());
  struct stat s{};
  ASSERT_EQ(::stat(file().c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777U, 0600U);
  EXPECT_EQ(in_child(), 1);
  EXPECT_EQ(in_child(), 1);  // the end of the first child, which had it open, freed nothing
  mine->file.close();
  EXPECT_EQ(in_child(), 0);
}

TEST_F(LockTest, is_not_given_twice_within_a_process_and_the_question_does_not_drop_it) {
  auto mine = lock();
  ASSERT_TRUE(mine.has_value() && mine->file.is_open());
  PosixFileSystem other;
  for (int i = 0; i < 3; ++i) {
    const auto again = other.lock(directory_, "lock");
    ASSERT_TRUE(again.has_value());
    EXPECT_FALSE(again->file.is_open());
    EXPECT_TRUE(again->holder.this_process);
    EXPECT_EQ(again->holder.process_id, static_cast<std::uint64_t>(::getpid()));
    EXPECT_EQ(in_child(), 1);
  }
  // Under another path of the same file, too.
  fs::rename(file(), path_ + "/moved");
  const auto moved = other.lock(directory_, "moved");
  ASSERT_TRUE(moved.has_value());
  EXPECT_TRUE(moved->holder.this_process);
}

TEST_F(LockTest, goes_to_one_of_many_threads) {
  std::atomic<int> got{0};
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto mine = lock();
      got += mine && mine->file.is_open() ? 1 : 0;
      ++done;
      while (done < 8) std::this_thread::yield();  // nobody lets go before all have asked
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(got, 1);
}

TEST_F(LockTest, ends_with_a_killed_process) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto mine = lock();
    const char said = mine && mine->file.is_open() ? 'y' : 'n';
    if (::write(ready[1], &said, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char said = 0;
  ASSERT_EQ(::read(ready[0], &said, 1), 1);
  ASSERT_EQ(said, 'y');
  const auto theirs = lock();
  ASSERT_TRUE(theirs.has_value());
  EXPECT_FALSE(theirs->file.is_open());
  EXPECT_EQ(theirs->holder.process_id, static_cast<std::uint64_t>(child));
  EXPECT_FALSE(theirs->holder.this_process);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto mine = lock();
  EXPECT_TRUE(mine.has_value() && mine->file.is_open());
  ::close(ready[0]);
  ::close(ready[1]);
}

// The holder, which removes its file at its end, ends while somebody else has that file open and is
// about to ask for its lock. That lock is free, and worth nothing: others find another file there.
TEST_F(LockTest, of_a_file_that_lost_its_name_is_not_taken) {
  const auto inode = [&] {
    struct stat s{};
    EXPECT_EQ(::stat(file().c_str(), &s), 0);
    return s.st_ino;
  };
  {
    std::ofstream touch(file());
  }
  const fs::path old = path_ + "/old";
  before_lock = [&] { fs::rename(file(), old); };
  const auto removed = lock();
  ASSERT_TRUE(removed.has_value() && removed->file.is_open());
  EXPECT_EQ(fs_.status(removed->file)->inode, inode());
  EXPECT_TRUE(fs::is_empty(old));  // nobody's name was written there
  EXPECT_EQ(in_child(), 1);
}

TEST_F(LockTest, of_a_file_whose_name_another_process_has_by_now_is_that_ones) {
  std::array<int, 2> go{};
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe2(go.data(), O_CLOEXEC) + ::pipe2(ready.data(), O_CLOEXEC), 0);
  {
    std::ofstream touch(file());
  }
  // Before, because no process is made while a lock is asked for.
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(120);
    ::close(go[1]);
    char byte = 0;
    if (::read(go[0], &byte, 1) != 1) ::_exit(2);
    const auto own = lock();
    byte = own && own->file.is_open() ? 'y' : 'n';
    (void)!::write(ready[1], &byte, 1);
    ::_exit(::read(go[0], &byte, 1) == 0 ? 0 : 1);  // until the parent has seen enough
  }
  char byte = 'n';
  before_lock = [&] {
    fs::rename(file(), path_ + "/old");
    (void)!::write(go[1], "g", 1);
    (void)!::read(ready[0], &byte, 1);
  };
  const auto refused = lock();
  EXPECT_EQ(byte, 'y');
  ASSERT_TRUE(refused.has_value());
  EXPECT_FALSE(refused->file.is_open());
  EXPECT_EQ(refused->holder.process_id, static_cast<std::uint64_t>(child));
  for (const int fd : {go[0], go[1], ready[0], ready[1]}) ::close(fd);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// There is room for a file and none for what is written into it: the lock alone counts.
TEST_F(LockTest, on_a_full_file_system_is_taken_all_the_same) {
  const auto ran = tensorpool::test::on_own_mount(path_, "tmpfs", "size=64k", [&] {
    auto here = fs_.open_root();
    for (const auto& part : fs::path(path_))  // that of the mount
      if (part != "/") here = fs_.open(*here, part.string(), OpenMode::directory);
    directory_ = std::move(*here);
    const std::string page(4096, 'x');
    const int filler = ::open((path_ + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (::write(filler, page.data(), page.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
    ::close(filler);
    const auto mine = lock();
    ASSERT_TRUE(mine.has_value()) << mine.error().message();
    ASSERT_TRUE(mine->file.is_open());
    EXPECT_EQ(fs::file_size(file()), 0U);
    EXPECT_EQ(in_child(), 1);
  });
  if (ran == tensorpool::test::Ran::not_allowed) GTEST_SKIP() << "mounting is not allowed here";
  EXPECT_EQ(ran, tensorpool::test::Ran::passed);
}

TEST_F(LockTest, names_its_holder_for_people) {
  {
    std::ofstream(file()) << "something longer that an earlier holder left behind, quite long\n";
  }
  const auto mine = lock();
  ASSERT_TRUE(mine.has_value() && mine->file.is_open());
  std::ifstream in(file());
  std::string word, pid, start, rest;
  in >> word >> pid >> word >> start;
  EXPECT_EQ(pid, std::to_string(::getpid()));
  EXPECT_GT(std::stoull(start), 0U);
  EXPECT_FALSE(in >> rest) << rest;
}

// Asked from a PID namespace that does not show the holder, which then is known by the file alone.
TEST_F(LockTest, of_a_process_that_cannot_be_seen_is_known_by_the_file) {
  const auto mine = lock();
  ASSERT_TRUE(mine.has_value() && mine->file.is_open());
  constexpr int not_allowed = 77;
  const auto own_pid = static_cast<std::uint64_t>(::getpid());
  const auto ask = [&](std::uint64_t said) {
    const pid_t outer = ::fork();
    if (outer == 0) {
      if (::unshare(CLONE_NEWPID | (::geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0)
        ::_exit(not_allowed);
      const pid_t inner = ::fork();
      if (inner == 0) {
        const auto attempt = lock();
        const bool right = attempt && !attempt->file.is_open() && !attempt->holder.this_process &&
                           attempt->holder.process_id == 0 &&
                           attempt->holder.own_process_id == said;
        ::_exit(right ? 0 : 1);
      }
      int status = 0;
      ::_exit(inner > 0 && ::waitpid(inner, &status, 0) == inner && WIFEXITED(status)
                  ? WEXITSTATUS(status)
                  : not_allowed);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(outer, &status, 0), outer);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const int answer = ask(own_pid);
  if (answer == not_allowed) GTEST_SKIP() << "PID namespaces are not allowed here";
  EXPECT_EQ(answer, 0);
  // Whatever else stands there is no pid. Written by a process that may close it: this one's lock
  // would go with the descriptor.
  for (const char* text : {"", "pid ", "pid x\n", "pid 12", "pid 99999999999999999999\n", "12\n"}) {
    const pid_t writer = ::fork();
    if (writer == 0) {
      const int fd = ::open(file().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
      ::_exit(fd >= 0 && ::write(fd, text, std::strlen(text)) >= 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    ASSERT_EQ(status, 0);
    EXPECT_EQ(ask(0), 0) << text;
  }
}

// Nothing that somebody put in its place is followed, written or removed.
TEST_F(LockTest, takes_a_regular_file_with_one_name_only) {
  const std::string victim = path_ + "/victim";
  {
    std::ofstream(victim) << "precious";
  }
  const auto precious = [&] {
    std::ifstream in(victim);
    std::string text;
    return (in >> text) && text == "precious";
  };
  fs::create_symlink(victim, file());
  EXPECT_EQ(refused(), Code::path_rejected);
  EXPECT_TRUE(precious());
  fs::remove(file());

  fs::create_symlink(path_ + "/missing", file());
  EXPECT_EQ(refused(), Code::path_rejected);
  EXPECT_FALSE(fs::exists(path_ + "/missing"));
  fs::remove(file());

  fs::create_hard_link(victim, file());
  EXPECT_EQ(refused(), Code::path_rejected);
  EXPECT_TRUE(precious());
  fs::remove(file());

  fs::create_directory(file());
  EXPECT_EQ(refused(), Code::path_rejected);
  fs::remove(file());

  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  EXPECT_EQ(refused(), Code::path_rejected);
  EXPECT_EQ(lock().error().message().find("remove it") != std::string::npos, true);
  fs::remove(file());

  EXPECT_EQ(fs_.lock(directory_, "../lock").error().code(), Code::invalid_argument);
  EXPECT_EQ(refused(), Code::ok);
}

TEST_F(LockTest, that_cannot_be_opened_names_the_call_and_the_file) {
  if (::geteuid() != 0) {
    {
      std::ofstream touch(file());
    }
    ASSERT_EQ(::chmod(file().c_str(), 0), 0);
  } else {
    fs::remove(path_);  // root may read all; a directory without a name takes no new file
  }
  const auto attempt = lock();
  ASSERT_FALSE(attempt.has_value());
  EXPECT_EQ(attempt.error().code(), Code::system_error);
  EXPECT_NE(attempt.error().message().find("lock"), std::string::npos);
}

// The child of a fork may hold locks of its own, whatever its parent's threads did at the time.
TEST_F(LockTest, of_a_parent_is_not_its_childs) {
  auto mine = lock();
  ASSERT_TRUE(mine.has_value() && mine->file.is_open());
  const pid_t child = ::fork();
  if (child == 0) {
    const auto own = fs_.lock(directory_, "own");
    const bool good = own && own->file.is_open() && !lock()->holder.this_process;
    mine->file.close();  // its copy of the descriptor
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(in_child(), 1);
}

}  // namespace
}  // namespace tensorpool::base
