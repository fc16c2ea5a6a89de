// A reader pauses until the sender has lapped it twice, then goes on: what it is told of what it missed,
// and how soon it is up to date again.
#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

enum Phase : std::uint32_t { flowing = 0, paused = 1, goes_on = 2 };

struct PauseBoard {
  Board board;
  alignas(128) std::atomic<bool> pausing;   // the reader has stopped reading
  std::atomic<std::uint64_t> newest;        // sent before it went on
  std::atomic<std::int64_t> first_ns;       // from going on to the first whole frame
  std::atomic<std::int64_t> up_to_date_ns;  // … to the newest frame
};

void feed(const Arena& arena, const Case& one, PauseBoard& pause) {
  arena.pin_sender();
  Board& board = pause.board;
  Feeder feeder(one.subject->sender(arena.link(one)), board, 0, 1, arena.share_cpu());
  const auto send = [&] { return feeder.send(one.frame_bytes, 1, fill_words); };
  feeder.meet(send);
  board.phase.store(paused, std::memory_order_release);
  while (!pause.pausing.load(std::memory_order_acquire)) feeder.pause();
  // As many as a sender that is not held gets rid of.
  const std::uint64_t laps = 2 * one.slots + one.slots / 2;
  const bool held = one.subject->capabilities().loss == Loss::holds_sender;
  for (std::uint64_t i = 0; i < (held ? one.slots / 2 : laps); ++i) (void)send();
  pause.newest = feeder.next_seq() - 1;
  board.phase.store(goes_on, std::memory_order_release);
  feeder.catch_up(0, send);
  feeder.finish();
}

void read(const Arena& arena, const Case& one, PauseBoard& pause) {
  arena.pin_receiver();
  Board& board = pause.board;
  Reader reader(one.subject->receiver(arena.link(one)), board, 0);
  std::int64_t began = 0;
  while (!board.stop.load(std::memory_order_relaxed)) {
    const std::uint32_t phase = board.phase.load(std::memory_order_acquire);
    if (phase == paused) {
      pause.pausing.store(true, std::memory_order_release);
      give_way(arena.share_cpu());
      continue;
    }
    if (phase == goes_on && began == 0) began = now_ns();
    const std::uint64_t before = board.lanes[0].delivered;
    (void)reader.poll(right);
    if (began != 0) {
      const std::int64_t since = now_ns() - began;
      if (pause.first_ns == 0 && board.lanes[0].delivered > before) pause.first_ns = since;
      if (pause.up_to_date_ns == 0 && board.lanes[0].seen >= pause.newest)
        pause.up_to_date_ns = since;
    }
    reader.idler().maybe();
    give_way(arena.share_cpu());
  }
}

class Overwrites final : public Workload {
 public:
  std::string name() const override { return "overwrites"; }
  std::string title() const override { return "Recovery of a reader that was lapped"; }
  std::string about() const override {
    return "The reader pauses while the sender sends two and a half rings of 4 KiB frames, as fast "
           "as it can, then "
           "goes on. First frame: until it has a whole one; up to date: until it has seen the "
           "newest one. Missed "
           "frames are in the books, by what the subject calls them (unaccounted: it says "
           "nothing); queues that hold or refuse "
           "the sender have "
           "none and show that instead.";
  }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const Subject* subject : plan.subjects) {
      if (!subject->capabilities().payload) continue;
      cases.push_back(case_of(*subject));
      cases.back().frame_bytes = 4 * KiB;
      cases.back().slots = 64;
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const Shared<PauseBoard> pause;
    arena.stage().run({[&] { read(arena, one, *pause); }, [&] { feed(arena, one, *pause); }});
    Outcome outcome = outcome_of(pause->board);
    const Books& books = outcome.books;
    const auto us = [](std::int64_t ns) { return static_cast<double>(ns) / 1e3; };
    const std::uint64_t missed = books.overwritten + books.lost + books.skipped + books.unaccounted;
    outcome.figures = {{"first frame", "us", us(pause->first_ns), false, true},
                       {"up to date", "us", us(pause->up_to_date_ns), false, true},
                       {"delivered", "frames", static_cast<double>(books.delivered), true, true},
                       {"missed", "frames", static_cast<double>(missed), false, true}};
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> overwrites_workload() { return std::make_unique<Overwrites>(); }

}  // namespace tensorpool::bench
