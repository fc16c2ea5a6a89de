// A frame between the look at its header and its proof.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agents/wiring.hpp"
#include "base/fork.hpp"
#include "shm/seqlock.hpp"
#include "tensorpool/frame.hpp"

namespace tensorpool::agents {

// A frame whose header was copied and validated, not proved yet.
struct OpenFrame {
  Wiring* wiring = nullptr;
  shm::ConstSlotRef slot;
  std::uint64_t committed = 0;  // what R1 saw
  const std::byte* payload = nullptr;
  FrameInfo info;

  // R4 to R6. In a forked child the slot is not there.
  bool intact() const noexcept {
    return !base::lost_by_fork(slot.words) && shm::still(slot, committed);
  }
};

}  // namespace tensorpool::agents
