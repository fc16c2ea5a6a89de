// The environment that the ports are compiled for here: links behind their interface, the clock of
// the simulated host, and steps at which the process may give way to others.
#pragma once

#include "agents/env.hpp"

namespace tensorpool::simulation {

// Both speak of the process whose application runs right now; nothing happens outside of one.
void at_step(agents::Step step) noexcept;
base::Nanos now_here() noexcept;

struct SimEnv {
  using Publication = transport::Publication;
  using Subscription = transport::Subscription;
  static Publication& publication(transport::Publication& p) noexcept { return p; }
  static Subscription& subscription(transport::Subscription& s) noexcept { return s; }
  static base::Nanos now() noexcept { return now_here(); }
  template <agents::Step S>
  static void step() noexcept {
    at_step(S);
  }
};

}  // namespace tensorpool::simulation
