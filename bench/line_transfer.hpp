// How far the two CPUs lie apart: the time that one cache line takes from one to the other. Everything that two
// processes do together is made of it. A virtual machine's host may move its CPUs at any time: measured here, from
// behind one last-level cache (50 ns) to behind two (250 ns) and back within minutes, which changes latencies fivefold
// and throughput tenfold. So it is measured beside every round, and only rounds of alike places are compared.
#pragma once

#include "stage.hpp"

namespace tensorpool::bench {

// One way, ns: half of a round trip of one line between two pinned processes; 0 when both share a CPU. Takes some
// milliseconds.
double line_transfer_ns(const Stage& stage, const Cpus& cpus);

// Whether two measurements were made with the CPUs in alike places; 0: not known.
inline bool alike(double line_ns, double other_ns) {
  constexpr double apart = 1.5;
  return line_ns <= 0 || other_ns <= 0 ||
         (line_ns < other_ns * apart && other_ns < line_ns * apart);
}

}  // namespace tensorpool::bench
