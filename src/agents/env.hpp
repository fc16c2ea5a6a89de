// The environments that the ports are compiled for. An Env says what the frame path calls directly:
// concrete publications and subscriptions (no indirect call per frame), the clock, and `step`, a
// place between two protocol steps where tests may stop or kill a port.
#pragma once

#include "base/clock.hpp"
#include "transport/transport.hpp"

namespace tensorpool::agents {

// Named places on the frame path, in the order of docs/internals/concurrency.md section 3.
enum class Step {
  claimed,             // after W2, before the slot is handed out
  before_commit_word,  // header stored
  after_commit_word,
  before_descriptor,
  after_descriptor,
  commit_word_loaded,  // R1
  header_copied,       // R2
  in_handler,
  before_proof,
  adopted,  // a new Wiring was taken
};

// Any transport behind the virtual interface: tests and tools. The product's own Env is
// agents/aeron_env.hpp.
struct VirtualEnv {
  using Publication = transport::Publication;
  using Subscription = transport::Subscription;
  static Publication& publication(transport::Publication& p) noexcept { return p; }
  static Subscription& subscription(transport::Subscription& s) noexcept { return s; }
  static base::Nanos now() noexcept { return base::SystemClock::monotonic(); }
  template <Step>
  static void step() noexcept {}
};

}  // namespace tensorpool::agents
