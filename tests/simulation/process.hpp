// A simulated process: one client with its conductor, and threads of its application, each on a
// fiber with a port of its own. What the rest of the simulation knows of such a thread is App; the
// ports themselves are known only to producer_app.cpp and consumer_app.cpp, which are compiled once
// more for every mutant.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agents/conductor.hpp"
#include "agents/env.hpp"
#include "sim/fiber.hpp"
#include "sim/interrupted_file_system.hpp"
#include "sim/memory_file_system.hpp"
#include "sim/network.hpp"
#include "simulation/env.hpp"
#include "simulation/lease_watch.hpp"

namespace tensorpool::simulation {

class World;
class Process;
class Thread;

inline constexpr base::Nanos announce_period_ns = 100'000'000;
inline constexpr std::uint32_t liveness_factor = 5;
inline constexpr const char* aeron_dir = "/simulated";
inline constexpr const char* base_dir = "/dev/shm";

// Header ring and pools of the largest stream that producers make, superblocks included.
inline constexpr std::uint32_t small_stride_bytes = 64;
inline constexpr std::uint32_t large_stride_bytes = 256;
inline constexpr std::uint32_t most_slots = 16;
inline constexpr std::uint64_t largest_stream_bytes =
    3 * 64 + most_slots * (256 + small_stride_bytes + large_stride_bytes);

// One boot of the host. A reboot makes another one; what ran on this one never runs again.
struct Host {
  // `kept`: the files of the last boot; null where they are gone with it.
  Host(std::uint32_t number, const sim::NetworkOptions& options, base::Nanos boot_ns,
       base::Nanos realtime_ns, std::shared_ptr<sim::MemoryDisk> kept)
      : boot(number),
        clock(boot_ns, realtime_ns),
        network(clock, options),
        files(kept != nullptr ? std::move(kept) : std::make_shared<sim::MemoryDisk>(clock)),
        disk(*files) {
    disk.set_clock(clock);
    disk.make_directories(base_dir);
  }
  const std::uint32_t boot;
  base::ManualClock clock;
  sim::Network network;
  const std::shared_ptr<sim::MemoryDisk> files;
  sim::MemoryDisk& disk;
};

// What one thread of a process does.
struct Part {
  bool produces = false;
  std::uint32_t stream = 0;
  std::uint32_t id = 0;
};

// A place in the deployment that one process after the other fills. Its parts are of different
// streams.
struct Role {
  std::string name;
  std::vector<Part> parts;
  Process* current = nullptr;  // the newest one; null when it is gone
  bool tampered = false;       // somebody changed files of its streams
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
  // The port sends this descriptor now.
  virtual void on_descriptor(std::span<const std::byte>) {}
  // Invariants, at any moment.
  virtual void check() = 0;
  // Driver mode: what was said of the lease, and what must hold behind a duty cycle of the conductor.
  virtual LeaseWatch& lease() = 0;
  virtual void after_cycle() {}
  // Behind run(): closes the port.
  virtual void close() = 0;
  // In the middle of something: for the probes of kills.
  virtual bool filling() const { return false; }
  virtual bool handling() const { return false; }
  // Folders of epochs that a clean end removes.
  virtual std::vector<std::string> removed_folders() const { return {}; }
  // What was delivered of living producers since the faults ended.
  virtual std::uint64_t calm_frames() const { return 0; }
};
std::unique_ptr<App> make_producer(Thread& thread);
std::unique_ptr<App> make_consumer(Thread& thread);

// Lets go of a request as a dropped handle does: a port that it may have become is closed.
void abandon(std::shared_ptr<agents::Request>& request);

// One thread of a process.
class Thread {
 public:
  Thread(Process& process, const Part& part);

  Process& process() const noexcept { return process_; }
  const Part& part() const noexcept { return part_; }
  const std::string& name() const noexcept { return name_; }
  App& app() noexcept { return *app_; }
  bool done() const noexcept { return fiber_.done(); }
  void resume();
  void yield();        // always, unless the world is over
  void maybe_yield();  // as the dice fall
  void step(agents::Step step);
  void close();  // the port; REQUIRES done()
  void note_kill();
  WatchedPublication& publication() noexcept { return publication_; }
  void announcing(bool on) noexcept { announcing_ = on; }

  // Around calls of the port.
  class Call {
   public:
    explicit Call(Thread& t) noexcept : thread_(t) { ++t.calls_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (--thread_.calls_ == 0) thread_.stands_at_.reset();
    }

   private:
    Thread& thread_;
  };
  bool in_call() const noexcept { return calls_ > 0; }

 private:
  Process& process_;
  Part part_;
  std::string name_;
  std::unique_ptr<App> app_;
  sim::Fiber fiber_;
  WatchedPublication publication_{*this};
  bool announcing_ = false;  // an open claim at the transport
  int calls_ = 0;
  std::optional<agents::Step> stands_at_;  // inside of a call
};

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
  std::vector<std::unique_ptr<Thread>>& threads() noexcept { return threads_; }
  const sim::MemoryFileSystem& files() const noexcept { return files_; }

  // For the application. False: the client is closed.
  bool submit(const std::shared_ptr<agents::Request>& request);
  bool leaving() const noexcept;
  // Duty cycles of its conductor so far.
  std::uint64_t cycles() const noexcept { return cycles_; }
  bool is_client(std::int64_t id) const noexcept;
  // Its id at the media driver; 0 before the first connection.
  std::int64_t client() const noexcept { return clients_.empty() ? 0 : clients_.back(); }

  // For the scheduler. `running` is neither paused, killed nor ended.
  bool running() const noexcept { return !paused_ && !killed_ && !ended_; }
  bool paused() const noexcept { return paused_ && !killed_; }
  bool killed() const noexcept { return killed_; }
  bool ended() const noexcept { return ended_; }
  bool superseded() const noexcept { return role_.current != this; }
  bool application_done() const noexcept;
  void do_work();
  void pause(bool on);
  void kill();
  void ask_to_leave() noexcept { asked_to_leave_ = true; }
  bool asked_to_leave() const noexcept { return asked_to_leave_; }
  // Closes the client under its ports, whatever they are doing.
  void close_client();
  // Memory that is not given back shows while the process lives.
  void check_mapped();
  // Closes everything and says what is left behind. REQUIRES application_done().
  void end();

 private:
  void set_options();
  void on_notice(const Notice& notice);

  World& world_;
  std::shared_ptr<Host> host_;
  Role& role_;
  std::uint32_t incarnation_;
  std::string name_;
  sim::MemoryFileSystem files_;
  sim::InterruptedFileSystem calls_;
  std::vector<std::int64_t> clients_;  // ids at the media driver, of all connections so far
  std::unique_ptr<transport::Transport> transport_;
  ClientOptions options_;
  std::unique_ptr<agents::Conductor> conductor_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::uint64_t cycles_ = 0;
  bool client_closed_ = false;
  bool paused_ = false;
  bool killed_ = false;
  bool ended_ = false;
  bool asked_to_leave_ = false;
};

}  // namespace tensorpool::simulation
