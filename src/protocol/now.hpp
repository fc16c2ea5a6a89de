// The time as a value: cores are told what time it is and never ask.
#pragma once

#include "base/clock.hpp"

namespace tensorpool::protocol {

struct Now {
  base::Nanos monotonic = 0;
  base::Nanos realtime = 0;
};

}  // namespace tensorpool::protocol
