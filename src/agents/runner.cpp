#include "agents/runner.hpp"

#include <algorithm>
#include <chrono>

namespace tensorpool::agents {
namespace {

constexpr unsigned spins = 100;
constexpr unsigned yields = 20;
constexpr std::chrono::microseconds shortest_park{50};
constexpr std::chrono::microseconds longest_park{1000};

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
      return;
    case Idle::yielding:
      std::this_thread::yield();
      return;
    case Idle::sleeping:
      std::this_thread::sleep_for(longest_park);
      return;
    case Idle::backoff:
      break;
  }
  ++rounds_;
  if (rounds_ <= spins) return;
  if (rounds_ <= spins + yields) {
    std::this_thread::yield();
    return;
  }
  const unsigned doublings = std::min(rounds_ - spins - yields, 5U);
  std::this_thread::sleep_for(std::min(shortest_park * (1U << doublings), longest_park));
}

void Runner::start() {
  thread_ = std::thread([this] {
    IdleStrategy idle(idle_);
    while (!stopping_.load(std::memory_order_acquire)) idle.idle(do_work_());
  });
}

void Runner::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  if (thread_.joinable() && !on_this_thread()) thread_.join();
}

}  // namespace tensorpool::agents
