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
    case Probe::driver_started:
      return "driver started";
    case Probe::second_driver_refused:
      return "second driver refused";
    case Probe::driver_could_not_start:
      return "driver could not start";
    case Probe::driver_killed:
      return "driver killed";
    case Probe::driver_killed_while_starting:
      return "driver killed while starting";
    case Probe::driver_killed_while_removing:
      return "driver killed while removing";
    case Probe::driver_killed_inside_a_file_call:
      return "driver killed inside a file call";
    case Probe::driver_paused:
      return "driver paused";
    case Probe::driver_drained:
      return "driver drained";
    case Probe::shutdown_told:
      return "shutdown told";
    case Probe::lease_granted:
      return "lease granted";
    case Probe::lease_detached:
      return "lease detached";
    case Probe::lease_expired:
      return "lease expired";
    case Probe::lease_revoked_by_the_house:
      return "lease revoked by the house";
    case Probe::expired_while_behind:
      return "expired while behind";
    case Probe::attach_refused:
      return "attach refused";
    case Probe::stranger_answered:
      return "stranger answered";
    case Probe::keepalive_with_wrong_ids:
      return "keepalive with wrong ids";
    case Probe::node_id_used_again:
      return "node id used again";
    case Probe::stream_of_one_consumer:
      return "stream of one consumer";
    case Probe::creation_failed:
      return "creation failed";
    case Probe::epochs_collected:
      return "epochs collected";
    case Probe::removal_failed:
      return "removal failed";
    case Probe::stream_forgotten:
      return "stream forgotten";
    case Probe::regions_removed_at_the_end:
      return "regions removed at the end";
    case Probe::slow_file_call:
      return "slow file call";
    case Probe::failing_file_call:
      return "failing file call";
    case Probe::message_repeated:
      return "message repeated";
    case Probe::answer_contradicted:
      return "answer contradicted";
    case Probe::flood:
      return "flood";
    case Probe::producer_gone_heard:
      return "producer gone heard";
    case Probe::lost_by_a_notice:
      return "lost by a notice";
    case Probe::lost_at_the_deadline:
      return "lost at the deadline";
    case Probe::lost_by_a_failed_keepalive:
      return "lost by a failed keepalive";
    case Probe::lost_without_announces:
      return "lost without announces";
    case Probe::lost_to_a_higher_epoch:
      return "lost to a higher epoch";
    case Probe::lost_unmappable:
      return "lost unmappable";
    case Probe::lost_without_a_new_epoch:
      return "lost without a new epoch";
    case Probe::lost_at_the_shutdown:
      return "lost at the shutdown";
    case Probe::disk_kept:
      return "disk kept over a reboot";
    case Probe::floor_forgotten:
      return "floor of epochs forgotten";
    case Probe::count_:
      break;
  }
  return "unknown";
}

}  // namespace tensorpool::simulation
