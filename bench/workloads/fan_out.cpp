// One sender and several readers. In turns, so that the figures mean the same however few CPUs there
// are: the sender sends a batch, then the readers read it, and each counts its own CPU time.
#include <array>
#include <vector>

#include "../cpu_clock.hpp"
#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint32_t batch = 16;

// What one process spent inside its calls.
class Meter {
 public:
  void begin() noexcept {
    instructions_ = counter_.now();
    cpu_ = thread_cpu_ns();
  }
  void end(std::uint64_t frames) noexcept {
    cpu_sum_ += thread_cpu_ns() - cpu_;
    instruction_sum_ += counter_.now() - instructions_;
    frames_ += frames;
  }
  double cpu_ns_per_frame() const { return static_cast<double>(cpu_sum_) / per(); }
  double instructions_per_frame() const { return static_cast<double>(instruction_sum_) / per(); }

 private:
  double per() const { return frames_ == 0 ? 1 : static_cast<double>(frames_); }

  InstructionCounter counter_;
  std::int64_t cpu_ = 0;
  std::uint64_t instructions_ = 0;
  std::int64_t cpu_sum_ = 0;
  std::uint64_t instruction_sum_ = 0;
  std::uint64_t frames_ = 0;
};

struct FanBoard {
  Board board;
  std::array<std::array<double, 2>, most_lanes> readers;  // CPU ns and instructions per frame
  std::array<double, 2> sender;
};

void feed(const Arena& arena, const Case& one, FanBoard& fan) {
  arena.pin_sender();
  Board& board = fan.board;
  Feeder feeder(one.subject->sender(arena.link(one)), board, 0, one.receivers, true);
  const auto send = [&] { return feeder.send(one.frame_bytes, 1, fill_words); };
  feeder.meet(send);
  const std::int64_t batches = arena.plan().shorter(400);
  Meter meter;
  for (std::int64_t i = -batches / 10; i < batches; ++i) {
    if (i == 0) board.phase.store(1, std::memory_order_release);  // readers count from here on
    meter.begin();
    for (std::uint32_t frame = 0; frame < batch; ++frame) (void)send();
    if (i >= 0) meter.end(batch);
    feeder.catch_up(0, send);
  }
  fan.sender = {meter.cpu_ns_per_frame(), meter.instructions_per_frame()};
  feeder.finish();
}

void read(const Arena& arena, const Case& one, FanBoard& fan, std::uint32_t lane) {
  arena.pin_receiver();
  Board& board = fan.board;
  Reader reader(one.subject->receiver(arena.link(one)), board, lane);
  Meter meter;
  while (!board.stop.load(std::memory_order_relaxed)) {
    const std::uint64_t before = board.lanes[lane].delivered;
    meter.begin();
    const bool came = reader.poll(right);
    // Polls that find nothing are not the frames' cost.
    if (came && board.phase.load(std::memory_order_relaxed) == 1)
      meter.end(board.lanes[lane].delivered - before);
    if (came) continue;
    reader.idler().maybe();
    (void)::sched_yield();
  }
  fan.readers[lane] = {meter.cpu_ns_per_frame(), meter.instructions_per_frame()};
}

class FanOut final : public Workload {
 public:
  std::string name() const override { return "fan-out"; }
  std::string title() const override { return "Fan-out to 1, 2 and 8 readers: cost per frame"; }
  std::string about() const override {
    return "One sender and as many readers, each a process, frames of 4 KiB written in place and "
           "read in full. In "
           "turns (16 frames are sent, then read), counted as CPU time inside the calls, and as "
           "instructions in user "
           "space where the kernel lets us count them: so it is no latency, and means the same on "
           "two CPUs. The "
           "reader's figure is the mean of all readers.";
  }
  std::vector<std::string> references() const override { return {"ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const std::uint64_t size : plan.sizes_or({4 * KiB})) {
      for (const std::uint32_t receivers : {1U, 2U, 8U}) {
        for (const Subject* subject : plan.subjects) {
          const Capabilities can = subject->capabilities();
          if (!can.payload || size > can.most_bytes || receivers > can.most_receivers) continue;
          cases.push_back(case_of(*subject));
          cases.back().frame_bytes = size;
          cases.back().receivers = receivers;
          cases.back().slots = 64;
        }
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const Shared<FanBoard> fan;
    std::vector<std::function<void()>> jobs;
    for (std::uint32_t i = 0; i < one.receivers; ++i)
      jobs.emplace_back([&, i] { read(arena, one, *fan, i); });
    jobs.emplace_back([&] { feed(arena, one, *fan); });
    arena.stage().run(jobs);
    Outcome outcome = outcome_of(fan->board);
    std::array<double, 2> mean{};
    for (std::uint32_t i = 0; i < one.receivers; ++i) {
      for (std::size_t k = 0; k < 2; ++k) mean.at(k) += fan->readers.at(i).at(k) / one.receivers;
    }
    outcome.figures = {{"sender CPU", "ns/frame", fan->sender[0]},
                       {"reader CPU", "ns/frame", mean[0]}};
    if (why_no_instructions().empty()) {
      outcome.figures.push_back({"sender instructions", "per frame", fan->sender[1]});
      outcome.figures.push_back({"reader instructions", "per frame", mean[1]});
    }
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> fan_out_workload() { return std::make_unique<FanOut>(); }

}  // namespace tensorpool::bench
