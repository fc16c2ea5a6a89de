// Many streams between two processes, as in a system with many cameras.
#include <deque>

#include "../one_way.hpp"
#include "../workloads.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint64_t behind = 3;  // frames of each stream under way

// All at once, since each may have to wait for the others' background work.
template <class Send>
void meet_all(std::deque<Feeder>& feeders, Send&& send) {
  constexpr std::int64_t knock_ns = 20'000'000;
  const std::int64_t begin = now_ns();
  std::int64_t knocked = 0;
  for (bool met = false; !met;) {
    const std::int64_t now = now_ns();
    if (std::chrono::nanoseconds{now - begin} > patience) throw Failure("a reader does not come");
    const bool knock = now - knocked > knock_ns;
    if (knock) knocked = now;
    met = true;
    for (Feeder& feeder : feeders) {
      feeder.pause();
      if (feeder.far_enough(0)) continue;
      met = false;
      if (knock) (void)send(feeder);
    }
  }
}

void feed(const Arena& arena, const Case& one, Board& board) {
  arena.pin_sender();
  std::deque<Feeder> feeders;
  for (std::uint32_t i = 0; i < one.links; ++i)
    feeders.emplace_back(one.subject->sender(arena.link(one, i)), board, i, 1, arena.share_cpu());
  const auto send = [&](Feeder& feeder) { return feeder.send(one.frame_bytes, 1, fill_words); };
  // Every one of them goes on working in the background while one waits.
  const auto send_one = [&](Feeder& feeder) {
    return [&] {
      for (Feeder& other : feeders) other.idler().maybe();
      return send(feeder);
    };
  };
  meet_all(feeders, send);
  for (Feeder& feeder : feeders) feeder.meet(send_one(feeder));
  const std::int64_t duration = arena.plan().shorter(1'000'000'000);
  const std::int64_t begin = now_ns();
  while (now_ns() - begin < duration) {
    for (Feeder& feeder : feeders) {
      feeder.catch_up(behind, send_one(feeder));
      (void)send(feeder);
    }
    const std::int64_t now = now_ns();
    for (Feeder& feeder : feeders) feeder.idler().maybe(now);
  }
  for (Feeder& feeder : feeders) feeder.catch_up(0, send_one(feeder));
  const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
  for (const Feeder& feeder : feeders) board.books = sum(board.books, feeder.books());
  board.results[0] = static_cast<double>(board.books.delivered) / seconds;
  board.stop.store(true, std::memory_order_release);
}

void read(const Arena& arena, const Case& one, Board& board) {
  arena.pin_receiver();
  std::deque<Reader> readers;
  for (std::uint32_t i = 0; i < one.links; ++i)
    readers.emplace_back(one.subject->receiver(arena.link(one, i)), board, i);
  while (!board.stop.load(std::memory_order_relaxed)) {
    bool came = false;
    for (Reader& reader : readers) came = reader.poll(right) || came;
    const std::int64_t now = now_ns();
    for (Reader& reader : readers) reader.idler().maybe(now);
    if (!came) give_way(arena.share_cpu());
  }
}

class ManyStreams final : public Workload {
 public:
  std::string name() const override { return "many-streams"; }
  std::string title() const override { return "64 streams between two processes"; }
  std::string about() const override {
    return "One process sends on 64 streams in turn, another reads them all, frames of 4 KiB "
           "written in place and "
           "read in full, at most four frames of each stream under way; beside it the same with "
           "one stream. All "
           "streams of tensorpool share one descriptor stream, as they do without settings of "
           "one's own, so that "
           "each consumer sees the descriptors of all.";
  }
  std::vector<std::string> references() const override { return {"ring"}; }
  std::vector<Case> cases(const Plan& plan) const override {
    std::vector<Case> cases;
    for (const std::uint64_t size : plan.sizes_or({4 * KiB})) {
      for (const std::uint32_t links : {1U, plan.quick ? 8U : 64U}) {
        for (const Subject* subject : plan.subjects) {
          const Capabilities can = subject->capabilities();
          if (!can.payload || size > can.most_bytes || can.most_links < links) continue;
          cases.push_back(case_of(*subject));
          cases.back().frame_bytes = size;
          cases.back().links = links;
          cases.back().slots = 16;
        }
      }
    }
    return cases;
  }
  Outcome measure(const Arena& arena, const Case& one, Histogram&) const override {
    const Shared<Board> board;
    arena.stage().run({[&] { read(arena, one, *board); }, [&] { feed(arena, one, *board); }});
    Outcome outcome = outcome_of(*board);
    outcome.figures.push_back({"rate", "frames/s", board->results[0], true});
    return outcome;
  }
};

}  // namespace

std::unique_ptr<Workload> many_streams_workload() { return std::make_unique<ManyStreams>(); }

}  // namespace tensorpool::bench
