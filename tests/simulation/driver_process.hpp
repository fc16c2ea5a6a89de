// A driver as a process of the simulation: the real agent, invoked, on a fiber of its own. It gives way between its
// duty cycles and before every call of the file system, so that it can stand, or die, between any two.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agents/driver/driver_agent.hpp"
#include "sim/fiber.hpp"
#include "sim/interrupted_file_system.hpp"
#include "simulation/deployment.hpp"
#include "simulation/process.hpp"

namespace tensorpool::simulation {

class DriverSide;

class DriverProcess {
 public:
  DriverProcess(DriverSide& side, std::shared_ptr<Host> host, std::uint32_t incarnation,
                bool collects_at_start);
  DriverProcess(const DriverProcess&) = delete;
  DriverProcess& operator=(const DriverProcess&) = delete;
  ~DriverProcess();

  World& world() const noexcept;
  Host& host() const noexcept { return *host_; }
  const std::string& name() const noexcept { return name_; }
  std::uint32_t incarnation() const noexcept { return incarnation_; }
  std::uint64_t process_id() const noexcept { return 1000 + std::uint64_t{incarnation_}; }
  // Null before it is made and when it is over.
  agents::driver::DriverAgent* agent() const noexcept { return agent_.get(); }

  bool running() const noexcept { return !paused_ && !killed_ && !fiber_.done(); }
  bool paused() const noexcept { return paused_ && !killed_ && !fiber_.done(); }
  bool killed() const noexcept { return killed_; }
  bool ended() const noexcept { return fiber_.done(); }  // by itself
  // There was another one.
  bool refused() const noexcept { return refused_; }
  bool idle() const noexcept { return agent_ != nullptr && !in_cycle_; }

  void resume();
  void pause(bool on);
  void kill();
  // What happens before its next duty cycle.
  void ask_to_terminate() noexcept { ++terminations_; }
  void ask_to_revoke(std::uint64_t lease_id) noexcept { revoke_ = lease_id; }

  // --- For the book.

  bool may_drain() const noexcept { return may_drain_; }
  void allow_draining() noexcept { may_drain_ = true; }
  std::uint64_t revoking() const noexcept { return revoking_; }
  // A fragment of the control stream was polled.
  void on_polled() noexcept { ++polled_; }
  bool is_client(std::int64_t id) const noexcept;
  // For how long its polls have brought as much as they may, this one included; nothing when the last one
  // found the end.
  std::optional<base::Nanos> behind_for() const noexcept;
  // Whether a fragment waits for it that says this, word for word but for the time.
  bool keepalive_waits(std::uint64_t lease_id) const;
  bool shutdown_told = false;

 private:
  agents::driver::DriverOptions options(bool collects_at_start);
  void run();
  void cycle();
  std::optional<Error> before_call(const char* call);
  void note_kill();

  DriverSide& side_;
  std::shared_ptr<Host> host_;
  std::uint32_t incarnation_;
  std::string name_;
  bool collects_at_start_;
  sim::MemoryFileSystem files_;
  sim::InterruptedFileSystem calls_;
  std::vector<std::int64_t> clients_;  // ids at the media driver, of all connections so far
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<agents::driver::DriverAgent> agent_;
  sim::Fiber fiber_;

  bool paused_ = false;
  bool killed_ = false;
  bool refused_ = false;
  bool in_cycle_ = false;
  const char* in_call_ = nullptr;  // of the file system
  std::uint32_t terminations_ = 0;
  std::uint32_t terminated_ = 0;
  std::uint64_t revoke_ = 0;
  std::uint64_t revoking_ = 0;
  bool may_drain_ = false;
  int polled_ = 0;
  int fragment_limit_ = 0;
  std::optional<base::Nanos> behind_since_;
  base::Nanos cycle_began_ = 0;
};

}  // namespace tensorpool::simulation
