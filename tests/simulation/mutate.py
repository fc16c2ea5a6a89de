#!/usr/bin/env python3
"""Deliberately broken copies of product headers and sources, to see whether the simulation notices.

Usage: mutate.py NAME SOURCE_FOLDER OVERLAY_FOLDER   writes the broken copy of NAME into the overlay folder
       mutate.py --list                              prints NAME, its file, within how many seeds it must be found, and
                                                     the mode of the simulation

A mutation replaces one text that stands exactly once in its file. When the file changed so that this is no longer
so, the build stops here: look at what the mutation meant and write it anew.
"""
import pathlib
import sys

# Name: file, what stands there, what stands there instead, seeds within which the simulation must notice.
DIRECT_MODE = {
    # The bytes are handed over without looking at the commit word again (R4 to R6).
    "no_proof": (
        "agents/consumer_port.hpp",
        "const bool whole = visited == Visit::unproved ? frame.intact() : visited == Visit::intact;",
        "const bool whole = visited != Visit::overwritten;",
        50),
    # Descriptors of another epoch go on to the slot of this one (STR-112, STR-206).
    "any_epoch": (
        "agents/consumer_port.hpp",
        "if (descriptor.epoch != wiring_->epoch) {",
        "if (false) {",
        50),
    # Numbers behind a gap are counted nowhere.
    "no_gap_count": (
        "agents/consumer_port.hpp",
        "if (step.lost != 0) lose(",
        "if (false) lose(",
        50),
    # After the handler nobody asks whether the mapping is still the one that was read (step f).
    "stale_mapping": (
        "agents/consumer_port.hpp",
        "return reading_ == nullptr || wiring.session != session_;",
        "return reading_ == nullptr || wiring.session == 0;",
        200),
    # A new mapping does not begin a new session: numbers, inbox and halt of the old one go on.
    "session_goes_on": (
        "agents/port_base.hpp",
        "if (fresh->session == 0 || fresh->session == session_) return false;",
        "if (fresh->session == 0 || session_ != 0) return false;",
        50),
    # Consumers are told before the commit word is stored (W6).
    "descriptor_first": (
        "agents/producer_port.hpp",
        """    shm::commit(slot, seq);  // W5, W6
    Env::template step<Step::after_commit_word>();
    Told told = Told::held;
    if (window_.pass(seq)) [[likely]] {
      // In order, as nearly always: this one is told now and nobody waits for it.
      told = publish(seq, shape.size_bytes, options);
      if (told == Told::consumers) [[likely]]
        ring();
    } else {
      told = hold(seq, options);
    }
""",
        """    Told told = Told::held;
    if (window_.pass(seq)) [[likely]] {
      told = publish(seq, shape.size_bytes, options);
      if (told == Told::consumers) [[likely]]
        ring();
    } else {
      told = hold(seq, options);
    }
    shm::commit(slot, seq);  // W5, W6
    Env::template step<Step::after_commit_word>();
""",
        50),
    # The payload may be stored to before the slot is marked in progress (W1).
    "no_mark": (
        "agents/producer_port.hpp",
        "shm::mark_in_progress(wiring.slot_at(index), seq);  // W1, W2",
        "",
        50),
    # After a higher epoch was noticed, frames of the old one go on being accepted.
    "no_halt": (
        "agents/consumer_port.hpp",
        """    halted_ = true;
    reading_ = nullptr;
""",
        "",
        50),
}

