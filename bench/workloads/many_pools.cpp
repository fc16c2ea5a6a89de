// A stream with 16 pools whose frames have 16 sizes: what choosing a pool costs, and what it saves.
#include "../stream.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

// 256 B … 256 KiB, somewhat below powers of two and between them.
const std::vector<std::uint32_t> pool_sizes = {256,    512,    1'024,   2'048,  4'096,  6'144,
                                               8'192,  12'288, 16'384,  24'576, 32'768, 49'152,
                                               65'536, 98'304, 131'072, 262'144};
const std::vector<std::uint32_t> frame_sizes = [] {
  std::vector<std::uint32_t> sizes;
  // In no order of size, each once in 16 frames; 7 has no divisor in common with 16.
  for (std::size_t i = 0; i < pool_sizes.size(); ++i)
    sizes.push_back(pool_sizes[i * 7 % pool_sizes.size()] - 64);
  return sizes;
}();

class ManyPools final : public Workload {
 public:
  std::string name() const override { return "many-pools"; }
  std::string title() const override { return "Many pools: 16 sizes mixed in one stream"; }
  std::string about() const override {
    return "Frames of 16 sizes between 192 B and 256 KiB in turn, written in place and read in "
           "full: with 16 pools, "
           "and with one pool in which the largest frame fits. Subjects without pools have one "
           "size for all.";
  }
  std::vector<std::string> references() const override { return {"ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (!subject->capabilities().payload) continue;
      const bool ours = subject->kind() == Kind::ours;
      for (const bool many : {true, false}) {
        if (many && !ours) continue;
        cases.push_back(case_of(*subject));
        Case& one = cases.back();
        one.frame_bytes = pool_sizes.back();
        one.slots = 64;
        if (many) one.pools = pool_sizes;
        if (ours) one.variant = many ? "16 pools" : "1 pool";
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    return stream(arena, one, Write::in_place, frame_sizes);
  }
};

}  // namespace

std::unique_ptr<Workload> many_pools_workload() { return std::make_unique<ManyPools>(); }

}  // namespace tensorpool::bench
