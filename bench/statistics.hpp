// Percentiles of one round, and what several rounds say together.
#pragma once

#include <hdr/hdr_histogram.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "stage.hpp"

namespace tensorpool::bench {

// Nanoseconds of one round.
struct Percentiles {
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
  std::uint64_t samples = 0;
};

// HdrHistogram, 1 ns to 10 s with three digits. All memory is taken when it is made.
class Histogram {
 public:
  Histogram() {
    if (hdr_init(1, 10'000'000'000, 3, &histogram_) != 0) throw Failure("hdr_init failed");
  }
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;
  ~Histogram() { hdr_close(histogram_); }

  void record(std::int64_t value_ns) noexcept { (void)hdr_record_value(histogram_, value_ns); }

  // Of the recorded values divided by `divisor`: round trips are recorded whole, so that halving
  // them costs no resolution.
  Percentiles percentiles(double divisor) const {
    const auto at = [&](double p) {
      return static_cast<double>(hdr_value_at_percentile(histogram_, p)) / divisor;
    };
    return {at(50), at(99), at(99.9), static_cast<double>(hdr_max(histogram_)) / divisor,
            static_cast<std::uint64_t>(histogram_->total_count)};
  }

 private:
  hdr_histogram* histogram_ = nullptr;
};

// The median over rounds, and how far the rounds lie apart.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
};

inline Spread spread(std::vector<double> rounds) {
  if (rounds.empty()) return {};
  std::sort(rounds.begin(), rounds.end());
  const std::size_t middle = rounds.size() / 2;
  const double median =
      rounds.size() % 2 == 1 ? rounds[middle] : (rounds[middle - 1] + rounds[middle]) / 2;
  return {median, rounds.front(), rounds.back()};
}

}  // namespace tensorpool::bench
