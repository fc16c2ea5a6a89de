// What the conductor lends to a port: one immutable, complete picture of what the port works on.
// The port never allocates, frees, maps or locks; it hands a Wiring back when it has let go of it.
// Who owns a Wiring at any moment: exactly one of conductor, mailbox, port and returns list
// (docs/internals/concurrency.md, sections 1 and 2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/limits.hpp"
#include "shm/geometry.hpp"
#include "shm/seqlock.hpp"
#include "tensorpool/error.hpp"
#include "tensorpool/producer.hpp"
#include "transport/transport.hpp"

namespace tensorpool::agents {

// What a port finds in its mail in a forked child, where its parent's conductor, links and mappings are
// not there: every call says `forked` from then on. Shared by all ports, so nobody writes it.
struct Wiring;
Wiring& forked_wiring() noexcept;

// Something the conductor owns and lends: a mapping or a link. `uses` counts the Wirings that name
// it and are not back yet; only the conductor touches it. A doomed resource goes when uses is 0.
struct Lent {
  Lent() = default;
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  virtual ~Lent() = default;
  // One bounded piece of letting go; true when the object may be destroyed. REQUIRES uses == 0.
  virtual bool release_step() { return true; }
  int uses = 0;
  bool doomed = false;
};

struct Wiring {
  // Constant once published. A complete state, never a delta, so skipping one is harmless.
  PortState state = PortState::connecting;
  Code reason = Code::connecting;  // what a call says while the state is not active
  std::uint64_t session = 0;       // identity of one mapping; 0: none
  std::uint64_t epoch = 0;

  std::byte* ring = nullptr;  // start of the mapped header ring; null: nothing mapped
  shm::RingGeometry geometry;
  // Starts of the mapped pools, by PoolGeometry::index.
  std::array<std::byte*, base::limits::pools_per_stream> pools{};

  std::array<transport::Publication*, base::limits::links_per_producer> links{};
  std::uint32_t link_count = 0;
  transport::Subscription* subscription = nullptr;

  // The conductor's own.
  std::array<Lent*, base::limits::links_per_producer + 2> lent{};
  std::uint32_t lent_count = 0;

  // The port's own: open claims, the running handler and views hold a pin.
  std::uint32_t pins = 0;
  bool retired = false;
  Wiring* next = nullptr;

  shm::SlotRef slot(std::uint64_t seq) const noexcept {
    return shm::SlotRef::at(ring, geometry.header_index(seq));
  }
  std::byte* payload(const shm::PoolGeometry& pool, std::uint64_t seq) const noexcept {
    return pools[pool.index] +
           shm::payload_slot_offset(geometry.header_index(seq), pool.stride_bytes);
  }
};

inline Wiring& forked_wiring() noexcept {
  static Wiring wiring = [] {
    Wiring w;
    w.state = PortState::closed;
    w.reason = Code::forked;
    return w;
  }();
  return wiring;
}

}  // namespace tensorpool::agents
