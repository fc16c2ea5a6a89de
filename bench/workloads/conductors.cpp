// The closed loop again, with the conductor invoked between frames and with a thread of its own that
// shares the core of the thread that spins: what a background thread does to the tail.
#include "../closed_loop.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

class Conductors final : public Workload {
 public:
  std::string name() const override { return "conductors"; }
  std::string title() const override {
    return "Conductor invoked, and in a thread on the same core";
  }
  std::string about() const override {
    return "The closed loop with 64 KiB, untouched. Invoked: the spinning thread runs its "
           "conductor itself, "
           "between timed round trips. Threaded: a thread of the client runs it whenever it likes, "
           "pinned to the "
           "same CPU, so that it takes the CPU from the thread that spins.";
  }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (subject->kind() != Kind::ours) continue;
      for (const bool threaded : {false, true}) {
        for (const std::uint64_t size : plan.sizes_or({64 * KiB})) {
          cases.push_back(case_of(*subject));
          cases.back().frame_bytes = size;
          cases.back().threaded = threaded;
          cases.back().variant = threaded ? "conductor in a thread" : "conductor invoked";
          cases.back().links = 2;
        }
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram& histogram) const override {
    return closed_loop(arena, one, histogram);
  }
};

}  // namespace

std::unique_ptr<Workload> conductors_workload() { return std::make_unique<Conductors>(); }

}  // namespace tensorpool::bench
