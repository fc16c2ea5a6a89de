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
  std::optional<shm::Unmap> unmap_;
};

}  // namespace tensorpool::agents
