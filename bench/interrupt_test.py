#!/usr/bin/env python3
"""Ends the kit at several moments, by Ctrl-C and by kill -9: no process and no file may stay behind.

Usage: interrupt_test.py TP_BENCH
"""
import os
import pathlib
import signal
import subprocess
import shutil
import sys
import tempfile
import time

PATIENCE_S = 60
SHARED_MEMORY = pathlib.Path("/dev/shm")


def wait_until(what, condition):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting until {what}")
        time.sleep(0.02)
    return found


def children(pid):
    """All processes below one, as (pid, start time): a number alone could be taken again."""
    found = []
    try:
        direct = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in map(int, direct):
        found += [(child, start_time(child)), *children(child)]
    return found


def start_time(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def places(pid):
    """What this run of the kit, or a rival in it, has in /dev/shm."""
    return [*SHARED_MEMORY.glob(f"tensorpool-bench-{pid}_*"), *SHARED_MEMORY.glob(f"tpbench{pid}_*")]


def starting(pid):
    return bool(places(pid))


def measuring(pid):
    """There is the media driver, and both workers."""
    return len(children(pid)) >= 3


def counting(pid):
    return any("callgrind" in name_of(child) for child, _ in children(pid))


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def end_it(program, arguments, moment, how):
    """Exit code of a run that is ended at that moment."""
    with tempfile.TemporaryDirectory() as name:
        out = pathlib.Path(name, "out")
        command = [program, *arguments, "--rounds", "1000", "--out", out]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True) as bench:
            wait_until(f"it is {moment.__name__}", lambda: moment(bench.pid))
            below = children(bench.pid)
            if how == signal.SIGINT:
                os.killpg(bench.pid, how)  # as a terminal does
            else:
                bench.kill()
            code = bench.wait(PATIENCE_S)
        wait_until("all processes are gone", lambda: all(start_time(pid) != start for pid, start in below))
        wait_until(f"{places(bench.pid)} are removed", lambda: not places(bench.pid))
        if how == signal.SIGINT and out.exists():
            sys.exit(f"{moment.__name__}: {list(out.iterdir())} stays in {out}")
        return code


def main():
    program = sys.argv[1]
    rivals = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    rivals = [name for name in ("iceoryx2", "zeromq", "socket") if f"bench --with {name}" not in rivals]
    ours = ["--workload", "no-touch", "--subject", "tensorpool"]
    moments = [(ours, starting), (ours, measuring)]
    moments += [(["--workload", "wake-up", "--subject", name], measuring) for name in rivals]
    if shutil.which("valgrind") and pathlib.Path(program).with_name("tp_bench_counted").exists():
        moments.append((["--workload", "instructions"], counting))
    for arguments, moment in moments:
        code = end_it(program, arguments, moment, signal.SIGINT)
        if code != 130:
            sys.exit(f"Ctrl-C while {moment.__name__}: exit code {code}")
        end_it(program, arguments, moment, signal.SIGKILL)


if __name__ == "__main__":
    main()
