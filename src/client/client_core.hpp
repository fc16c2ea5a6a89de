// What a Client, its ports and its pending handles share: the world, the conductor and whoever
// drives it. Reference-counted; the last reference lets go of everything. In a forked child, which
// shares the media driver's buffers and the files with its parent, it touches nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "agents/bell_thread.hpp"
#include "agents/command_queue.hpp"
#include "agents/conductor.hpp"
#include "agents/request.hpp"
#include "agents/runner.hpp"
#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "tensorpool/client.hpp"
#include "transport/transport.hpp"

namespace tensorpool::client {

// The parts of the outside world; the product's own are made by ClientCore::make(options).
struct OwnedWorld {
  std::unique_ptr<transport::Transport> transport;
  std::unique_ptr<base::FileSystem> file_system;
  std::unique_ptr<base::Clock> clock;
};

class ClientCore final : public std::enable_shared_from_this<ClientCore> {
 public:
  // Checks the options and starts the conductor. Does not wait for a media driver.
  static Result<std::shared_ptr<ClientCore>> make(ClientOptions options, OwnedWorld world);

  ClientCore(const ClientCore&) = delete;
  ClientCore& operator=(const ClientCore&) = delete;
  ~ClientCore();

  // Any thread. back_pressured when the queue is full (CON-14); closed after close().
  Result<void> submit(std::shared_ptr<agents::Request> request);
  // Invoked mode: one duty cycle, unless another thread is in one.
  int do_work();
  // Inside a notice handler on this thread?
  bool in_callback() const noexcept;
  // Errors: in_callback, forked, and what could not be cleaned up (it is closed all the same).
  Result<void> close();
  // For ~Client: closes now, or, inside a callback, once the duty cycle under way is over.
  void end() noexcept;
  // closed, and every request that the conductor had taken has ended.
  bool over() const noexcept { return over_.load(std::memory_order_acquire); }

  // In a child of the process that made this client.
  bool forked() const noexcept { return world_.file_system->process_id() != process_id_; }

  // Serves the file descriptors of this client's consumers.
  agents::BellThread& bells() noexcept { return *bells_; }

  const ClientOptions& options() const noexcept { return options_; }
  ClientState state() const noexcept;
  std::string aeron_dir() const;
  // Why no media driver can be connected to; empty when one can.
  std::string media_driver_trouble() const;
  std::chrono::nanoseconds longest_cycle() const noexcept {
    return std::chrono::nanoseconds{conductor_->longest_cycle_ns()};
  }

 private:
  ClientCore(ClientOptions options, OwnedWorld world, shm::MapPolicy policy);
  int cycle();
  void end_after_callback() noexcept;

  ClientOptions options_;
  OwnedWorld world_;
  const std::uint64_t process_id_;
  std::unique_ptr<agents::Conductor> conductor_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> over_{false};
  std::atomic<bool> baton_{false};  // one thread in do_work at a time (CON-2)
  // Set inside a callback that destroyed the Client; read by the same thread after the cycle.
  std::shared_ptr<ClientCore> ending_;
  std::unique_ptr<agents::Runner> runner_;
  std::unique_ptr<agents::BellThread> bells_ = std::make_unique<agents::BellThread>();
};

// When `timeout` from now is over. One that reaches beyond the end of the clock never is.
inline std::chrono::steady_clock::time_point deadline_after(
    std::chrono::nanoseconds timeout) noexcept {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  return timeout > Clock::time_point::max() - now ? Clock::time_point::max() : now + timeout;
}

}  // namespace tensorpool::client
