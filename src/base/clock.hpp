// Time as a value. Everything that asks for the time gets a Clock, so that tests and the simulator
// decide what time it is. Ports read the clock through their Env, without an indirect call.
#pragma once

#include <cstdint>
#include <ctime>

namespace tensorpool::base {

// Nanoseconds. Monotonic and realtime values are never compared with one another.
using Nanos = std::int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  // CLOCK_MONOTONIC of this host (SHM-256).
  virtual Nanos monotonic_ns() const noexcept = 0;
  // CLOCK_REALTIME.
  virtual Nanos realtime_ns() const noexcept = 0;
};

// The host's clocks, through the vDSO: no system call. Any thread.
class SystemClock final : public Clock {
 public:
  Nanos monotonic_ns() const noexcept override { return monotonic(); }
  Nanos realtime_ns() const noexcept override;
  static Nanos monotonic() noexcept {
    timespec t;  // NOLINT(cppcoreguidelines-pro-type-member-init): this clock is always there
    (void)::clock_gettime(CLOCK_MONOTONIC, &t);
    return Nanos{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
};

// A clock that stands still until it is told otherwise. One thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Nanos monotonic = 1'000'000'000, Nanos realtime = 1'700'000'000'000'000'000)
      : monotonic_(monotonic), realtime_(realtime) {}
  Nanos monotonic_ns() const noexcept override { return monotonic_; }
  Nanos realtime_ns() const noexcept override { return realtime_; }
  void advance(Nanos by) noexcept {
    monotonic_ += by;
    realtime_ += by;
  }

 private:
  Nanos monotonic_;
  Nanos realtime_;
};

}  // namespace tensorpool::base
