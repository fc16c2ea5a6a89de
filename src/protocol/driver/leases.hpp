// The active leases of a driver, by lease id and by client id, and when they expire. Who may have one is
// decided in attach.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "protocol/driver/schedule.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol::driver {

// What a client must name to speak for a lease: all four (DRV-99, DRV-108).
struct LeaseKey {
  std::uint64_t lease_id = 0;
  std::uint32_t stream_id = 0;
  std::uint32_t client_id = 0;
  wire::driver::Role role = wire::driver::Role::consumer;
  friend bool operator==(const LeaseKey&, const LeaseKey&) = default;
};

struct Lease {
  LeaseKey key;
  // As in the attach request, to know a copy of it again (row 7).
  std::int64_t correlation_id = 0;
  std::uint32_t requested_stream_id = 0;
  std::optional<std::uint32_t> node_id;
  base::Nanos expiry_ns = 0;  // expired when now is later than this
  bool kept_alive = false;    // ACTIVE; before the first keepalive it is ATTACHED
  // Of a consumer; 0 = none assigned (A9.2).
  std::uint32_t descriptor_stream_id = 0;
  std::uint32_t control_stream_id = 0;
};

class LeaseTable {
 public:
  // `first_id` is random for each driver process, so that no lease of a former one is taken for one of
  // this (DRV-31). 0 and null are skipped.
  explicit LeaseTable(std::uint64_t first_id) noexcept;

  // Gives the lease its id, never used before in this process. REQUIRES that its client has none.
  // The reference lives until the lease is removed.
  Lease& grant(Lease lease);
  void extend(Lease& lease, base::Nanos expiry_ns);
  // REQUIRES an active lease.
  Lease remove(std::uint64_t lease_id);
  void clear();

  // Null when there is none.
  Lease* of_client(std::uint32_t client_id);
  Lease* find(std::uint64_t lease_id);
  Lease* match(const LeaseKey& key);
  // Whether this process ever granted a lease of that id.
  bool issued(std::uint64_t lease_id) const noexcept {
    return lease_id - first_id_ < next_id_ - first_id_;
  }

  std::optional<std::uint64_t> expired(base::Nanos now) const { return expiry_.due(now); }
  base::Nanos next_expiry() const noexcept { return expiry_.next(); }
  std::size_t size() const noexcept { return leases_.size(); }
  std::size_t producers() const noexcept { return producers_; }
  const std::unordered_map<std::uint64_t, Lease>& all() const noexcept { return leases_; }

 private:
  std::uint64_t first_id_;
  std::uint64_t next_id_;
  std::unordered_map<std::uint64_t, Lease> leases_;
  std::unordered_map<std::uint32_t, std::uint64_t> by_client_;
  std::size_t producers_ = 0;
  Schedule<std::uint64_t> expiry_;  // the first instant at which the lease is expired
};

}  // namespace tensorpool::protocol::driver
