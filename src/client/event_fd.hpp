// The file descriptor of a consumer, for loops around poll and epoll: Consumer::event_fd() and arm(). The sleep is
// the BellThread's; this is the consumer's half of the wake-up recipe around it (protocol/frame/wake.hpp).
#pragma once

#include <cstdint>
#include <memory>

#include "agents/bell_thread.hpp"
#include "agents/consumer_port.hpp"
#include "agents/sleeper.hpp"
#include "client/client_core.hpp"
#include "client/environment.hpp"
#include "tensorpool/error.hpp"

namespace tensorpool::client {

// The consumer's thread. Lives no longer than the port's Cell and the ClientCore.
class EventFd {
 public:
  // Errors: system_error, with what to do.
  static Result<std::unique_ptr<EventFd>> open(ClientCore& core, agents::Cell& cell);
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;
  ~EventFd();

  int fd() const noexcept { return fd_; }
  // C1 to C4: true when there is something to poll for; otherwise the fd becomes readable when there may be.
  // REQUIRES not armed.
  bool arm(agents::ConsumerPort<PortEnv>& port) noexcept;
  bool armed() const noexcept { return armed_; }
  // C6. Before anything that gives back the Wiring that was armed for.
  void disarm() noexcept;
  // Disarms, and the fd becomes readable: for calls that an application does not expect to disarm.
  void give_up() noexcept;

 private:
  EventFd(ClientCore& core, agents::Cell& cell, int fd) noexcept
      : core_(core), cell_(cell), fd_(fd), sleeper_({cell.asleep, cell.kick}) {}
  void drain() noexcept;
  // How long the next sleep lasts at most.
  base::Nanos slice(const agents::WakeLinks& links) noexcept;

  ClientCore& core_;
  agents::Cell& cell_;
  const int fd_;
  agents::BellThread::Seat seat_;
  agents::Sleeper sleeper_;
  agents::SleepSlices slices_;
  agents::BellThread::End ended_ = agents::BellThread::End::none;
  base::Nanos pause_ns_ = 0;
  std::uint64_t seen_ = 0;  // descriptors, when it was armed
  bool seated_ = false;
  bool armed_ = false;
};

}  // namespace tensorpool::client
