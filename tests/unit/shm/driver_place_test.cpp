// The part of a base directory that belongs to one driver.
#include "shm/driver_place.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "shm/create.hpp"
#include "shm/path.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::shm {
namespace {

namespace fs = std::filesystem;
using test::FaultyFileSystem;
using test::Op;
using test::TempDir;

class DriverPlaceTest : public testing::Test {
 protected:
  Result<DriverPlace> take(const std::string& name = "default", std::uint32_t mode = 0660) {
    return DriverPlace::take(file_system_, dir_.path(), name, mode);
  }
  std::string user_dir() { return dir_ / user_directory_name(file_system_); }

  TempDir dir_;
  FaultyFileSystem file_system_;
};

TEST_F(DriverPlaceTest, makes_the_directories_and_is_the_only_one) {
  auto first = take();
  TP_ASSERT_OK(first);
  EXPECT_EQ(first->directory(), user_dir() + "/default");
  EXPECT_FALSE(first->on_hugetlbfs());
  EXPECT_EQ(static_cast<unsigned>(fs::status(user_dir()).permissions()), 02770U);
  EXPECT_EQ(static_cast<unsigned>(fs::status(first->directory()).permissions()), 02770U);
  const auto second = take();
  TP_EXPECT_CODE(second, Code::driver_running);
  for (const std::string& part :
       {std::to_string(::getpid()), first->directory() + "/driver.lock", std::string("namespace")})
    EXPECT_NE(second.error().message().find(part), std::string::npos) << second.error().message();
  TP_ASSERT_OK(take("another"));
  *first = std::move(*take("third"));
  TP_ASSERT_OK(take());  // let go
  EXPECT_FALSE(fs::exists(user_dir() + "/default/driver.lock"));
}

// kill -9: the lock ends with its process, its file stays and is taken over.
TEST_F(DriverPlaceTest, is_free_again_when_its_driver_was_killed) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto place = take();
    const char said = place ? 'y' : 'n';
    (void)!::write(ready[1], &said, 1);
    for (;;) ::pause();
  }
  char said = 'n';
  ASSERT_EQ(::read(ready[0], &said, 1), 1);
  EXPECT_EQ(said, 'y');
  const auto refused = take();
  TP_EXPECT_CODE(refused, Code::driver_running);
  EXPECT_NE(refused.error().message().find(std::to_string(child)), std::string::npos)
      << refused.error().message();
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(fs::exists(user_dir() + "/default/driver.lock"));
  TP_ASSERT_OK(take());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(DriverPlaceTest, finds_streams_and_their_highest_epoch) {
  auto place = take();
  TP_ASSERT_OK(place);
  EXPECT_EQ(place->highest_epoch(7), 0U);
  EXPECT_EQ(place->streams()->size(), 0U);
  for (const char* name : {"7/12", "7/9", "7/007", "7/18446744073709551615", "7/x", "42/1", "0/1",
                           "4294967295/1", "99999999999/1", "old/1"})
    fs::create_directories(place->directory() + "/" + name);
  EXPECT_EQ(place->highest_epoch(7), 12U);
  EXPECT_EQ(*place->streams(), (std::vector<std::uint32_t>{7, 42}));
  file_system_.fail_at(Op::list, file_system_.calls[Op::list],
                       Error::system("getdents", EIO, "bad"));
  TP_EXPECT_CODE(place->highest_epoch(7), Code::system_error);
}

TEST_F(DriverPlaceTest, refuses_bad_names_modes_and_owners) {
  TP_EXPECT_CODE(take(""), Code::invalid_argument);
  TP_EXPECT_CODE(take("default", 0666), Code::invalid_argument);
  TP_EXPECT_CODE(DriverPlace::take(file_system_, "relative", "default", 0660),
                 Code::invalid_argument);
  TP_EXPECT_CODE(DriverPlace::take(file_system_, dir_ / "missing", "default", 0660),
                 Code::system_error);
  file_system_.change_status = [&](base::FileStatus& status) {
    status.user_id = file_system_.effective_user_id() + 1;
  };
  TP_EXPECT_CODE(take(), Code::path_rejected);
  file_system_.change_status = {};
  EXPECT_EQ(file_system_.open_files, 0);
}

// A link in place of the namespace leads nowhere.
TEST_F(DriverPlaceTest, follows_no_link) {
  const TempDir elsewhere;
  fs::create_directories(user_dir());
  fs::create_directory_symlink(elsewhere.path(), user_dir() + "/default");
  TP_EXPECT_CODE(take(), Code::path_rejected);
  EXPECT_TRUE(elsewhere.empty());
}

}  // namespace
}  // namespace tensorpool::shm
