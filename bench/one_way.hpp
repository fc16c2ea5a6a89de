// The two loops of workloads that send one way: a feeder in one process, readers in others, and a
// board in shared memory on which readers write how far they have come.
#pragma once

#include <sched.h>

#include <array>
#include <atomic>

#include "workload.hpp"

namespace tensorpool::bench {

constexpr std::uint32_t most_lanes = 64;

// One reader of one link. Written by the reader.
struct alignas(128) Lane {
  std::atomic<std::uint64_t> seen;  // the highest seq that the handler was shown or that was missed
  std::atomic<std::uint64_t> delivered;
  std::atomic<std::uint64_t> overwritten;
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> skipped;
  std::atomic<std::uint64_t> wrong;
};

struct Board {
  std::array<Lane, most_lanes> lanes;
  alignas(128) std::atomic<bool> stop;  // written by the feeder, when all is over
  alignas(
      128) std::atomic<std::uint32_t> phase;  // written by the feeder, for the workload's own use
  alignas(128) Books books;
  std::array<char, 400> remark;   // Sender::remark
  std::array<double, 8> results;  // of the workload
};

// Background work of an end, every 10 ms, as an application does that drives it itself.
template <class End>
class Idler {
 public:
  explicit Idler(End& end) : end_(end) {}
  void maybe(std::int64_t now) {
    if (now < next_) return;
    next_ = now + period_ns;
    end_.idle();
  }
  void maybe() { maybe(now_ns()); }

 private:
  static constexpr std::int64_t period_ns = 10'000'000;
  End& end_;
  std::int64_t next_ = 0;
};

inline void give_way(bool share_cpu) {
  if (share_cpu) (void)::sched_yield();
}

// What the board says at the end, without figures.
Outcome outcome_of(const Board& board);
// Sums the counts of lanes.
Books books_of(const Board& board, std::uint32_t first_lane, std::uint32_t lanes);

// Sends over one link and knows how far its readers are. Fill is void(std::byte* room, std::size_t
// bytes, std::uint64_t seq); it may be empty.
class Feeder {
 public:
  Feeder(std::unique_ptr<Sender> sender, Board& board, std::uint32_t first_lane,
         std::uint32_t lanes, bool share_cpu)
      : sender_(std::move(sender)),
        idler_(*sender_),
        board_(board),
        first_lane_(first_lane),
        lanes_(lanes),
        share_cpu_(share_cpu) {}

  // One frame, filled in place. Waits while there is no room, counts where it is refused. True: it left.
  template <class Fill>
  bool send(std::size_t bytes, std::int64_t time, Fill&& fill) {
    std::byte* room = sender_->claim(bytes);
    for (const std::int64_t begin = now_ns(); room == nullptr; room = sender_->claim(bytes)) {
      pause();
      if (now_ns() - begin > give_up_ns) throw Failure("there is no room for a frame for a minute");
    }
    fill(room, bytes, next_);
    return count(sender_->publish({next_, time}));
  }
  // One frame by the subject's own copying call.
  bool copy_in(std::span<const std::byte> payload, std::int64_t time) {
    return count(sender_->copy_in(payload, {next_, time}));
  }

  // Sends with `one` until all readers have heard something, and then that they have heard all. The books
  // begin here.
  template <class One>
  void meet(One&& one) {
    catch_up(0, one);
    refused_ = 0;
    sent_ = 0;
    before_ = readers_books();
  }
  // What became of the frames since meet(). Exact once readers have caught up.
  Books books() const {
    Books books = difference(readers_books(), before_);
    books.sent = sent_;
    books.refused = refused_;
    books.unaccounted = unaccounted_in(books, lanes_);
    return books;
  }
  // All is over: the books are on the board, and readers end.
  void finish(std::uint64_t late = 0) {
    Books all = books();
    all.late = late;
    finish(all);
  }
  void finish(const Books& books) {
    board_.books = books;
    (void)sender_->remark().copy(board_.remark.data(), board_.remark.size() - 1);
    board_.stop.store(true, std::memory_order_release);
  }
  // Until readers have accounted for all but `behind` frames. Now and then one more frame: a reader that
  // was not attached yet missed the last ones, and the next one is what tells it so.
  template <class One>
  void catch_up(std::uint64_t behind, One&& one) {
    if (far_enough(behind)) return;
    const std::int64_t begin = now_ns();
    for (std::int64_t nudged = next_ == 1 ? 0 : begin;;) {
      pause();
      if (far_enough(behind)) return;
      const std::int64_t now = now_ns();
      if (now - begin > give_up_ns) throw Failure("a reader does not catch up");
      if (now - nudged < (met() ? nudge_ns : knock_ns)) continue;
      nudged = now;
      (void)one();
    }
  }
  bool far_enough(std::uint64_t behind) const noexcept {
    const std::uint64_t seen = slowest();
    return seen != 0 && next_ - 1 - seen <= behind;
  }
  void pause() {
    idler_.maybe();
    give_way(share_cpu_);
  }

