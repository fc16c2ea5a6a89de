// Counters of rare paths. A test demands that each was taken, so that a simulation that no longer
// gets anywhere does not pass for a proof.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tensorpool::simulation {

enum class Probe : std::uint8_t {
  delivered,
  overwritten_before_reading,  // refused by R1 or by the validation of the header
  overwritten_while_reading,   // refused by the proof after the handler
  wrong_bytes_refused,         // the handler saw bytes of another frame, and the proof said so
  gap,
  resync,
  duplicate_dropped,
  skipped_by_latest,
  ended_under_the_handler,  // the mapping was replaced or closed while the handler looked
  other_epoch_dropped,
  higher_epoch_noticed,
  sequence_went_back,
  remapped,
  same_epoch_mapped_again,
  lower_epoch_mapped,  // after the memory of the highest epoch had ended
  pid_changed,
  superblock_changed,
  stale_activity,
  announce_rejected,
  closed_inside_the_handler,
  polled_beside_a_view,
  claims_out_of_order,  // a commit that waited for an earlier claim
  claims_exhausted,
  back_pressured_at_commit,
  nobody_listened,
  link_down_at_commit,
  wiring_swapped_under_a_claim,
  wiring_swapped_under_a_handler,
  commit_refused,  // the producer was not active any more
  paused_inside_a_call,
  killed_while_filling,
  killed_before_commit_word,
  killed_between_commit_word_and_descriptor,
  killed_in_the_handler,
  killed_inside_a_transport_claim,
  client_closed_under_a_call,
  request_abandoned,
  state_asked_inside_the_handler,
  polled_inside_the_handler,
  state_asked_inside_an_event,
  closed_inside_an_event,
  successor_of_a_paused_process,
  old_producer_woke_up,  // and committed under an epoch that has a successor
  ended_cleanly,
  disk_full,
  media_driver_killed,
  media_driver_frozen,
  connection_lost,
  client_dropped,  // by its media driver, for silence
  image_taken_away,
  reboot,
  // Driver mode only, from here on.
  driver_started,
  second_driver_refused,
  driver_could_not_start,
  driver_killed,
  driver_killed_while_starting,
  driver_killed_while_removing,
  driver_killed_inside_a_file_call,
  driver_paused,
  driver_drained,
  shutdown_told,
  lease_granted,
  lease_detached,
  lease_expired,
  lease_revoked_by_the_house,
  expired_while_behind,
  attach_refused,
  stranger_answered,
  keepalive_with_wrong_ids,
  node_id_used_again,
  stream_of_one_consumer,
  creation_failed,
  epochs_collected,
  removal_failed,
  stream_forgotten,
  regions_removed_at_the_end,
  slow_file_call,
  failing_file_call,
  message_repeated,
  answer_contradicted,
  flood,
  producer_gone_heard,
  lost_by_a_notice,
  lost_at_the_deadline,
  lost_by_a_failed_keepalive,
  lost_without_announces,
  lost_to_a_higher_epoch,
  lost_unmappable,
  lost_without_a_new_epoch,
  lost_at_the_shutdown,
  disk_kept,        // over a reboot
  floor_forgotten,  // of epochs ahead of the clock, with the last directory of a stream
  count_,
};
inline constexpr Probe first_of_driver_mode = Probe::driver_started;
inline constexpr std::size_t probe_count = static_cast<std::size_t>(Probe::count_);

std::string_view name(Probe probe) noexcept;

class Probes {
 public:
  void hit(Probe probe, std::uint64_t times = 1) noexcept {
    counts_[static_cast<std::size_t>(probe)] += times;
  }
  std::uint64_t operator[](Probe probe) const noexcept {
    return counts_[static_cast<std::size_t>(probe)];
  }
  void add(const Probes& other) noexcept {
    for (std::size_t i = 0; i < probe_count; ++i) counts_[i] += other.counts_[i];
  }

 private:
  std::array<std::uint64_t, probe_count> counts_{};
};

}  // namespace tensorpool::simulation
