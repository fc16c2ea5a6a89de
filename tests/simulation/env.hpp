// The environment that the ports are compiled for here: links that are watched, the clock of the
// simulated host, and steps at which a thread may give way to others.
#pragma once

#include "agents/env.hpp"

namespace tensorpool::simulation {

class Thread;

// All of these speak of the thread whose application runs right now.
void at_step(agents::Step step) noexcept;  // nothing happens outside of a thread
base::Nanos now_here() noexcept;

// A publication that shows its thread what a port sends, and gives way inside an open claim, where
// a process that is stopped or killed holds up every reader of that publication.
class WatchedPublication {
 public:
  explicit WatchedPublication(Thread& thread) noexcept : thread_(thread) {}
  void watch(transport::Publication& real) noexcept { real_ = &real; }

  transport::Position try_claim(std::size_t size, transport::Claim& claim) noexcept;
  void commit(transport::Claim& claim) noexcept;

 private:
  Thread& thread_;
  transport::Publication* real_ = nullptr;
};
WatchedPublication& watched(transport::Publication& real) noexcept;

struct SimEnv {
  using Publication = WatchedPublication;
  using Subscription = transport::Subscription;
  static Publication& publication(transport::Publication& p) noexcept { return watched(p); }
  static Subscription& subscription(transport::Subscription& s) noexcept { return s; }
  static base::Nanos now() noexcept { return now_here(); }
  template <agents::Step S>
  static void step() noexcept {
    at_step(S);
  }
};

}  // namespace tensorpool::simulation
