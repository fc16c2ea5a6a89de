#!/usr/bin/env python3
"""Deliberately broken copies of product headers, to see whether the simulation notices.

Usage: mutate.py NAME SOURCE_FOLDER OVERLAY_FOLDER   writes the broken copy of NAME into the overlay folder
       mutate.py --list                              prints NAME, its header and within how many seeds it must be found

A mutation replaces one text that stands exactly once in its header. When the header changed so that this is no longer
so, the build stops here: look at what the mutation meant and write it anew.
"""
import pathlib
import sys

# Name: header, what stands there, what stands there instead, seeds within which the simulation must notice.
MUTATIONS = {
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
        "const bool ended = this->closed() || session != session_ || !active() || halted_;",
        "const bool ended = this->closed() || !active() || halted_ || session == 0;",
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
        """    shm::commit(slot, claim.seq);  // W5, W6
    Env::template step<Step::after_commit_word>();
    const Told told = finish(claim.seq, true);
""",
        """    const Told told = finish(claim.seq, true);
    shm::commit(slot, claim.seq);  // W5, W6
    Env::template step<Step::after_commit_word>();
""",
        50),
    # The payload may be stored to before the slot is marked in progress (W1).
    "no_mark": (
        "agents/producer_port.hpp",
        "shm::mark_in_progress(wiring_->slot(seq), seq);  // W1, W2",
        "",
        50),
    # After a higher epoch was noticed, frames of the old one go on being accepted.
    "no_halt": (
        "agents/consumer_port.hpp",
        "halted_ = true;",
        "halted_ = false;",
        50),
}


def mutate(name, source, overlay):
    header, old, new, _ = MUTATIONS[name]
    text = (source / header).read_text(encoding="utf-8")
    count = text.count(old)
    if count != 1:
        sys.exit(f"mutate.py: mutation '{name}' looks for this text in {header} and finds it {count} times; it must "
                 f"stand there exactly once. Write the mutation anew for the header as it is now:\n{old}")
    target = overlay / header
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.replace(old, new), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        for each, (header, _, _, seeds) in MUTATIONS.items():
            print(each, header, seeds)
    elif len(sys.argv) == 4 and sys.argv[1] in MUTATIONS:
        mutate(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
