// The streams that a driver knows: configured ones, and those created on demand while anybody needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "protocol/driver/id_pool.hpp"
#include "protocol/driver/schedule.hpp"
#include "protocol/driver/settings.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol::driver {

// Regions that are being created.
struct Creation {
  std::uint64_t request_id = 0;  // of the CreateRegions, or of the collection that it waits for
  std::uint64_t epoch = 0;       // the least that was asked for
  std::uint64_t producer_id =
      0;  // the pending attach it is for; 0: for consumers, or for nobody yet
  bool hugepages = false;
  bool second_try = false;  // after a collection made space (DRV-184)
};

struct Stream {
  std::uint32_t stream_id = 0;
  const Profile* profile = nullptr;  // null: the configuration names none that exists
  bool dynamic = false;

  std::uint64_t epoch = 0;       // the current one; 0 = never provisioned
  std::uint64_t last_epoch = 0;  // the highest known, also of creations that failed or on disk
  std::optional<wire::ShmPoolAnnounce> regions;  // of `epoch`; absent: a stream without regions
  bool hugepages = false;
  std::optional<Creation> creation;

  std::uint64_t producer_lease = 0;         // 0 = none; never with a creation in flight
  std::uint64_t producer_pending = 0;       // the attach of a producer that waits; 0 = none
  std::vector<std::uint64_t> waiting;       // attaches of consumers that wait for regions
  std::optional<std::int64_t> held_detach;  // to be answered after the announce (DRV-110)
  std::uint64_t collecting = 0;             // the collection in flight; 0 = none
  bool collect_again = false;               // once more when what is left has come of age
  bool removal_failed = false;              // and reported
  std::size_t leases = 0;
  std::size_t pendings = 0;  // attaches in progress, those ready to be answered included

  bool unused() const noexcept {
    return leases == 0 && pendings == 0 && !creation && !held_detach && collecting == 0;
  }
};

class StreamTable {
 public:
  // The settings outlive the table.
  explicit StreamTable(const Settings& settings);

  Stream* find(std::uint32_t stream_id);
  // Of streams created on demand.
  const IdPool& ids() const noexcept { return ids_; }
  bool full() const noexcept { return streams_.size() >= base::limits::driver_streams; }
  // Whether a stream can be forgotten to make room for another.
  bool forgettable() const noexcept { return !idle_.empty(); }

  // A new stream; id 0 takes the next free one. REQUIRES room, and an id in the range that no stream has.
  Stream& create(std::uint32_t stream_id, const Profile* profile);
  // To be called whenever somebody came or went.
  void settle(Stream& stream, base::Nanos now);
  // The dynamic stream that has been unused for longest is forgotten (DRV-164). REQUIRES forgettable().
  std::uint32_t forget_oldest(base::Nanos now);
  // REQUIRES a dynamic stream that is unused.
  void forget(std::uint32_t stream_id, base::Nanos now);

  std::unordered_map<std::uint32_t, Stream>& all() noexcept { return streams_; }
  const std::unordered_map<std::uint32_t, Stream>& all() const noexcept { return streams_; }

 private:
  std::unordered_map<std::uint32_t, Stream> streams_;  // references stay valid
  IdPool ids_;
  Schedule<std::uint32_t> idle_;  // dynamic streams without a user, since when
  // No stream starts below this, so that epochs rise even for an id that was forgotten and comes back. Epochs
  // far ahead of the clock stay out of it, for one of them would spoil all streams: their directory, the
  // highest of their stream and therefore kept, remembers them.
  std::uint64_t forgotten_epoch_ = 0;
};

// The rule of A6 with what is known in memory: max(now, last + 1, 1). Nothing when no usable epoch is left.
std::optional<std::uint64_t> next_epoch(base::Nanos now, std::uint64_t last_epoch) noexcept;

}  // namespace tensorpool::protocol::driver
