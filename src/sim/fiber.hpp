// A body of code on a stack of its own that gives way where it says so: how a simulator stops an
// application in the middle of a call, lets others go on, and resumes it or never does.
//
// Threads: all fibers live on one thread. No exception may be under way or caught where a fiber
// gives way. The sanitizers know of the switches.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace tensorpool::sim {

class Fiber {
 public:
  static constexpr std::size_t default_stack_bytes = std::size_t{256} << 10U;

  // `body` runs with the first resume(). Its stack ends at an inaccessible page.
  explicit Fiber(std::function<void()> body, std::size_t stack_bytes = default_stack_bytes);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  // A body that is not done is abandoned: its stack goes, no destructor runs. What it owned leaks.
  ~Fiber();

  // Runs until the body gives way or ends. REQUIRES: not done, and called outside of every fiber.
  void resume();
  bool done() const noexcept;

  // Gives way. REQUIRES: inside a fiber.
  static void yield();
  // The fiber that runs, or null.
  static Fiber* current() noexcept;

 private:
  struct State;
  static void start();
  std::unique_ptr<State> state_;
};

}  // namespace tensorpool::sim
