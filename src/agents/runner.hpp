// Who drives an agent's duty cycle: a thread of its own with an idle strategy (CON-27 to CON-29).
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "tensorpool/options.hpp"

namespace tensorpool::agents {

// What to do after a duty cycle that found nothing. One thread.
class IdleStrategy {
 public:
  explicit IdleStrategy(Idle kind) noexcept : kind_(kind) {}
  void idle(int work) noexcept;

 private:
  Idle kind_;
  unsigned rounds_ = 0;
};

// Runs `do_work` in a thread until stop(). `do_work` returns the amount of work done.
class Runner {
 public:
  Runner(std::function<int()> do_work, Idle idle) : do_work_(std::move(do_work)), idle_(idle) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { stop(); }

  void start();
  // Ends the thread and joins it; idempotent. From inside do_work it only asks for the end.
  void stop() noexcept;
  bool on_this_thread() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  std::function<int()> do_work_;
  Idle idle_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace tensorpool::agents
