// One reader stands still (SIGSTOP) and one is never polled, among others, at a high rate: does anybody else notice?
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

constexpr double rate_hz = 100'000;
constexpr std::uint64_t frames_before_the_freeze = 1000;
constexpr std::int64_t settle_ns = 200'000'000;
constexpr std::uint64_t most_at_once = 100;  // of frames that fell due meanwhile

constexpr std::uint32_t healthy = 0;
constexpr std::uint32_t frozen = 1;

struct FrozenBoard {
  Board board;
  alignas(128) std::atomic<pid_t> stopped;  // set right before it stops
  std::atomic<bool> forgotten_there;
  std::atomic<std::uint64_t> skipped_before;  // by the frozen one, until it stopped
};

std::uint64_t behind(const Lane& lane) { return lane.seen - lane.delivered; }

// Frames at their intended times, until `done` or for so long.
class Pacer {
 public:
  Pacer(Feeder& feeder, bool share_cpu) : feeder_(feeder), share_cpu_(share_cpu) {}

  void send() {
    (void)feeder_.send(64, 1, [](std::byte*, std::size_t, std::uint64_t) {});
  }
  void send_for(std::int64_t ns) {
    pace([=, begin = now_ns()] { return now_ns() - begin >= ns; });
  }
  template <class Done>
  void send_until(Done&& done) {
    pace([&, begin = now_ns()] {
      if (std::chrono::nanoseconds{now_ns() - begin} > patience)
        throw Failure("readers do not come, or do not come back");
      return done();
    });
  }
  std::uint64_t late() const noexcept { return late_; }

 private:
  template <class Done>
  void pace(Done&& done) {
    const std::int64_t begin = now_ns();
    for (std::uint64_t sent = 0; !done();) {
      const auto due =
          static_cast<std::uint64_t>(static_cast<double>(now_ns() - begin) / 1e9 * rate_hz);
      const std::uint64_t now = std::min(due - std::min(due, sent), most_at_once);
      if (now > 1) late_ += now - 1;
      for (std::uint64_t i = 0; i < now; ++i, ++sent) send();
      feeder_.pause();
      if (now == 0 && !share_cpu_) (void)::sched_yield();
    }
  }

  Feeder& feeder_;
  bool share_cpu_;
  std::uint64_t late_ = 0;
};

void feed(const Arena& arena, const Case& one, FrozenBoard& all, std::int64_t duration_ns) {
  arena.pin_sender();
  Board& board = all.board;
  Feeder feeder(one.subject->sender(arena.link(one)), board, healthy, 1, arena.share_cpu());
  Pacer pacer(feeder, arena.share_cpu());
  pacer.send_until([&] { return all.stopped != 0 && all.forgotten_there; });
  const std::uint64_t to_nobody = feeder.books().refused;  // before readers were there
  pacer.send_for(settle_ns);
  const std::uint64_t held_up_before = feeder.books().refused - to_nobody;
  feeder.meet([&] { pacer.send(); });
  const std::uint64_t late = pacer.late();
  const std::int64_t begin = now_ns();
  pacer.send_for(duration_ns);
  board.results[0] =
      static_cast<double>(feeder.books().sent) * 1e9 / static_cast<double>(now_ns() - begin);
  const std::uint64_t late_then = pacer.late();
  feeder.catch_up(0, [&] { pacer.send(); });
  Books books = feeder.books();
  books.late = late_then - late;
  (void)::kill(all.stopped, SIGCONT);
  const std::uint64_t then = feeder.next_seq();
  pacer.send_until([&] { return board.lanes[frozen].seen > then; });
  board.results[1] = static_cast<double>(behind(board.lanes[frozen]) - all.skipped_before);
  board.results[2] = static_cast<double>(held_up_before + feeder.books().refused - books.refused);
  feeder.finish(books);
}

void read(const Arena& arena, const Case& one, FrozenBoard& all, std::uint32_t lane) {
  if (lane == healthy) arena.pin_receiver();
  Board& board = all.board;
  Reader reader(one.subject->receiver(arena.link(one)), board, lane);
  while (!board.stop.load(std::memory_order_relaxed)) {
    if (!reader.poll([](const Received&) { return true; })) (void)::sched_yield();
    reader.idler().maybe();
    if (lane != frozen || all.stopped != 0) continue;
    if (board.lanes[frozen].delivered < frames_before_the_freeze) continue;
    all.skipped_before = behind(board.lanes[frozen]);
    all.stopped = ::getpid();
    (void)::raise(SIGSTOP);
  }
}

void forget(const Arena& arena, const Case& one, FrozenBoard& all) {
  const auto receiver = one.subject->receiver(arena.link(one));
  all.forgotten_there = true;
  while (!all.board.stop.load(std::memory_order_relaxed)) {
    receiver->idle();
    const timespec time{0, 5'000'000};
    (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
  }
}

class FrozenReader final : public Workload {
 public:
  std::string name() const override { return "frozen"; }
  std::string title() const override { return "A frozen reader and a forgotten one among others"; }
  std::string about() const override {
    return "100,000 frames of 64 bytes a second for 12 seconds in each round, to a healthy reader, "
           "one that is stopped with SIGSTOP meanwhile, and one that nobody polls. Held up: frames "
           "that were not announced because a reader stood in the way. Lost to others: what the "
           "healthy one did not get, for whatever reason but its own lateness, which is "
           "'overwritten for others'. Missed: by the frozen one, once it goes on. Before and "
           "after: right after it stopped, and until it is up to date again.";
  }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (subject->kind() == Kind::bound || subject->capabilities().most_receivers < 3) continue;
      cases.push_back(case_of(*subject));
      cases.back().frame_bytes = 64;
      cases.back().rate_hz = rate_hz;
      cases.back().receivers = 3;
      cases.back().slots = 16384;  // what the healthy one may be late by: 160 ms
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const std::int64_t duration_ns = arena.plan().shorter(12'000'000'000);
    const Shared<FrozenBoard> all;
    arena.stage().run({[&] { read(arena, one, *all, healthy); },
                       [&] { read(arena, one, *all, frozen); }, [&] { forget(arena, one, *all); },
                       [&] { feed(arena, one, *all, duration_ns); }});
    const Board& board = all->board;
    Outcome outcome = outcome_of(board);
    const auto count = [](std::uint64_t frames) { return static_cast<double>(frames); };
    const Books& books = board.books;
    const double lost = count(books.sent) - count(books.delivered) - count(books.overwritten);
    outcome.figures = {{"rate", "frames/s", board.results[0], true},
                       {"held up", "frames", count(books.refused), false, true},
                       {"lost to others", "frames", std::max(0.0, lost), false, true},
                       {"overwritten for others", "frames", count(books.overwritten), false, true},
                       {"missed by the frozen one", "frames", board.results[1], false, true},
                       {"held up before and after", "frames", board.results[2], false, true}};
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> frozen_workload() { return std::make_unique<FrozenReader>(); }

}  // namespace tensorpool::bench
