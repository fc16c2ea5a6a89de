#!/usr/bin/env python3
"""Runs the kit for a short while and checks that every row is there and that the books hold. Looks at no time.

Usage: quick_test.py TP_BENCH [ARGUMENTS]
"""
import json
import pathlib
import subprocess
import sys
import tempfile

OURS, RING, AERON, FUTEX, MEMCPY = "tensorpool", "ring", "aeron", "futex", "memcpy"
SIZES = ["4 KiB", "64 KiB", "640 KiB", "8 MiB"]
RATES = ["1 kHz", "10 kHz", "100 kHz"]


def each(subjects, *parts):
    """The labels of rows: for each combination of the parts and each subject."""
    labels = [""]
    for part in parts:
        labels = [label + ", " + text if text else label for label in labels for text in part]
    return {subject + label for subject in subjects for label in labels}


BOTH = [OURS, RING]
ROWS = {
    "closed-loop": each(BOTH, ["64 B", "64 KiB", "640 KiB"]) | {AERON},
    "open-loop": each(BOTH, ["4 KiB"], RATES) | each([AERON], RATES),
    "copy-in": each([*BOTH, MEMCPY], SIZES),
    "in-place": each(BOTH, SIZES),
    "no-touch": each(BOTH, ["64 KiB"]) | {AERON},
    "fan-out": each(BOTH, ["4 KiB"], ["", "2 readers", "8 readers"]),
    "many-streams": each(BOTH, ["4 KiB"], ["", "64 streams"]),
    "many-pools": each([OURS], ["256 KiB"], ["16 pools", "1 pool"]) | each([RING], ["256 KiB"]),
    "conductors": each([OURS], ["64 KiB"], ["conductor invoked", "conductor in a thread"]),
    "reader-restart": each(BOTH, ["4 KiB"], ["10 kHz"], ["reader closed", "reader killed"]),
    "overwrites": each(BOTH, ["4 KiB"]),
    "frozen": each([OURS], ["64 B"], ["100 kHz"], ["3 readers"]),
    "wake-up": each([OURS], ["64 B"], ["500 Hz"]) | each([FUTEX], ["500 Hz"]),
    "idle-cpu": each([OURS], ["64 B"]),
}
WITH_TIMES = ["closed-loop", "open-loop", "conductors", "wake-up"]
COUNTED = ["producer_claim_commit", "consumer_poll_10", "consumer_poll_1"]
RIVALS = {"iceoryx2", "zeromq", "socket"}


def row_findings(workload, row, folder):
    where = f"{workload}: {row['label']}"
    for figure in row["figures"]:
        if len(figure["rounds"]) != 2 or not figure["low"] <= figure["median"] <= figure["high"]:
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


def findings(report, folder):
    workloads = {part["name"]: part["rows"] for part in report["workloads"]}
    for name, labels in ROWS.items():
        rows = workloads.get(name, [])
        if {row["label"] for row in rows} != labels:
            yield f"{name}: rows {sorted(row['label'] for row in rows)}"
        for row in rows:
            yield from row_findings(name, row, folder)
    for workload, references in (("closed-loop", {AERON, RING}), ("copy-in", {MEMCPY, RING}), ("wake-up", {FUTEX})):
        if compared(report, workload, OURS) != references:
            yield f"{workload}: compared with {compared(report, workload, OURS)}"
    if {hole["what"] for hole in report["not_measured"]} - RIVALS:
        yield f"not measured: {report['not_measured']}"
    for row in workloads.get("overwrites", []):
        if row["books"]["overwritten"] + row["books"]["lost"] + row["books"]["skipped"] == 0:
            yield f"overwrites: nobody was lapped: {row['books']}"
    counted = report.get("instructions", {"not_counted": "not asked for"})
    if "not_counted" not in counted and not all(counted[name] > 0 for name in COUNTED):
        yield f"instructions: {counted}"


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = subprocess.run([*sys.argv[1:], "--out", name], stdout=subprocess.PIPE, text=True, check=False)
        print(run.stdout)
        if run.returncode != 0:
            sys.exit(f"exit code {run.returncode}")
        report = json.loads((folder / "report.json").read_text())
        found = list(findings(report, folder))
        found += [f"no heading of {name}" for name in ROWS if f"[{name}]" not in run.stdout]
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
