// Who drives an agent's duty cycle: a thread of its own with an idle strategy (CON-27 to CON-29).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "agents/doorbell.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/options.hpp"

namespace tensorpool::agents {

// What to do after a look for something that found nothing: for whoever waits. One thread.
class IdleStrategy {
 public:
  static constexpr std::chrono::microseconds usual_park{1000};
  // `longest_park`: of backoff and sleeping; how late something may be noticed after a quiet time.
  explicit IdleStrategy(Idle kind, std::chrono::microseconds longest_park = usual_park) noexcept
      : kind_(kind), longest_park_(longest_park) {}
  void idle(int work) noexcept;

 private:
  Idle kind_;
  std::chrono::microseconds longest_park_;
  unsigned rounds_ = 0;
};

// The same between two duty cycles of an agent, whose parks end when somebody rings its bell. A ring also says that
// more is likely to follow (an answer of the media driver or of a driver, the next command), so behind one the parks
// begin short and stay below a millisecond for some 50 ms; only then they take as long as they may. Everything else
// that there is to do (announces, keepalives, timers) is done at the end of a park and changes nothing about the
// next one: what an idle agent costs is how often it wakes.
class Rest {
 public:
  // Of somebody whom others ask for things, from the shortest interval between two messages that they wait for: at
  // most a hundredth of it, from 1 to 10 ms.
  static std::chrono::microseconds longest_park_for(
      std::chrono::nanoseconds shortest_interval) noexcept;
  // Of a client, who hears only what others say at their own pace: a fiftieth, from 1 to 20 ms.
  static std::chrono::microseconds longest_park_of_client(
      std::chrono::nanoseconds shortest_interval) noexcept;

  // The bell outlives it. `longest_park`: of backoff and sleeping; how late a message may be noticed after a quiet
  // time.
  Rest(Idle kind, Doorbell& bell, std::chrono::microseconds longest_park) noexcept
      : kind_(kind), bell_(bell), longest_park_(longest_park), seen_(bell.rings()) {}
  // Before each duty cycle: a ring from here on ends the rest behind it at once.
  void before() noexcept;
  // After it.
  void after(int work) noexcept;
  // What after() does next when nothing was found: sleeps for so long, or 0: spins or yields.
  std::chrono::microseconds next_park() const noexcept;

 private:
  Idle kind_;
  Doorbell& bell_;
  std::chrono::microseconds longest_park_;
  std::uint32_t seen_;
  unsigned rounds_ = 0;  // without work, since the last ring
};

// Names the calling thread, for those who look at a process from outside; at most 15 bytes.
void name_thread(const char* name) noexcept;

// Runs `do_work` in a thread until stop(), then `at_end` in the same thread. `do_work` returns the
// amount of work done.
class Runner {
 public:
  // `bell` wakes the thread; it outlives the runner's thread up to `at_end`.
  Runner(std::function<int()> do_work, Idle idle, Doorbell& bell,
         std::chrono::microseconds longest_park, std::function<void()> at_end = {})
      : loop_(std::make_shared<Loop>(std::move(do_work), std::move(at_end),
                                     Rest(idle, bell, longest_park))),
        bell_(bell) {}
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  // May run inside `at_end`: then the thread ends by itself, without touching the Runner again.
  ~Runner();

  // Errors: system_error, in the name of `call`, when the system has no thread left. `name`: the thread's.
  Result<void> start(const char* call, const char* name);
  // Ends the thread and joins it; idempotent. From inside the thread it only asks for the end.
  void stop() noexcept;
  // Any thread: the duty cycle under way is the last one. Waits for nothing.
  void ask_to_stop() noexcept {
    loop_->stopping.store(true, std::memory_order_release);
    bell_.ring();
  }
  bool on_this_thread() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  // What the thread works on: its own, so that it outlives a Runner that is destroyed in `at_end`.
  struct Loop {
    Loop(std::function<int()> work, std::function<void()> end, const Rest& between)
        : do_work(std::move(work)), at_end(std::move(end)), rest(between) {}
    std::function<int()> do_work;
    std::function<void()> at_end;
    Rest rest;
    std::atomic<bool> stopping{false};
  };

  std::shared_ptr<Loop> loop_;
  Doorbell& bell_;
  std::thread thread_;
};

}  // namespace tensorpool::agents
