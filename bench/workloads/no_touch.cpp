// How many frames a second the middleware moves when nobody looks at the bytes.
#include "../stream.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

class NoTouch final : public Workload {
 public:
  std::string name() const override { return "no-touch"; }
  std::string title() const override { return "Rate without touching the payload"; }
  std::string about() const override {
    return "Frames of 64 KiB whose bytes nobody writes or reads: claim and publish on one side, "
           "poll and proof on "
           "the other. The sender stays at most half a ring ahead. Raw Aeron moves 48 bytes. "
           "Subjects that copy "
           "payloads copy them here, too; that is theirs.";
  }
  std::vector<std::string> references() const override { return {"aeron", "ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const std::uint64_t size : plan.sizes_or({64 * KiB})) {
      for (const Subject* subject : plan.subjects) {
        const Capabilities can = subject->capabilities();
        if (subject->capabilities().wake_only || size > can.most_bytes) continue;
        cases.push_back(case_of(*subject));
        cases.back().frame_bytes = can.payload ? size : 0;
        cases.back().slots = 64;
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const auto bytes = static_cast<std::uint32_t>(one.frame_bytes == 0 ? 64 : one.frame_bytes);
    return stream(arena, one, Write::untouched, {bytes});
  }
};

}  // namespace

std::unique_ptr<Workload> no_touch_workload() { return std::make_unique<NoTouch>(); }

}  // namespace tensorpool::bench
