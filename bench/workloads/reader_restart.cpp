// A reader ends in the middle, by closing or as if killed, and another process takes its place: when
// frames flow again, and that the sender did not care.
#include <unistd.h>

#include <algorithm>

#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint64_t frames_of_first = 500;
constexpr std::uint64_t frames_of_second = 500;
constexpr double rate_hz = 10'000;

// Written by readers; lanes 0 and 1 are theirs.
struct RestartBoard {
  Board board;
  alignas(128) std::atomic<std::int64_t> ended_ns;  // just before the first one closes or dies
  std::atomic<std::int64_t> started_ns;             // the second one begins to attach
  std::atomic<std::int64_t> attached_ns;
  std::atomic<std::int64_t> flowing_ns;  // its first frame
  std::atomic<std::uint64_t> last_of_first;
  std::atomic<std::uint64_t> first_of_second;
};

void feed(const Arena& arena, const Case& one, RestartBoard& restart) {
  arena.pin_sender();
  Board& board = restart.board;
  const bool share = arena.share_cpu();
  Feeder feeder(one.subject->sender(arena.link(one)), board, 0, 1, share);
  const auto send = [&] { return feeder.send(one.frame_bytes, 1, fill_words); };
  feeder.meet(send);
  const auto interval = static_cast<std::int64_t>(1e9 / rate_hz);
  const std::int64_t begin = now_ns();
  std::int64_t due = begin;
  std::int64_t slowest = 0;
  while (board.lanes[1].delivered < frames_of_second) {
    std::int64_t now = now_ns();
    if (std::chrono::nanoseconds{now - begin} > patience)
      throw Failure("the second reader gets nothing");
    while (now < due) {
      if (due - now > interval / 2) feeder.idler().maybe(now);
      give_way(share);
      now = now_ns();
    }
    due = now + interval;  // paced, not caught up: only the cost of one call is asked for
    (void)send();
    slowest = std::max(slowest, now_ns() - now);
  }
  board.results[0] = static_cast<double>(slowest) / 1e3;
  board.books = sum(feeder.books(), books_of(board, 1, 1));  // of both readers
  board.books.unaccounted = 0;  // what nobody was there for is a figure of its own
  board.stop.store(true, std::memory_order_release);
}

void read_first(const Arena& arena, const Case& one, RestartBoard& restart, bool killed) {
  arena.pin_receiver();
  Board& board = restart.board;
  Reader reader(one.subject->receiver(arena.link(one)), board, 0);
  while (board.lanes[0].delivered < frames_of_first) {
    (void)reader.poll(right);
    reader.idler().maybe();
    give_way(arena.share_cpu());
  }
  restart.last_of_first = board.lanes[0].seen.load();
  restart.ended_ns.store(now_ns(), std::memory_order_release);
  if (killed) ::_exit(0);  // no destructor runs: the same as kill -9 to everybody else
}

void read_second(const Arena& arena, const Case& one, RestartBoard& restart) {
  arena.pin_receiver();
  Board& board = restart.board;
  while (restart.ended_ns.load(std::memory_order_acquire) == 0) (void)::usleep(100);
  restart.started_ns = now_ns();
  Reader reader(one.subject->receiver(arena.link(one)), board, 1);
  restart.attached_ns = now_ns();
  read_until_stopped(reader, board, arena.share_cpu(), [&](const Received& frame) {
    if (restart.flowing_ns == 0) {
      restart.flowing_ns = now_ns();
      restart.first_of_second = frame.stamp().seq;
    }
    return right(frame);
  });
}

class ReaderRestart final : public Workload {
 public:
  std::string name() const override { return "reader-restart"; }
  std::string title() const override { return "Restart of the reader in the middle"; }
  std::string about() const override {
    return "A sender at 10 kHz, frames of 4 KiB. The reader ends after 500 frames, by closing or "
           "by dying without a "
           "word; a process that waits for this attaches in its place. Gap: from the end of the "
           "first one to the "
           "first frame of the second, of which 'attach' is the making of its end; missed: frames "
           "sent between. "
           "Longest call: the slowest claim and publish of the sender meanwhile.";
  }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (!subject->capabilities().payload) continue;
      for (const char* how : {closed_, killed_}) {
        cases.push_back(case_of(*subject));
        cases.back().variant = how;
        cases.back().frame_bytes = 4 * KiB;
        cases.back().rate_hz = rate_hz;
        cases.back().slots = 64;
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const Shared<RestartBoard> restart;
    const bool killed = one.variant == killed_;
    arena.stage().run({[&] { read_first(arena, one, *restart, killed); },
                       [&] { read_second(arena, one, *restart); },
                       [&] { feed(arena, one, *restart); }});
    const auto ms = [](std::int64_t ns) { return static_cast<double>(ns) / 1e6; };
    const std::uint64_t missed = restart->first_of_second - restart->last_of_first - 1;
    Outcome outcome = outcome_of(restart->board);
    outcome.figures = {
        {"gap", "ms", ms(restart->flowing_ns - restart->ended_ns), false, true},
        {"attach", "ms", ms(restart->attached_ns - restart->started_ns), false, true},
        {"missed", "frames", static_cast<double>(missed), false, true},
        {"longest call", "us", restart->board.results[0], false, true}};
    return outcome;
  }

 private:
  static constexpr const char* closed_ = "reader closed";
  static constexpr const char* killed_ = "reader killed";
};

}  // namespace

std::unique_ptr<Workload> reader_restart_workload() { return std::make_unique<ReaderRestart>(); }

}  // namespace tensorpool::bench
