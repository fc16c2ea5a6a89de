// What driver mode adds to the world: how the driver is configured, driver processes, a stranger that sends what others
// sent, the book of what is promised, and the harm that is done to all of these.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "simulation/deployment.hpp"
#include "simulation/driver_book.hpp"
#include "simulation/driver_process.hpp"
#include "simulation/stranger.hpp"

namespace tensorpool::simulation {

class DriverSide {
 public:
  explicit DriverSide(World& world);
  DriverSide(const DriverSide&) = delete;
  DriverSide& operator=(const DriverSide&) = delete;
  ~DriverSide();

  World& world() const noexcept { return world_; }
  const Deployment& deployment() const noexcept { return deployment_; }
  DriverBook& book() noexcept { return book_; }
  std::vector<Role> roles() const;

  // --- For the scheduler.

  // Per thousand steps.
  std::uint64_t share() const noexcept { return share_; }
  void step();
  // Every driver process goes on a little.
  void round();
  void on_new_host(bool keeps_files);
  // Starts a driver where none is alive.
  void start_missing();
  void kill_all();
  void harm();
  // No more faults: everybody is awake.
  void calm();
  // After everybody received frames: all leave, and nothing may stay behind.
  void wind_down();
  void tear_down();

  // --- For processes.

  std::uint32_t yields_percent() const noexcept { return yields_percent_; }
  // How long the next call of the file system takes; mostly 0.
  base::Nanos slowness();
  // An error for the next call, now and then.
  std::optional<Error> trouble(const char* call);

  // --- For the book.

  DriverProcess* driver_of_client(std::int64_t client) const;
  DriverProcess* driver_of_process(std::uint64_t process_id) const;
  bool is_stranger(std::int64_t client) const;
  void on_polled(std::int64_t client, std::int32_t stream);
  void on_lease_lost(const Thread& thread, const Notice& notice);
  void on_producer_gone(std::int64_t client, std::uint32_t stream, std::uint64_t epoch);
  void on_floor_forgotten(std::uint32_t stream);
  // Another one was alive when this one started or has started since.
  bool starting_beside(const DriverProcess& driver) const;

 private:
  DriverProcess& start(bool collects = false);
  DriverProcess* any(bool running, bool paused);
  DriverProcess* drives() const;
  void pause_or_wake();
  void kill_one();
  void terminate_one();
  void revoke_one();
  void trouble_weather(bool fair);
  void round_without_starts();
  bool everybody_left();
  void wait_for(const char* what, std::int64_t periods, bool (DriverSide::*done)());
  bool no_lease_left();
  bool everything_told();
  bool no_driver_left();
  void check_what_stays(std::size_t most);

  World& world_;
  Deployment deployment_;
  DriverBook book_;
  std::vector<std::unique_ptr<DriverProcess>> drivers_;
  std::unique_ptr<Stranger> stranger_;
  std::uint64_t share_ = 0;
  std::uint64_t strangers_percent_ = 0;
  std::uint32_t yields_percent_ = 0;
  std::uint32_t slow_per_million_ = 0;
  std::uint32_t errors_per_million_ = 0;  // of calls
  std::uint64_t kinds_of_harm_ = UINT64_MAX;
};

}  // namespace tensorpool::simulation
