// What a driver's core was told to promise, kept by whoever feeds it: leases, epochs, node ids, questions, and
// the directories on disk. Every action is entered; a promise that is broken is an assert.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/assert.hpp"
#include "protocol/driver/driver_core.hpp"
#include "shm/layout.hpp"
#include "wire/codec.hpp"

namespace tensorpool::fuzz {

namespace drv = protocol::driver;

// Epochs on disk as the agent would keep them. Survives drivers.
class EpochDisk {
 public:
  std::uint64_t highest(std::uint32_t stream_id) const {
    const auto found = streams_.find(stream_id);
    return found == streams_.end() || found->second.empty() ? 0 : found->second.rbegin()->first;
  }
  bool holds(std::uint32_t stream_id, std::uint64_t epoch) const {
    const auto found = streams_.find(stream_id);
    return found != streams_.end() && found->second.contains(epoch);
  }
  // Somebody with permission to write made a directory.
  void plant(std::uint32_t stream_id, std::uint64_t epoch, base::Nanos now) {
    if (shm::epoch_usable(epoch)) streams_[stream_id].try_emplace(epoch, now);
  }
  // The epoch that a creation gets; nothing when none is left (A6).
  std::optional<std::uint64_t> create(const shm::StreamLayout& layout, base::Nanos now) {
    const std::uint64_t last = highest(layout.stream_id);
    if (last >= shm::epoch_null - 1) return std::nullopt;
    const std::uint64_t epoch = std::max(layout.epoch, last + 1);
    streams_[layout.stream_id][epoch] = now;
    return epoch;
  }
  // The conditions of A10, but for the process.
  struct Collected {
    std::size_t removed = 0;
    std::size_t young = 0;
  };
  Collected collect(const drv::CollectEpochs& asked, base::Nanos now) {
    std::map<std::uint64_t, base::Nanos>& epochs = streams_[asked.stream_id];
    std::vector<std::uint64_t> others;
    for (const auto& [epoch, at] : epochs) {
      if (epoch != asked.current_epoch) others.push_back(epoch);
    }
    std::sort(others.begin(), others.end(), std::greater<>());
    Collected collected;
    for (std::size_t i = asked.keep - 1; i < others.size(); ++i) {
      const base::Nanos at = epochs[others[i]];
      const std::uint64_t age = now > at ? static_cast<std::uint64_t>(now - at) : 0;
      if (!asked.waive_age && age <= asked.min_age_ns) {
        ++collected.young;
        continue;
      }
      epochs.erase(others[i]);
      ++collected.removed;
    }
    return collected;
  }
  void remove(std::uint32_t stream_id) { streams_.erase(stream_id); }

 private:
  std::map<std::uint32_t, std::map<std::uint64_t, base::Nanos>> streams_;
};

// Of one driver.
class DriverBook {
 public:
  DriverBook(EpochDisk& disk, std::map<std::uint32_t, std::uint64_t>& announced)
      : disk_(disk), announced_(announced) {}

  // All that one input asked for.
  void enter(const drv::DriverCore& core, std::vector<drv::Action> done) {
    TP_ASSERT(done.size() <= drv::Actions::capacity);
    said_ = 0;
    for (drv::Action& action : done) std::visit([&](auto& what) { took(core, what); }, action);
  }
  // Messages that the last input asked for.
  std::size_t said() const noexcept { return said_; }
  bool stopped() const noexcept { return stopped_; }
  const std::map<std::uint64_t, drv::LeaseKey>& leases() const noexcept { return leases_; }
  // Every lease that ever was, the latest last; at most a few.
  const std::deque<drv::LeaseKey>& known() const noexcept { return known_; }

  // Questions about files without an answer. Those of one stream are answered in their order.
  std::deque<drv::CreateRegions> creations;
  std::deque<drv::CollectEpochs> collections;

  // What holds after every input. `told`: a time that the core has heard of.
  void check(const drv::DriverCore& core, const drv::Settings& settings, base::Nanos told) const {
    TP_ASSERT(core.deadline() >= told);
    if (core.state() == drv::State::stopped) {
      TP_ASSERT(stopped_ && core.leases().size() == 0 && core.pending() == 0);
      return;
    }
    TP_ASSERT(core.leases().size() == leases_.size());
    TP_ASSERT(core.leases().size() + core.pending() <= settings.max_leases);
    TP_ASSERT(core.streams().all().size() <= base::limits::driver_streams);
    TP_ASSERT(core.node_ids().remembered() <= base::limits::driver_node_ids);
    std::map<std::uint32_t, std::size_t> held;
    std::map<std::uint32_t, std::size_t> producers;
    std::set<std::uint32_t> assigned;
    for (const auto& [id, lease] : core.leases().all()) {
      const auto mine = leases_.find(id);
      TP_ASSERT(mine != leases_.end() && mine->second == lease.key);
      ++held[lease.key.stream_id];
      if (lease.key.role == wire::driver::Role::producer) ++producers[lease.key.stream_id];
      for (const std::uint32_t stream : {lease.descriptor_stream_id, lease.control_stream_id})
        TP_ASSERT(stream == 0 || assigned.insert(stream).second);
    }
    for (const auto& [id, stream] : core.streams().all()) {
      TP_ASSERT(stream.leases == held[id] && producers[id] <= 1);
      TP_ASSERT((stream.producer_lease != 0) == (producers[id] == 1));
      TP_ASSERT(!stream.regions || stream.regions->epoch == stream.epoch);
      TP_ASSERT(stream.epoch <= stream.last_epoch);
      // No region goes while a lease lives on it.
      TP_ASSERT(!stream.regions || stream.leases == 0 || disk_.holds(id, stream.epoch));
    }
  }

