// Whether an announce is from now: checks 3 to 6 of docs/protocol/03-streams.md section 4.2, which everybody
// who listens to announces makes. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "protocol/now.hpp"
#include "wire/messages.hpp"

namespace tensorpool::protocol {

// Why an announce was not acted on; in the order of the checks of section 4.2.
enum class AnnounceRefusal : std::uint8_t {
  other_stream,
  clock_domain,
  no_timestamp,
  too_old,
  before_join,
  layout_version,
  lower_epoch,
  malformed_regions,
  same_epoch_after_pid_change,
  not_leased,        // driver mode: there is no lease, or its regions come from the attach response
  producer_revoked,  // driver mode: only a higher epoch is of interest
  retry_pause,
  count_,
};

class AnnounceGate {
 public:
  explicit AnnounceGate(base::Nanos freshness_ns) noexcept : freshness_ns_(freshness_ns) {}

  // An image that carries announces came or went; `joined` is when (SHM-151).
  void on_image(std::int32_t session, base::Nanos joined, bool available) {
    if (available) {
      joined_[session] = joined;
    } else {
      joined_.erase(session);
    }
  }

  // Nothing when the announce passes.
  std::optional<AnnounceRefusal> refuse(Now now, std::int32_t session,
                                        const wire::ShmPoolAnnounce& announce) {
    const bool monotonic = announce.announce_clock_domain == ClockDomain::monotonic;
    if (!monotonic && announce.announce_clock_domain != ClockDomain::realtime_synced) {
      return AnnounceRefusal::clock_domain;
    }
    const std::uint64_t sent = announce.announce_timestamp_ns;
    if (sent == 0) return AnnounceRefusal::no_timestamp;
    const auto clock = static_cast<std::uint64_t>(monotonic ? now.monotonic : now.realtime);
    if (clock > sent && clock - sent > static_cast<std::uint64_t>(freshness_ns_)) {
      return AnnounceRefusal::too_old;
    }
    if (!monotonic) return std::nullopt;
    // A session that is not known yet has joined now.
    const base::Nanos joined = joined_.try_emplace(session, now.monotonic).first->second;
    if (sent < static_cast<std::uint64_t>(joined)) return AnnounceRefusal::before_join;
    return std::nullopt;
  }

 private:
  base::Nanos freshness_ns_;
  std::map<std::int32_t, base::Nanos> joined_;
};

}  // namespace tensorpool::protocol
