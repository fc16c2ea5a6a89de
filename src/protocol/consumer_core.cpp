#include "protocol/consumer_core.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/limits.hpp"
#include "shm/layout.hpp"

namespace tensorpool::protocol {

std::string_view name(UnmapReason reason) noexcept {
  switch (reason) {
    case UnmapReason::higher_epoch_announced:
      return "a higher epoch was announced";
    case UnmapReason::higher_epoch_descriptor:
      return "a descriptor of a higher epoch arrived";
    case UnmapReason::sequence_regression:
      return "the sequence numbers went back";
    case UnmapReason::superblock_mismatch:
      return "the regions do not match their announce any more";
    case UnmapReason::pid_changed:
      return "another process writes the regions";
    case UnmapReason::stale_activity:
      return "the writer gives no sign of life";
    case UnmapReason::outdated:
      return "a higher epoch appeared while the regions were being mapped";
    case UnmapReason::producer_gone:
      return "the lease of the producer ended";
    case UnmapReason::lease_ended:
      return "the lease of this consumer ended";
  }
  return "unknown";
}

ConsumerCore::ConsumerCore(ConsumerSettings settings, Now now)
    : settings_(std::move(settings)),
      gate_(freshness_ns()),
      leased_(!settings_.leased),
      next_hello_ns_(now.monotonic),
      next_qos_ns_(now.monotonic) {}

ConsumerState ConsumerCore::state() const noexcept {
  if (!mapped_) return ConsumerState::connecting;
  return links_up_ ? ConsumerState::active : ConsumerState::mapped;
}

void ConsumerCore::on_image(Now /*now*/, std::int32_t session, base::Nanos joined, bool available) {
  gate_.on_image(session, joined, available);
}

bool ConsumerCore::refuse(AnnounceRefusal why) noexcept {
  ++refused_[static_cast<std::size_t>(why)];
  return false;
}

// Checks 2 to 8 of section 4.2, in that order.
bool ConsumerCore::acceptable(Now now, std::int32_t session,
                              const wire::ShmPoolAnnounce& announce) {
  if (announce.stream_id != settings_.stream_id) return refuse(AnnounceRefusal::other_stream);
  if (const auto why = gate_.refuse(now, session, announce)) return refuse(*why);
  if (announce.layout_version != shm::supported_layout_version ||
      (settings_.expected_layout_version != 0 &&
       announce.layout_version != settings_.expected_layout_version)) {
    return refuse(AnnounceRefusal::layout_version);
  }
  if (announce.epoch < highest_epoch_ || !shm::epoch_usable(announce.epoch)) {
    return refuse(AnnounceRefusal::lower_epoch);
  }
  return true;
}

// Check 9.
bool ConsumerCore::regions_sane(const wire::ShmPoolAnnounce& announce) const noexcept {
  if (announce.header_slot_bytes != shm::header_slot_bytes ||
      !std::has_single_bit(announce.header_nslots))
    return false;
  if (announce.payload_pools.empty() || announce.header_region_uri.empty()) return false;
  return std::all_of(announce.payload_pools.begin(), announce.payload_pools.end(),
                     [&](const wire::PayloadPool& pool) {
                       return pool.pool_nslots == announce.header_nslots &&
                              !pool.region_uri.empty();
                     });
}

bool ConsumerCore::describes_mapping(const wire::ShmPoolAnnounce& announce) const {
  const wire::ShmPoolAnnounce& mine = *mapped_announce_;
  return announce.layout_version == mine.layout_version &&
         announce.header_nslots == mine.header_nslots &&
         announce.header_slot_bytes == mine.header_slot_bytes &&
         std::equal(announce.payload_pools.begin(), announce.payload_pools.end(),
                    mine.payload_pools.begin(), mine.payload_pools.end(),
                    [](const wire::PayloadPool& a, const wire::PayloadPool& b) {
                      return a.pool_id == b.pool_id && a.pool_nslots == b.pool_nslots &&
                             a.stride_bytes == b.stride_bytes;
                    });
}

void ConsumerCore::on_announce(Now now, std::int32_t session, const wire::ShmPoolAnnounce& announce,
                               ConsumerActions& actions) {
  forget_highest(now);
  if (!acceptable(now, session, announce)) return;
  // Accepted, whatever becomes of its regions: the epoch is observed (STR-40).
  if (announce.epoch > highest_epoch_) last_rejection_.clear();
  highest_epoch_ = announce.epoch;
  highest_accepted_at_ns_ = now.monotonic;
  if (announce.epoch == pid_changed_epoch_) {
    (void)refuse(AnnounceRefusal::same_epoch_after_pid_change);
    return;
  }
  if (!leased_) {
    (void)refuse(AnnounceRefusal::not_leased);
    return;
  }
  // What was announced before the notice may arrive behind it, on another stream.
  const bool before_the_end = announce.announce_clock_domain == ClockDomain::monotonic &&
                              announce.announce_timestamp_ns <= over_since_ns_;
  if (announce.epoch <= over_epoch_ || before_the_end) {
    (void)refuse(AnnounceRefusal::producer_revoked);
    return;
  }
  if (mapped_ && announce.epoch == epoch_) {
    if (!describes_mapping(announce)) {
      unmap(now, UnmapReason::superblock_mismatch, actions);
      return;
    }
    actions.add(CheckRegions{});  // STR-41
    return;
  }
  // A higher epoch ends the mapping, also when its own regions turn out to be unusable (STR-45).
  if (mapped_) unmap(now, UnmapReason::higher_epoch_announced, actions);
  if (!regions_sane(announce)) {
    (void)refuse(AnnounceRefusal::malformed_regions);
    reject(now, announce.epoch,
           "the announce describes impossible regions (slots, slot size, pools or URIs)", actions);
    return;
  }
  request_map(now, announce, actions);
}

void ConsumerCore::request_map(Now now, const wire::ShmPoolAnnounce& announce,
                               ConsumerActions& actions) {
  if (mapping_ && mapping_->announce.epoch >= announce.epoch) return;
  const bool paused = announce.epoch == rejected_epoch_ && now.monotonic < retry_at_ns_;
  if (paused || too_many_rejections(now)) {
    (void)refuse(AnnounceRefusal::retry_pause);
    return;
  }
  mapping_ = MapRegions{next_map_id_++, announce};
  actions.add(*mapping_);
}

void ConsumerCore::on_lease(Now now, const wire::ShmPoolAnnounce& regions,
                            ConsumerActions& actions) {
  if (mapped_) unmap(now, UnmapReason::lease_ended, actions);
  leased_ = true;
  over_epoch_ = over_since_ns_ = 0;
  highest_epoch_ = regions.epoch;
  highest_accepted_at_ns_ = now.monotonic;
  next_hello_ns_ = now.monotonic;  // nobody answers one before the attach (DRV-169)
  if (regions.epoch == pid_changed_epoch_) return;
  mapping_ = MapRegions{next_map_id_++, regions, true};
  actions.add(*mapping_);
}

void ConsumerCore::on_lease_ended(Now now, ConsumerActions& actions) {
  leased_ = !settings_.leased;
  mapping_.reset();
  if (mapped_) unmap(now, UnmapReason::lease_ended, actions);
}

void ConsumerCore::on_producer_gone(Now now, std::uint64_t told_ns, ConsumerActions& actions) {
  over_epoch_ = std::max(over_epoch_, highest_epoch_);
  over_since_ns_ = std::max(over_since_ns_, told_ns);
  mapping_.reset();
  if (mapped_) unmap(now, UnmapReason::producer_gone, actions);
}

// Every epoch is tried at once and its refusal is news. Ever higher ones of which none can be mapped are somebody's
// noise: neither files are opened nor the application told for each of them.
bool ConsumerCore::too_many_rejections(Now now) noexcept {
  if (now.monotonic - rejections_since_ns_ >= settings_.announce_period_ns) {
    rejections_since_ns_ = now.monotonic;
    rejections_ = 0;
  }
  return rejections_ >= base::limits::rejections_per_period;
}

// Tells why the regions of an epoch are not used; the same thing once.
void ConsumerCore::reject(Now now, std::uint64_t epoch, std::string text,
                          ConsumerActions& actions) {
  const bool noise = too_many_rejections(now);
  ++rejections_;
  if (text == last_rejection_ || noise) return;
  last_rejection_ = text;
  if (!settings_.payload_fallback_uri.empty())
    text += "; the configured fallback is " + settings_.payload_fallback_uri;
  actions.add(ReportConsumer{ConsumerReport::rejected, epoch, std::move(text)});
}

// The same announce comes every period: it is tried again with the next one, not sooner.
void ConsumerCore::pause(Now now, std::uint64_t epoch) noexcept {
  rejected_epoch_ = epoch;
  retry_at_ns_ = now.monotonic + settings_.announce_period_ns / 2;
}

void ConsumerCore::on_mapped(Now now, std::uint64_t map_id, std::uint64_t activity_ns,
                             ConsumerActions& actions) {
  if (!mapping_ || mapping_->map_id != map_id) return;
  const wire::ShmPoolAnnounce announce = std::move(mapping_->announce);
  const bool of_lease = mapping_->of_lease;
  mapping_.reset();
  if (announce.epoch < highest_epoch_) {
    actions.add(UnmapRegions{UnmapReason::outdated});
    return;
  }
  // STR-43: an announce for regions without a sign of life is ignored. Those of an attach response have
  // until the liveness timeout to show one (decision under SHM-147).
  const auto clock = static_cast<std::uint64_t>(now.monotonic);
  if (!of_lease &&
      (activity_ns == 0 ||
       (clock > activity_ns && clock - activity_ns > static_cast<std::uint64_t>(freshness_ns())))) {
    pause(now, announce.epoch);
    actions.add(UnmapRegions{UnmapReason::stale_activity});
    reject(now, announce.epoch, "the announced regions show no sign of life of their writer",
           actions);
    return;
  }
  mapped_ = true;
  session_ = map_id;
  epoch_ = announce.epoch;
  mapped_at_ns_ = now.monotonic;
  highest_accepted_at_ns_ = now.monotonic;
  next_check_ns_ = now.monotonic + settings_.announce_period_ns;
  last_rejection_.clear();
  mapped_announce_ = announce;
  actions.add(ReportConsumer{ConsumerReport::mapped, epoch_, {}});
}

void ConsumerCore::on_map_failed(Now now, std::uint64_t map_id, const Error& error,
                                 ConsumerActions& actions) {
  if (!mapping_ || mapping_->map_id != map_id) return;
  const std::uint64_t epoch = mapping_->announce.epoch;
  const bool of_lease = mapping_->of_lease;
  mapping_.reset();
  if (of_lease) return;  // the lease goes with its regions (B7)
  pause(now, epoch);
  reject(now, epoch, error.message(), actions);
}

void ConsumerCore::on_checked(Now now, const RegionCheck& check, ConsumerActions& actions) {
  if (!mapped_) return;
  if (!check.matches) return unmap(now, UnmapReason::superblock_mismatch, actions);
  if (!check.pid_same) {
    pid_changed_epoch_ = epoch_;
    return unmap(now, UnmapReason::pid_changed, actions);
  }
  // Counted from the later of activity and mapping; a timestamp ahead of the clock is fresh.
  const auto clock = static_cast<std::uint64_t>(now.monotonic);
  const std::uint64_t alive =
      std::max(check.activity_ns, static_cast<std::uint64_t>(mapped_at_ns_));
  if (clock > alive && clock - alive > static_cast<std::uint64_t>(liveness_ns())) {
    unmap(now, UnmapReason::stale_activity, actions);
  }
}

void ConsumerCore::on_note(Now now, std::uint64_t session, ConsumerNote note,
                           std::uint64_t argument, ConsumerActions& actions) {
  if (!mapped_ || session != session_) return;
  if (note == ConsumerNote::higher_epoch) {
    // It counts as observed, so an announce of the old epoch does not bring the old mapping back.
    highest_epoch_ = std::max(highest_epoch_, argument);
    unmap(now, UnmapReason::higher_epoch_descriptor, actions);
    return;
  }
  unmap(now, UnmapReason::sequence_regression, actions);
}

void ConsumerCore::unmap(Now now, UnmapReason reason, ConsumerActions& actions) {
  const std::uint64_t epoch = epoch_;
  mapped_ = false;
  mapped_announce_.reset();
  highest_accepted_at_ns_ = now.monotonic;
  actions.add(UnmapRegions{reason});
  actions.add(ReportConsumer{ConsumerReport::unmapped, epoch, std::string(name(reason))});
}

// The memory of the highest epoch ends once the stream is unmapped and no announce of that epoch
// was accepted for the liveness timeout (decision under STR-40).
void ConsumerCore::forget_highest(Now now) noexcept {
  if (mapped_ || mapping_ || highest_epoch_ == 0) return;
  if (now.monotonic - highest_accepted_at_ns_ <= liveness_ns()) return;
  highest_epoch_ = 0;
}

void ConsumerCore::on_timer(Now now, ConsumerActions& actions) {
  forget_highest(now);
  if (mapped_ && now.monotonic >= next_check_ns_) {
    next_check_ns_ = now.monotonic + settings_.announce_period_ns;
    actions.add(CheckRegions{});
  }
  if (leased_ && now.monotonic >= next_hello_ns_) {
    next_hello_ns_ = now.monotonic + settings_.hello_interval_ns;
    wire::ConsumerHello hello;
    hello.stream_id = settings_.stream_id;
    hello.consumer_id = settings_.consumer_id;
    hello.supports_shm = true;
    hello.mode = settings_.mode;
    hello.max_rate_hz = settings_.max_rate_hz;
    hello.expected_layout_version = settings_.expected_layout_version;
    actions.add(SendHello{std::move(hello)});
  }
  if (now.monotonic >= next_qos_ns_) {
    next_qos_ns_ = now.monotonic + settings_.qos_interval_ns;
    wire::QosConsumer qos;
    qos.stream_id = settings_.stream_id;
    qos.consumer_id = settings_.consumer_id;
    qos.epoch = epoch();
    qos.mode = settings_.mode;
    actions.add(SendQosConsumer{qos});
  }
}

base::Nanos ConsumerCore::deadline() const noexcept {
  const base::Nanos next = leased_ ? std::min(next_hello_ns_, next_qos_ns_) : next_qos_ns_;
  return mapped_ ? std::min(next, next_check_ns_) : next;
}

}  // namespace tensorpool::protocol