 private:
  // Everything that is said can be sent.
  template <class M>
  void say(const M& message) {
    ++said_;
    std::vector<std::byte> bytes(wire::encoded_size(message));
    TP_ASSERT(wire::try_encode(message, bytes));
  }

  void took(const drv::DriverCore& core, const drv::SendAttachResponse& send) {
    const wire::driver::ShmAttachResponse& response = send.message;
    say(response);
    if (response.code != wire::ResponseCode::ok) {
      TP_ASSERT(!response.lease_id && !response.epoch && response.payload_pools.empty());
      TP_ASSERT(!response.error_message.empty());
      return;
    }
    const std::uint64_t id = response.lease_id.value_or(0);
    TP_ASSERT(id != 0 && id != wire::null_u64 && !ended_.contains(id));
    if (core.state() == drv::State::stopped)
      return;  // the end came in the same step, and its notice is next
    TP_ASSERT(core.leases().all().contains(id));                   // DRV-73
    TP_ASSERT(disk_.holds(*response.stream_id, *response.epoch));  // DRV-74
    TP_ASSERT(*response.epoch == core.streams().all().at(*response.stream_id).epoch);
    if (leases_.contains(id)) return;  // a copy
    const drv::Lease& lease = core.leases().all().at(id);
    for (const auto& [other_id, other] : leases_) {
      TP_ASSERT(other.client_id != lease.key.client_id);
      TP_ASSERT(other.stream_id != lease.key.stream_id ||
                other.role != wire::driver::Role::producer ||
                lease.key.role != wire::driver::Role::producer);
    }
    leases_[id] = lease.key;
    known_.push_back(lease.key);
    if (known_.size() > known_most) known_.pop_front();
    if (!response.node_id) return;
    TP_ASSERT(*response.node_id != 0);
    for (const auto& [other_id, node] : nodes_) TP_ASSERT(node != *response.node_id);
    nodes_[id] = *response.node_id;
  }
  void took(const drv::DriverCore& core, const drv::SendLeaseRevoked& send) {
    say(send.message);
    const std::uint64_t id = send.message.lease_id;
    TP_ASSERT(!core.leases().all().contains(id));
    if (leases_.erase(id) == 0) {  // a stranger's, who is told once and never about ours
      TP_ASSERT(!ended_.contains(id) && strangers_.insert(id).second);
      // Nobody on the stream can take it for one about its producer.
      for (const auto& [other_id, lease] : leases_)
        TP_ASSERT(send.message.role != wire::driver::Role::producer ||
                  lease.stream_id != send.message.stream_id);
      TP_ASSERT(strangers_.size() <= base::limits::driver_strangers_answered);
      return;
    }
    TP_ASSERT(ended_.insert(id).second);  // DRV-123
    nodes_.erase(id);
  }
  void took(const drv::DriverCore&, const drv::SendDetachResponse& send) { say(send.message); }
  void took(const drv::DriverCore&, const drv::SendDriverShutdown& send) {
    say(send.message);
    TP_ASSERT(!std::exchange(stopped_, true));
    leases_.clear();
    nodes_.clear();
  }
  void took(const drv::DriverCore&, const drv::SendConsumerConfig& send) {
    say(send.message);
    TP_ASSERT((send.message.descriptor_stream_id == 0) == send.message.descriptor_channel.empty());
    TP_ASSERT((send.message.control_stream_id == 0) == send.message.control_channel.empty());
  }
  void took(const drv::DriverCore&, const drv::SendAnnounce& send) {
    say(send.message);
    TP_ASSERT(!stopped_ && disk_.holds(send.message.stream_id, send.message.epoch));
    std::uint64_t& highest = announced_[send.message.stream_id];
    TP_ASSERT(send.message.epoch >= highest);  // DRV-130
    highest = send.message.epoch;
    here_[send.message.stream_id] = highest;
  }
  void took(const drv::DriverCore&, const drv::CreateRegions& asked) {
    TP_ASSERT(!stopped_ && asked.layout.epoch > here_[asked.layout.stream_id]);
    for (const drv::CreateRegions& other : creations)
      TP_ASSERT(other.layout.stream_id != asked.layout.stream_id);
    creations.push_back(asked);
  }
  void took(const drv::DriverCore&, const drv::CollectEpochs& asked) {
    TP_ASSERT(!stopped_ && asked.keep > 0);
    collections.push_back(asked);
  }
  void took(const drv::DriverCore&, const drv::RemoveRegions& asked) {
    TP_ASSERT(stopped_);
    disk_.remove(asked.stream_id);
    announced_.erase(
        asked.stream_id);  // an epoch far ahead of the clock is remembered by its directory
  }
  void took(const drv::DriverCore&, const drv::Stopped&) { TP_ASSERT(stopped_); }
  void took(const drv::DriverCore&, const drv::Report&) {}

  static constexpr std::size_t known_most = 16;

  EpochDisk& disk_;
  std::map<std::uint32_t, std::uint64_t>& announced_;  // highest, over all drivers
  std::map<std::uint32_t, std::uint64_t> here_;        // by this one
  std::map<std::uint64_t, drv::LeaseKey> leases_;
  std::map<std::uint64_t, std::uint32_t> nodes_;
  std::set<std::uint64_t> ended_;
  std::set<std::uint64_t> strangers_;
  std::deque<drv::LeaseKey> known_;
  std::size_t said_ = 0;
  bool stopped_ = false;
};

}  // namespace tensorpool::fuzz
