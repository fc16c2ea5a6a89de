// The world: hosts, roles, processes, and the scheduler that draws what happens next.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "simulation/driver_side.hpp"
#include "simulation/ledger.hpp"
#include "simulation/probes.hpp"
#include "simulation/process.hpp"
#include "simulation/trace.hpp"

namespace tensorpool::simulation {

struct Settings {
  Mode mode = Mode::direct;
  std::uint64_t seed = 1;
  std::uint64_t steps = 0;  // of the scheduler; 0: as many as a world of this mode takes
  bool trace = false;
  bool faults = true;
};

// What one seed came to.
struct Report {
  std::string failure;  // empty: passed
  std::uint64_t hash = 0;
  std::uint64_t lines = 0;
  base::Nanos recovery_ns = 0;  // how long the slowest consumer took after the last fault
  Probes probes;
  bool passed() const noexcept { return failure.empty(); }
};
// `on_failure` is told at once, before the rest is cleaned up.
Report run(const Settings& settings, void (*on_failure)(const std::string&) = nullptr);

// How this seed deals its cards: worlds differ more than steps do. Shares of the scheduler are per
// thousand; the rest is the applications'.
struct Habits {
  std::uint64_t conductors = 280;
  std::uint64_t time = 145;
  std::uint64_t harm = 15;
  std::uint32_t yields_percent = 50;  // at a step of the frame path
  std::uint64_t kinds_of_harm = UINT64_MAX;
};

class World {
 public:
  explicit World(const Settings& settings, void (*on_failure)(const std::string&));
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  void run();
  Report report() const;

  base::Prng& prng() noexcept { return prng_; }
  Ledger& ledger() noexcept { return ledger_; }
  void hit(Probe probe, std::uint64_t times = 1) noexcept { probes_.hit(probe, times); }
  bool faults() const noexcept { return settings_.faults; }
  bool calm() const noexcept { return calm_; }  // no more faults: behave
  std::uint32_t yields_percent() const noexcept { return habits_.yields_percent; }
  bool one_endpoint() const noexcept { return one_endpoint_; }  // for control and announces
  bool over() const noexcept { return over_; }  // nobody looks any more: run to your end
  // Null in direct mode.
  DriverSide* side() noexcept { return side_.get(); }
  const std::shared_ptr<Host>& host() const noexcept { return host_; }
  std::uint32_t next_incarnation() noexcept { return ++incarnations_; }
  Process* process_of_client(std::int64_t client) const;
  std::uint64_t dice(std::uint64_t sides) noexcept { return prng_.below(sides); }
  bool chance(std::uint32_t percent) noexcept { return prng_.below(100) < percent; }

  template <class... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    if (!over_) trace_.line(host_->clock.monotonic_ns(), format, std::forward<Args>(args)...);
  }
  // The first failure counts; the run ends with the current step.
  void fail(std::string what);
  bool failed() const noexcept { return !failure_.empty(); }
  // Whether this incarnation is the living one of its role.
  bool living(std::uint32_t incarnation) const noexcept;
  static std::string name_of(const Role& role, std::uint32_t incarnation);

  // --- The end of driver mode.
  void clients_round();
  void ask_everybody_to_leave();
  bool no_client_left();

 private:
  friend class DriverSide;  // which does the harm of driver mode
  // scheduler.cpp
  void draw_habits();
  void step();
  void pass_time();
  void go_on(Process& process);
  Process* any_running();
  void check_all();
  void recover();
  void recovery_round();
  Thread* still_waiting();
  void tear_down();
  // faults.cpp
  void harm();
  void new_host();
  void start(Role& role);
  void start_missing();
  void weather(bool fair);
  void pause_or_wake();
  void kill_one();
  void kill(Process& process);
  void leave_one();
  void succeed_one();
  void media_driver(bool fair);
  void disk_space(bool fair);
  void take_image();
  void impostor();
  void reboot();
  void on_network(const sim::TraceEvent& event);
  std::vector<Process*> those(bool running, bool paused);

  Settings settings_;
  void (*on_failure_)(const std::string&);
  base::Prng prng_;
  Trace trace_;
  Probes probes_;
  Ledger ledger_;
  std::shared_ptr<Host> host_;
  std::vector<Role> roles_;
  std::unique_ptr<DriverSide> side_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::int32_t> sessions_;  // of descriptor publications seen lately
  bool driver_alive_ = false;
  bool driver_frozen_ = false;
  std::uint32_t incarnations_ = 0;
  std::uint32_t boots_ = 0;
  Habits habits_;
  bool one_endpoint_ = false;
  bool calm_ = false;
  bool over_ = false;
  base::Nanos recovery_ns_ = 0;
  std::string failure_;
};

// What the applications have in common: a port, made where there is none and worked with where there is.
template <class PortOfRole>
class PortApp : public App {
 public:
  explicit PortApp(Thread& thread)
      : thread_(thread), process_(thread.process()), world_(process_.world()) {}

  LeaseWatch& lease() override { return lease_; }

  void run() override {
    while (!process_.leaving()) {
      if (port_ == nullptr) {
        open();
      } else {
        act();
      }
      thread_.yield();
    }
  }

 protected:
  using Port = PortOfRole;
  virtual void open() = 0;
  virtual void act() = 0;

  // What a driver is asked for.
  AttachOptions attach_options() const {
    AttachOptions options;
    const DriverSide* side = world_.side();
    if (side == nullptr) return options;
    options.publish_mode = PublishMode::existing_or_create;
    if (side->deployment().desired_node_ids) options.desired_node_id = thread_.part().id;
    return options;
  }
  // Whether the client id is left to the library, which takes another one when it is in use.
  bool any_client_id() const {
    const DriverSide* side = world_.side();
    return side != nullptr && side->deployment().random_client_ids;
  }
  std::uint32_t client_id() const {
    return any_client_id() ? base::random_id() : thread_.part().id;
  }
  bool submit(const std::shared_ptr<agents::Request>& request) {
    lease_.asked(process_.cycles() + 1);
    return process_.submit(request);
  }
  // REQUIRES a port that is not closed.
  CallBegin call_begins() {
    CallBegin begin;
    begin.sessions = port_->cell().consumer.sessions.get() + port_->cell().producer.sessions.get();
    if (world_.side() == nullptr) return begin;
    const base::Nanos now = process_.host().clock.monotonic_ns();
    begin.usable = lease_.attached() && lease_.mapped() &&
                   now <= port_->cell().lease_deadline.load(std::memory_order_relaxed);
    begin.gone_epoch = lease_.gone_epoch();
    return begin;
  }
  bool same_session(const CallBegin& begin) {
    return begin.sessions ==
           port_->cell().consumer.sessions.get() + port_->cell().producer.sessions.get();
  }

  Thread& thread_;
  Process& process_;
  World& world_;
  LeaseWatch lease_;
  std::unique_ptr<Port> port_;
};

}  // namespace tensorpool::simulation
