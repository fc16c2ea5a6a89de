// The configuration matrix: drivers as processes, and clients made of messages that look at them from outside.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "base/clock.hpp"
#include "integration/driver_process.hpp"
#include "integration/support.hpp"
#include "transport/aeron/aeron_transport.hpp"
#include "unit/agents/driver/raw_client.hpp"

namespace tensorpool::integration::matrix {

namespace fs = std::filesystem;

using agents::driver::test::RawClient;
using agents::driver::test::ShmAttachRequest;
using agents::driver::test::ShmAttachResponse;
using agents::driver::test::ShmDetachRequest;
using agents::driver::test::ShmDetachResponse;
using wire::ResponseCode;
using wire::driver::Role;

// Which test observes which keys, by the names of both. Each sets those keys.
const std::map<std::string, std::vector<std::string>>& rows();

inline constexpr const char* channel = "aeron:ipc?term-length=64k";
inline constexpr std::uint32_t stream = 777;

// "profiles.small.header_nslots" → "profiles.<name>.header_nslots": the key as the table names it.
inline std::string in_table(const std::string& path) {
  for (const std::string begin : {"profiles.", "streams."}) {
    if (!path.starts_with(begin)) continue;
    return begin + "<name>" + path.substr(path.find('.', begin.size()));
  }
  return path;
}

class DriverMatrix : public ::testing::Test {
 protected:
  // A driver with `changes` to a small configuration; "" takes a key away. Not waited for.
  DriverProcess& launch(const Keys& changes) {
    Keys keys = {{"driver.aeron_dir", quoted(folder_.aeron())},
                 {"driver.control_channel", quoted(channel)},
                 {"driver.control_stream_id", "4000"},
                 {"driver.announce_stream_id", "4001"},
                 {"shm.base_dir", quoted(folder_.regions())},
                 {"policies.announce_period_ms", "50"},
                 // Nobody sends keepalives here.
                 {"policies.lease_keepalive_interval_ms", "600000"},
                 {"policies.shutdown_timeout_ms", "0"},
                 {"profiles.p.header_nslots", "8"},
                 {"profiles.p.payload_pools", "[ { pool_id = 1, stride_bytes = 4096 } ]"},
                 {"streams.s.stream_id", std::to_string(stream)},
                 {"streams.s.profile", "\"p\""}};
    for (const auto& [path, value] : changes) {
      set_.insert(in_table(path));
      if (path.ends_with(".payload_pools")) {
        set_.insert(in_table(path) + "[].pool_id");
        set_.insert(in_table(path) + "[].stride_bytes");
      }
      keys[path] = value;
      if (value.empty()) keys.erase(path);
    }
    drivers_.push_back(std::make_unique<DriverProcess>(
        folder_.path() + "/driver" + std::to_string(drivers_.size()) + ".toml", keys));
    return *drivers_.back();
  }
  bool ready(DriverProcess& driver) {
    const bool is = eventually([&] { return driver.told("ready") || driver.ended(); });
    return is && !driver.ended();
  }
  DriverProcess& start(const Keys& changes) {
    DriverProcess& driver = launch(changes);
    EXPECT_TRUE(ready(driver)) << driver.log();
    return driver;
  }
  // What it says when it does not start with these keys.
  std::string refusal(const Keys& changes) {
    DriverProcess& driver = launch(changes);
    EXPECT_EQ(driver.exit_code(), 3) << driver.log();
    return driver.log();
  }
  // By a signal, without clients.
  void end(DriverProcess& driver) {
    clients_.clear();
    driver.signal(SIGTERM);
    EXPECT_EQ(driver.exit_code(), 0) << driver.log();
  }

  RawClient& client(const Endpoint& control = {channel, 4000},
                    const Endpoint& announce = {channel, 4001}, const std::string& aeron_dir = {}) {
    transport::ConnectOptions connect;
    connect.directory = aeron_dir.empty() ? folder_.aeron() : aeron_dir;
    connect.invoked = true;
    connect.driver_timeout_ns = driver_timeout_ns;
    clients_.push_back(
        std::make_unique<RawClient>(*transport_, connect, control, announce, clock_));
    return *clients_.back();
  }
  RawClient& ready_client() {
    RawClient& made = client();
    EXPECT_TRUE(until([&] { return made.ready(); }));
    return made;
  }
  bool until(const std::function<bool()>& done) {
    return eventually([&] {
      if (done()) return true;
      for (auto& each : clients_) each->do_work();
      return false;
    });
  }

  ShmAttachRequest request(Role role, std::uint32_t client_id, std::uint32_t stream_id = stream) {
    ShmAttachRequest request;
    request.correlation_id = next_id_++;
    request.stream_id = stream_id;
    request.client_id = client_id;
    request.role = role;
    return request;
  }
  ShmAttachResponse attach(RawClient& from, const ShmAttachRequest& wanted) {
    std::optional<ShmAttachResponse> answer;
    EXPECT_TRUE(until([&] { return from.send(wanted); }));
    EXPECT_TRUE(until([&] {
      answer = from.answer<ShmAttachResponse>(wanted.correlation_id);
      return answer.has_value();
    }));
    return answer.value_or(ShmAttachResponse{});
  }
  ShmAttachResponse attach(RawClient& from, Role role, std::uint32_t client_id,
                           std::uint32_t stream_id = stream) {
    return attach(from, request(role, client_id, stream_id));
  }
  void detach(RawClient& from, const ShmAttachResponse& lease, Role role, std::uint32_t client_id) {
    const ShmDetachRequest wanted{next_id_++, lease.lease_id.value_or(0),
                                  lease.stream_id.value_or(0), client_id, role};
    EXPECT_TRUE(until([&] { return from.send(wanted); }));
    EXPECT_TRUE(
        until([&] { return from.answer<ShmDetachResponse>(wanted.correlation_id).has_value(); }));
  }
  std::size_t announces(const RawClient& at) { return at.all<wire::ShmPoolAnnounce>().size(); }

  // Labels of the media driver's counters that have all of the words.
  std::size_t counters(const std::vector<std::string>& words, const std::string& aeron_dir = {}) {
    const auto all =
        transport::aeron::list_counters(aeron_dir.empty() ? folder_.aeron() : aeron_dir);
    if (!all) return 0;
    return static_cast<std::size_t>(std::count_if(all->begin(), all->end(), [&](const auto& one) {
      return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
        return one.label.find(word) != std::string::npos;
      });
    }));
  }
  // The epoch directories of the usual stream. The driver may remove some meanwhile: then it looks again.
  std::set<std::string> epochs() {
    for (;;) {
      std::set<std::string> found;
      std::error_code error;
      for (fs::recursive_directory_iterator entry(folder_.regions(), error), end;
           !error && entry != end; entry.increment(error)) {
        if (entry->path().parent_path().filename() == std::to_string(stream))
          found.insert(entry->path().filename());
      }
      if (!error) return found;
    }
  }

  // A row whose key its own test does not set observes nothing.
  void TearDown() override {
    const auto row = rows().find(::testing::UnitTest::GetInstance()->current_test_info()->name());
    if (row == rows().end()) return;
    for (const std::string& key : row->second) EXPECT_TRUE(set_.contains(key)) << key;
  }

  const Folder folder_;
  base::SystemClock clock_;
  std::unique_ptr<transport::Transport> transport_ = transport::aeron::make_transport();
  std::vector<std::unique_ptr<DriverProcess>> drivers_;
  std::vector<std::unique_ptr<RawClient>> clients_;
  std::set<std::string> set_;
  std::int64_t next_id_ = 1;
};

}  // namespace tensorpool::integration::matrix
