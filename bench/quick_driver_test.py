#!/usr/bin/env python3
"""Runs `tp_bench driver` for some seconds and checks that every row is there. Looks at no time.

Usage: quick_driver_test.py TP_BENCH [ARGUMENTS]
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROWS = {
    "core": ["one keepalive, 1000 leases", "one timer step (up to 16 announces), 256 streams", "timer steps a second", "memory per lease"],
    "cycle": ["duty cycle that does something, p50", "duty cycle that does something, p99", "longest duty cycle",
              "time in such cycles", "keepalives heard a second", "leases lost"],
    "attach": ["consumer of a running stream, to its first frame", "  the same with connecting to the media driver",
               "producer, to its first frame at a waiting consumer"],
    "failover": ["standby attached, keepalives every 200 ms", "first frame of the standby, keepalives every 200 ms"],
    "idle": ["a thread that only sleeps for 1 ms, each time"] + [f"{what}, {when}" for when in ("no client", "20 leases")
             for what in ("tp_driver", "  duty cycle", "  media driver")] + [f"{what}, {when}" for what in
             ("client", "  application", "  conductor") for when in ("idle producer", "waiting consumer")],
}


def findings(report, printed):
    rows = {(row["part"], row["what"]): row for row in report["driver"]}
    for part, names in ROWS.items():
        for name in names:
            row = rows.get((part, name))
            if row is None:
                yield f"no row '{name}' of {part}"
            elif name != "leases lost" and not row["low"] <= row["median"] <= row["high"]:
                yield f"{row}"
            elif row["low"] <= 0 and name != "leases lost" and part != "idle":  # a thread may well sleep all the time
                yield f"{row}"
            if not any(line.startswith(name) for line in printed.splitlines()):
                yield f"no line begins with '{name}'"
    # A lease lives for three intervals: no standby may come earlier than after two.
    early = rows.get(("failover", ROWS["failover"][0]))
    if early and early["median"] < 2:
        yield f"a standby before the lease was over: {early}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "bench.json"
        command = [sys.argv[1], "driver", "--quick", "--json", str(file), *sys.argv[2:]]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(run.stdout)
        if run.returncode != 0:
            sys.exit(f"exit code {run.returncode}")
        found = list(findings(json.loads(file.read_text()), run.stdout))
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
