// Places where streams and media drivers cannot live: those of other users, full ones, disks. Every one
// is an error that names the place; nothing crashes, and what was good stays good.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <mutex>

#include "integration/frames.hpp"
#include "integration/support.hpp"
#include "support/own_mount.hpp"

namespace tensorpool::integration {
namespace {

constexpr std::uint32_t stream = 1800;
constexpr std::uint32_t slots = 16;
constexpr unsigned nobody = 65534;

// All that the notices of a kind said.
class Ear {
 public:
  explicit Ear(NoticeKind kind) : kind_(kind) {}
  void hear(const Notice& notice) {
    const std::lock_guard lock(mutex_);
    if (notice.kind != kind_) return;
    ++times_;
    text_ += notice.text;
    text_ += '\n';
  }
  int times() const {
    const std::lock_guard lock(mutex_);
    return times_;
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  NoticeKind kind_;
  mutable std::mutex mutex_;
  int times_ = 0;
  std::string text_;
};

// A process of another user, forked while this one has a single thread. `body` runs once the gate is
// opened; what it returns is the exit code.
class Stranger {
 public:
  explicit Stranger(const std::function<int()>& body) {
    if (::pipe2(gate_.data(), O_CLOEXEC) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ != 0) return;
    char go = 0;
    if (::setresgid(nobody, nobody, nobody) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
      ::_exit(99);
    if (::read(gate_[0], &go, 1) != 1) ::_exit(98);
    int code = 97;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "stranger: %s\n", error.what());
    }
    ::_exit(code);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() {
    ::close(gate_[0]);
    ::close(gate_[1]);
  }
  int run() {
    (void)!::write(gate_[1], "g", 1);
    return end();
  }
  void begin() { (void)!::write(gate_[1], "g", 1); }
  int end() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_ || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
  }

 private:
  std::array<int, 2> gate_{};
  pid_t pid_ = -1;
};

void open_to_all(const std::string& directory) { ASSERT_EQ(::chmod(directory.c_str(), 0777), 0); }

// Region files of root, mode 0660: refused with the path, and mapped once the group may read them.
TEST(BadPlaces, regions_that_a_consumer_may_not_open_are_named_and_taken_when_it_may) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const Folder folder;
  const std::string top = std::filesystem::path(folder.aeron()).parent_path();
  open_to_all(top);
  open_to_all(folder.regions());
  std::array<int, 2> heard{};
  ASSERT_EQ(::pipe2(heard.data(), O_CLOEXEC), 0);
  Stranger stranger([&] {
    Ear rejected(NoticeKind::announce_rejected);
    ClientOptions options = client_options(folder);
    options.on_notice = [&](const Notice& notice) { rejected.hear(notice); };
    Client client = connect(options);
    Consumer consumer = make_consumer(client, consumer_options(stream));
    if (!eventually([&] { return rejected.times() > 0; })) return 1;
    if (rejected.text().find("Permission denied") == std::string::npos) return 2;
    if (rejected.text().find(folder.regions()) == std::string::npos) return 3;
    if (consumer.state() == PortState::active) return 4;
    (void)!::write(heard[1], "h", 1);
    return until_active(consumer) ? 0 : 5;
  });
  const mode_t before = ::umask(0);  // the media driver's files are everybody's
  {
    auto driver = MediaDriver::launch({.aeron_dir = folder.aeron()});
    ASSERT_TRUE(driver) << driver.error().message();
    Client client = connect(client_options(folder));
    Producer producer =
        make_producer(client, producer_options(folder, stream, slots, frame_strides));
    stranger.begin();
    ::close(heard[1]);  // so that the end of the stranger ends the wait
    char byte = 0;
    EXPECT_EQ(::read(heard[0], &byte, 1), 1);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.regions()))
      EXPECT_EQ(::chown(entry.path().c_str(), static_cast<uid_t>(-1), nobody), 0);
    EXPECT_EQ(stranger.end(), 0);
    EXPECT_EQ(producer.state(), PortState::active);
    EXPECT_EQ(producer.statistics().sessions, 1U);
  }
  ::umask(before);
  ::close(heard[0]);
}

// The media driver serves this user, but the log buffers that it makes later are closed to it: nothing
// arrives, and it is said why.
TEST(BadPlaces, logs_that_a_client_may_not_open_are_named) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const Folder folder;
  open_to_all(std::filesystem::path(folder.aeron()).parent_path());
  Stranger stranger([&] {
    Ear errors(NoticeKind::error);
    ClientOptions options = client_options(folder);
    options.on_notice = [&](const Notice& notice) { errors.hear(notice); };
    Client client = connect(options);
    const auto pending = client.consumer(consumer_options(stream));
    const auto heard = [&](const char* word) {
      return errors.text().find(word) != std::string::npos;
    };
    // The add itself only fails; the reason comes beside it.
    if (!eventually([&] { return heard("Permission denied") && heard(".logbuffer"); })) return 1;
    return client.state() == ClientState::connected ? 0 : 4;
  });
  const mode_t before = ::umask(0);
  auto driver = MediaDriver::launch({.aeron_dir = folder.aeron()});
  ::umask(022);
  {
    ASSERT_TRUE(driver) << driver.error().message();
    Client client = connect(client_options(folder));
    Producer producer =
        make_producer(client, producer_options(folder, stream, slots, frame_strides));
    stranger.begin();
    EXPECT_EQ(stranger.end(), 0);
  }
  ::umask(before);
}

