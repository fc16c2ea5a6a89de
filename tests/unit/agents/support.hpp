// A deployment of conductors and ports in one thread: simulated messaging, virtual time, real files
// below a directory of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/conductor.hpp"
#include "agents/consumer_port.hpp"
#include "agents/producer_port.hpp"
#include "base/posix_file_system.hpp"
#include "sim/network.hpp"
#include "support/folder.hpp"
#include "unit/agents/spy_transport.hpp"

namespace tensorpool::agents::test {

// Ports read the clock of the world that is there.
struct WorldEnv : VirtualEnv {
  static base::Nanos now() noexcept {
    return clock == nullptr ? base::SystemClock::monotonic() : clock->monotonic_ns();
  }
  static inline const base::Clock* clock = nullptr;
};

using TestProducer = ProducerPort<WorldEnv>;
using TestConsumer = ConsumerPort<WorldEnv>;

// Closes a port before it goes, as the public handles do: it gives back what it holds.
struct CloseAndDelete {
  template <class Port>
  void operator()(Port* port) const {
    port->close();
    delete port;
  }
};
template <class Port>
using Owned = std::unique_ptr<Port, CloseAndDelete>;

inline constexpr base::Nanos ms = 1'000'000;
inline constexpr base::Nanos sec = 1'000 * ms;
inline constexpr std::uint32_t stream = 10'000;

using TempDir = tensorpool::test::Folder;

struct Heard {
  NoticeKind kind = NoticeKind::error;
  std::uint32_t stream_id = 0;
  std::uint64_t epoch = 0;
  std::string text;
  LeaseEnd lease_end = LeaseEnd::none;
};

class World;

// One client: its conductor over a transport that is spied on.
class Node {
 public:
  Node(World& world, ClientOptions options);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() = default;

  std::shared_ptr<Request> request(ProducerOptions wanted) {
    return queue(std::make_shared<Request>(std::move(wanted)));
  }
  std::shared_ptr<Request> request(ConsumerOptions wanted) {
    return queue(std::make_shared<Request>(std::move(wanted)));
  }
  int do_work() {
    in_do_work = true;
    const int work = conductor->do_work();
    in_do_work = false;
    return work;
  }

  int told(NoticeKind kind) const {
    return static_cast<int>(std::count_if(notices.begin(), notices.end(),
                                          [&](const Heard& t) { return t.kind == kind; }));
  }
  std::string text_of(NoticeKind kind) const {
    for (const Heard& t : notices) {
      if (t.kind == kind) return t.text;
    }
    return {};
  }

  ClientOptions options;
  std::shared_ptr<Spy> spy = std::make_shared<Spy>();
  std::unique_ptr<transport::Transport> transport;
  std::vector<Heard> notices;
  std::function<void(const Notice&)> also;  // beside noting it
  bool in_do_work = false;
  int notices_outside = 0;  // of do_work
  std::unique_ptr<Conductor> conductor;

