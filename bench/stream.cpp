#include "stream.hpp"

#include <algorithm>

#include "one_way.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t source_offset = 2112;

class Writer {
 public:
  Writer(const Arena& arena, const Case& one, Board& board, Write write,
         const std::vector<std::uint32_t>& sizes)
      : feeder_(one.subject->sender(arena.link(one)), board, 0, 1, arena.share_cpu()),
        source_(one.frame_bytes),
        sizes_(sizes),
        write_(write) {
    if (write_ == Write::copied) fill_words(source_.data(), one.frame_bytes, 0);
  }

  Feeder& feeder() noexcept { return feeder_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

  bool send() {
    const std::uint64_t seq = feeder_.next_seq();
    const std::uint32_t size = sizes_[seq % sizes_.size()];
    bytes_ += size;
    if (write_ == Write::copied) {
      // Word 0 says which frame it is: its sum differs from that of all others.
      std::memcpy(source_.data(), &seq, sizeof seq);
      return feeder_.copy_in({source_.data(), size}, 1);
    }
    return feeder_.send(size, 1, [&](std::byte* room, std::size_t bytes, std::uint64_t number) {
      if (write_ == Write::in_place) fill_words(room, bytes, number);
    });
  }

 private:
  Feeder feeder_;
  Source source_;
  const std::vector<std::uint32_t>& sizes_;
  Write write_;
  std::uint64_t bytes_ = 0;
};

void feed(const Arena& arena, const Case& one, Board& board, Write write,
          const std::vector<std::uint32_t>& sizes) {
  arena.pin_sender();
  Writer writer(arena, one, board, write, sizes);
  Feeder& feeder = writer.feeder();
  const auto send = [&] { return writer.send(); };
  feeder.meet(send);
  // Warm: every slot was written and read once.
  for (std::uint32_t i = 0; i < one.slots; ++i) {
    feeder.catch_up(one.slots / 2 - 1, send);
    (void)send();
  }
  feeder.meet(send);
  const std::uint64_t bytes_before = writer.bytes();
  const std::int64_t duration = arena.plan().shorter(1'000'000'000);
  const std::int64_t begin = now_ns();
  while (now_ns() - begin < duration) {
    feeder.catch_up(one.slots / 2 - 1, send);
    feeder.idler().maybe();
    (void)send();
  }
  feeder.catch_up(0, send);
  const double seconds = static_cast<double>(now_ns() - begin) / 1e9;
  board.results[0] = static_cast<double>(feeder.books().delivered) / seconds;
  board.results[1] = static_cast<double>(writer.bytes() - bytes_before) / seconds / MiB;
  feeder.finish();
}

void read(const Arena& arena, const Case& one, Board& board, Write write) {
  arena.pin_receiver();
  Reader reader(one.subject->receiver(arena.link(one)), board, 0);
  read_until_stopped(reader, board, arena.share_cpu(), [&](const Received& frame) {
    if (write == Write::untouched) return true;
    if (write == Write::in_place) return right(frame);
    return sum_of(frame.bytes()) ==
           sum_expected(frame.bytes().size(), 0) + frame.stamp().seq;  // word 0 was 0
  });
}

}  // namespace

std::uint32_t slots_for(std::uint64_t frame_bytes) {
  std::uint32_t slots = 64;
  while (slots > 8 && slots * frame_bytes > 4 * MiB) slots /= 2;
  return slots;
}

Source::Source(std::uint64_t bytes)
    : memory_(std::make_unique<std::byte[]>(bytes + 2 * page)), data_(memory_.get()), size_(bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
  data_ += (page - address % page) + source_offset;
}

Outcome stream(const Arena& arena, const Case& one, Write write,
               const std::vector<std::uint32_t>& sizes) {
  const Shared<Board> board;
  arena.stage().run(
      {[&] { read(arena, one, *board, write); }, [&] { feed(arena, one, *board, write, sizes); }});
  Outcome outcome = outcome_of(*board);
  outcome.figures.push_back({"rate", "frames/s", board->results[0], true});
  if (write != Write::untouched)
    outcome.figures.push_back({"bytes", "MiB/s", board->results[1], true});
  return outcome;
}

}  // namespace tensorpool::bench
