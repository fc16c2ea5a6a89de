#include "simulation/probes.hpp"

namespace tensorpool::simulation {

std::string_view name(Probe probe) noexcept {
  switch (probe) {
    case Probe::delivered:
      return "delivered";
    case Probe::overwritten_before_reading:
      return "overwritten before reading";
    case Probe::overwritten_while_reading:
      return "overwritten while reading";
    case Probe::wrong_bytes_refused:
      return "wrong bytes refused";
    case Probe::gap:
      return "gap";
    case Probe::resync:
      return "resync";
    case Probe::duplicate_dropped:
      return "duplicate dropped";
    case Probe::skipped_by_latest:
      return "skipped by latest";
    case Probe::ended_under_the_handler:
      return "ended under the handler";
    case Probe::other_epoch_dropped:
      return "other epoch dropped";
    case Probe::higher_epoch_noticed:
      return "higher epoch noticed";
    case Probe::sequence_went_back:
      return "sequence went back";
    case Probe::remapped:
      return "remapped";
    case Probe::same_epoch_mapped_again:
      return "same epoch mapped again";
    case Probe::lower_epoch_mapped:
      return "lower epoch mapped";
    case Probe::pid_changed:
      return "pid changed";
    case Probe::superblock_changed:
      return "superblock changed";
    case Probe::stale_activity:
      return "stale activity";
    case Probe::announce_rejected:
      return "announce rejected";
    case Probe::closed_inside_the_handler:
      return "closed inside the handler";
    case Probe::polled_beside_a_view:
      return "polled beside a view";
    case Probe::claims_out_of_order:
      return "claims out of order";
    case Probe::claims_exhausted:
      return "claims exhausted";
    case Probe::back_pressured_at_commit:
      return "back pressured at commit";
    case Probe::nobody_listened:
      return "nobody listened";
    case Probe::link_down_at_commit:
      return "link down at commit";
    case Probe::wiring_swapped_under_a_claim:
      return "wiring swapped under a claim";
    case Probe::wiring_swapped_under_a_handler:
      return "wiring swapped under a handler";
    case Probe::commit_refused:
      return "commit refused";
    case Probe::paused_inside_a_call:
      return "paused inside a call";
    case Probe::killed_while_filling:
      return "killed while filling";
    case Probe::killed_before_commit_word:
      return "killed before commit word";
    case Probe::killed_between_commit_word_and_descriptor:
      return "killed between commit word and descriptor";
    case Probe::killed_in_the_handler:
      return "killed in the handler";
    case Probe::killed_inside_a_transport_claim:
      return "killed inside a transport claim";
    case Probe::client_closed_under_a_call:
      return "client closed under a call";
    case Probe::request_abandoned:
      return "request abandoned";
    case Probe::state_asked_inside_the_handler:
      return "state asked inside the handler";
    case Probe::polled_inside_the_handler:
      return "polled inside the handler";
    case Probe::state_asked_inside_an_event:
      return "state asked inside an event";
    case Probe::closed_inside_an_event:
      return "closed inside an event";
    case Probe::successor_of_a_paused_process:
      return "successor of a paused process";
    case Probe::old_producer_woke_up:
      return "old producer woke up";
    case Probe::ended_cleanly:
      return "ended cleanly";
    case Probe::disk_full:
      return "disk full";
    case Probe::media_driver_killed:
      return "media driver killed";
    case Probe::media_driver_frozen:
      return "media driver frozen";
    case Probe::connection_lost:
      return "connection lost";
    case Probe::client_dropped:
      return "client dropped";
    case Probe::image_taken_away:
      return "image taken away";
    case Probe::reboot:
      return "reboot";
    case Probe::count_:
      break;
  }
  return "unknown";
}

}  // namespace tensorpool::simulation
