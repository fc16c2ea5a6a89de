// A driver from its start to its end, and whatever it stands on: the media driver beside it, transport, files, clock
// and agent. Driver (host.hpp) and the program tp_driver both run this.
//
// Threads: one, the duty cycle's, for everything.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agents/doorbell.hpp"
#include "agents/driver/driver_agent.hpp"
#include "base/clock.hpp"
#include "base/posix_file_system.hpp"
#include "driver/setup.hpp"
#include "tensorpool/driver.hpp"
#include "tensorpool/media_driver.hpp"
#include "transport/transport.hpp"

namespace tensorpool::driver {

class Engine {
 public:
  using OnNotice = std::function<void(const DriverNotice&)>;

  // Makes the agent, then the media driver where the setup asks for one. `on_notice` may be empty. Errors: those of
  // MediaDriver::launch() and DriverAgent::make().
  static Result<std::unique_ptr<Engine>> start(Setup setup, OnNotice on_notice);

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  // Without a word to anybody, unless it has stopped.
  ~Engine() = default;

  // One duty cycle; never blocks. Once the agent has stopped it is let go, and with it the namespace; the media
  // driver lives on.
  int do_work();
  void terminate() noexcept {
    if (agent_ != nullptr) agent_->terminate();
  }
  // What ends a sleep between two cycles, and how long one may be.
  agents::Doorbell& bell() noexcept { return bell_; }
  std::chrono::microseconds longest_park() const noexcept { return longest_park_; }
  bool stopped() const noexcept { return agent_ == nullptr; }

  // As of the class Driver; status() and leases() may be called inside on_notice.
  DriverStatus status() const;
  std::vector<DriverLease> leases() const;
  Result<void> revoke(std::uint64_t lease_id, std::string_view text);
  const std::string& aeron_dir() const noexcept { return aeron_dir_; }

 private:
  Engine(std::string aeron_dir, std::chrono::microseconds longest_park, OnNotice on_notice)
      : aeron_dir_(std::move(aeron_dir)),
        longest_park_(longest_park),
        on_notice_(std::move(on_notice)) {}
  Result<void> bring_media_driver(EmbeddedMediaDriver wanted);
  Result<void> make_agent(agents::driver::DriverOptions options);
  void tell(const DriverNotice& notice) const {
    if (on_notice_) on_notice_(notice);
  }
  void look_whether_ready(int work);

  const std::string aeron_dir_;
  const std::chrono::microseconds longest_park_;
  agents::Doorbell bell_;  // outlives the agent
  const OnNotice on_notice_;
  std::optional<MediaDriver> media_driver_;  // ends after the agent
  std::unique_ptr<transport::Transport> transport_;
  base::PosixFileSystem file_system_;
  const base::SystemClock clock_;
  std::unique_ptr<agents::driver::DriverAgent> agent_;
  bool ready_ = false;
  unsigned rounds_ = 0;
  DriverStatus last_;  // once it has stopped
};

}  // namespace tensorpool::driver
