#!/usr/bin/env python3
"""Runs each workload once for a short while, and one in two rounds, and checks that every row is there and that the books
hold. Looks at no time. Fewer sizes and rates than a full run has: which rows that has is in tests/unit/bench.

Usage: quick_test.py TP_BENCH [ARGUMENTS]
"""
import atexit
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

OURS, RING, AERON, FUTEX, MEMCPY = "tensorpool", "ring", "aeron", "futex", "memcpy"
# Without rivals, which may be built or not.
ONCE = ["--subject", ",".join((OURS, AERON, FUTEX, MEMCPY)), "--rounds", "1", "--size", "64KiB", "--rate", "10k"]
SIZE, RATE = ["64 KiB"], ["10 kHz"]
# Interleaved, and compared round by round; with the bare ring.
TWICE = ["--subject", ",".join((OURS, AERON, RING)), "--workload", "closed-loop,overwrites", "--size", "64"]


def each(subjects, *parts):
    """The labels of rows: for each combination of the parts and each subject."""
    labels = [""]
    for part in parts:
        labels = [label + ", " + text if text else label for label in labels for text in part]
    return {subject + label for subject in subjects for label in labels}


ROWS = {
    "closed-loop": each([OURS], SIZE) | {AERON},
    "open-loop": each([OURS], SIZE, RATE) | each([AERON], RATE),
    "copy-in": each([OURS, MEMCPY], SIZE),
    "in-place": each([OURS], SIZE),
    "no-touch": each([OURS], SIZE) | {AERON},
    "fan-out": each([OURS], SIZE, ["", "2 readers", "8 readers"]),
    "many-streams": each([OURS], SIZE, ["", "8 streams"]),
    "many-pools": each([OURS], ["256 KiB"], ["16 pools", "1 pool"]),
    "conductors": each([OURS], SIZE, ["conductor invoked", "conductor in a thread"]),
    "reader-restart": each([OURS], ["4 KiB"], ["10 kHz"], ["reader closed", "reader killed"]),
    "overwrites": each([OURS], ["4 KiB"]),
    "frozen": each([OURS], ["64 B"], ["100 kHz"], ["3 readers"]),
    "wake-up": each([OURS], ["64 B"], ["500 Hz"]) | each([FUTEX], ["500 Hz"]),
    "idle-cpu": each([OURS], ["64 B"]),
}
ROWS_OF_TWO_ROUNDS = {"closed-loop": each([OURS, RING], ["64 B"]) | {AERON}, "overwrites": each([OURS, RING], ["4 KiB"])}
WITH_TIMES = ["closed-loop", "open-loop", "conductors", "wake-up"]
COUNTED = ["producer_claim_commit", "consumer_poll_10", "consumer_poll_1"]


def row_findings(workload, row, rounds, folder):
    where = f"{workload}: {row['label']}"
    for figure in row["figures"]:
        if len(figure["rounds"]) != rounds or not figure["low"] <= figure["median"] <= figure["high"]:
            yield f"{where}: {figure}"
    books = row["books"]
    if books["wrong"] != 0:
        yield f"{where}: wrong bytes: {books}"
    if books["sent"] == 0 and row["subject"] != MEMCPY and workload != "idle-cpu":
        yield f"{where}: nothing was sent"
    if workload in WITH_TIMES:
        if row["samples"] == 0 or len(row["percentiles_ns"]) < 5:
            yield f"{where}: no percentiles"
        if "#[Mean" not in (folder / row["histogram_file"]).read_text():
            yield f"{where}: {row['histogram_file']} is no histogram"


def compared(report, workload, subject):
    """What the rows of a subject are compared with."""
    rows = next(part["rows"] for part in report["workloads"] if part["name"] == workload)
    return set.intersection(*(set(row["compared"]) for row in rows if row["subject"] == subject))


def findings(report, folder, expected, rounds, references):
    workloads = {part["name"]: part["rows"] for part in report["workloads"]}
    for name, labels in expected.items():
        rows = workloads.get(name, [])
        if {row["label"] for row in rows} != labels:
            yield f"{name}: rows {sorted(row['label'] for row in rows)}"
        for row in rows:
            yield from row_findings(name, row, rounds, folder)
    for workload, names in references.items():
        if compared(report, workload, OURS) != names:
            yield f"{workload}: compared with {compared(report, workload, OURS)}"
    if report["not_measured"]:
        yield f"not measured: {report['not_measured']}"
    for row in workloads.get("overwrites", []):
        if row["books"]["overwritten"] + row["books"]["lost"] + row["books"]["skipped"] == 0:
            yield f"overwrites: nobody was lapped: {row['books']}"
    counted = report.get("instructions", {"not_counted": "not asked for"})
    if "not_counted" not in counted and not all(counted[name] > 0 for name in COUNTED):
        yield f"instructions: {counted}"


def measured(*arguments):
    """What one run said, its report, and the folder of its results."""
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    run = subprocess.run([*sys.argv[1:], *arguments, "--out", folder], stdout=subprocess.PIPE, text=True, check=False)
    print(run.stdout)
    if run.returncode != 0:
        sys.exit(f"exit code {run.returncode}")
    return run.stdout, json.loads((folder / "report.json").read_text()), folder


def main():
    said, report, folder = measured(*ONCE)
    found = list(findings(report, folder, ROWS, 1, {"closed-loop": {AERON}, "copy-in": {MEMCPY}, "wake-up": {FUTEX}}))
    found += [f"no heading of {name}" for name in ROWS if f"[{name}]" not in said]
    _, report, folder = measured(*TWICE)
    found += findings(report, folder, ROWS_OF_TWO_ROUNDS, 2, {"closed-loop": {AERON, RING}})
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
