#include "closed_loop.hpp"

#include <sched.h>

#include <atomic>

namespace tensorpool::bench {
namespace {

constexpr std::int64_t give_up_ns = std::chrono::nanoseconds{patience}.count();
constexpr int untimed = 8;  // round trips after each run of the conductors
constexpr int timed = 500;
// Conductors want to run now and then, however slow the machine is.
constexpr std::int64_t longest_batch_ns = 50'000'000;

// What the two processes share beside the messages.
struct Board {
  // Raised whenever the pinger runs its conductor; the echo side runs its own then.
  alignas(128) std::atomic<std::uint32_t> cycle;
  alignas(128) std::atomic<bool> stop;
  alignas(128) Books books;
};

// One process's two ends.
class Ends {
 public:
  Ends(const Subject& subject, const Link& out, const Link& in, bool share_cpu)
      : sender_(subject.sender(out)),
        receiver_(subject.receiver(in)),
        bytes_(out.frame_bytes),
        share_cpu_(share_cpu) {}

  bool send(std::int64_t time) {
    if (sender_->claim(bytes_) == nullptr) return false;
    if (!sender_->publish({++seq_, time})) return false;
    ++sent;
    return true;
  }
  bool receive() {
    return receiver_->poll([](const Received&) {}) > 0;
  }
  void idle() {
    sender_->idle();
    receiver_->idle();
  }
  bool shares_cpu() const noexcept { return share_cpu_; }
  void pause() const {
    if (share_cpu_) (void)::sched_yield();
  }
  Missed missed() const { return receiver_->missed(); }

  std::uint64_t sent = 0;

 private:
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Receiver> receiver_;
  std::uint64_t bytes_;
  std::uint64_t seq_ = 0;
  bool share_cpu_;
};

// Sends until echoes come back, then waits until the last one of them has arrived.
void shake_hands(Ends& ends, Board& board) {
  constexpr std::int64_t retry_ns = 20'000'000;
  const std::int64_t begin = now_ns();
  std::int64_t sent = 0;
  std::int64_t heard = 0;
  while (heard == 0 || now_ns() - heard < retry_ns) {
    board.cycle.fetch_add(1, std::memory_order_relaxed);
    ends.idle();
    if (heard == 0 && now_ns() - sent > retry_ns && ends.send(now_ns())) sent = now_ns();
    if (ends.receive()) heard = now_ns();
    ends.pause();
    if (now_ns() - begin > give_up_ns) throw Failure("the two sides did not find each other");
  }
}

// False when there was none for so long that it must be lost: where a machine stands still for longer than
// peers count as alive, frames go nowhere until both are attached anew. Then the two find each other again.
bool await(Ends& ends, Board& board, std::int64_t since) {
  constexpr std::int64_t lost_ns = 1'000'000'000;
  const std::uint32_t mask = ends.shares_cpu() ? 0xFF : 0xFFFFF;
  for (std::uint32_t spins = 1; !ends.receive(); ++spins) {
    ends.pause();
    if ((spins & mask) != 0 || now_ns() - since < lost_ns) continue;
    shake_hands(ends, board);
    return false;
  }
  return true;
}

void ping(Ends& ends, Board& board, Histogram& round_trips, std::int64_t warm_up,
          std::int64_t pings) {
  shake_hands(ends, board);
  Books books;
  for (std::int64_t done = 0; done < warm_up + pings; done += timed) {
    board.cycle.fetch_add(1, std::memory_order_relaxed);
    ends.idle();
    const std::int64_t batch = now_ns();
    for (int i = 0; i < untimed + timed; ++i) {
      const std::int64_t begin = now_ns();
      if (begin - batch > longest_batch_ns) break;
      while (!ends.send(begin)) {
        ++books.refused;
        (void)::sched_yield();
        if (now_ns() - begin > give_up_ns) throw Failure("pings are refused");
      }
      ++books.sent;
      if (!await(ends, board, begin)) continue;
      ++books.delivered;
      const std::int64_t end = now_ns();
      if (i >= untimed && done >= warm_up) round_trips.record(end - begin);
    }
  }
  const Missed missed = ends.missed();
  books.overwritten = missed.overwritten;
  books.lost = missed.lost;
  books.skipped = missed.skipped;
  books.unaccounted = unaccounted_in(books, 1);
  board.books = books;
  board.stop.store(true, std::memory_order_release);
}

void echo(Ends& ends, Board& board) {
  std::uint32_t cycle = 0;
  bool owed = false;
  while (!board.stop.load(std::memory_order_relaxed)) {
    if (ends.receive()) owed = true;
    if (owed) {
      owed = !ends.send(1);  // refused while shaking hands, and by full queues
      if (!owed) continue;
    }
    const std::uint32_t asked = board.cycle.load(std::memory_order_relaxed);
    if (asked != cycle) {
      cycle = asked;
      ends.idle();
    }
    ends.pause();
  }
}

}  // namespace

Outcome closed_loop(const Arena& arena, const Case& one, Histogram& histogram) {
  const Shared<Board> board;
  // A group for each direction: nobody polls what he sends himself.
  const Link there = arena.link(one, 0, 0);
  const Link back = arena.link(one, 1, 1);
  const std::int64_t warm_up = arena.plan().shorter(20'000);
  const std::int64_t pings = arena.plan().shorter(200'000);
  arena.stage().run({[&] {
                       arena.pin_receiver();
                       Ends ends(*one.subject, back, there, arena.share_cpu());
                       echo(ends, *board);
                     },
                     [&] {
                       arena.pin_sender();
                       Ends ends(*one.subject, there, back, arena.share_cpu());
                       ping(ends, *board, histogram, warm_up, pings);
                     }});
  Outcome outcome;
  outcome.divisor = 2;
  outcome.books = board->books;
  add_percentiles(outcome.figures, histogram, outcome.divisor);
  return outcome;
}

}  // namespace tensorpool::bench
