#include "agents/runner.hpp"

#include <pthread.h>

#include <algorithm>
#include <system_error>

#include "base/pause.hpp"

namespace tensorpool::agents {
namespace {

constexpr unsigned spins = 100;
constexpr unsigned yields = 20;
constexpr std::chrono::microseconds shortest_park{50};
constexpr unsigned doublings_max = 20;
// An agent's parks of the usual length behind a ring: some 50 ms.
constexpr unsigned lively_parks = 50;
constexpr unsigned lively_rounds = spins + yields + lively_parks;
constexpr std::chrono::microseconds longest_park_of_agents{10'000};
constexpr std::chrono::microseconds longest_park_of_clients{20'000};

// Doubles from the shortest to `longest`.
std::chrono::microseconds growing_park(unsigned parks_before,
                                       std::chrono::microseconds longest) noexcept {
  return std::min(shortest_park * (1U << std::min(parks_before, doublings_max)), longest);
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
      base::cpu_pause();
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
  if (rounds_ <= spins) return base::cpu_pause();
  if (rounds_ <= spins + yields) {
    std::this_thread::yield();
    return;
  }
  std::this_thread::sleep_for(growing_park(rounds_ - spins - yields - 1, longest_park_));
}

std::chrono::microseconds Rest::longest_park_for(
    std::chrono::nanoseconds shortest_interval) noexcept {
  return std::clamp(std::chrono::duration_cast<std::chrono::microseconds>(shortest_interval / 100),
                    IdleStrategy::usual_park, longest_park_of_agents);
}

std::chrono::microseconds Rest::longest_park_of_client(
    std::chrono::nanoseconds shortest_interval) noexcept {
  return std::clamp(std::chrono::duration_cast<std::chrono::microseconds>(shortest_interval / 50),
                    IdleStrategy::usual_park, longest_park_of_clients);
}

void Rest::before() noexcept {
  const std::uint32_t now = bell_.rings();
  if (now == seen_) return;
  seen_ = now;
  rounds_ = 0;
}

std::chrono::microseconds Rest::next_park() const noexcept {
  const auto usual = std::min(IdleStrategy::usual_park, longest_park_);
  if (kind_ == Idle::sleeping) return rounds_ < lively_parks ? usual : longest_park_;
  if (kind_ != Idle::backoff || rounds_ < spins + yields) return {};
  return rounds_ < lively_rounds ? growing_park(rounds_ - spins - yields, usual) : longest_park_;
}

void Rest::after(int work) noexcept {
  if (work > 0) return;
  const std::chrono::microseconds park = next_park();
  const bool spin = kind_ == Idle::busy_spin || (kind_ == Idle::backoff && rounds_ < spins);
  if (rounds_ < lively_rounds) ++rounds_;
  if (park.count() > 0) return bell_.wait(seen_, park);
  if (spin) return base::cpu_pause();
  if (kind_ != Idle::noop) std::this_thread::yield();
}

void name_thread(const char* name) noexcept { (void)::pthread_setname_np(::pthread_self(), name); }

Result<void> Runner::start(const char* call, const char* name) {
  try {
    thread_ = std::thread([loop = loop_, name] {
      name_thread(name);
      while (!loop->stopping.load(std::memory_order_acquire)) {
        loop->rest.before();
        loop->rest.after(loop->do_work());
      }
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
