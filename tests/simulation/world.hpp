// The world: hosts, roles, processes, and the scheduler that draws what happens next.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "simulation/ledger.hpp"
#include "simulation/probes.hpp"
#include "simulation/process.hpp"
#include "simulation/trace.hpp"

namespace tensorpool::simulation {

struct Settings {
  std::uint64_t seed = 1;
  std::uint64_t steps = 10'000;
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
  bool calm() const noexcept { return calm_; }  // no more faults: behave
  std::uint32_t yields_percent() const noexcept { return habits_.yields_percent; }
  bool one_endpoint() const noexcept { return one_endpoint_; }  // for control and announces
  bool over() const noexcept { return over_; }  // nobody looks any more: run to your end
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

 private:
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

  Thread& thread_;
  Process& process_;
  World& world_;
  std::unique_ptr<Port> port_;
};

}  // namespace tensorpool::simulation
