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

// The wake-up extension (docs/internals/concurrency.md, section 7): a counter of the port's own and those of
// others that go with it. Places are rechecked before anything but a look is done to them.
struct WakeLinks {
  // A place that is never live, so that the frame path needs one check only.
  static transport::CounterPlace nowhere() noexcept;

  // A producer's bell, a consumer's armed. Not live: not opted in, not there yet, or not ours any more.
  transport::CounterPlace own = nowhere();
  // A producer's waiters, by rising counter id; a consumer's bells, the newest first.
  std::array<transport::CounterPlace, base::limits::waiters_per_producer> others{};
  // Their values, in a row for who looks at all.
  std::array<std::int64_t*, base::limits::waiters_per_producer> words{};
  std::uint32_t count = 0;
  std::uint64_t version = 0;  // another one for every other list

  // REQUIRES room.
  void add(const transport::CounterPlace& place) noexcept {
    others[count] = place;
    words[count++] = place.value;
  }

  friend bool operator==(const WakeLinks&, const WakeLinks&) = default;
};
inline transport::CounterPlace WakeLinks::nowhere() noexcept {
  static std::array<std::int64_t, 2> words{0, -1};
  return {words.data(), 0};
}
static_assert(base::limits::bells_per_consumer <= base::limits::waiters_per_producer);

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

  WakeLinks wake;

  // The conductor's own.
  std::array<Lent*, base::limits::links_per_producer + 3> lent{};
  std::uint32_t lent_count = 0;

  // The port's own: open claims, the running handler and views hold a pin, and the port itself one while this is
  // the Wiring that it uses.
  std::uint32_t pins = 0;
  Wiring* next = nullptr;

  shm::SlotRef slot(std::uint64_t seq) const noexcept {
    return slot_at(geometry.header_index(seq));
  }
  std::byte* payload(const shm::PoolGeometry& pool, std::uint64_t seq) const noexcept {
    return payload_at(pool, geometry.header_index(seq));
  }
  // The same for who knows the header index of the frame.
  shm::SlotRef slot_at(std::uint32_t index) const noexcept { return shm::SlotRef::at(ring, index); }
  std::byte* payload_at(const shm::PoolGeometry& pool, std::uint32_t index) const noexcept {
    return pools[pool.index] + shm::payload_slot_offset(index, pool.stride_bytes);
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
