// One consumer stands still (SIGSTOP) and one is never polled, among others, at a high rate: does anybody
// else notice? The measuring is in ../frozen.cpp.
#include "../frozen.hpp"

#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

class FrozenReader final : public Workload {
 public:
  std::string name() const override { return "frozen"; }
  std::string title() const override {
    return "A frozen consumer and a forgotten one among others";
  }
  std::string about() const override {
    return "100,000 frames of 64 bytes a second for 12 seconds in each round, to a healthy "
           "consumer, one that is "
           "stopped with SIGSTOP meanwhile, and one that nobody polls. Held up: frames that were "
           "not announced because "
           "a subscriber stood in the way. Lost, overwritten: of the healthy consumer. Missed: by "
           "the frozen one, "
           "once it goes on.";
  }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (subject->kind() != Kind::ours) continue;
      cases.push_back(case_of(*subject));
      cases.back().frame_bytes = 64;
      cases.back().rate_hz = 100'000;
      cases.back().receivers = 3;
      cases.back().slots = FrozenOptions{}.slots;
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case&, Histogram&) const override {
    FrozenOptions options;
    options.duration_ns = arena.plan().quick ? 500'000'000 : arena.plan().shorter(12'000'000'000);
    const Frozen found = measure_frozen(arena.stage(), arena.plan().cpus, options);
    Outcome outcome;
    outcome.books.sent = found.frames + found.back_pressured;
    outcome.books.refused = found.back_pressured;
    outcome.books.delivered = found.delivered;
    outcome.books.lost = found.lost;
    outcome.books.overwritten = found.overwritten;
    const auto count = [](std::uint64_t frames) { return static_cast<double>(frames); };
    outcome.figures = {{"rate", "frames/s", found.frames_per_second, true},
                       {"held up", "frames", count(found.back_pressured), false, true},
                       {"lost to others", "frames", count(found.lost), false, true},
                       {"overwritten for others", "frames", count(found.overwritten), false, true},
                       {"missed by the frozen one", "frames", count(found.missed), false, true}};
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> frozen_workload() { return std::make_unique<FrozenReader>(); }

}  // namespace tensorpool::bench
