// Latency at a given rate, counted from the moment at which a frame should have been sent: a stall of
// the sender is the frame's latency, too (no coordinated omission).
#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

void feed(const Arena& arena, const Case& one, Board& board) {
  arena.pin_sender();
  const bool share = arena.share_cpu();
  Feeder feeder(one.subject->sender(arena.link(one)), board, 0, 1, share);
  const std::size_t bytes = one.frame_bytes == 0 ? 64 : one.frame_bytes;
  const bool touched = one.subject->capabilities().payload;
  const auto send = [&](std::int64_t intended) {
    return feeder.send(bytes, intended, [&](std::byte* room, std::size_t size, std::uint64_t seq) {
      if (touched) fill_words(room, size, seq);
    });
  };
  // Frames of time 1 are not recorded.
  feeder.meet([&] { return send(1); });
  const auto interval = static_cast<std::int64_t>(1e9 / one.rate_hz);
  const std::int64_t duration =
      arena.plan().shorter(one.rate_hz < 5'000 ? 3'000'000'000 : 2'000'000'000);
  const std::int64_t frames = std::max<std::int64_t>(20, duration / interval);
  const std::int64_t warm_up = frames / 10;
  std::uint64_t late = 0;
  std::int64_t due = now_ns() + interval;
  for (std::int64_t i = -warm_up; i < frames; ++i, due += interval) {
    std::int64_t now = now_ns();
    while (now < due) {
      // Only when there is time for it: an application knows its own rate.
      if (due - now > interval / 2) feeder.idler().maybe(now);
      give_way(share);
      now = now_ns();
    }
    if (i >= 0 && now - due > interval) ++late;
    (void)send(i < 0 ? 1 : due);
  }
  feeder.catch_up(0, [&] { return send(1); });
  feeder.finish(late);
}

void read(const Arena& arena, const Case& one, Board& board, Histogram& histogram) {
  arena.pin_receiver();
  Reader reader(one.subject->receiver(arena.link(one)), board, 0);
  const bool touched = one.subject->capabilities().payload;
  read_until_stopped(reader, board, arena.share_cpu(), [&](const Received& frame) {
    const bool good = !touched || right(frame);
    const std::int64_t since = frame.stamp().time_ns;
    if (since > 1 && frame.intact()) histogram.record(now_ns() - since);
    return good;
  });
}

class OpenLoop final : public Workload {
 public:
  std::string name() const override { return "open-loop"; }
  std::string title() const override { return "Open loop: latency at a given rate"; }
  std::string about() const override {
    return "Frames of 4 KiB at 1, 10 and 100 kHz, written in place and read in full. The time runs "
           "from the moment "
           "at which the frame was due to the end of reading and proving it, on one clock: a "
           "sender that is late "
           "counts. Late: the frame began after the next one was due. Conductors run in the "
           "threads that "
           "spin, when there is time. Raw Aeron moves 48 bytes.";
  }
  std::vector<std::string> references() const override { return {"aeron", "ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    const std::vector<double> rates =
        plan.rates.empty() ? std::vector<double>{1'000, 10'000, 100'000} : plan.rates;
    std::vector<Case> cases;
    for (const double rate : rates) {
      for (const Subject* subject : plan.subjects) {
        if (subject->capabilities().wake_only) continue;
        const bool payload = subject->capabilities().payload;
        for (const std::uint64_t size :
             payload ? plan.sizes_or({4 * KiB}) : std::vector<std::uint64_t>{0}) {
          cases.push_back(case_of(*subject));
          cases.back().frame_bytes = size;
          cases.back().rate_hz = rate;
          cases.back().slots = 64;
        }
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram& histogram) const override {
    const Shared<Board> board;
    arena.stage().run(
        {[&] { read(arena, one, *board, histogram); }, [&] { feed(arena, one, *board); }});
    Outcome outcome = outcome_of(*board);
    add_percentiles(outcome.figures, histogram, 1);
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> open_loop_workload() { return std::make_unique<OpenLoop>(); }

}  // namespace tensorpool::bench
