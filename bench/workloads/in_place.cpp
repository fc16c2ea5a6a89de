// Throughput where frames are made in the memory that readers see: no copy anywhere, for subjects that
// lend their memory.
#include "../stream.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

class InPlace final : public Workload {
 public:
  std::string name() const override { return "in-place"; }
  std::string title() const override { return "Throughput: filled in place, read in full"; }
  std::string about() const override {
    return "One process writes every 8-byte word of a frame where the subject lends memory for it, "
           "another "
           "adds up every word, in place where it can, and compares the sum. The sender stays at "
           "most half a ring "
           "ahead. Subjects that cannot lend memory copy once more; that is theirs.";
  }
  std::vector<std::string> references() const override { return {"ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const std::uint64_t size : plan.sizes_or({4 * KiB, 64 * KiB, 640 * KiB, 8 * MiB})) {
      for (const Subject* subject : plan.subjects) {
        const Capabilities can = subject->capabilities();
        if (!can.payload || size > can.most_bytes) continue;
        cases.push_back(case_of(*subject));
        cases.back().frame_bytes = size;
        cases.back().slots = slots_for(size);
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    return stream(arena, one, Write::in_place, {static_cast<std::uint32_t>(one.frame_bytes)});
  }
};

}  // namespace

std::unique_ptr<Workload> in_place_workload() { return std::make_unique<InPlace>(); }

}  // namespace tensorpool::bench
