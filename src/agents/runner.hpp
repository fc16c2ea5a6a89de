// Who drives an agent's duty cycle: a thread of its own with an idle strategy (CON-27 to CON-29).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::agents {

// What to do after a duty cycle that found nothing. One thread.
class IdleStrategy {
 public:
  static constexpr std::chrono::microseconds usual_park{1000};
  // `longest_park`: of backoff and sleeping; how late a message may be noticed after a quiet time.
  explicit IdleStrategy(Idle kind, std::chrono::microseconds longest_park = usual_park) noexcept
      : kind_(kind), longest_park_(longest_park) {}
  void idle(int work) noexcept;

 private:
  Idle kind_;
  std::chrono::microseconds longest_park_;
  unsigned rounds_ = 0;
};

// Runs `do_work` in a thread until stop(), then `at_end` in the same thread. `do_work` returns the
// amount of work done.
class Runner {
 public:
  Runner(std::function<int()> do_work, Idle idle, std::function<void()> at_end = {})
      : loop_(std::make_shared<Loop>(std::move(do_work), std::move(at_end), idle)) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  // May run inside `at_end`: then the thread ends by itself, without touching the Runner again.
  ~Runner();

  // Errors: system_error, in the name of `call`, when the system has no thread left.
  Result<void> start(const char* call);
  // Ends the thread and joins it; idempotent. From inside the thread it only asks for the end.
  void stop() noexcept;
  // Any thread: the duty cycle under way is the last one. Waits for nothing.
  void ask_to_stop() noexcept { loop_->stopping.store(true, std::memory_order_release); }
  bool on_this_thread() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  // What the thread works on: its own, so that it outlives a Runner that is destroyed in `at_end`.
  struct Loop {
    Loop(std::function<int()> work, std::function<void()> end, Idle kind)
        : do_work(std::move(work)), at_end(std::move(end)), idle(kind) {}
    std::function<int()> do_work;
    std::function<void()> at_end;
    Idle idle;
    std::atomic<bool> stopping{false};
  };

  std::shared_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace tensorpool::agents
