#include "throughput.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "streams.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint32_t stream = 201;
constexpr std::int32_t descriptor_stream = 1201;
constexpr std::int64_t conductor_period_ns = 10'000'000;
constexpr std::int64_t give_up_ns = 30'000'000'000;
constexpr std::int64_t nudge_ns = 100'000'000;

struct Board {
  // Written by the consumer: every seq below `accounted` has been delivered, overwritten or lost.
  alignas(128) std::atomic<std::uint64_t> accounted;
  std::atomic<std::uint64_t> delivered;
  std::atomic<std::uint64_t> overwritten;
  std::atomic<std::uint64_t> lost;
  std::atomic<std::uint64_t> wrong;
  // Written by the producer.
  alignas(128) std::atomic<bool> stop;
  alignas(128) Throughput result;
};

// Word i of the source is a mix of i; word 0 is 0 and takes the seq of the frame.
std::vector<std::uint64_t> make_source(std::uint64_t bytes) {
  std::vector<std::uint64_t> words(bytes / 8);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = i * 0x9E3779B97F4A7C15U;
  return words;
}

std::uint64_t sum_of(const std::byte* bytes, std::size_t size) noexcept {
  const auto* words = static_cast<const std::uint64_t*>(static_cast<const void*>(bytes));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < size / 8; ++i) sum += words[i];
  return sum;
}

// Runs the conductor now and then, as an application that drives it itself does.
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

class Writer {
 public:
  Writer(const Stage& stage, Board& board, const ThroughputOptions& options, bool share_cpu)
      : client_(make_client(stage.directory(), stage.aeron_dir(), descriptor_stream)),
        producer_(
            make_producer(client_, stage.directory(), stream, options.slots, options.frame_bytes)),
        conductor_(client_),
        board_(board),
        options_(options),
        spec_(bytes_spec(options.frame_bytes)),
        source_(make_source(options.frame_bytes)),
        share_cpu_(share_cpu) {}

  void run() {
    catch_up(0);
    const Throughput before = now_on_board();
    const std::int64_t begin = now_ns();
    while (now_ns() - begin < options_.duration_ns) {
      catch_up(options_.slots / 2 - 1);
      conductor_.maybe();
      if (write() != Told::consumers) throw Failure("nobody takes the descriptors any more");
    }
    catch_up(0);
    const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
    Throughput result = now_on_board();
    result.delivered -= before.delivered;
    result.overwritten -= before.overwritten;
    result.lost -= before.lost;
    result.frames_per_second = static_cast<double>(result.delivered) / seconds;
    board_.result = result;
    board_.stop.store(true, std::memory_order_release);
  }

 private:
  Told write() {
    auto slot = value_of(producer_.claim(spec_));
    const std::uint64_t seq = slot.seq();
    std::memcpy(slot.bytes().data(), source_.data(), options_.frame_bytes);
    std::memcpy(slot.bytes().data(), &seq, sizeof seq);
    next_ = seq + 1;
    return value_of(slot.commit()).told;
  }
  // Until the consumer has accounted for all but `behind` frames, and for one at all. Now and then
  // one more frame: a consumer that was not mapped yet dropped the last ones, and the next frame is
  // what tells it of a loss.
  void catch_up(std::uint64_t behind) {
    std::uint64_t accounted = board_.accounted.load(std::memory_order_acquire);
    if (accounted != 0 && next_ - accounted <= behind) return;
    const std::int64_t begin = now_ns();
    for (std::int64_t nudged = accounted == 0 ? 0 : begin;;) {
      wait_a_little();
      accounted = board_.accounted.load(std::memory_order_acquire);
      if (accounted != 0 && next_ - accounted <= behind) return;
      const std::int64_t now = now_ns();
      if (now - begin > give_up_ns) throw Failure("the consumer does not catch up");
      if (now - nudged < nudge_ns) continue;
      nudged = now;
      (void)write();
    }
  }
  void wait_a_little() {
    conductor_.maybe();
    if (share_cpu_) (void)::sched_yield();
  }
  Throughput now_on_board() const {
    return {0, board_.delivered, board_.overwritten, board_.lost, board_.wrong};
  }

  Client client_;
  Producer producer_;
  Conductor conductor_;
  Board& board_;
  ThroughputOptions options_;
  TensorSpec spec_;
  std::vector<std::uint64_t> source_;
  std::uint64_t next_ = 0;
  bool share_cpu_;
};

void read_all(const Stage& stage, Board& board, const ThroughputOptions& options, bool share_cpu) {
  Client client = make_client(stage.directory(), stage.aeron_dir(), descriptor_stream);
  Consumer consumer = make_consumer(client, stream);
  Conductor conductor(client);
  const std::vector<std::uint64_t> source = make_source(options.frame_bytes);
  const std::uint64_t expected = sum_of(
      static_cast<const std::byte*>(static_cast<const void*>(source.data())), options.frame_bytes);
  while (!board.stop.load(std::memory_order_relaxed)) {
    conductor.maybe();
    const Polled polled = consumer.poll([&](const Frame& frame) {
      const std::uint64_t sum = sum_of(frame.bytes().data(), frame.bytes().size());
      // Only a proved frame may be called wrong.
      if (frame.intact() && sum != expected + frame.seq()) ++board.wrong;
    });
    if (polled.work() == 0) {
      if (share_cpu) (void)::sched_yield();
      continue;
    }
    board.delivered += polled.delivered;
    board.overwritten += polled.overwritten;
    board.lost += polled.lost;
    board.accounted.store(consumer.statistics().last_seq + 1, std::memory_order_release);
  }
}

}  // namespace

Throughput measure_stream(const Stage& stage, const Cpus& cpus, const ThroughputOptions& options) {
  const Shared<Board> board;
  stage.run({[&] {
               pin(cpus.second);
               read_all(stage, *board, options, cpus.shared());
             },
             [&] {
               pin(cpus.first);
               Writer(stage, *board, options, cpus.shared()).run();
             }});
  return board->result;
}

double measure_memcpy(const Stage& stage, const Cpus& cpus, const ThroughputOptions& options) {
  struct Result {
    double copies_per_second;
  };
  const Shared<Result> result;
  stage.run({[&] {
    pin(cpus.first);
    const auto source = make_source(options.frame_bytes);
    // Touched before the clock runs, as regions are.
    std::vector<std::vector<std::uint64_t>> ring(options.slots, source);
    std::uint64_t copies = 0;
    const std::int64_t begin = now_ns();
    std::int64_t end = begin;
    while (end - begin < options.duration_ns) {
      std::memcpy(ring[copies % ring.size()].data(), source.data(), options.frame_bytes);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the copy is not to be left out
      ++copies;
      end = now_ns();
    }
    result->copies_per_second =
        static_cast<double>(copies) * 1e9 / static_cast<double>(end - begin);
  }});
  return result->copies_per_second;
}

}  // namespace tensorpool::bench