TEST(BadPlaces, a_base_directory_of_another_user_refuses_the_producer_and_keeps_the_client) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const Folder folder;
  const std::string top = std::filesystem::path(folder.aeron()).parent_path();
  open_to_all(top);
  ASSERT_EQ(::chmod(folder.regions().c_str(), 0755), 0);
  Stranger stranger([&] {
    const std::string own = top + "/own";
    if (!std::filesystem::create_directory(own)) return 1;
    auto driver = MediaDriver::launch({.aeron_dir = top + "/strangers"});
    if (!driver) return 2;
    Client client = connect(client_options(top + "/strangers", top));
    const auto refused =
        client.producer(producer_options(folder.regions(), stream, slots, frame_strides))
            .wait(patience);
    if (refused) return 3;
    const std::string text = refused.error().message();
    if (text.find("mkdir") == std::string::npos) return 4;
    if (text.find("Permission denied") == std::string::npos) return 5;
    // The client goes on.
    Producer producer = make_producer(client, producer_options(own, stream, slots, frame_strides));
    Consumer consumer = make_consumer(client, consumer_options(stream));
    return until_active(consumer) ? 0 : 6;
  });
  EXPECT_EQ(stranger.run(), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder.regions()));
}

TEST(BadPlaces, a_media_driver_cannot_begin_where_this_user_may_not_write) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const Folder folder;
  const std::string top = std::filesystem::path(folder.aeron()).parent_path();
  ASSERT_EQ(::chmod(top.c_str(), 0755), 0);
  Stranger stranger([&] {
    const auto refused = MediaDriver::launch({.aeron_dir = folder.aeron()});
    if (refused || refused.error().code() != Code::system_error) return 1;
    const std::string text = refused.error().message();
    if (text.find(folder.aeron()) == std::string::npos) return 2;
    return text.find("Permission denied") == std::string::npos ? 3 : 0;
  });
  EXPECT_EQ(stranger.run(), 0);
}

// A tmpfs in which the media driver fits, and small logs, but not the logs that a client asks for.
void fill_up_with_logs(const std::string& directory) {
  auto driver = MediaDriver::launch({.aeron_dir = directory + "/aeron"});
  ASSERT_TRUE(driver) << driver.error().message();
  Ear errors(NoticeKind::error);
  ClientOptions options = client_options(directory + "/aeron", directory, "16m");
  options.on_notice = [&](const Notice& notice) { errors.hear(notice); };
  Client client = connect(options);
  auto pending = client.producer(producer_options(directory, stream, slots, frame_strides));
  // A crowded machine has other complaints, too.
  const auto heard = [&](const char* word) {
    return errors.text().find(word) != std::string::npos;
  };
  ASSERT_TRUE(eventually([&] { return heard("stream 1100") && heard("storage"); }))
      << errors.text();
  EXPECT_FALSE(pending.poll());  // it is tried again
  EXPECT_EQ(client.state(), ClientState::connected);
  // Others on the same media driver are served.
  Client modest = connect(client_options(directory + "/aeron", directory, "64k"));
  Producer producer =
      make_producer(modest, producer_options(directory, stream + 1, slots, frame_strides));
  Consumer consumer = make_consumer(modest, consumer_options(stream + 1));
  ASSERT_TRUE(until_active(consumer));
  ASSERT_TRUE(eventually([&] {
    (void)producer.claim(DType::u8, {8}).value().commit();
    (void)consumer.poll([](const Frame&) {});
    return consumer.statistics().delivered > 0;
  }));
}

TEST(BadPlaces, a_full_file_system_refuses_logs_and_nothing_else) {
  const Folder folder;
  const auto ran = test::on_own_mount(folder.regions(), "tmpfs", "size=80m",
                                      [&] { fill_up_with_logs(folder.regions()); });
  if (ran == test::Ran::not_allowed) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  EXPECT_EQ(ran, test::Ran::passed);
}

TEST(BadPlaces, a_media_driver_that_does_not_fit_is_an_error_and_leaves_nothing) {
  const Folder folder;
  const auto ran = test::on_own_mount(folder.regions(), "tmpfs", "size=1m", [&] {
    const auto refused = MediaDriver::launch({.aeron_dir = folder.regions() + "/aeron"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::transport_error);
    EXPECT_NE(refused.error().message().find("No space left"), std::string::npos)
        << refused.error().message();
    EXPECT_NE(refused.error().message().find(folder.regions()), std::string::npos);
    EXPECT_FALSE(MediaDriver::alive(folder.regions() + "/aeron"));
  });
  if (ran == test::Ran::not_allowed) GTEST_SKIP() << "mounting a tmpfs is not allowed here";
  EXPECT_EQ(ran, test::Ran::passed);
}

// An ordinary disk is slower, and works.
TEST(BadPlaces, a_disk_is_none) {
  const test::Folder folder("integration", "/var/tmp");
  const std::string& disk = folder.path();
  {
    World world;
    Client client = connect(client_options(world.folder().aeron(), disk));
    Producer producer = make_producer(client, producer_options(disk, stream, slots, frame_strides));
    Consumer consumer = make_consumer(client, consumer_options(stream));
    ASSERT_TRUE(until_active(consumer));
    bool right = false;
    ASSERT_TRUE(eventually([&] {
      const std::uint64_t seq = producer.statistics().next_seq;
      auto slot = producer.claim(spec_of(seq)).value();
      fill(slot.bytes(), seq);
      (void)slot.commit();
      (void)consumer.poll([&](const Frame& frame) {
        const bool same = is_right(frame.info(), frame.bytes());
        right = frame.intact() && same;
      });
      return consumer.statistics().delivered > 0;
    }));
    EXPECT_TRUE(right);
  }
}

}  // namespace
}  // namespace tensorpool::integration
