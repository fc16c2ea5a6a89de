// The closed loop that latency workloads share: one message out, its echo back, one outstanding at a
// time, both sides spinning. Conductors run between timed round trips, in the very threads that spin (or
// beside them where the case says so).
#pragma once

#include "workload.hpp"

namespace tensorpool::bench {

// Records whole round trips: the divisor is 2.
Outcome closed_loop(const Arena& arena, const Case& one, Histogram& histogram);

}  // namespace tensorpool::bench
