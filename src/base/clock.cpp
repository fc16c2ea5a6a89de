#include "base/clock.hpp"

#include <ctime>

namespace tensorpool::base {

Nanos SystemClock::realtime_ns() const noexcept {
  timespec t{};
  (void)::clock_gettime(CLOCK_REALTIME, &t);
  return Nanos{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace tensorpool::base