  std::uint64_t next_seq() const noexcept { return next_; }
  Idler<Sender>& idler() noexcept { return idler_; }

 private:
  static constexpr std::int64_t give_up_ns = std::chrono::nanoseconds{patience}.count();
  static constexpr std::int64_t nudge_ns = 100'000'000;
  static constexpr std::int64_t knock_ns = 20'000'000;

  bool met() const noexcept { return slowest() != 0; }
  Books readers_books() const { return books_of(board_, first_lane_, lanes_); }
  std::uint64_t slowest() const noexcept {
    std::uint64_t slowest = UINT64_MAX;
    for (std::uint32_t i = 0; i < lanes_; ++i) {
      const std::uint64_t seen = board_.lanes[first_lane_ + i].seen.load(std::memory_order_acquire);
      slowest = seen < slowest ? seen : slowest;
    }
    return slowest;
  }
  bool count(bool left) noexcept {
    ++next_;
    ++sent_;
    if (!left) ++refused_;
    return left;
  }

  std::unique_ptr<Sender> sender_;
  Idler<Sender> idler_;
  Board& board_;
  std::uint32_t first_lane_;
  std::uint32_t lanes_;
  bool share_cpu_;
  std::uint64_t next_ = 1;
  std::uint64_t sent_ = 0;
  std::uint64_t refused_ = 0;
  Books before_{};  // of the readers, at meet()
};

// Reads one link and writes its lane. Check is bool(const Received&): false for wrong bytes.
class Reader {
 public:
  Reader(std::unique_ptr<Receiver> receiver, Board& board, std::uint32_t lane)
      : receiver_(std::move(receiver)), idler_(*receiver_), lane_(board.lanes[lane]) {}

  // True when something came.
  template <class Check>
  bool poll(Check&& check) {
    return account([&](Receiver::Handler handler) { return receiver_->poll(handler); }, check);
  }
  template <class Check>
  bool wait(std::chrono::nanoseconds timeout, Check&& check) {
    return account([&](Receiver::Handler handler) { return receiver_->wait(handler, timeout); },
                   check);
  }
  Idler<Receiver>& idler() noexcept { return idler_; }

 private:
  template <class Take, class Check>
  bool account(Take&& take, Check&& check) {
    std::uint64_t seen = 0;
    std::uint64_t wrong = 0;
    const int whole = take([&](const Received& frame) {
      seen = frame.stamp().seq;
      if (!check(frame) && frame.intact()) ++wrong;  // only a whole frame may be called wrong
    });
    if (seen == 0) return false;
    const auto delivered = static_cast<std::uint64_t>(whole);
    // One writer: no locked addition is needed.
    lane_.delivered.store(lane_.delivered.load(std::memory_order_relaxed) + delivered,
                          std::memory_order_relaxed);
    if (wrong != 0) lane_.wrong += wrong;
    if (seen != last_ + delivered) {
      const Missed missed = receiver_->missed();
      lane_.overwritten = missed.overwritten;
      lane_.lost = missed.lost;
      lane_.skipped = missed.skipped;
    }
    last_ = seen;
    lane_.seen.store(seen, std::memory_order_release);
    return true;
  }

  std::unique_ptr<Receiver> receiver_;
  Idler<Receiver> idler_;
  Lane& lane_;
  std::uint64_t last_ = 0;
};

// Spins until the feeder says that it is over.
template <class Check>
void read_until_stopped(Reader& reader, const Board& board, bool share_cpu, Check&& check) {
  while (!board.stop.load(std::memory_order_relaxed)) {
    if (!reader.poll(check)) {
      reader.idler().maybe();
      give_way(share_cpu);
    } else {
      reader.idler().maybe();
    }
  }
}

// The payloads of all workloads that write: word i is seq + i, so that the sum is known without
// looking, and the bytes of every frame differ from those of the one before.
inline void fill_words(std::byte* room, std::size_t bytes, std::uint64_t seq) noexcept {
  auto* words = static_cast<std::uint64_t*>(static_cast<void*>(room));
  for (std::size_t i = 0; i < bytes / 8; ++i) words[i] = seq + i;
}
inline std::uint64_t sum_of(std::span<const std::byte> bytes) noexcept {
  const auto* words = static_cast<const std::uint64_t*>(static_cast<const void*>(bytes.data()));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size() / 8; ++i) sum += words[i];
  return sum;
}
inline std::uint64_t sum_expected(std::size_t bytes, std::uint64_t seq) noexcept {
  const std::uint64_t words = bytes / 8;
  return words * seq + words * (words - 1) / 2;
}
inline bool right(const Received& frame) noexcept {
  return sum_of(frame.bytes()) == sum_expected(frame.bytes().size(), frame.stamp().seq);
}

}  // namespace tensorpool::bench
