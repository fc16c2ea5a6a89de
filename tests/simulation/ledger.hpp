// What producers really did, written down by their applications: what a delivered frame is compared
// with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "agents/cell.hpp"
#include "base/prng.hpp"

namespace tensorpool::simulation {

struct CommittedFrame {
  std::uint32_t size_bytes = 0;
  bool committing = false;  // all bytes are there and commit was called
  bool calm = false;        // after the last fault
};

// One epoch of one stream of one host: one mapping of one producer.
struct EpochBook {
  std::uint32_t stream = 0;
  std::uint64_t epoch = 0;
  std::uint32_t incarnation = 0;  // of the process, unique in the world
  std::uint32_t slots = 0;
  std::uint64_t session = 0;   // of the port
  std::uint64_t returned = 0;  // claims that the application got
  // The producer port's own statistics, which survive the process here: next_seq says what was
  // claimed up to now.
  std::shared_ptr<const agents::Cell> cell;
  std::vector<CommittedFrame> frames;  // by seq

  std::uint64_t claimed() const noexcept {
    const bool current = cell->producer.epoch.get() == epoch;  // a port may have gone on to another
    return current ? std::max(returned, cell->producer.next_seq.get()) : returned;
  }
  // Whether the slot of `seq` was claimed again, so that its frame may be gone.
  bool claimed_again(std::uint64_t seq) const noexcept { return claimed() > seq + slots; }
  // The bytes of a frame, 8 at a time.
  std::uint64_t word(std::uint64_t seq, std::uint64_t index) const noexcept {
    base::Prng prng(epoch * 31 + stream * 1'000'003ULL + incarnation * 0x9E3779B1ULL +
                    seq * 0x1000193ULL + (index << 40U));
    return prng.next();
  }
  CommittedFrame& frame(std::uint64_t seq) {
    if (frames.size() <= seq) frames.resize(static_cast<std::size_t>(seq) + 1);
    return frames[static_cast<std::size_t>(seq)];
  }
  const CommittedFrame* find(std::uint64_t seq) const noexcept {
    return seq < frames.size() ? &frames[static_cast<std::size_t>(seq)] : nullptr;
  }
};

class Ledger {
 public:
  EpochBook* find(std::uint32_t host, std::uint32_t stream, std::uint64_t epoch) noexcept {
    const auto found = books_.find({host, stream, epoch});
    return found == books_.end() ? nullptr : &found->second;
  }
  // Null when the epoch exists already.
  EpochBook* make(std::uint32_t host, EpochBook book) {
    const std::tuple key(host, book.stream, book.epoch);
    const auto [at, fresh] = books_.try_emplace(key, std::move(book));
    return fresh ? &at->second : nullptr;
  }

 private:
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>, EpochBook> books_;
};

}  // namespace tensorpool::simulation
