#include "transport/aeron/media_driver.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <vector>

#include "support.hpp"

namespace tensorpool::transport::aeron {
namespace {

// Runs `body` in a child process; what it returns comes back as the exit code.
template <class Body>
pid_t child(Body&& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  return pid;
}
int exit_code(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(MediaDriver, a_second_one_in_the_same_directory_is_refused) {
  const Folder folder;
  const auto first = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_TRUE(alive(folder / "aeron"));
  EXPECT_EQ((*first)->directory(), folder / "aeron");
  const auto second = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::rejected);
  EXPECT_NE(second.error().message().find("already running"), std::string::npos);
  EXPECT_TRUE(alive(folder / "aeron"));
  // The refused one deleted nothing: clients still get in.
  ConnectOptions options = patient(folder / "aeron");
  options.invoked = true;
  EXPECT_TRUE(connect_now(*make_transport(), options));
}

TEST(MediaDriver, nothing_is_left_behind_by_default) {
  const Folder folder;
  {
    const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
    ASSERT_TRUE(driver);
  }
  EXPECT_FALSE(alive(folder / "aeron"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(MediaDriver, one_that_ended_can_be_followed_at_once_in_its_own_files) {
  const Folder folder;
  EmbeddedDriverOptions options = small_driver(folder / "aeron");
  options.delete_directory = false;
  for (int round = 0; round < 3; ++round) {
    const auto driver = EmbeddedMediaDriver::launch(options);
    ASSERT_TRUE(driver) << driver.error().message();
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "aeron/cnc.dat"));
  EXPECT_FALSE(alive(folder / "aeron"));
}

TEST(MediaDriver, the_directory_of_a_killed_one_is_replaced_at_once) {
  const Folder folder;
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t pid = child([&] {
    const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
    const char answer = driver ? 'y' : 'n';
    (void)!::write(ready[1], &answer, 1);
    return ::pause();
  });
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_TRUE(alive(folder / "aeron"));
  ::kill(pid, SIGKILL);
  (void)exit_code(pid);
  EXPECT_FALSE(alive(folder / "aeron"));  // its process is gone, however fresh the heartbeat
  EXPECT_TRUE(std::filesystem::exists(folder / "aeron/cnc.dat"));
  const auto next = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  EXPECT_TRUE(next) << next.error().message();
  EXPECT_TRUE(alive(folder / "aeron"));
  ::close(ready[0]);
  ::close(ready[1]);
}

// Several rounds, each with processes that are let go at once.
TEST(MediaDriver, of_processes_that_start_at_once_exactly_one_wins) {
  constexpr int rounds = 5;
  constexpr int racers = 3;
  for (int round = 0; round < rounds; ++round) {
    const Folder folder;
    std::array<int, 2> gate{};
    std::array<int, 2> end{};
    std::array<int, 2> told{};
    ASSERT_EQ(::pipe(gate.data()) + ::pipe(end.data()) + ::pipe(told.data()), 0);
    std::vector<pid_t> pids;
    for (int i = 0; i < racers; ++i) {
      pids.push_back(child([&] {
        ::close(gate[1]);
        ::close(end[1]);
        char byte = 0;
        (void)!::read(gate[0], &byte, 1);  // returns when the parent closes the gate
        const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
        (void)!::write(told[1], "x", 1);
        (void)!::read(end[0], &byte, 1);  // winners live until everybody has an answer
        if (driver) return 1;
        return driver.error().code() == Code::rejected ? 0 : 7;
      }));
    }
    ::close(gate[0]);
    ::close(gate[1]);
    char byte = 0;
    for (int i = 0; i < racers; ++i) ASSERT_EQ(::read(told[0], &byte, 1), 1);
    EXPECT_TRUE(alive(folder / "aeron"));
    ::close(end[0]);
    ::close(end[1]);
    int winners = 0;
    for (const pid_t pid : pids) winners += exit_code(pid);
    EXPECT_EQ(winners, 1) << "round " << round;
    ::close(told[0]);
    ::close(told[1]);
  }
}

TEST(MediaDriver, a_directory_with_other_files_is_refused_and_untouched) {
  const Folder folder;
  std::filesystem::create_directory(folder / "photos");
  std::ofstream(folder / "photos/holiday.png") << "dear";
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "photos"));
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.error().code(), Code::invalid_argument);
  EXPECT_TRUE(std::filesystem::exists(folder / "photos/holiday.png"));
  std::ofstream(folder / "file") << "no directory";
  EXPECT_FALSE(EmbeddedMediaDriver::launch(small_driver(folder / "file")));
  EXPECT_TRUE(std::filesystem::is_regular_file(folder / "file"));
}

TEST(MediaDriver, empty_and_half_made_directories_are_used) {
  const Folder folder;
  std::filesystem::create_directory(folder / "empty");
  EXPECT_TRUE(EmbeddedMediaDriver::launch(small_driver(folder / "empty")));
  std::filesystem::create_directories(folder / "half/publications");
  std::filesystem::create_directories(folder / "half/images");
  EXPECT_TRUE(EmbeddedMediaDriver::launch(small_driver(folder / "half")));
}

TEST(MediaDriver, unusable_directories_are_refused_by_name) {
  for (const std::string& directory : {std::string("relative"), "/" + std::string(400, 'a')}) {
    const auto driver = EmbeddedMediaDriver::launch(small_driver(directory));
    ASSERT_FALSE(driver);
    EXPECT_EQ(driver.error().code(), Code::invalid_argument);
    EXPECT_NE(driver.error().message().find(directory.substr(0, 50)), std::string::npos);
  }
  const auto nowhere = EmbeddedMediaDriver::launch(small_driver("/proc/no/such/place"));
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code(), Code::system_error);
}

TEST(MediaDriver, settings_that_aeron_refuses_are_its_error_and_leave_nothing) {
  const Folder folder;
  EmbeddedDriverOptions options = small_driver(folder / "aeron");
  options.timer_interval_ns = options.client_liveness_ns + 1;
  const auto driver = EmbeddedMediaDriver::launch(options);
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.error().code(), Code::transport_error);
  EXPECT_FALSE(alive(folder / "aeron"));
  EXPECT_FALSE(std::filesystem::exists(folder / "aeron.starting"));
}

}  // namespace
}  // namespace tensorpool::transport::aeron
