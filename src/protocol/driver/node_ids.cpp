#include "protocol/driver/node_ids.hpp"

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "protocol/driver/settings.hpp"

namespace tensorpool::protocol::driver {

void NodeIds::forget_client_of(std::uint32_t node_id, std::uint32_t client_id) {
  const auto found = former_.find(client_id);
  if (found != former_.end() && found->second == node_id) former_.erase(found);
}

void NodeIds::forget_large(base::Nanos now) {
  while (const std::optional<std::uint32_t> node_id = large_.due(now)) {
    large_.erase(*node_id);
    const auto found = entries_.find(*node_id);
    TP_ASSERT(found != entries_.end() && !found->second.in_use);
    forget_client_of(*node_id, found->second.client_id);
    entries_.erase(found);
  }
}

bool NodeIds::available(base::Nanos now, std::uint32_t client_id, std::uint32_t node_id) {
  forget_large(now);
  const auto found = entries_.find(node_id);
  if (found == entries_.end()) return entries_.size() < base::limits::driver_node_ids;
  const Entry& entry = found->second;
  return !entry.in_use && (!resting(now, entry) || entry.client_id == client_id);
}

std::optional<std::uint32_t> NodeIds::take(base::Nanos now, std::uint32_t client_id,
                                           std::optional<std::uint32_t> desired) {
  std::optional<std::uint32_t> chosen = desired;
  if (!chosen) {
    // The former one, also while it rests: the rest is there for the sake of others (DRV-44).
    // Copied, for available() may forget what has rested.
    if (const auto former = former_.find(client_id); former != former_.end()) {
      const std::uint32_t node_id = former->second;
      if (available(now, client_id, node_id)) chosen = node_id;
    }
  }
  for (std::uint32_t tried = lowest; !chosen && tried <= highest; ++tried) {
    const std::uint32_t candidate = next_;
    next_ = next_ == highest ? lowest : next_ + 1;
    const auto found = entries_.find(candidate);
    if (found == entries_.end() || (!found->second.in_use && !resting(now, found->second)))
      chosen = candidate;
  }
  if (!chosen) return std::nullopt;
  Entry& entry = entries_[*chosen];
  TP_ASSERT(!entry.in_use);
  entry.in_use = true;
  entry.before = entry.client_id;
  entry.client_id = client_id;
  ++in_use_;
  large_.erase(*chosen);
  return chosen;
}

void NodeIds::release(base::Nanos now, std::uint32_t node_id) {
  const auto found = entries_.find(node_id);
  TP_ASSERT(found != entries_.end() && found->second.in_use);
  Entry& entry = found->second;
  entry.in_use = false;
  entry.released = true;
  entry.released_at = now;
  forget_client_of(node_id, entry.before);
  // A client that had another id before remembers only this one.
  former_[entry.client_id] = node_id;
  --in_use_;
  rest(node_id, entry);
}

void NodeIds::rest(std::uint32_t node_id, const Entry& entry) {
  if (node_id > highest) large_.set(node_id, later(entry.released_at, cooldown_ns_));
}

void NodeIds::give_back(std::uint32_t node_id) {
  const auto found = entries_.find(node_id);
  TP_ASSERT(found != entries_.end() && found->second.in_use);
  Entry& entry = found->second;
  entry.in_use = false;
  entry.client_id = entry.before;
  --in_use_;
  if (!entry.released) {
    entries_.erase(found);
  } else {
    rest(node_id, entry);
  }
}

}  // namespace tensorpool::protocol::driver
