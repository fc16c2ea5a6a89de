// What may lie where a media driver is looked for or started: each kind of CnC file, and what is said of
// it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#include "support.hpp"

namespace tensorpool::transport::aeron {
namespace {

constexpr std::size_t version_at = 0;

// The bytes of a live CnC file of this process, read once.
const std::vector<char>& live_bytes() {
  static const std::vector<char> bytes = [] {
    const Folder folder;
    const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
    EXPECT_TRUE(driver);
    (void)(*driver)->do_work();
    const std::string path = folder / "aeron/cnc.dat";
    std::vector<char> all(std::filesystem::file_size(path));
    std::ifstream(path, std::ios::binary)
        .read(all.data(), static_cast<std::streamsize>(all.size()));
    return all;
  }();
  return bytes;
}

// A copy, to be spoilt.
class LiveFile {
 public:
  template <class T>
  T at(std::size_t offset) const {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  }
  template <class T>
  void set(std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
  }
  // Where a 64-bit number from `least` to `most` lies, behind `from`; found by its value, since the
  // layout is Aeron's own affair.
  std::size_t find(std::int64_t least, std::int64_t most, std::size_t from) const {
    for (std::size_t at = from; at + 8 <= bytes.size(); at += 8) {
      const auto value = this->at<std::int64_t>(at);
      if (value >= least && value <= most) return at;
    }
    ADD_FAILURE() << "no such number";
    return from;
  }
  std::size_t pid_at() const { return find(::getpid(), ::getpid(), 24); }
  std::size_t heartbeat_at() const {
    const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                    std::chrono::system_clock::now().time_since_epoch())
                                    .count();
    return find(now_ms - 600'000, now_ms + 600'000, 128);
  }
  void write(const std::string& path) const {
    std::ofstream(path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  std::vector<char> bytes = live_bytes();
};

// Makes it young, if it is there still.
void touch(const std::string& path) {
  std::error_code gone;
  std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now(), gone);
}

MediaDriverState look(const std::string& directory) {
  ConnectOptions options;
  options.directory = directory;
  return make_transport()->probe(options);
}

struct Leftover {
  const char* what;
  std::function<void(LiveFile&)> spoil;
  bool unusable;     // nobody but a person can say whether it may go
  const char* word;  // of the explanation
};

std::vector<Leftover> leftovers() {
  return {
      {"empty", [](LiveFile& f) { f.bytes.clear(); }, false, "unfinished"},
      {"half-written", [](LiveFile& f) { f.set<std::int32_t>(version_at, 0); }, false,
       "unfinished"},
      {"truncated", [](LiveFile& f) { f.bytes.resize(f.bytes.size() / 2); }, false, "cut short"},
      {"of another version", [](LiveFile& f) { f.set<std::int32_t>(version_at, 3 << 16 | 7); },
       true, "3.0.7"},
      {"garbage", [](LiveFile& f) { std::fill(f.bytes.begin(), f.bytes.end(), '\xEE'); }, true,
       "no CnC file"},
      {"of no process", [](LiveFile& f) { f.set<std::int64_t>(f.pid_at(), 0); }, false,
       "process 0"},
      {"of every process", [](LiveFile& f) { f.set<std::int64_t>(f.pid_at(), -1); }, false,
       "process -1"},
      {"of a number that is no process",
       [](LiveFile& f) { f.set<std::int64_t>(f.pid_at(), std::int64_t{1} << 40U | ::getpid()); },
       false, "is gone"},
      {"that never beat", [](LiveFile& f) { f.set<std::int64_t>(f.heartbeat_at(), 0); }, false,
       "has not begun"},
      {"from the last day",
       [](LiveFile& f) {
         f.set<std::int64_t>(f.heartbeat_at(), std::numeric_limits<std::int64_t>::max());
       },
       false, "last worked"},
      {"from the first day",
       [](LiveFile& f) {
         f.set<std::int64_t>(f.heartbeat_at(), std::numeric_limits<std::int64_t>::min());
       },
       false, "has not begun"},
      {"silent",
       [](LiveFile& f) {
         f.set<std::int64_t>(f.heartbeat_at(), f.at<std::int64_t>(f.heartbeat_at()) - 100'000);
       },
       false, "last worked"},
  };
}

TEST(Leftovers, are_no_media_driver_and_say_why) {
  for (const Leftover& leftover : leftovers()) {
    SCOPED_TRACE(leftover.what);
    const Folder folder;
    LiveFile file;
    leftover.spoil(file);
    file.write(folder / "cnc.dat");
    const MediaDriverState state = look(folder.path());
    EXPECT_FALSE(state.alive);
    EXPECT_EQ(state.unusable, leftover.unusable);
    EXPECT_NE(state.why.find(leftover.word), std::string::npos) << state.why;
    ConnectOptions options;
    options.directory = folder.path();
    const auto connection = make_transport()->connect(options);
    ASSERT_FALSE(connection);
    EXPECT_EQ(connection.error().code(), Code::no_media_driver);
    EXPECT_NE(connection.error().message().find(state.why.substr(0, 40)), std::string::npos);
  }
}

// What nobody can use any more is replaced; what may be somebody's is not touched.
TEST(Leftovers, are_replaced_unless_they_may_be_alive) {
  for (const Leftover& leftover : leftovers()) {
    SCOPED_TRACE(leftover.what);
    const Folder folder;
    std::filesystem::create_directory(folder / "aeron");
    LiveFile file;
    leftover.spoil(file);
    file.write(folder / "aeron/cnc.dat");
    {
      const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
      EXPECT_EQ(driver.has_value(), !leftover.unusable);
      EXPECT_EQ(alive(folder / "aeron"), !leftover.unusable);
      if (!driver) {
        EXPECT_EQ(driver.error().code(), Code::invalid_argument);
        EXPECT_NE(driver.error().message().find(folder / "aeron/cnc.dat"), std::string::npos);
      }
    }
    EXPECT_EQ(std::filesystem::exists(folder / "aeron/cnc.dat"), leftover.unusable);
  }
}

TEST(Leftovers, that_are_no_file_are_refused) {
  const Folder folder;
  EXPECT_NE(look(folder.path()).why.find("there is no"), std::string::npos);
  EXPECT_FALSE(look(folder.path()).unusable);
  std::filesystem::create_directory(folder / "cnc.dat");
  EXPECT_TRUE(look(folder.path()).unusable);
  std::filesystem::remove(folder / "cnc.dat");
  ASSERT_EQ(::mkfifo((folder / "cnc.dat").c_str(), 0600), 0);
  EXPECT_TRUE(look(folder.path()).unusable);  // and nobody waited for a writer
  std::ofstream(folder / "file") << "x";
  EXPECT_TRUE(look(folder / "file").unusable);
  EXPECT_NE(look(folder / "file").why.find("Not a directory"), std::string::npos);
}

// Aeron takes a file that it may not write for one that is not there yet, and waits for it.
TEST(Leftovers, of_another_user_are_named_and_not_waited_for) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const Folder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(driver);
  std::filesystem::permissions(folder / "aeron", std::filesystem::perms{0755});
  std::filesystem::permissions(folder / "aeron/cnc.dat", std::filesystem::perms{0644});
  const pid_t pid = ::fork();
  if (pid == 0) {
    constexpr unsigned nobody = 65534;
    if (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
      ::_exit(9);
    const MediaDriverState state = look(folder / "aeron");
    if (state.alive || !state.unusable) ::_exit(1);
    if (state.why.find("mode 0644") == std::string::npos) ::_exit(2);
    ConnectOptions options;
    options.directory = folder / "aeron";
    options.driver_timeout_ns = 60'000'000'000;
    const auto connection = make_transport()->connect(options);
    if (connection || connection.error().code() != Code::no_media_driver) ::_exit(3);
    if (connection.error().message().find("reading and writing") == std::string::npos) ::_exit(4);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(alive(folder / "aeron"));  // for us it is as before
}

TEST(Leftovers, of_a_running_one_are_named_by_its_process) {
  const Folder folder;
  const auto driver = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(driver);
  const auto second = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::rejected);
  EXPECT_NE(second.error().message().find("process " + std::to_string(::getpid())),
            std::string::npos)
      << second.error().message();
}

// A media driver that does not take our lock: its CnC file is there before it is finished.
TEST(Leftovers, of_one_that_is_just_starting_are_left_to_it) {
  const Folder folder;
  std::filesystem::create_directory(folder / "aeron");
  LiveFile file;
  const auto version = file.at<std::int32_t>(version_at);
  file.set<std::int64_t>(file.heartbeat_at(),
                         std::chrono::duration_cast<std::chrono::milliseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count());
  file.set<std::int32_t>(version_at, 0);
  const std::string path = folder / "aeron/cnc.dat";
  file.write(path);
  std::atomic<bool> over{false};
  std::thread starting([&] {
    // Young until the launch, which holds its lock meanwhile, is about to see the unfinished file.
    while (!over.load() && !std::filesystem::exists(folder / "aeron.starting")) {
      touch(path);
      std::this_thread::yield();
    }
    if (over.load()) return;
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
        .write(static_cast<const char*>(static_cast<const void*>(&version)), sizeof version);
  });
  const auto refused = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  over.store(true);
  starting.join();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::rejected);
  EXPECT_NE(refused.error().message().find("already running"), std::string::npos)
      << refused.error().message();
}

// A launch is under way while a child is forked, which inherits its lock and lives on.
TEST(Leftovers, of_a_launch_in_a_forked_child_are_in_nobodys_way) {
  const Folder folder;
  std::filesystem::create_directory(folder / "aeron");
  LiveFile file;
  file.set<std::int32_t>(version_at, 0);
  const std::string path = folder / "aeron/cnc.dat";
  file.write(path);
  std::thread launching([&] {
    // Waits for the unfinished file as long as that is young.
    EXPECT_TRUE(EmbeddedMediaDriver::launch(small_driver(folder / "aeron")));
  });
  const bool under_way = test::eventually([&] {
    touch(path);
    return std::filesystem::exists(folder / "aeron.starting");
  });
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(120);
    for (;;) ::pause();
  }
  launching.join();
  EXPECT_TRUE(under_way);
  const auto next = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  EXPECT_TRUE(next) << next.error().message();
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

// As seen from another container: the process is not there, the heart beats.
TEST(Leftovers, of_a_process_that_cannot_be_seen_stay_while_its_heart_beats) {
  const Folder folder;
  std::filesystem::create_directory(folder / "aeron");
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(gone, nullptr, 0), gone);
  LiveFile file;
  const std::size_t heartbeat = file.heartbeat_at();
  file.set<std::int64_t>(file.pid_at(), gone);
  const std::string path = folder / "aeron/cnc.dat";
  const auto beat = [&] {
    file.set<std::int64_t>(heartbeat, std::chrono::duration_cast<std::chrono::milliseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
        .seekp(static_cast<std::streamoff>(heartbeat))
        .write(file.bytes.data() + heartbeat, 8);
  };
  file.write(path);
  beat();
  {
    std::atomic<bool> over{false};
    std::thread heart([&] {
      while (!over.load()) {
        beat();
        std::this_thread::yield();
      }
    });
    const auto refused = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
    over.store(true);
    heart.join();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::rejected);
    EXPECT_NE(refused.error().message().find("PID namespace"), std::string::npos)
        << refused.error().message();
  }
  beat();  // the last one: now it is dead
  EXPECT_TRUE(EmbeddedMediaDriver::launch(small_driver(folder / "aeron")));
}

// A media driver whose directory was taken from it does not delete its successor's.
TEST(Leftovers, of_a_successor_are_not_deleted) {
  const Folder folder;
  auto first = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
  ASSERT_TRUE(first);
  std::filesystem::remove_all(folder / "aeron");
  {
    const auto second = EmbeddedMediaDriver::launch(small_driver(folder / "aeron"));
    ASSERT_TRUE(second) << second.error().message();
    first->reset();
    EXPECT_TRUE(alive(folder / "aeron"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "aeron"));
}

}  // namespace
}  // namespace tensorpool::transport::aeron
