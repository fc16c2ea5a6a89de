// What a Driver shares with its thread: the engine, who may work on it, and how it ends. Reference-counted, so
// that a handler may destroy the Driver that called it.
//
// One mutex guards the engine. A duty cycle holds it, and never waits for anybody meanwhile; status() and the like
// take it in between. In a forked child nothing is touched.
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agents/runner.hpp"
#include "driver/engine.hpp"
#include "tensorpool/driver.hpp"

namespace tensorpool::driver {

class Host final : public std::enable_shared_from_this<Host> {
 public:
  // Checks, starts the engine and, for a threaded driver, its thread. Errors: those of Driver::launch().
  static Result<std::shared_ptr<Host>> make(DriverOptions options);

  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  // As of the class Driver.
  int do_work();
  void terminate() noexcept;
  bool stopped() const noexcept;
  Result<void> wait(std::chrono::nanoseconds timeout);
  DriverStatus status() const;
  std::vector<DriverLease> leases() const;
  Result<void> revoke(std::uint64_t lease_id, std::string_view text);
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  const std::string& configuration() const noexcept { return configuration_; }
  const std::string& aeron_dir() const noexcept { return aeron_dir_; }

  // For ~Driver: ends the driver now or, inside on_notice, once the duty cycle under way is over.
  void end() noexcept;

 private:
  // The engine is this thread's for as long as it lives.
  class Turn;

  Host() = default;
  bool forked() const noexcept;
  // Inside a duty cycle of this thread, that is, inside on_notice.
  bool in_callback() const noexcept { return owner_.load() == std::this_thread::get_id(); }
  int cycle();
  int threaded_cycle();
  void finish() noexcept;
  void end_after_callback() noexcept;

  std::unique_ptr<Engine> engine_;
  std::vector<std::string> warnings_;
  std::string configuration_;
  std::string aeron_dir_;
  const pid_t process_id_ = ::getpid();

  mutable std::mutex mutex_;
  mutable std::atomic<int> waiting_{0};           // for the mutex, beside the duty cycle
  mutable std::atomic<std::thread::id> owner_{};  // of the mutex
  std::atomic<unsigned> terminations_{0};         // asked for
  unsigned passed_on_ = 0;                        // to the engine
  std::atomic<bool> stopped_{false};
  std::mutex end_mutex_;  // for those who wait for the end
  std::condition_variable ended_;
  std::atomic<bool> finishing_{false};
  // Set inside a handler that destroyed the Driver, and in a forked child, where nothing may ever be destroyed.
  std::shared_ptr<Host> ending_;
  std::unique_ptr<agents::Runner> runner_;
};

}  // namespace tensorpool::driver
