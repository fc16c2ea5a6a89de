// The local rate limit of a consumer (STR-193 to STR-197): which frames to skip so that at most
// max_rate_hz a second remain.
#pragma once

#include <cstdint>

namespace tensorpool::protocol {

// Where the gating time of a frame comes from, in order of preference (STR-194).
enum class GateSource : std::uint8_t { none, descriptor, slot, local_clock };

class RateGate {
 public:
  explicit RateGate(std::uint32_t max_rate_hz = 0) noexcept
      : period_ns_(max_rate_hz == 0 ? 0 : 1'000'000'000U / max_rate_hz) {}

  bool enabled() const noexcept { return period_ns_ != 0; }

  // Is a frame with this gating time wanted? Going back in time and a change of the source accept
  // (STR-197). Moves nothing: accept() does, once the frame was really delivered.
  bool wants(GateSource source, std::uint64_t time_ns) const noexcept {
    if (source != source_ || time_ns < reference_ns_) return true;
    return time_ns - reference_ns_ >= period_ns_;
  }

  void accept(GateSource source, std::uint64_t time_ns) noexcept {
    source_ = source;
    reference_ns_ = time_ns;
  }

  void reset() noexcept { source_ = GateSource::none; }

 private:
  std::uint64_t period_ns_;
  std::uint64_t reference_ns_ = 0;
  GateSource source_ = GateSource::none;
};

}  // namespace tensorpool::protocol
