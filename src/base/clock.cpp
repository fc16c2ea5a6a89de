#include "base/clock.hpp"

#include <ctime>

namespace tensorpool::base {
namespace {

Nanos read(clockid_t id) noexcept {
  timespec t{};
  ::clock_gettime(id, &t);
  return Nanos{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Nanos SystemClock::monotonic() noexcept { return read(CLOCK_MONOTONIC); }
Nanos SystemClock::realtime_ns() const noexcept { return read(CLOCK_REALTIME); }

}  // namespace tensorpool::base
