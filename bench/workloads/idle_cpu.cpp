// What a reader costs that waits for a frame that does not come.
#include <time.h>

#include "../cpu_clock.hpp"
#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint32_t measuring = 1;

void sleep_ms(long ms) {
  const timespec time{ms / 1000, ms % 1000 * 1'000'000};
  (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

void feed(const Arena& arena, const Case& one, Board& board) {
  arena.pin_sender();
  Feeder feeder(one.subject->sender(arena.link(one)), board, 0, 1, true);
  const auto send = [&] {
    return feeder.send(64, 1, [](std::byte*, std::size_t, std::uint64_t) {});
  };
  feeder.meet(send);
  sleep_ms(arena.plan().shorter(500));  // what comes after attaching is not waiting
  const std::int64_t duration = arena.plan().shorter(10'000'000'000);
  board.phase.store(measuring, std::memory_order_release);
  (void)send();  // wakes the reader, which begins to count
  const ProcessCpu driver = process_cpu(arena.stage().driver_pid());
  const std::int64_t begin = now_ns();
  while (now_ns() - begin < duration) sleep_ms(10);
  board.results[2] = 100.0 *
                     static_cast<double>(process_cpu(arena.stage().driver_pid()).ns - driver.ns) /
                     static_cast<double>(now_ns() - begin);
  board.stop.store(true, std::memory_order_release);
  (void)send();
  sleep_ms(20);
  (void)send();  // nobody waits in vain for a wake-up that came too early
}

void read(const Arena& arena, const Case& one, Board& board) {
  arena.pin_receiver();
  Reader reader(one.subject->receiver(arena.link(one)), board, 0);
  const auto any = [](const Received&) { return true; };
  while (board.phase.load(std::memory_order_acquire) != measuring)
    (void)reader.wait(std::chrono::milliseconds{100}, any);
  const ProcessCpu before = process_cpu();
  const std::int64_t begin = now_ns();
  while (!board.stop.load(std::memory_order_relaxed))
    (void)reader.wait(std::chrono::seconds{1}, any);
  const ProcessCpu after = process_cpu();
  const auto elapsed = static_cast<double>(now_ns() - begin);
  board.results[0] = 100.0 * static_cast<double>(after.ns - before.ns) / elapsed;
  board.results[1] = static_cast<double>(after.turns - before.turns) * 1e9 / elapsed;
  board.results[3] = after.threads;
}

class IdleCpu final : public Workload {
 public:
  std::string name() const override { return "idle-cpu"; }
  std::string title() const override { return "CPU time of a process that waits"; }
  std::string about() const override {
    return "A reader in the subject's own blocking call while nothing is sent for 10 seconds, its "
           "sender alive: CPU "
           "time of all threads of the reader's process (/proc/PID/task/*/schedstat), and how "
           "often they ran. "
           "Beside it the media driver's process, which all clients of a machine share; only "
           "tensorpool uses it.";
  }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (!subject->capabilities().wait || subject->capabilities().wake_only) continue;
      cases.push_back(case_of(*subject));
      cases.back().frame_bytes = 64;
      cases.back().threaded = true;
      cases.back().waits = true;
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const Shared<Board> board;
    arena.stage().run({[&] { read(arena, one, *board); }, [&] { feed(arena, one, *board); }});
    Outcome outcome;
    outcome.figures = {{"reader's process", "% of a core", board->results[0]},
                       {"its turns on a CPU", "per second", board->results[1]},
                       {"its threads", "", board->results[3]}};
    if (one.subject->kind() == Kind::ours && arena.stage().driver_pid() >= 0)
      outcome.figures.push_back({"media driver", "% of a core", board->results[2]});
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> idle_cpu_workload() { return std::make_unique<IdleCpu>(); }

}  // namespace tensorpool::bench
