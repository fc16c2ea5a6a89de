#include "frozen.hpp"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <vector>

#include "streams.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint32_t stream = 211;
constexpr std::int32_t descriptor_stream = 1211;
constexpr std::int64_t conductor_period_ns = 5'000'000;
constexpr std::int64_t give_up_ns = 60'000'000'000;
constexpr std::int64_t settle_ns = 200'000'000;
constexpr std::uint64_t frames_before_the_freeze = 1000;

struct Board {
  alignas(128) std::atomic<std::uint64_t> published;  // all frames so far
  std::atomic<bool> stop;
  // Of the consumers.
  alignas(128) std::atomic<std::uint64_t> last_seq;
  std::atomic<std::uint64_t> delivered;
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> overwritten;
  alignas(128) std::atomic<pid_t> frozen;  // set right before it stops
  std::atomic<std::uint64_t> frozen_last_seq;
  std::atomic<std::uint64_t> frozen_missed;
  std::atomic<bool> forgotten_there;
  alignas(128) Frozen result;
};

class Conductor {
 public:
  explicit Conductor(Client& client) : client_(client) {}
  void maybe() {
    const std::int64_t now = now_ns();
    if (now < next_) return;
    next_ = now + conductor_period_ns;
    (void)client_.do_work();
  }

 private:
  Client& client_;
  std::int64_t next_ = 0;
};

class Sender {
 public:
  Sender(const Stage& stage, Board& board, const FrozenOptions& options)
      : board_(board),
        options_(options),
        client_(make_client(stage.directory(), stage.aeron_dir(), descriptor_stream)),
        producer_(
            make_producer(client_, stage.directory(), stream, options.slots, options.frame_bytes)),
        conductor_(client_),
        spec_(bytes_spec(options.frame_bytes)) {}

  // Frames at their intended times until `done`, or for `ns`; what fell due meanwhile is sent at once.
  void send(std::int64_t ns, const std::function<bool()>& done) {
    const std::int64_t begin = now_ns();
    std::uint64_t sent = 0;
    for (std::int64_t now = begin; now - begin < ns; now = now_ns()) {
      conductor_.maybe();
      const auto due = static_cast<std::uint64_t>(static_cast<double>(now - begin) / 1e9 *
                                                  static_cast<double>(options_.frames_per_second));
      for (int batch = 0; sent < due && batch < 100; ++batch, ++sent) write();
      if (done && done()) return;
      if (sent >= due) (void)::sched_yield();
    }
    if (done) throw Failure("consumers do not come, or do not come back");
  }

  void run() {
    send(give_up_ns,
         [&] { return board_.frozen != 0 && board_.forgotten_there && board_.delivered != 0; });
    send(settle_ns, {});
    const auto before = producer_.statistics();
    const std::uint64_t delivered = board_.delivered, lost = board_.lost;
    const std::uint64_t overwritten = board_.overwritten;
    const std::int64_t begin = now_ns();
    send(options_.duration_ns, {});
    Frozen result;
    result.frames = producer_.statistics().published - before.published;
    result.back_pressured = producer_.statistics().back_pressured - before.back_pressured;
    result.frames_per_second =
        static_cast<double>(result.frames) / (static_cast<double>(now_ns() - begin) / 1e9);
    // The healthy one has heard of the last of them when it has heard of a later one.
    const std::uint64_t end = producer_.statistics().next_seq;
    send(give_up_ns, [&] { return board_.last_seq.load() > end; });
    result.delivered = board_.delivered - delivered;
    result.lost = board_.lost - lost;
    result.overwritten = board_.overwritten - overwritten;
    (void)::kill(board_.frozen, SIGCONT);
    const std::uint64_t then = producer_.statistics().next_seq;
    send(give_up_ns, [&] { return board_.frozen_last_seq.load() > then; });
    result.rejoined = true;
    result.missed = board_.frozen_missed;
    board_.result = result;
    board_.stop = true;
  }

 private:
  void write() {
    auto slot = value_of(producer_.claim(spec_));
    const std::uint64_t seq = slot.seq();
    std::memcpy(slot.bytes().data(), &seq, std::min<std::size_t>(sizeof seq, slot.bytes().size()));
    (void)value_of(slot.commit());
  }

  Board& board_;
  FrozenOptions options_;
  Client client_;
  Producer producer_;
  Conductor conductor_;
  TensorSpec spec_;
};

// Polls until told to stop; `after` is called with what the books say by then.
void consume(const Stage& stage, const Board& board,
             const std::function<void(const Consumer&)>& after) {
  Client client = make_client(stage.directory(), stage.aeron_dir(), descriptor_stream);
  Consumer consumer = make_consumer(client, stream);
  Conductor conductor(client);
  while (!board.stop.load(std::memory_order_relaxed)) {
    conductor.maybe();
    const Polled polled = consumer.poll([](const Frame& frame) { (void)frame.intact(); });
    if (polled.work() == 0) (void)::sched_yield();
    after(consumer);
  }
}

void forget(const Stage& stage, Board& board) {
  Client client = make_client(stage.directory(), stage.aeron_dir(), descriptor_stream);
  const Consumer consumer = make_consumer(client, stream);
  board.forgotten_there = true;
  while (!board.stop.load(std::memory_order_relaxed)) {
    (void)client.do_work();
    const timespec time{0, conductor_period_ns};
    (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
  }
}

}  // namespace

Frozen measure_frozen(const Stage& stage, const Cpus& cpus, const FrozenOptions& options) {
  const Shared<Board> board;
  stage.run({[&] {
               pin(cpus.second);
               consume(stage, *board, [&](const Consumer& consumer) {
                 const auto books = consumer.statistics();
                 board->delivered = books.delivered;
                 board->lost = books.lost;
                 board->overwritten = books.overwritten;
                 board->last_seq = books.last_seq;
               });
             },
             [&] {
               consume(stage, *board, [&](const Consumer& consumer) {
                 const auto books = consumer.statistics();
                 board->frozen_missed = books.lost + books.overwritten;
                 board->frozen_last_seq = books.last_seq;
                 if (books.delivered < frames_before_the_freeze || board->frozen != 0) return;
                 board->frozen = ::getpid();
                 (void)::raise(SIGSTOP);
               });
             },
             [&] { forget(stage, *board); },
             [&] {
               pin(cpus.first);
               Sender(stage, *board, options).run();
             }});
  return board->result;
}

}  // namespace tensorpool::bench
