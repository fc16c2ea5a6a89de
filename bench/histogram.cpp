#include "histogram.hpp"

#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "stage.hpp"

namespace tensorpool::bench {
namespace {

constexpr std::int64_t lowest_ns = 1;
constexpr std::int64_t highest_ns = 100'000'000'000;
constexpr int digits = 3;
constexpr int ticks = 5;  // points for each halving of the distance to 100 %

}  // namespace

Histogram::Histogram() {
  hdr_histogram_bucket_config config{};
  if (hdr_calculate_bucket_config(lowest_ns, highest_ns, digits, &config) != 0)
    throw Failure("hdr_calculate_bucket_config failed");
  bytes_ =
      sizeof(hdr_histogram) + static_cast<std::size_t>(config.counts_len) * sizeof(std::int64_t);
  void* const memory =
      ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Failure("mmap of a histogram failed");
  std::memset(memory, 0, bytes_);
  histogram_ = static_cast<hdr_histogram*>(memory);
  // The same address in all processes, since they are forked from this one.
  histogram_->counts = static_cast<std::int64_t*>(static_cast<void*>(histogram_ + 1));
  hdr_init_preallocated(histogram_, &config);
}

Histogram::~Histogram() { (void)::munmap(histogram_, bytes_); }

std::vector<std::pair<double, double>> Histogram::points(double divisor) const {
  std::vector<std::pair<double, double>> points;
  if (samples() == 0) return points;
  hdr_iter iterator{};
  hdr_iter_percentile_init(&iterator, histogram_, ticks);
  while (hdr_iter_next(&iterator))
    points.emplace_back(iterator.specifics.percentiles.percentile,
                        static_cast<double>(iterator.highest_equivalent_value) / divisor);
  return points;
}

void Histogram::write_hgrm(const std::string& file, double divisor) const {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "w"),
                                                            std::fclose);
  if (!out || hdr_percentiles_print(histogram_, out.get(), ticks, divisor, CLASSIC) != 0)
    throw Failure("cannot write " + file);
}

}  // namespace tensorpool::bench
