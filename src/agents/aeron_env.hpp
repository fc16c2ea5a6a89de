// The product's environment: Aeron's publications and subscriptions called directly, the host's
// monotonic clock through the vDSO, no steps.
#pragma once

#include "agents/env.hpp"
#include "base/clock.hpp"
#include "transport/aeron/hot.hpp"

namespace tensorpool::agents {

struct AeronEnv {
  using Publication = transport::aeron::Publication;
  using Subscription = transport::aeron::Subscription;
  // The conductor lends nothing but Aeron's own links to ports of this Env.
  static Publication& publication(transport::Publication& p) noexcept {
    return static_cast<Publication&>(p);
  }
  static Subscription& subscription(transport::Subscription& s) noexcept {
    return static_cast<Subscription&>(s);
  }
  static base::Nanos now() noexcept { return base::SystemClock::monotonic(); }
  template <Step>
  static void step() noexcept {}
};

}  // namespace tensorpool::agents
