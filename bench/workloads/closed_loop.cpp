// Latency of one frame at a time, untouched: what the middleware itself costs.
#include "../closed_loop.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

class ClosedLoop final : public Workload {
 public:
  std::string name() const override { return "closed-loop"; }
  std::string title() const override { return "Closed loop, untouched: one-way latency"; }
  std::string about() const override {
    return "One frame there and its echo back between two pinned processes that spin, one "
           "outstanding, payload "
           "untouched. One-way is half of the round trip, on one clock: claim, commit, poll, "
           "header and proof "
           "are inside. Conductors run between timed round trips. Raw Aeron moves 48 bytes.";
  }
  std::vector<std::string> references() const override { return {"aeron", "ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      const Capabilities can = subject->capabilities();
      if (subject->capabilities().wake_only || can.most_links < 2) continue;
      if (!can.payload) {
        cases.push_back(case_of(*subject));
        continue;
      }
      for (const std::uint64_t size : plan.sizes_or({64, 64 * KiB, 640 * KiB})) {
        cases.push_back(case_of(*subject));
        cases.back().frame_bytes = size;
      }
    }
    for (Case& one : cases) one.links = 2;
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram& histogram) const override {
    return closed_loop(arena, one, histogram);
  }
};

}  // namespace

std::unique_ptr<Workload> closed_loop_workload() { return std::make_unique<ClosedLoop>(); }

}  // namespace tensorpool::bench