 private:
  std::shared_ptr<Request> queue(std::shared_ptr<Request> request) {
    EXPECT_TRUE(conductor->submit(request));
    return request;
  }
};

class World {
 public:
  explicit World(const sim::NetworkOptions& network_options = {})
      : network(clock, network_options) {
    WorldEnv::clock = &clock;
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { WorldEnv::clock = nullptr; }

  ClientOptions client_options() const {
    ClientOptions options;
    options.mode = Mode::direct;
    options.aeron_dir = aeron_dir;
    options.allowed_base_dirs = {files.path()};
    options.announce_period_ns = 100 * ms;
    options.media_driver_timeout_ns = sec;
    return options;
  }
  ProducerOptions producer_options() const {
    ProducerOptions options;
    options.stream = stream;
    options.producer_id = 7;
    options.base_dir = files.path();
    options.slots = 8;
    options.pools = {{.pool_id = 1, .stride_bytes = 256}};
    options.qos_interval_ns = 200 * ms;
    return options;
  }
  ConsumerOptions consumer_options() const {
    ConsumerOptions options;
    options.stream = stream;
    options.consumer_id = 9;
    options.hello_interval_ns = options.qos_interval_ns = 200 * ms;
    return options;
  }

  Node& node() { return node(client_options()); }
  Node& node(ClientOptions options) {
    nodes.push_back(std::make_unique<Node>(*this, std::move(options)));
    return *nodes.back();
  }

  // One duty cycle of everybody, a millisecond after the last.
  void step(base::Nanos by = ms) {
    network.advance(by);
    for (auto& n : nodes) {
      if (n->conductor != nullptr) (void)n->do_work();
    }
    if (between) between();
  }
  void run_for(base::Nanos time, base::Nanos by = ms) {
    for (base::Nanos at = 0; at < time; at += by) step(by);
  }
  // Steps until `done`, at most `limit` of virtual time.
  bool run_until(const std::function<bool()>& done, base::Nanos limit = 20 * sec) {
    for (base::Nanos at = 0; at < limit; at += ms) {
      if (done()) return true;
      step();
    }
    return done();
  }

  // The port of a request, once it is complete.
  Owned<TestProducer> producer(const std::shared_ptr<Request>& request) {
    EXPECT_TRUE(run_until([&] { return request->state() == Request::State::complete; }));
    if (request->state() != Request::State::complete) return {};
    ProducerPortOptions options;
    options.stream_id = request->producer.stream;
    options.producer_id = request->producer.producer_id;
    return Owned<TestProducer>(new TestProducer(options, request->take_cell(), nullptr));
  }
  Owned<TestConsumer> consumer(const std::shared_ptr<Request>& request) {
    EXPECT_TRUE(run_until([&] { return request->state() == Request::State::complete; }));
    ConsumerPortOptions options;
    options.stream_id = request->consumer.stream;
    options.consumer_id = request->consumer.consumer_id;
    return Owned<TestConsumer>(new TestConsumer(options, request->take_cell(), nullptr));
  }
  Owned<TestProducer> producer(Node& at) { return producer(at.request(producer_options())); }
  Owned<TestConsumer> consumer(Node& at) { return consumer(at.request(consumer_options())); }
  bool active(TestConsumer& port) {
    return run_until([&] { return port.state() == PortState::active; });
  }
  bool active(TestProducer& port) {
    return run_until([&] { return port.state() == PortState::active; });
  }

  const std::string aeron_dir = "/simulated";
  base::ManualClock clock{100 * sec};
  base::PosixFileSystem file_system;
  TempDir files;
  sim::Network network;
  std::function<void()> between;  // after each step
  std::vector<std::unique_ptr<Node>> nodes;
};

inline Node::Node(World& world, ClientOptions wanted)
    : options(std::move(wanted)), transport(spy_on(world.network.make_transport(), spy)) {
  options.on_notice = [this](const Notice& notice) {
    notices.push_back(
        {notice.kind, notice.stream_id, notice.epoch, std::string(notice.text), notice.lease_end});
    if (!in_do_work) ++notices_outside;
    if (also) also(notice);
  };
  shm::MapPolicy::Settings settings;
  settings.allowed_base_dirs = options.allowed_base_dirs;
  settings.forbidden_mode_bits = options.forbidden_mode_bits;
  auto policy = shm::MapPolicy::make(world.file_system, settings);
  EXPECT_TRUE(policy) << (policy ? "" : policy.error().message());
  conductor = std::make_unique<Conductor>(
      options, std::move(*policy), agents::World{*transport, world.file_system, world.clock});
}

// A frame of 64 bytes, all of them `value`.
inline Result<Committed> send(TestProducer& port, std::uint8_t value) {
  TensorSpec spec;
  spec.dtype = DType::u8;
  spec.shape = {64};
  const std::vector<std::byte> bytes(64, static_cast<std::byte>(value));
  return port.offer(spec, bytes, {});
}

// The first bytes of all frames that are there, each checked to be of one value.
inline std::vector<int> receive(TestConsumer& port) {
  std::vector<int> values;
  for (int rounds = 0; rounds < 100; ++rounds) {
    const Polled polled = port.poll([&](OpenFrame& frame) {
      std::vector<std::byte> bytes(frame.info.size_bytes);
      std::memcpy(bytes.data(), frame.payload, bytes.size());
      EXPECT_TRUE(
          std::all_of(bytes.begin(), bytes.end(), [&](std::byte b) { return b == bytes.front(); }));
      values.push_back(static_cast<int>(bytes.front()));
      return TestConsumer::Visit::unproved;
    });
    if (polled.work() == 0) break;
  }
  return values;
}

}  // namespace tensorpool::agents::test
