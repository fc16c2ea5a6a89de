// tp_driver itself, with a media driver inside where there is none: programs that start at the same moment.
#include <gtest/gtest.h>

#include <sys/wait.h>

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "fault/leased_support.hpp"

namespace tensorpool::fault {
namespace {

class DriverProgram {
 public:
  DriverProgram(const Folder& folder, const std::string& name, const std::string& space,
                int control)
      : log_(folder.path() + "/" + name + ".log"), file_(folder.path() + "/" + name + ".toml") {
    std::ofstream(file_) << fmt::format(
        "[driver]\ninstance_id = \"{}\"\naeron_dir = \"{}\"\ncontrol_stream_id = {}\n"
        "announce_stream_id = {}\ncontrol_channel = \"aeron:ipc?term-length=64k\"\n"
        "announce_channel = \"aeron:ipc?term-length=64k\"\nembedded_media_driver = \"auto\"\n"
        "[shm]\nbase_dir = \"{}\"\nnamespace = \"{}\"\n"
        "[policies]\nshutdown_timeout_ms = 50\n"
        "[profiles.p]\nheader_nslots = 1024\npayload_pools = [{{ pool_id = 1, stride_bytes = 512 "
        "}}]\n"
        "[streams.s]\nstream_id = {}\nprofile = \"p\"\n",
        name, folder.aeron(), control, control + 1, folder.regions(), space, stream);
    const auto program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tp_driver";
    process_.emplace(
        "/bin/sh", std::vector<std::string>{
                       "-c", fmt::format("exec '{}' '{}' 2> '{}'", program.string(), file_, log_)});
  }
  std::string log() const {
    std::ifstream in(log_);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  bool says(const std::string& what) const { return log().find(what) != std::string::npos; }
  bool ready() const {
    return eventually([&] { return says(" ready"); });
  }
  void ask_to_end() { process_->signal(SIGTERM); }
  // Its exit code once it has ended by itself; -1 when it does not, or was killed.
  int exit_code() {
    int status = 0;
    if (!process_->changed(status) || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
  }
  pid_t pid() const { return process_->pid(); }

 private:
  std::string log_;
  std::string file_;
  std::optional<test::Child> process_;
};

class DriverPrograms : public ::testing::Test {};

TEST_F(DriverPrograms, that_start_at_once_share_one_media_driver) {
  for (int round = 0; round < 4; ++round) {
    const Folder folder;
    DriverProgram one(folder, "one", "first", 1000);
    DriverProgram two(folder, "two", "second", 2000);
    ASSERT_TRUE(one.ready() && two.ready()) << one.log() << two.log();
    const bool first = one.says("media_driver_started");
    EXPECT_NE(first, two.says("media_driver_started")) << one.log() << two.log();
    // The one that uses the other's ends first.
    DriverProgram& host = first ? one : two;
    DriverProgram& guest = first ? two : one;
    guest.ask_to_end();
    EXPECT_EQ(guest.exit_code(), 0) << guest.log();
    host.ask_to_end();
    EXPECT_EQ(host.exit_code(), 0) << host.log();
  }
}

// Whoever is refused takes no media driver along.
TEST_F(DriverPrograms, that_start_at_once_in_one_namespace_leave_one_that_works) {
  for (int round = 0; round < 4; ++round) {
    const Folder folder;
    std::array<DriverProgram, 2> both{DriverProgram(folder, "one", "default", 1000),
                                      DriverProgram(folder, "two", "default", 1000)};
    std::size_t refused = 0;
    ASSERT_TRUE(eventually([&] {
      for (std::size_t i = 0; i < both.size(); ++i) {
        if (both[i].says("driver_running")) {
          refused = i;
          return true;
        }
      }
      return false;
    })) << both[0].log()
        << both[1].log();
    DriverProgram& other = both[1 - refused];
    EXPECT_EQ(both[refused].exit_code(), 1) << both[refused].log();
    EXPECT_TRUE(both[refused].says(std::to_string(other.pid()))) << both[refused].log();
    ASSERT_TRUE(other.ready()) << other.log();
    Setting setting;
    setting.aeron_dir = folder.aeron();
    setting.base_dir = folder.regions();
    setting.stream = stream;
    Peer client("leased_consumer", setting);
    ASSERT_TRUE(client.ready());
    EXPECT_TRUE(reaches(client, "attached", 1)) << other.log();
    EXPECT_FALSE(other.says("media_driver_lost")) << other.log();
    EXPECT_FALSE(client.close().empty());
    other.ask_to_end();
    EXPECT_EQ(other.exit_code(), 0) << other.log();
  }
}

}  // namespace
}  // namespace tensorpool::fault
