#!/usr/bin/env python3
"""Runs the bench for some seconds and checks that every row is there. Looks at no time.

Usage: quick_test.py TP_BENCH [ARGUMENTS]
"""
import json
import pathlib
import subprocess
import sys
import tempfile

LATENCY = ["raw Aeron, 48 B", "tensorpool, 64 B", "tensorpool, 64 KiB", "tensorpool, 640 KiB"]
SIZES = [64 << 10, 640 << 10, 8 << 20]
COUNTED = ["producer_claim_commit", "consumer_poll_10", "consumer_poll_1"]
LINES = LATENCY + ["64 KiB", "640 KiB", "8 MiB", "kernel", "aeron", "Instructions per frame"]


def findings(report, printed):
    rows = report["latency"]
    if [row["what"] for row in rows] != LATENCY:
        yield f"latency rows: {rows}"
    for row in rows:
        for percentile in ("p50", "p99", "p999"):
            if not row["ns"][percentile]["median"] > 0:
                yield f"{row['what']}: no {percentile}"
    if [row["frame_bytes"] for row in report["throughput"]] != SIZES:
        yield f"throughput rows: {report['throughput']}"
    for row in report["throughput"]:
        if row["delivered"] == 0 or row["wrong"] != 0:
            yield f"{row['frame_bytes']} bytes: {row}"
    counted = report["instructions"]
    if "not_counted" not in counted and not all(counted[name] > 0 for name in COUNTED):
        yield f"instructions: {counted}"
    for line in LINES:
        if not any(text.startswith(line) for text in printed.splitlines()):
            yield f"no line begins with '{line}'"


def main():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "bench.json"
        run = subprocess.run([*sys.argv[1:], "--json", str(file)], stdout=subprocess.PIPE, text=True, check=False)
        print(run.stdout)
        if run.returncode != 0:
            sys.exit(f"exit code {run.returncode}")
        found = list(findings(json.loads(file.read_text()), run.stdout))
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
