// A driver agent and raw clients in one thread: simulated messaging, virtual time, real files below a
// directory of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/driver/driver_agent.hpp"
#include "shm/path.hpp"
#include "sim/network.hpp"
#include "unit/agents/driver/gated_transport.hpp"
#include "unit/agents/driver/raw_client.hpp"
#include "unit/shm/faulty_file_system.hpp"
#include "unit/shm/support.hpp"

namespace tensorpool::agents::driver::test {

using protocol::driver::Count;
using protocol::driver::Event;
using protocol::driver::Report;
using protocol::driver::State;
using shm::test::FaultyFileSystem;
using shm::test::Op;
using shm::test::TempDir;
using wire::ResponseCode;
using wire::driver::LeaseRevokeReason;
using wire::driver::Role;

inline constexpr base::Nanos ms = 1'000'000;
inline constexpr base::Nanos sec = 1'000 * ms;
inline constexpr std::uint32_t stream = 10'000;
inline constexpr std::uint32_t other_stream = 10'001;
inline constexpr std::uint32_t big_stream = 10'002;  // 16 pools

class DriverRig : public testing::Test {
 protected:
  DriverRig() : network(clock) { EXPECT_TRUE(network.start_media_driver(aeron_dir)); }

  DriverOptions options() {
    DriverOptions options;
    options.core.profiles = {{"small", 8, {{1, 256}, {2, 4096}}}, {"many", 8, {}}};
    for (std::uint16_t id = 1; id <= 16; ++id)
      options.core.profiles[1].pools.push_back({id, 64U * id});
    options.core.streams = {{stream, "small"}, {other_stream, "small"}, {big_stream, "many"}};
    options.core.first_lease_id = 700;
    options.regions.base_dir = dir.path();
    options.aeron_dir = aeron_dir;
    options.invoked = true;
    options.on_report = [this](const Report& report) { reports.push_back(report); };
    options.on_notice = [this](const DriverNotice& notice) {
      notices.emplace_back(notice.kind, std::string(notice.text));
    };
    return options;
  }

  Result<std::unique_ptr<DriverAgent>> make(DriverOptions wanted) {
    transports.push_back(std::make_unique<GatedTransport>(network.make_transport(), gate));
    return DriverAgent::make(std::move(wanted), World{*transports.back(), file_system, clock});
  }
  void start(DriverOptions wanted) {
    control = wanted.control;
    announce = wanted.announce;
    auto made = make(std::move(wanted));
    TP_ASSERT_OK(made);
    driver = std::move(*made);
  }
  void start() { start(options()); }

  RawClient& client() {
    transports.push_back(network.make_transport());
    transport::ConnectOptions connect;
    connect.directory = aeron_dir;
    connect.invoked = true;
    clients.push_back(
        std::make_unique<RawClient>(*transports.back(), connect, control, announce, clock));
    RawClient& made = *clients.back();
    EXPECT_TRUE(until([&] { return made.ready(); }));
    return made;
  }

  // One duty cycle of everybody, a millisecond after the last.
  void step(base::Nanos by = ms) {
    network.advance(by);
    if (driver != nullptr) (void)driver->do_work();
    for (auto& c : clients) c->do_work();
  }
  void run_for(base::Nanos time) {
    for (base::Nanos at = 0; at < time; at += ms) step();
  }
  bool until(const std::function<bool()>& done, base::Nanos limit = 20 * sec) {
    for (base::Nanos at = 0; at < limit; at += ms) {
      if (done()) return true;
      step();
    }
    return done();
  }

  ShmAttachRequest request(Role role, std::uint32_t client_id, std::uint32_t stream_id = stream) {
    ShmAttachRequest request;
    request.correlation_id = next_correlation++;
    request.stream_id = stream_id;
    request.client_id = client_id;
    request.role = role;
    return request;
  }
  // Sends, and waits for the answer.
  ShmAttachResponse attach(RawClient& from, const ShmAttachRequest& request) {
    EXPECT_TRUE(from.send(request));
    std::optional<ShmAttachResponse> answer;
    EXPECT_TRUE(until([&] {
      answer = from.answer<ShmAttachResponse>(request.correlation_id);
      return answer.has_value();
    }));
    return answer.value_or(ShmAttachResponse{});
  }
  ShmAttachResponse attach(RawClient& from, Role role, std::uint32_t client_id,
                           std::uint32_t stream_id = stream) {
    return attach(from, request(role, client_id, stream_id));
  }
  static ShmLeaseKeepalive keepalive(const ShmAttachResponse& lease, Role role,
                                     std::uint32_t client_id) {
    return {lease.lease_id.value_or(0), lease.stream_id.value_or(0), client_id, role, 1};
  }
  ShmDetachRequest detach(const ShmAttachResponse& lease, Role role, std::uint32_t client_id) {
    return {next_correlation++, lease.lease_id.value_or(0), lease.stream_id.value_or(0), client_id,
            role};
  }
  std::optional<ShmLeaseRevoked> revoked(const RawClient& at, const ShmAttachResponse& lease) {
    return at.find<ShmLeaseRevoked>(
        [&](const ShmLeaseRevoked& m) { return m.lease_id == lease.lease_id; });
  }

  Result<shm::MappedStream> map(const ShmAttachResponse& response) {
    return shm::map_stream(file_system, shm::test::policy_for(file_system, dir.path()),
                           regions_of(response));
  }
  std::string namespace_dir() { return dir / (shm::user_directory_name(file_system) + "/default"); }
  // Region files on disk.
  int files() const {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path()))
      count += entry.path().extension() == ".pool" || entry.path().extension() == ".ring" ? 1 : 0;
    return count;
  }
  std::uint64_t count(Count what) const { return driver->core().counters().of(what); }
  int reported(Event event) const {
    return static_cast<int>(std::count_if(reports.begin(), reports.end(),
                                          [&](const Report& r) { return r.event == event; }));
  }
  std::string told(NoticeKind kind) const {
    for (const auto& [k, text] : notices) {
      if (k == kind) return text;
    }
    return {};
  }
  // The value of the driver's counter of that name; -1: there is none.
  std::int64_t counter(const std::string& name) const {
    const std::string begin = "tensorpool driver " + name + " stream=";
    for (const sim::CounterView& view : network.counters(aeron_dir)) {
      if (view.label.compare(0, begin.size(), begin) == 0) return view.value;
    }
    return -1;
  }

  const std::string aeron_dir = "/simulated";
  TempDir dir;
  base::ManualClock clock{100 * sec};
  FaultyFileSystem file_system;
  sim::Network network;
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  Endpoint control;
  Endpoint announce;
  std::vector<Report> reports;
  std::vector<std::pair<NoticeKind, std::string>> notices;
  std::vector<std::unique_ptr<transport::Transport>> transports;
  std::unique_ptr<DriverAgent> driver;
  std::vector<std::unique_ptr<RawClient>> clients;
  std::int64_t next_correlation = 5000;
};

}  // namespace tensorpool::agents::driver::test
