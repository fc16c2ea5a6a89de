#include "protocol/driver/leases.hpp"

#include "base/assert.hpp"
#include "protocol/driver/settings.hpp"

namespace tensorpool::protocol::driver {
namespace {

constexpr std::uint64_t usable_from(std::uint64_t id) noexcept {
  return id == 0 || id == wire::null_u64 ? 1 : id;
}

}  // namespace

LeaseTable::LeaseTable(std::uint64_t first_id) noexcept
    : first_id_(usable_from(first_id)), next_id_(first_id_) {}

Lease& LeaseTable::grant(Lease lease) {
  TP_ASSERT(!by_client_.contains(lease.key.client_id));
  lease.key.lease_id = next_id_;
  next_id_ = usable_from(next_id_ + 1);
  by_client_[lease.key.client_id] = lease.key.lease_id;
  expiry_.set(lease.key.lease_id, later(lease.expiry_ns, 1));
  if (lease.key.role == wire::driver::Role::producer) ++producers_;
  return leases_.emplace(lease.key.lease_id, lease).first->second;
}

void LeaseTable::extend(Lease& lease, base::Nanos expiry_ns) {
  lease.expiry_ns = expiry_ns;
  expiry_.set(lease.key.lease_id, later(expiry_ns, 1));
}

Lease LeaseTable::remove(std::uint64_t lease_id) {
  const auto found = leases_.find(lease_id);
  TP_ASSERT(found != leases_.end());
  const Lease lease = found->second;
  leases_.erase(found);
  by_client_.erase(lease.key.client_id);
  expiry_.erase(lease_id);
  if (lease.key.role == wire::driver::Role::producer) --producers_;
  return lease;
}

void LeaseTable::clear() {
  leases_.clear();
  by_client_.clear();
  expiry_.clear();
  producers_ = 0;
}

Lease* LeaseTable::find(std::uint64_t lease_id) {
  const auto found = leases_.find(lease_id);
  return found == leases_.end() ? nullptr : &found->second;
}

Lease* LeaseTable::of_client(std::uint32_t client_id) {
  const auto found = by_client_.find(client_id);
  return found == by_client_.end() ? nullptr : find(found->second);
}

Lease* LeaseTable::match(const LeaseKey& key) {
  Lease* lease = find(key.lease_id);
  return lease != nullptr && lease->key == key ? lease : nullptr;
}

}  // namespace tensorpool::protocol::driver
