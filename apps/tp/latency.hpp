// A histogram of latencies in nanoseconds, three significant digits, up to ten minutes.
#pragma once

#include <hdr/hdr_histogram.h>

#include <cstdint>
#include <memory>

#include "tp/json.hpp"

namespace tensorpool::cli {

class Latencies {
 public:
  Latencies() {
    hdr_histogram* made = nullptr;
    if (hdr_init(1, 600'000'000'000, 3, &made) == 0) histogram_.reset(made);
  }
  // Allocates nothing. A value outside the range counts as its end.
  void record(std::int64_t ns) noexcept {
    if (histogram_ != nullptr) hdr_record_value(histogram_.get(), ns < 1 ? 1 : ns);
  }
  bool empty() const { return histogram_ == nullptr || histogram_->total_count == 0; }
  std::int64_t percentile(double percent) const {
    return empty() ? 0 : hdr_value_at_percentile(histogram_.get(), percent);
  }
  std::int64_t max() const { return empty() ? 0 : hdr_max(histogram_.get()); }
  void reset() {
    if (histogram_ != nullptr) hdr_reset(histogram_.get());
  }
  Json json() const {
    if (empty()) return nullptr;
    return {{"count", histogram_->total_count},
            {"min", hdr_min(histogram_.get())},
            {"p50", percentile(50)},
            {"p90", percentile(90)},
            {"p99", percentile(99)},
            {"p99.9", percentile(99.9)},
            {"max", max()}};
  }

 private:
  struct Close {
    void operator()(hdr_histogram* histogram) const { hdr_close(histogram); }
  };
  std::unique_ptr<hdr_histogram, Close> histogram_;
};

}  // namespace tensorpool::cli
