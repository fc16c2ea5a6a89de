// A driver for tests of driver mode: the driver's core over simulated messaging and real files, as simple as
// can be: everything at once, in one duty cycle.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "protocol/driver/driver_core.hpp"
#include "protocol/overloaded.hpp"
#include "shm/create.hpp"
#include "unit/agents/support.hpp"
#include "wire/codec.hpp"

namespace tensorpool::agents::test {

namespace drv = protocol::driver;

class TestDriver {
 public:
  // With the timings of driver_options(): keepalives every 100 ms, three of grace, announces every 100 ms.
  explicit TestDriver(World& world, std::uint64_t first_lease = 1'000)
      : world_(world), core_(settings(world, first_lease), now()) {}
  TestDriver(const TestDriver&) = delete;
  TestDriver& operator=(const TestDriver&) = delete;
  ~TestDriver() = default;

  static drv::Settings settings(World& world, std::uint64_t first_lease) {
    drv::Settings s;
    s.keepalive_interval_ns = s.announce_period_ns = 100 * ms;
    s.first_lease_id = first_lease;
    s.profiles = {{"small", 8, {{1, 256}}}};
    s.streams = {{stream, "small"}};
    s.allow_dynamic_streams = true;
    s.stream_id_range = {{20'000, 20'009}};
    s.epoch_gc_enabled = false;
    s.shutdown_timeout_ns = 50 * ms;
    s.node_id_reuse_cooldown_ns = 100 * ms;
    (void)world;
    return s;
  }

  int do_work() {
    if (connection_ == nullptr && !connect()) return 0;
    (void)connection_->do_work();
    int work = 0;
    if (!deaf) {
      work = in_->poll_assembled([this](const transport::Fragment& f) { hear(f.data); }, 100);
    }
    core_.on_drained();
    while (core_.deadline() <= now().monotonic && core_.state() != drv::State::stopped) {
      core_.on_timer(now(), actions_);
      apply();
      ++work;
    }
    return work;
  }

  drv::DriverCore& core() { return core_; }
  void terminate() { core_.on_terminate(now(), actions_), apply(); }
  void revoke(std::uint64_t lease_id) {
    EXPECT_TRUE(core_.revoke(now(), lease_id, "by hand", actions_));
    apply();
  }
  std::optional<drv::LeaseKey> lease_of(wire::driver::Role role) const {
    for (const auto& [id, lease] : core_.leases().all()) {
      if (lease.key.role == role) return lease.key;
    }
    return std::nullopt;
  }

  bool deaf = false;        // hears nothing: keepalives are lost
  bool silent = false;      // announces nothing
  bool no_regions = false;  // cannot create any
  std::function<void(wire::driver::ShmAttachResponse&)> spoil;  // what it answers
  std::vector<wire::driver::ShmAttachRequest> requests;
  std::vector<wire::ConsumerHello> hellos;
  // Anything at all, on the control stream.
  void shout(std::span<const std::byte> message) { (void)out_->offer(message); }

  int creations = 0;
  int detaches = 0;
  int keepalives = 0;

 private:
  protocol::Now now() const { return {world_.clock.monotonic_ns(), world_.clock.realtime_ns()}; }

  bool connect() {
    if (transport_ == nullptr) transport_ = world_.network.make_transport();
    transport::ConnectOptions options;
    options.directory = world_.aeron_dir;
    auto connection = transport_->connect(options);
    if (!connection) return false;
    connection_ = std::move(*connection);
    const ClientOptions client = world_.client_options();
    const base::Nanos deadline = now().monotonic + sec;
    auto out =
        connection_->add_publication(client.control.channel, client.control.stream_id, deadline);
    auto announces =
        connection_->add_publication(client.announce.channel, client.announce.stream_id, deadline);
    auto in = connection_->add_subscription(client.control.channel, client.control.stream_id,
                                            deadline, nullptr);
    adds_out_ = std::move(*out);
    adds_announces_ = std::move(*announces);
    adds_in_ = std::move(*in);
    while (out_ == nullptr || announces_ == nullptr || in_ == nullptr) {
      if (out_ == nullptr) out_ = std::move(*adds_out_->poll());
      if (announces_ == nullptr) announces_ = std::move(*adds_announces_->poll());
      if (in_ == nullptr) in_ = std::move(*adds_in_->poll());
      world_.network.advance(ms);
      (void)connection_->do_work();
    }
    return true;
  }

  void hear(std::span<const std::byte> message) {
    const auto any = wire::try_decode_any(message);
    if (!any) return;  // noise, and what is meant for clients
    std::visit(protocol::Overloaded{
                   [&](const wire::driver::ShmAttachRequest& m) {
                     requests.push_back(m);
                     core_.on_attach(now(), m, actions_);
                   },
                   [&](const wire::driver::ShmDetachRequest& m) {
                     ++detaches;
                     core_.on_detach(now(), m, actions_);
                   },
                   [&](const wire::driver::ShmLeaseKeepalive& m) {
                     ++keepalives;
                     core_.on_keepalive(now(), m, actions_);
                   },
                   [&](const wire::ConsumerHello& m) { hellos.push_back(m); },
                   [](const auto&) {},
               },
               *any);
    apply();
  }

  void apply() {
    while (!actions_.empty()) {
      for (drv::Action& action : actions_.take())
        std::visit([&](auto& what) { did(what); }, action);
    }
  }
  template <class M>
  void send(transport::Publication& to, const M& message) {
    std::vector<std::byte> bytes(wire::encoded_size(message));
    EXPECT_TRUE(wire::try_encode(message, bytes));
    (void)to.offer(bytes);
  }
  void did(drv::SendAttachResponse& a) {
    if (spoil) spoil(a.message);
    send(*out_, a.message);
  }
  void did(const drv::SendDetachResponse& a) { send(*out_, a.message); }
  void did(const drv::SendLeaseRevoked& a) { send(*out_, a.message); }
  void did(const drv::SendDriverShutdown& a) { send(*out_, a.message); }
  void did(const drv::SendAnnounce& a) {
    if (silent) return;
    if (a.refresh_activity) {
      created_.at(a.message.stream_id)
          .mapped.refresh_activity(static_cast<std::uint64_t>(now().monotonic));
    }
    send(*announces_, a.message);
  }
  void did(const drv::CreateRegions& a) {
    shm::CreateOptions options;
    options.base_dir = world_.files.path();
    auto made = no_regions
                    ? Result<shm::CreatedStream>(fail(Code::system_error, "create", "no disk"))
                    : shm::create_stream(world_.file_system, options, a.layout,
                                         static_cast<std::uint64_t>(now().monotonic));
    if (!made) return core_.on_create_failed(now(), a.request_id, made.error(), actions_);
    wire::ShmPoolAnnounce description;
    description.epoch = made->regions.layout.epoch;
    description.layout_version = made->regions.layout.layout_version;
    description.header_nslots = made->regions.layout.nslots;
    description.header_slot_bytes = 256;
    description.header_region_uri = made->regions.header_uri;
    for (std::size_t i = 0; i < made->regions.layout.pools.size(); ++i) {
      const shm::PoolSpec& pool = made->regions.layout.pools[i];
      description.payload_pools.push_back({pool.pool_id, made->regions.layout.nslots,
                                           pool.stride_bytes, made->regions.pool_uris[i]});
    }
    ++creations;
    created_[a.layout.stream_id] = std::move(*made);
    core_.on_created(now(), a.request_id, std::move(description), actions_);
  }
  template <class Other>
  void did(const Other&) {}

  World& world_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<transport::Connection> connection_;
  std::unique_ptr<transport::Add<transport::Publication>> adds_out_, adds_announces_;
  std::unique_ptr<transport::Add<transport::Subscription>> adds_in_;
  std::unique_ptr<transport::Publication> out_, announces_;
  std::unique_ptr<transport::Subscription> in_;
  drv::DriverCore core_;
  drv::Actions actions_;
  std::map<std::uint32_t, shm::CreatedStream> created_;
};

// A world with a driver in it.
class DriverWorld : public World {
 public:
  DriverWorld() {
    network.start_media_driver(aeron_dir);
    driver = std::make_unique<TestDriver>(*this);
    between = [this] {
      if (driver != nullptr) (void)driver->do_work();
    };
  }
  // Killed: nothing is said or given back.
  void kill_driver() { driver.reset(); }
  void start_driver() { driver = std::make_unique<TestDriver>(*this, 900'000); }

  ClientOptions driver_options() const {
    ClientOptions options = client_options();
    options.mode = Mode::driver;
    options.keepalive_interval_ns = 100 * ms;
    options.backoff_first_ns = 20 * ms;
    options.backoff_largest_ns = 100 * ms;
    return options;
  }
  // One whose process shares nothing with the others but the driver.
  Node& leasing_node() { return node(driver_options()); }

  ProducerOptions leased_producer() const {
    ProducerOptions options;
    options.stream = stream;
    options.producer_id = 7;
    options.qos_interval_ns = 200 * ms;
    return options;
  }

  std::unique_ptr<TestDriver> driver;
};

}  // namespace tensorpool::agents::test
