#include "agents/runner.hpp"

#include <algorithm>
#include <system_error>

namespace tensorpool::agents {
namespace {

constexpr unsigned spins = 100;
constexpr unsigned yields = 20;
constexpr std::chrono::microseconds shortest_park{50};
constexpr unsigned doublings_max = 20;

// Tells the core that this is a spin loop.
void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void IdleStrategy::idle(int work) noexcept {
  if (work > 0) {
    rounds_ = 0;
    return;
  }
  switch (kind_) {
    case Idle::noop:
      return;
    case Idle::busy_spin:
      pause();
      return;
    case Idle::yielding:
      std::this_thread::yield();
      return;
    case Idle::sleeping:
      std::this_thread::sleep_for(longest_park_);
      return;
    case Idle::backoff:
      break;
  }
  ++rounds_;
  if (rounds_ <= spins) return pause();
  if (rounds_ <= spins + yields) {
    std::this_thread::yield();
    return;
  }
  const unsigned doublings = std::min(rounds_ - spins - yields - 1, doublings_max);
  std::this_thread::sleep_for(std::min(shortest_park * (1U << doublings), longest_park_));
}

Result<void> Runner::start(const char* call) {
  try {
    thread_ = std::thread([loop = loop_] {
      IdleStrategy idle(loop->idle);
      while (!loop->stopping.load(std::memory_order_acquire)) idle.idle(loop->do_work());
      if (loop->at_end) loop->at_end();
    });
  } catch (const std::system_error& error) {
    return fail(Error::system(call, error.code().value(),
                              "no thread for the duty cycle; use Threading::invoked"));
  }
  return {};
}

void Runner::stop() noexcept {
  ask_to_stop();
  if (thread_.joinable() && !on_this_thread()) thread_.join();
}

Runner::~Runner() {
  stop();
  if (thread_.joinable()) thread_.detach();
}

}  // namespace tensorpool::agents
