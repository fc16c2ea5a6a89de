// A reader that sleeps in the kernel until a frame comes: how long from publishing to its handler, and
// what that costs both sides.
#include <time.h>

#include <algorithm>

#include "../cpu_clock.hpp"
#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

constexpr double rate_hz = 500;

void sleep_until(std::int64_t when) {
  const timespec time{when / 1'000'000'000, when % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

void feed(const Arena& arena, const Case& one, Board& board) {
  arena.pin_sender();
  Feeder feeder(one.subject->sender(arena.link(one)), board, 0, 1, true);
  const auto send = [&](std::int64_t time) {
    return feeder.send(64, time, [](std::byte*, std::size_t, std::uint64_t) {});
  };
  feeder.meet([&] { return send(1); });
  const auto interval = static_cast<std::int64_t>(1e9 / rate_hz);
  const std::int64_t frames = arena.plan().shorter(1'500);
  // Until everybody has found out that there is somebody to wake.
  const std::int64_t warm_up = std::max<std::int64_t>(frames / 10, 400);
  std::int64_t publishing = 0;
  std::int64_t due = now_ns() + interval;
  for (std::int64_t i = -warm_up; i < frames; ++i, due += interval) {
    if (i == 0) board.phase.store(1, std::memory_order_release);
    sleep_until(due);
    const std::int64_t begin = now_ns();
    (void)send(i < 0 ? 1 : begin);
    if (i >= 0) publishing += now_ns() - begin;
    feeder.idler().maybe();
  }
  board.phase.store(2, std::memory_order_release);
  feeder.catch_up(0, [&] { return send(1); });
  board.results[0] = static_cast<double>(publishing) / static_cast<double>(frames);
  feeder.finish();
  (void)send(1);  // the reader sleeps
}

void read(const Arena& arena, const Case& one, Board& board, Histogram& histogram) {
  arena.pin_receiver();
  Reader reader(one.subject->receiver(arena.link(one)), board, 0);
  std::int64_t began = 0;
  std::int64_t cpu = 0;
  while (!board.stop.load(std::memory_order_relaxed)) {
    (void)reader.wait(std::chrono::milliseconds{100}, [&](const Received& frame) {
      const std::int64_t since = frame.stamp().time_ns;
      if (since > 1) histogram.record(now_ns() - since);
      return true;
    });
    reader.idler().maybe();
    const std::uint32_t phase = board.phase.load(std::memory_order_relaxed);
    if (phase == 1 && began == 0) {
      began = now_ns();
      cpu = process_cpu().ns;
    } else if (phase == 2 && began > 0) {
      board.results[1] = 100.0 * static_cast<double>(process_cpu().ns - cpu) /
                         static_cast<double>(now_ns() - began);
      began = -1;
    }
  }
}

class WakeUp final : public Workload {
 public:
  std::string name() const override { return "wake-up"; }
  std::string title() const override { return "Wake-up: from publishing to a reader that sleeps"; }
  std::string about() const override {
    return "A sender that sleeps on a timer publishes a frame of 64 bytes 500 times a second to a "
           "reader that waits "
           "in the subject's own blocking call: the time from before claim and publish to the "
           "handler, and the CPU "
           "time of all threads of the reader's process. Beside it a bare futex. The publishing "
           "call is the mean "
           "with waking the reader. Waking takes as long as the CPU's sleep is deep, so compare "
           "within one run.";
  }
  std::vector<std::string> references() const override { return {"futex"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      const Capabilities can = subject->capabilities();
      if (!can.wait) continue;
      cases.push_back(case_of(*subject));
      cases.back().frame_bytes = can.payload ? 64 : 0;
      cases.back().rate_hz = rate_hz;
      cases.back().slots = 64;
      cases.back().threaded = true;  // whoever sleeps drives nothing
      cases.back().waits = true;
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram& histogram) const override {
    const Shared<Board> board;
    arena.stage().run(
        {[&] { read(arena, one, *board, histogram); }, [&] { feed(arena, one, *board); }});
    Outcome outcome = outcome_of(*board);
    add_percentiles(outcome.figures, histogram, 1);
    outcome.figures.push_back({"publishing call", "ns", board->results[0]});
    outcome.figures.push_back({"reader's CPU", "% of a core", board->results[1]});
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> wake_up_workload() { return std::make_unique<WakeUp>(); }

}  // namespace tensorpool::bench