DRIVER_MODE = {
    # A node id goes to the next client at once (DRV-43).
    "no_cooldown": (
        "protocol/driver/node_ids.cpp",
        "entry.released_at = now;",
        "entry.released_at = now - cooldown_ns_;",
        100),
    # A keepalive counts whoever sends it, for whatever stream and role (DRV-99).
    "keepalive_by_lease_id": (
        "protocol/driver/lease_end.cpp",
        "leases_.match({keepalive.lease_id, keepalive.stream_id, keepalive.client_id, keepalive.role});",
        "leases_.find(keepalive.lease_id);",
        100),
    # So does a detach (DRV-108).
    "detach_by_lease_id": (
        "protocol/driver/lease_end.cpp",
        "leases_.match({request.lease_id, request.stream_id, request.client_id, request.role});",
        "leases_.find(request.lease_id);",
        100),
    # After its producer a stream goes on under the same epoch (DRV-92, DRV-126).
    "epoch_not_raised": (
        "protocol/driver/regions.cpp",
        """  stream.regions.reset();
  announces_.erase(stream.stream_id);
  ask_for_regions(stream, 0, stream.hugepages, actions);
""",
        "",
        50),
    # Epochs follow the clock, whatever lies on disk (A6, term c).
    "epoch_of_the_clock": (
        "shm/collect.cpp",
        "const std::uint64_t last = std::max(last_known, highest_on_disk);",
        "const std::uint64_t last = last_known;",
        400),
    # Every driver process begins to count where the last one did (DRV-31).
    "lease_ids_again": (
        "agents/driver/driver_agent.cpp",
        "core.first_lease_id = base::random_seed();",
        "core.first_lease_id = 1000;",
        50),
    # A notice ends whatever lease of its client there is (B7).
    "notice_of_any_lease": (
        "protocol/lease_core.cpp",
        "if (notice.lease_id == lease_->lease_id && notice.client_id == lease_->client_id &&",
        "if (notice.client_id == lease_->client_id &&",
        200),
    # The notice of the own lease is not heard (DRV-112).
    "notice_unheard": (
        "protocol/lease_core.cpp",
        "return end_lease(now, meaning(notice.reason), notice.error_message, actions);",
        "return;",
        50),
    # An answer that comes again is taken for another one (DRV-36).
    "answer_taken_twice": (
        "protocol/lease_core.cpp",
        """  forget_request();
  Lease lease;
""",
        """  Lease lease;
""",
        100),
    # Leases are believed in for ever (DRV-96).
    "no_deadline": (
        "protocol/lease_core.cpp",
        "if (now.monotonic > lease_->deadline_ns) {",
        "if (false) {",
        50),
    # A consumer goes on with the regions of a producer that is gone (DRV-113).
    "producer_gone_unheard": (
        "protocol/consumer_core.cpp",
        "if (mapped_) unmap(now, UnmapReason::producer_gone, actions);",
        "",
        50),
    # It maps what was announced before the notice and arrives behind it (DRV-113).
    "announced_before_the_end": (
        "protocol/consumer_core.cpp",
        "if (announce.epoch <= over_epoch_ || before_the_end) {",
        "if (announce.epoch <= over_epoch_) {",
        400),
    # The collection of old epochs asks for their age and their writer, and keeps none for its number (DRV-179).
    "collected_by_age": (
        "shm/collect.cpp",
        "const std::size_t kept = std::min<std::size_t>(options.keep - 1U, others.size());",
        "const std::size_t kept = 0;",
        50),
    # While files hold up the driver, leases expire whose keepalives wait (A5.2).
    "expiry_while_creating": (
        "protocol/driver/lease_end.cpp",
        "if (now_.monotonic < expiry_waits_until_) {",
        "if (now_.monotonic < 0) {",
        400),
    # A second driver of a namespace starts beside the first (DRV-5).
    "no_lock": (
        "shm/driver_place.cpp",
        "if (!attempt->lock.held()) {",
        "if (false) {",
        50),
    # Anybody may ask for a shutdown (DRV-201).
    "any_token": (
        "protocol/driver/driver_core.cpp",
        "request.token == settings_.shutdown_token && wire::listed(request.reason);",
        "wire::listed(request.reason);",
        200),
    # The application hears of a lost lease twice (CON-42).
    "loss_told_twice": (
        "agents/lease_agent.cpp",
        """  notice.lease_end = what.why;
  context.notify(notice);
""",
        """  notice.lease_end = what.why;
  context.notify(notice);
  context.notify(notice);
""",
        50),
}

MUTATIONS = DIRECT_MODE | DRIVER_MODE


def mode_of(name):
    return "direct" if name in DIRECT_MODE else "driver"


def mutate(name, source, overlay):
    file, old, new, _ = MUTATIONS[name]
    text = (source / file).read_text(encoding="utf-8")
    count = text.count(old)
    if count != 1:
        sys.exit(f"mutate.py: mutation '{name}' looks for this text in {file} and finds it {count} times; it must "
                 f"stand there exactly once. Write the mutation anew for the file as it is now:\n{old}")
    target = overlay / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        for each, (listed, _, _, seeds) in MUTATIONS.items():
            print(each, listed, seeds, mode_of(each))
    elif len(sys.argv) == 4 and sys.argv[1] in MUTATIONS:
        mutate(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
