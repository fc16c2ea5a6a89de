#include "line_transfer.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tensorpool::bench {
namespace {

constexpr std::uint64_t round_trips = 4000;
constexpr int batches = 5;
constexpr std::uint64_t the_end = UINT64_MAX;

struct Lines {
  alignas(128) std::atomic<std::uint64_t> there;
  alignas(128) std::atomic<std::uint64_t> back;
  alignas(128) std::atomic<double> ns;
};

void answer(Lines& lines) {
  std::uint64_t last = 0;
  while (last != the_end) {
    const std::uint64_t now = lines.there.load(std::memory_order_acquire);
    if (now == last) continue;
    lines.back.store(last = now, std::memory_order_release);
  }
}

// The best of some batches: what disturbs one of them is not distance.
void ask(Lines& lines) {
  std::uint64_t number = 0;
  const auto round_trip = [&](std::uint64_t value) {
    lines.there.store(value, std::memory_order_release);
    while (lines.back.load(std::memory_order_acquire) != value) continue;
  };
  round_trip(++number);  // the other one is there
  double best = 0;
  for (int batch = 0; batch < batches; ++batch) {
    const std::int64_t begin = now_ns();
    for (std::uint64_t i = 0; i < round_trips; ++i) round_trip(++number);
    const double one = static_cast<double>(now_ns() - begin) / (2.0 * round_trips);
    best = batch == 0 ? one : std::min(best, one);
  }
  lines.ns = best;
  round_trip(the_end);
}

}  // namespace

double line_transfer_ns(const Stage& stage, const Cpus& cpus) {
  if (cpus.shared()) return 0;
  const Shared<Lines> lines;
  stage.run({[&] {
               pin(cpus.second);
               answer(*lines);
             },
             [&] {
               pin(cpus.first);
               ask(*lines);
             }});
  return lines->ns;
}

}  // namespace tensorpool::bench
