// What processes without news cost: how often their threads wake, as the kernel counts it.
#include <gtest/gtest.h>
#include <pthread.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "integration/support.hpp"
#include "tensorpool/driver.hpp"

namespace tensorpool::integration {
namespace {

// Wake-ups of each thread of this process so far, by its name; names may repeat.
std::map<std::string, std::vector<long>> wakes() {
  std::map<std::string, std::vector<long>> all;
  std::error_code gone;  // threads may end meanwhile
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", gone)) {
    std::string name;
    std::ifstream comm(task.path() / "comm");
    if (!std::getline(comm, name)) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("voluntary_ctxt_switches:"))
        all[name].push_back(std::stol(line.substr(line.find(':') + 1)));
    }
  }
  return all;
}

// Whether the one thread of that name comes to rest: until it wakes less often than that in a second. A crowded
// machine only makes it wake less often.
::testing::AssertionResult rests(const std::string& thread, double wakes_a_second) {
  using Clock = std::chrono::steady_clock;
  constexpr auto window = 500ms;
  double rate = 0;
  auto since = Clock::now();
  auto before = wakes()[thread];
  if (before.size() != 1)
    return ::testing::AssertionFailure() << before.size() << " threads called " << thread;
  const bool rested = eventually([&] {
    const auto now = Clock::now();
    if (now - since < window) return false;
    const auto after = wakes()[thread];
    if (after.size() != 1) return false;
    rate = static_cast<double>(after[0] - before[0]) /
           std::chrono::duration<double>(now - since).count();
    since = now;
    before = after;
    return rate < wakes_a_second;
  });
  if (rested) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << thread << " wakes " << rate << " times a second";
}

// The sleeps of 10 ms, and some room.
constexpr double seldom = 200;

TEST(Idle, AClientHasOneThreadAndItSeldomWakes) {
  const Folder folder;
  auto media_driver = MediaDriver::launch({.aeron_dir = folder.aeron()});
  ASSERT_TRUE(media_driver) << media_driver.error().message();
  ClientOptions options = client_options(folder);
  options.announce_period_ns = 1'000'000'000;
  auto client = Client::connect(options);
  ASSERT_TRUE(client);
  auto producer = client->producer(producer_options(folder, 1, 8, {256})).wait(patience);
  ASSERT_TRUE(producer) << producer.error().message();
  auto consumer = client->consumer(consumer_options(1)).wait(patience);
  ASSERT_TRUE(consumer) << consumer.error().message();
  ASSERT_TRUE(eventually([&] {
    (void)consumer->poll([](const Frame&) {});
    return consumer->state() == PortState::active;
  }));
  EXPECT_TRUE(rests("tp-conductor", seldom));
  EXPECT_FALSE(wakes().contains("aeron-client"));
  // It is still there for whoever asks.
  auto another = client->consumer(consumer_options(1)).wait(patience);
  EXPECT_TRUE(another);
  ASSERT_TRUE(client->close());
  EXPECT_FALSE(wakes().contains("tp-conductor"));
}

// Here for a media driver that never comes.
TEST(Idle, WhoWaitsForARequestSeldomWakes) {
  const Folder folder;
  auto client = Client::connect(client_options(folder));
  ASSERT_TRUE(client);
  auto pending = client->consumer(consumer_options(1));
  std::thread waits([&] {
    ASSERT_EQ(::pthread_setname_np(::pthread_self(), "waits"), 0);
    EXPECT_EQ(pending.wait(std::chrono::hours{1}).error().code(), Code::closed);
  });
  EXPECT_TRUE(eventually([] { return wakes().contains("waits"); }));
  EXPECT_TRUE(rests("waits", seldom));
  EXPECT_TRUE(client->close());
  waits.join();
}

TEST(Idle, ADriverSeldomWakesNorDoesWhoWaitsForItsEnd) {
  const Folder folder;
  DriverOptions options;
  options.config_text = "[shm]\nbase_dir = \"" + folder.regions() + R"("
[driver]
embedded_media_driver = "always"
[profiles.small]
header_nslots = 8
payload_pools = [ { pool_id = 1, stride_bytes = 256 } ]
[streams.s]
stream_id = 10000
profile = "small"
)";
  options.aeron_dir = folder.aeron();
  auto driver = Driver::launch(std::move(options));
  ASSERT_TRUE(driver) << driver.error().message();
  ASSERT_TRUE(eventually([&] { return driver->status().connected; }));
  std::thread waits([&] {
    ASSERT_EQ(::pthread_setname_np(::pthread_self(), "waits"), 0);
    EXPECT_TRUE(driver->wait(patience));
  });
  EXPECT_TRUE(eventually([] { return wakes().contains("waits"); }));
  EXPECT_TRUE(rests("tp-driver", seldom));
  EXPECT_TRUE(rests("tp-regions", seldom));
  EXPECT_TRUE(rests("waits", 20));
  EXPECT_FALSE(wakes().contains("aeron-client"));
  driver->terminate();
  waits.join();
  EXPECT_TRUE(driver->stopped());
}

}  // namespace
}  // namespace tensorpool::integration
