// A mapping that is lent to a port.
#pragma once

#include <optional>
#include <utility>

#include "agents/wiring.hpp"
#include "base/limits.hpp"
#include "shm/mapping.hpp"

namespace tensorpool::agents {

// Unmapped in steps once nobody uses it: a large unmap in one go would hold up the duty cycle.
struct LentRegions final : Lent {
  LentRegions(shm::MappedStream mapped, std::uint64_t session_id)
      : stream(std::move(mapped)), session(session_id) {}

  // One step towards a mapping whose pages are all present in this process, so that the first pass over the
  // ring meets no page fault: the creator's prefault fills memory, not the page tables of others. The port
  // may be at work already. Returns the work done; what fails is left to the faults.
  int prefault_step() {
    if (prefaulted_ || !stream.backed) return 0;
    if (!prefault_) prefault_.emplace(stream);
    const auto done = prefault_->step(base::limits::region_step_bytes);
    prefaulted_ = !done || *done;
    return 1;
  }

  bool release_step() override {
    if (!unmap_) unmap_.emplace(std::move(stream));
    return unmap_->step(base::limits::unmap_step_bytes);
  }

  // Names the regions in a Wiring.
  void wire(Wiring& wiring) noexcept {
    wiring.session = session;
    wiring.epoch = stream.layout.epoch;
    wiring.ring = stream.header.base();
    wiring.geometry = stream.geometry;
    for (std::size_t i = 0; i < stream.pools.size(); ++i) wiring.pools[i] = stream.pools[i].base();
    wiring.lent[wiring.lent_count++] = this;
  }

  shm::MappedStream stream;
  std::uint64_t session;

 private:
  std::optional<shm::Prefault> prefault_;
  bool prefaulted_ = false;
  std::optional<shm::Unmap> unmap_;
};

}  // namespace tensorpool::agents
