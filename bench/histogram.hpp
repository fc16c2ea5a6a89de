// HdrHistograms in memory that workers share with their parent.
#pragma once

#include <hdr/hdr_histogram.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tensorpool::bench {

// Nanoseconds of one round.
struct Percentiles {
  double p50 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
};

// 1 ns to 100 s with three digits. Made by the parent before it forks; all memory is touched then.
class Histogram {
 public:
  Histogram();
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;
  ~Histogram();

  // One writer at a time, in any process.
  void record(std::int64_t value_ns) noexcept {
    (void)hdr_record_value(histogram_, value_ns < 1 ? 1 : value_ns);
  }
  void clear() noexcept { hdr_reset(histogram_); }
  void add(const Histogram& other) noexcept { (void)hdr_add(histogram_, other.histogram_); }

  std::uint64_t samples() const noexcept {
    return static_cast<std::uint64_t>(histogram_->total_count);
  }
  // Values divided by `divisor`: round trips are recorded whole, so that halving costs no resolution.
  double at(double percentile, double divisor) const {
    return static_cast<double>(hdr_value_at_percentile(histogram_, percentile)) / divisor;
  }
  Percentiles percentiles(double divisor) const {
    return {at(50, divisor), at(99, divisor), at(99.9, divisor), max(divisor)};
  }
  double max(double divisor) const { return static_cast<double>(hdr_max(histogram_)) / divisor; }
  // (percentile, value) for a plot, denser towards 100 %.
  std::vector<std::pair<double, double>> points(double divisor) const;
  // In the text form that HdrHistogram's plotters read. Throws Failure naming the file.
  void write_hgrm(const std::string& file, double divisor) const;

 private:
  hdr_histogram* histogram_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace tensorpool::bench
