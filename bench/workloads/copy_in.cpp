// Throughput with a copy into the frame: what most programs do, whose data comes from elsewhere.
#include <algorithm>
#include <atomic>

#include "../one_way.hpp"
#include "../stream.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

// memcpy into as many buffers as a ring has slots, at the offsets in a page that payloads have, in one
// process on one CPU: copies per second.
double copy_for(std::int64_t duration, std::uint64_t bytes, std::uint32_t slots) {
  const Source source(bytes);
  const Source ring(bytes * slots + 2 * 4096);
  fill_words(source.data(), bytes, 0);
  // From byte 2112 of one page on to byte 64 of another.
  std::byte* const first = ring.data() + 2048;
  std::memset(first, 0, bytes * slots);  // touched before the clock runs, as regions are
  std::uint64_t copies = 0;
  const std::int64_t begin = now_ns();
  std::int64_t end = begin;
  while (end - begin < duration) {
    std::memcpy(first + copies % slots * bytes, source.data(), bytes);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the copy is not to be left out
    ++copies;
    end = now_ns();
  }
  return static_cast<double>(copies) * 1e9 / static_cast<double>(end - begin);
}

class CopyIn final : public Workload {
 public:
  std::string name() const override { return "copy-in"; }
  std::string title() const override { return "Throughput: copied in, read in full"; }
  std::string about() const override {
    return "One process copies every byte of a frame from private memory, by the subject's own "
           "copying call "
           "where it has one; another adds up every word, in place where it can, and compares the "
           "sum. The "
           "sender stays at most half a ring ahead. memcpy: the same copy into as many buffers, in "
           "one process on "
           "one CPU; the stream moves each byte three times (read, write, read), memcpy twice. "
           "Sources lie at "
           "byte 2112 of a page, where no copy falls into the slow path that some processors have.";
  }
  std::vector<std::string> references() const override { return {"memcpy", "ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const std::uint64_t size : plan.sizes_or({4 * KiB, 64 * KiB, 640 * KiB, 8 * MiB})) {
      const std::size_t first = cases.size();
      if (plan.memcpy) {
        cases.emplace_back();
        cases.back().name = "memcpy";
      }
      for (const Subject* subject : plan.subjects) {
        const Capabilities can = subject->capabilities();
        if (can.payload && size <= can.most_bytes) cases.push_back(case_of(*subject));
      }
      for (std::size_t i = first; i < cases.size(); ++i) {
        cases[i].frame_bytes = size;
        cases[i].slots = slots_for(size);
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    if (one.subject != nullptr)
      return stream(arena, one, Write::copied, {static_cast<std::uint32_t>(one.frame_bytes)});
    struct Result {
      double rate;
    };
    const Shared<Result> result;
    arena.stage().run({[&] {
      arena.pin_sender();
      result->rate = copy_for(arena.plan().shorter(1'000'000'000), one.frame_bytes, one.slots);
    }});
    Outcome outcome;
    outcome.figures.push_back({"rate", "frames/s", result->rate, true});
    outcome.figures.push_back(
        {"bytes", "MiB/s", result->rate * static_cast<double>(one.frame_bytes) / MiB, true});
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> copy_in_workload() { return std::make_unique<CopyIn>(); }

}  // namespace tensorpool::bench
