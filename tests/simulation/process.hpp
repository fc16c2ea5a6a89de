// A simulated process: one client with its conductor, and an application on a fiber. What the rest
// of the simulation knows of an application is App; the ports themselves are known only to
// producer_app.cpp and consumer_app.cpp, which are compiled once more for every mutant.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/conductor.hpp"
#include "agents/env.hpp"
#include "sim/fiber.hpp"
#include "sim/memory_file_system.hpp"
#include "sim/network.hpp"

namespace tensorpool::simulation {

class World;
class Process;

inline constexpr base::Nanos announce_period_ns = 100'000'000;
inline constexpr std::uint32_t liveness_factor = 5;
inline constexpr const char* aeron_dir = "/simulated";
inline constexpr const char* base_dir = "/dev/shm";

// One boot of the host. A reboot makes another one; what ran on this one never runs again.
struct Host {
  Host(std::uint32_t number, const sim::NetworkOptions& options, base::Nanos boot_ns,
       base::Nanos realtime_ns)
      : boot(number), clock(boot_ns, realtime_ns), network(clock, options), disk(clock) {
    disk.make_directories(base_dir);
  }
  const std::uint32_t boot;
  base::ManualClock clock;
  sim::Network network;
  sim::MemoryDisk disk;
};

// A place in the deployment that one process after the other fills.
struct Role {
  bool produces = false;
  std::uint32_t stream = 0;
  std::uint32_t id = 0;
  Process* current = nullptr;  // the newest one; null when it is gone
  bool tampered = false;       // somebody changed files of its stream
};

class App {
 public:
  App() = default;
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  virtual ~App() = default;
  // The body of the fiber: ends soon once Process::leaving().
  virtual void run() = 0;
  // Inside the fiber, before it gives way.
  virtual void on_step(agents::Step step) = 0;
  virtual void on_notice(const Notice& notice) = 0;
  // Invariants, at any moment.
  virtual void check() = 0;
  // Behind run(): closes the port.
  virtual void close() = 0;
  // In the middle of something: for the probes of kills.
  virtual bool filling() const { return false; }
  virtual bool handling() const { return false; }
  // What was delivered of living producers since the faults ended.
  virtual std::uint64_t calm_frames() const { return 0; }
};
std::unique_ptr<App> make_producer(Process& process);
std::unique_ptr<App> make_consumer(Process& process);

class Process {
 public:
  Process(World& world, std::shared_ptr<Host> host, Role& role, std::uint32_t incarnation);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  World& world() const noexcept { return world_; }
  Host& host() const noexcept { return *host_; }
  const Role& role() const noexcept { return role_; }
  Role& role() noexcept { return role_; }
  std::uint32_t incarnation() const noexcept { return incarnation_; }
  const std::string& name() const noexcept { return name_; }
  App& app() noexcept { return *app_; }
  const sim::MemoryFileSystem& files() const noexcept { return files_; }

  // For the application.
  agents::Conductor& conductor() noexcept { return *conductor_; }
  bool leaving() const noexcept;
  void yield();        // always, unless the world is over
  void maybe_yield();  // as the dice fall
  void step(agents::Step step);

  // For the scheduler. `running` is neither paused, killed nor ended.
  bool running() const noexcept { return !paused_ && !killed_ && !ended_; }
  bool paused() const noexcept { return paused_ && !killed_; }
  bool killed() const noexcept { return killed_; }
  bool ended() const noexcept { return ended_; }
  bool superseded() const noexcept { return role_.current != this; }
  bool application_done() const noexcept { return fiber_.done(); }
  void resume();
  int do_work() { return conductor_->do_work(); }
  void pause(bool on);
  void kill();
  void ask_to_leave() noexcept { asked_to_leave_ = true; }
  bool asked_to_leave() const noexcept { return asked_to_leave_; }
  // Closes everything and says what is left behind. REQUIRES application_done().
  void end();
  // The step that the application stands at, while it is inside of a call of its port.
  std::optional<agents::Step> stands_at() const noexcept { return stands_at_; }

  // Around calls of the port.
  class Call {
   public:
    explicit Call(Process& p) noexcept : process_(p) { ++p.calls_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (--process_.calls_ == 0) process_.stands_at_.reset();
    }

   private:
    Process& process_;
  };
  bool in_call() const noexcept { return calls_ > 0; }

 private:
  class NotingTransport;

  World& world_;
  std::shared_ptr<Host> host_;
  Role& role_;
  std::uint32_t incarnation_;
  std::string name_;
  sim::MemoryFileSystem files_;
  std::vector<std::int64_t> clients_;  // ids at the media driver, of all connections so far
  std::unique_ptr<transport::Transport> transport_;
  ClientOptions options_;
  std::unique_ptr<agents::Conductor> conductor_;
  std::unique_ptr<App> app_;
  sim::Fiber fiber_;
  bool paused_ = false;
  bool killed_ = false;
  bool ended_ = false;
  bool asked_to_leave_ = false;
  int calls_ = 0;
  std::optional<agents::Step> stands_at_;
};

}  // namespace tensorpool::simulation
